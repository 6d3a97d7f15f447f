"""Training: pairs share what they should, scores are right, failures are seen."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from deep_learning_dynamics import arms, images, training
from deep_learning_dynamics.datasets import Examples
from deep_learning_dynamics.errors import ParamsError, SnapshotsError
from deep_learning_dynamics.networks import Architecture
from deep_learning_dynamics.trajectories import Member, open_snapshots

CLASSES = 4
ARCHITECTURE = Architecture((784, 6, 6, CLASSES), "relu")


@pytest.fixture(scope="module")
def task():
    """Easy images: the class is which quarter is bright. 130 to train, 60 to test."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, 190)
    images = rng.integers(0, 60, (190, 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[7 * label : 7 * label + 7] += 150
    examples = Examples(images, labels, np.arange(190) >= 130, tuple("abcd"))
    return training.make_task("quarters", examples, 0, scored_examples=40, probes=7, device="cpu")


@pytest.fixture
def run(tmp_path, task, settings):
    """Trains members and gives the opened store and the outcome."""

    def train(members, weights=None, seed=0, **values):
        defaults = {"batch_size": 50, "epochs": 4, "learning_rate": 0.05}
        params = settings({f"pretrain.{key}": v for key, v in (defaults | values).items()})
        if weights is None:
            weights = arms.starts(members, ARCHITECTURE, seed, task.name)
        path = tmp_path / "s.zarr"
        outcome = training.train(path, members, weights, ARCHITECTURE, task, params.pretrain, seed)
        return open_snapshots(path).load(), outcome

    return train


def both_arms(networks):
    return arms.members(("scratch", "pretrained"), networks)


@pytest.mark.parametrize("order", ["shared", "per_network"])
def test_arms_of_a_pair_that_start_alike_stay_alike(run, order):
    """So the order of mini-batches is the same for both, and pre-training all that can differ."""
    stored, _ = run(both_arms(3), batch_order=order)
    scratch, pretrained = stored["weights"].values.reshape(2, 3, *stored["weights"].shape[1:])
    np.testing.assert_array_equal(scratch, pretrained)
    assert np.abs(scratch[:, -1] - scratch[:, 0]).max() > 0.01


@pytest.mark.parametrize(("order", "alike"), [("shared", True), ("per_network", False)])
def test_only_a_shared_batch_order_is_the_same_for_all_pairs(run, order, alike):
    members = [Member("scratch", 0), Member("scratch", 1)]
    one_start = arms.starts([members[0]] * 2, ARCHITECTURE, 0, "quarters")
    stored, _ = run(members, one_start, batch_order=order)
    first, second = stored["weights"].values[:, -1]
    assert np.array_equal(first, second) == alike


@pytest.mark.parametrize("order", ["shared", "per_network"])
def test_more_networks_do_not_change_the_first_ones(run, order):
    few, _ = run(arms.members(["scratch"], 2), batch_order=order)
    few = few["weights"].values
    many, _ = run(arms.members(["scratch"], 5), batch_order=order)
    np.testing.assert_allclose(many["weights"].values[:2], few, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("order", ["shared", "per_network"])
def test_networks_shared_out_over_threads_go_the_same_way(run, order, monkeypatch):
    members = both_arms(3)
    together, _ = run(members, batch_order=order)
    monkeypatch.setattr(training, "WORTH_THREADS", 0)
    monkeypatch.setattr(training, "UNITS_AT_ONCE", 12)
    monkeypatch.setattr(training.torch, "get_num_threads", lambda: 2)
    sizes = []
    take = training.Parts.take
    monkeypatch.setattr(
        training.Parts, "take", lambda self, steps: (sizes.append(self.sizes), take(self, steps))
    )
    apart, _ = run(members, batch_order=order)
    assert set(sizes) == {(2, 2, 2)}
    for name in ("weights", "test_loss", "test_accuracy", "probabilities"):
        np.testing.assert_allclose(apart[name], together[name], rtol=1e-4, atol=1e-6)


def test_digits_with_dark_pixels_left_out_lead_to_the_same_weights(run, task, monkeypatch):
    whole, _ = run(both_arms(2))
    inked = training.Images(task.images.brightness)
    assert not inked.is_sparse
    inked.__dict__["is_sparse"] = True
    monkeypatch.setattr(images, "MANY_UNITS", 1)
    monkeypatch.setitem(task.__dict__, "images", inked)
    left_out, _ = run(both_arms(2))
    np.testing.assert_allclose(left_out["weights"], whole["weights"], rtol=1e-4, atol=1e-6)


def test_an_epoch_ends_with_a_smaller_batch_and_the_penalty_follows(run, task):
    """130 examples in batches of 50, 50 and 30, as scikit-learn; against torch.nn, alone."""
    decay = 3.0
    stored, _ = run([Member("scratch", 0)], epochs=2, weight_decay=decay)
    assert stored["step"].values[-1] == 6
    modules = [torch.nn.Linear(i, o) for i, o in pairwise(ARCHITECTURE.widths)]
    network = torch.nn.Sequential(
        modules[0], torch.nn.ReLU(), modules[1], torch.nn.ReLU(), modules[2]
    )
    torch.nn.utils.vector_to_parameters(
        torch.from_numpy(stored["weights"].values[0, 0]), network.parameters()
    )
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    for epoch in range(2):
        order = training.seeds.generator(0, "batch order", task.name, epoch).permutation(130)
        for batch in (order[:50], order[50:100], order[100:]):
            loss = torch.nn.functional.cross_entropy(
                network(task.images.numbers(torch.from_numpy(batch))), task.labels[batch]
            )
            penalty = sum((p**2).sum() for p in network.parameters() if p.dim() == 2)
            optimiser.zero_grad()
            (loss + decay / (2 * len(batch)) * penalty).backward()
            optimiser.step()
    expected = torch.nn.utils.parameters_to_vector(network.parameters()).detach().numpy()
    np.testing.assert_allclose(stored["weights"].values[0, -1], expected, rtol=1e-4, atol=1e-6)


def test_scores_are_cross_entropy_and_share_of_hits(run, task):
    stored, outcome = run(both_arms(2), epochs=30)
    vector = stored["weights"].values[1, -1]
    hidden = task.test_images.numbers(slice(None)).numpy()
    for layer in ARCHITECTURE.layers:
        if layer.number > 1:
            hidden = np.maximum(hidden, 0)
        hidden = hidden @ vector[layer.weights].reshape(layer.outputs, -1).T + vector[layer.biases]
    probabilities = np.exp(hidden) / np.exp(hidden).sum(1, keepdims=True)
    labels = task.test_labels.numpy()
    last = stored.isel(network=1, snapshot=-1)
    assert last["test_loss"].item() == pytest.approx(
        -np.log(probabilities[np.arange(60), labels]).mean(), rel=1e-4
    )
    assert last["test_accuracy"].item() == pytest.approx((hidden.argmax(1) == labels).mean())
    np.testing.assert_allclose(last["probabilities"], probabilities[:7], atol=1e-5)
    assert outcome.scores.test_accuracy[1] == last["test_accuracy"].item()
    assert last["test_accuracy"] > 0.6, "chance is 0.25"


def test_failed_networks_are_flagged_and_do_no_harm(run):
    members = arms.members(["scratch"], 3)
    weights = arms.starts(members, ARCHITECTURE, 0, "quarters")
    sound = run(members, weights)[0]["weights"].values[0]
    weights[1, ARCHITECTURE.layers[1].biases] = -1000  # no input can wake these units
    weights[2, 0] = np.inf
    stored, outcome = run(members, weights)
    assert outcome.failed == ("", "dead", "diverged")
    assert stored["failed"].values.tolist() == ["", "dead", "diverged"]
    np.testing.assert_array_equal(stored["weights"].values[0], sound)
    summary = training.summary(outcome, members, "scratch")
    assert summary["failed"] == 2
    assert np.isfinite(summary["test_loss"]["median"])


def test_no_networks_at_all_are_no_error(run):
    for order in ("shared", "per_network"):
        stored, outcome = run([], batch_order=order)
        assert stored.sizes["network"] == 0
        assert training.summary(outcome, [], "pretrained")["test_accuracy"]["median"] is None


def test_a_batch_larger_than_the_training_set_is_refused(run):
    with pytest.raises(
        ParamsError, match="batch_size is 131, but quarters has 130 training examples"
    ):
        run([Member("scratch", 0)], batch_size=131)


def test_the_pretrained_arm_takes_over_hidden_layers_only(run, tmp_path):
    """It starts where its own pair's pre-training ended, with the output layer of its pair."""
    pretrained, _ = run([Member("pretrained", pair) for pair in (0, 1)])
    members = both_arms(2)
    starts = arms.starts(members, ARCHITECTURE, 0, "mnist")
    carried = arms.carry_over(starts, members, ARCHITECTURE, tmp_path / "s.zarr")
    output = slice(ARCHITECTURE.layers[-1].weights.start, None)
    hidden = slice(0, output.start)
    np.testing.assert_array_equal(carried[:2], starts[:2])
    np.testing.assert_array_equal(carried[2:, output], starts[:2, output])
    np.testing.assert_array_equal(carried[2:, hidden], pretrained["weights"].values[:, -1, hidden])
    # Pre-training itself started where the scratch networks start.
    np.testing.assert_array_equal(pretrained["weights"].values[:, 0, hidden], starts[:2, hidden])


def test_pretraining_that_does_not_fit_is_refused(run, tmp_path):
    run([Member("pretrained", 0)])
    members = both_arms(2)
    starts = arms.starts(members, ARCHITECTURE, 0, "mnist")
    with pytest.raises(SnapshotsError, match="no network of pair 1"):
        arms.carry_over(starts, members, ARCHITECTURE, tmp_path / "s.zarr")
    other = Architecture((784, 5, CLASSES), "relu")
    with pytest.raises(SnapshotsError, match=r"layers of \(784, 6, 6\) units; expected \(784, 5\)"):
        arms.carry_over(starts[:, : other.size], members, other, tmp_path / "s.zarr")
