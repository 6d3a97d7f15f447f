"""The autoencoder is never worse than principal components, and better where paths bend."""

import numpy as np
import pytest
import torch

from deep_learning_dynamics.errors import ProjectionError
from deep_learning_dynamics.projection import autoencoder_training
from deep_learning_dynamics.projection.autoencoder import Autoencoder


def principal_share(rows, count):
    variance = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) ** 2
    return variance[:count].sum() / variance.sum()


@pytest.fixture(scope="module")
def bent():
    """Six smooth paths from one start, each along its own directions, in 60 dimensions."""
    rng = np.random.default_rng(0)
    time = np.linspace(0, 1, 25)[:, None]
    paths = [time * rng.normal(size=60) + time**2 * rng.normal(size=60) for _ in range(6)]
    return np.concatenate(paths)


@pytest.fixture(scope="module")
def fitted(bent):
    return Autoencoder(iterations=400, restarts=2, random_state=1).fit(bent)


def test_it_explains_more_than_two_principal_components(bent, fitted):
    assert fitted.explained_variance_ratio_ > principal_share(bent, 2) + 0.15
    assert fitted.explained_variance_ratio_ > 0.9


def test_the_explained_variance_is_that_of_the_reconstruction(bent, fitted):
    rebuilt = fitted.inverse_transform(fitted.transform(bent))
    share = 1 - ((bent - rebuilt) ** 2).sum() / ((bent - bent.mean(axis=0)) ** 2).sum()
    assert fitted.explained_variance_ratio_ == pytest.approx(share)


def test_a_collapsed_code_would_explain_nothing(bent, fitted):
    """The negative control: with the rows' codes exchanged, the score is worse than the mean's."""
    code = np.random.default_rng(0).permutation(fitted.transform(bent))
    rebuilt = fitted.inverse_transform(code)
    assert ((bent - rebuilt) ** 2).sum() > ((bent - bent.mean(axis=0)) ** 2).sum()


def test_it_is_as_good_as_principal_components_even_if_it_learns_nothing(bent):
    model = Autoencoder(iterations=1, restarts=1, weight_decay=1e3).fit(bent)
    assert model.explained_variance_ratio_ >= principal_share(bent, 2) - 1e-5


@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_the_gradient_that_was_derived_by_hand_is_that_of_automatic_differentiation(weight_decay):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20, 6)).astype(np.float32)
    weights = {
        name: rng.normal(size=value.shape).astype(np.float32)
        for name, value in autoencoder_training.start(6, 2, 5, rng).items()
    }
    loss, gradient = autoencoder_training.loss_and_gradient(weights, rows, weight_decay)
    w = {name: torch.tensor(value, requires_grad=True) for name, value in weights.items()}
    x = torch.from_numpy(rows)
    code = x @ w["encoder"]
    code = code + (x @ w["encoder_hidden"] + w["encoder_hidden_bias"]).tanh() @ w["encoder_output"]
    hidden = (code @ w["decoder_hidden"] + w["decoder_hidden_bias"]).tanh()
    rebuilt = code @ w["decoder"] + hidden @ w["decoder_output"] + w["decoder_output_bias"]
    expected = ((rebuilt - x) ** 2).sum() / (x**2).sum()
    for name in autoencoder_training.DECAYED:
        expected = expected + weight_decay * (w[name] ** 2).sum()
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    assert gradient.keys() == w.keys()
    for name, value in w.items():
        np.testing.assert_allclose(gradient[name], value.grad, rtol=1e-3, atol=1e-4)


def test_the_map_is_smooth_between_neighbouring_snapshots(bent, fitted):
    """Points half-way between two snapshots of a path lie half-way in the plane, nearly."""
    points = fitted.transform(bent).reshape(6, 25, 2)
    middle = fitted.transform(
        (bent.reshape(6, 25, 60)[:, :-1] + bent.reshape(6, 25, 60)[:, 1:]).reshape(-1, 60) / 2
    )
    expected = (points[:, :-1] + points[:, 1:]).reshape(-1, 2) / 2
    step = np.linalg.norm(np.diff(points, axis=1), axis=2).mean()
    assert np.linalg.norm(middle - expected, axis=1).max() < 0.2 * step


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(bent):
    first, again, other = (
        Autoencoder(iterations=20, restarts=1, random_state=seed).fit(bent).transform(bent)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4


def test_more_restarts_are_never_worse(bent):
    one, three = (
        Autoencoder(iterations=60, restarts=n, random_state=1).fit(bent).explained_variance_ratio_
        for n in (1, 3)
    )
    assert three >= one - 1e-6


def test_the_code_has_no_more_units_than_the_rows_have_dimensions():
    rows = np.random.default_rng(0).normal(size=(9, 60))
    model = Autoencoder(128, iterations=5, restarts=1).fit(rows)
    assert model.transform(rows).shape == (9, 8)
    assert model.explained_variance_ratio_ == pytest.approx(1, abs=1e-6)


def test_a_code_of_128_units_keeps_nearly_everything():
    rows = np.random.default_rng(0).normal(size=(300, 400)) * 0.97 ** np.arange(400)
    model = Autoencoder(128, iterations=20, restarts=1).fit(rows)
    assert model.transform(rows).shape == (300, 128)
    assert model.explained_variance_ratio_ >= principal_share(rows, 128) - 1e-6
    assert model.explained_variance_ratio_ > 0.99


def test_equal_rows_are_refused():
    with pytest.raises(ProjectionError, match="all equal; expected different weights"):
        Autoencoder().fit(np.ones((5, 3)))
