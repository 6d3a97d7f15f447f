"""Images: leaving out dark pixels and gathering bytes give what plain products of numbers give."""

import numpy as np
import pytest
import torch

from deep_learning_dynamics import batches, images
from deep_learning_dynamics.images import Dense, Images

NETWORKS, UNITS, EXAMPLES, PIXELS = 3, 5, 40, 30


@pytest.fixture(scope="module")
def dark():
    """A fifth of the pixels has ink; one image and one pixel have none at all."""
    rng = np.random.default_rng(0)
    brightness = rng.integers(1, 256, (EXAMPLES, PIXELS)) * (rng.random((EXAMPLES, PIXELS)) < 0.2)
    brightness[7], brightness[:, 4] = 0, 0
    return Images(torch.from_numpy(brightness.astype(np.uint8)))


@pytest.fixture(scope="module")
def matrices():
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randn(NETWORKS, UNITS, PIXELS, generator=generator),
        torch.randn(NETWORKS, UNITS, 10, generator=generator),
    )


def assert_same_products(batch, numbers, matrices):
    weights, error = matrices
    plain = Dense(numbers)
    assert batch.examples == plain.examples
    torch.testing.assert_close(batch.product(weights), plain.product(weights))
    torch.testing.assert_close(batch.gradient(error), plain.gradient(error))
    # Not the same for other images: otherwise this would say nothing.
    other = Dense(numbers.flip(-2)).product(weights)
    assert (plain.product(weights) - other).abs().max() > 0.1


def test_leaving_out_dark_pixels_changes_no_product(dark, matrices, monkeypatch):
    monkeypatch.setattr(images.platform, "machine", lambda: "x86_64")
    chosen = torch.from_numpy(np.random.default_rng(1).permutation(EXAMPLES)).view(4, 10)
    for batch, examples in zip(dark.shared(chosen, images.MANY_UNITS), chosen, strict=True):
        assert isinstance(batch, images.Sparse)
        assert_same_products(batch, dark.numbers(examples), matrices)


@pytest.mark.parametrize("machine", ["x86_64", "arm64"])
def test_neighbours_that_are_looked_at_are_the_images_themselves(
    dark, matrices, monkeypatch, machine
):
    monkeypatch.setattr(images.platform, "machine", lambda: machine)
    again = Images(dark.brightness)
    found = again.span(slice(5, 15)).product(matrices[0])
    expected = matrices[0] @ (dark.brightness[5:15].float() / 255).T
    torch.testing.assert_close(found, expected)


def test_images_without_any_ink_give_nothing(matrices):
    black = Images(torch.zeros(20, PIXELS, dtype=torch.uint8))
    (batch,) = black.shared(torch.arange(10).view(1, 10), images.MANY_UNITS)
    assert (batch.product(matrices[0]) == 0).all()
    assert (batch.gradient(matrices[1]) == 0).all()


def test_a_mini_batch_of_each_network_is_its_own(dark, matrices):
    rng = np.random.default_rng(2)
    chosen = torch.from_numpy(np.stack([rng.permutation(EXAMPLES)[:10] for _ in range(NETWORKS)]))
    assert_same_products(dark.own(chosen), dark.numbers(chosen), matrices)
    some = slice(1, 3)
    mine = dark.own(chosen).of(some).product(matrices[0][some])
    torch.testing.assert_close(mine, Dense(dark.numbers(chosen)).product(matrices[0])[some])


def test_few_units_are_trained_with_all_pixels_so_that_small_experiments_stay_the_same(dark):
    sparse = Images(dark.brightness)
    sparse.__dict__["is_sparse"] = True
    (batch,) = sparse.shared(torch.arange(10).view(1, 10), images.MANY_UNITS - 1)
    assert isinstance(batch, Dense)


def test_bright_images_are_multiplied_whole():
    bright = Images(torch.full((20, PIXELS), 9, dtype=torch.uint8))
    assert not bright.is_sparse
    (batch,) = bright.shared(torch.arange(10).view(1, 10), images.MANY_UNITS)
    assert isinstance(batch, Dense)


@pytest.mark.parametrize("order", ["shared", "per_network"])
def test_an_epoch_shows_every_image_once_in_batches_of_one_size_but_the_last(dark, settings, order):
    labels = torch.arange(EXAMPLES)
    pairs = [0, 1, 0]
    chosen = settings(
        {"pretrain.batch_size": 3, "pretrain.batch_order": order, "pretrain.epochs": 2}
    ).pretrain
    steps = [
        step
        for some in batches.batches("dark", dark, labels, pairs, chosen, 0, units=8)
        for step in some
    ]
    assert [of.shape[-1] for _, of in steps] == ([3] * 13 + [1]) * 2
    assert [batch.examples for batch, _ in steps] == ([3] * 13 + [1]) * 2
    seen = [torch.cat([of for _, of in steps[e * 14 : e * 14 + 14]], dim=-1) for e in (0, 1)]
    for epoch in seen:
        assert (epoch.sort(dim=-1).values == labels).all()
    assert (seen[0] != seen[1]).any()
    if order == "per_network":
        assert (seen[0][0] == seen[0][2]).all(), "one pair, one order"
        assert (seen[0][0] != seen[0][1]).any()
    # Labels are those of the images.
    for batch, of in steps[:3]:
        unit = torch.eye(PIXELS).expand(len(pairs), PIXELS, PIXELS)
        for network, found in enumerate(batch.product(unit)):
            own = of if of.dim() == 1 else of[network]
            torch.testing.assert_close(found.T, dark.numbers(own))


def test_items_made_ahead_are_the_same_and_an_error_reaches_whoever_uses_them():
    assert list(batches.ahead(iter([[1], [2], [3]]))) == [[1], [2], [3]]

    def broken():
        yield [1]
        raise ValueError("no more")

    found = batches.ahead(broken())
    assert next(found) == [1]
    with pytest.raises(ValueError, match="no more"):
        next(found)
