"""Training: pairs share what they should, twins differ by rounding alone, scores are right, failures
are seen."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from deep_learning_dynamics import seeds, store
from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.study import training
from deep_learning_dynamics.study.datasets import Examples
from deep_learning_dynamics.study.networks.mlp import Mlp
from deep_learning_dynamics.study.networks.module import ModuleNetwork
from deep_learning_dynamics.study.optimisers import Optimisation
from deep_learning_dynamics.study.phases import twin_start
from deep_learning_dynamics.study.training import Cohort, Task, Training, snapshot_steps

CLASSES, HIDDEN = 4, (6, 6)
SETTINGS = {"batch_size": 50, "epochs": 4, "learning_rate": 0.05}


class Module(ModuleNetwork):
    """The same perceptron as the study's own, in torch."""

    key, title = "module", "module"

    def build(self, shape, classes):
        import torch

        widths = (shape[0] * shape[1], *HIDDEN, classes)
        linear = [torch.nn.Linear(one, other) for one, other in pairwise(widths)]
        layers = [linear[0], torch.nn.ReLU(), linear[1], torch.nn.ReLU(), linear[2]]
        return torch.nn.Sequential(torch.nn.Flatten(), *layers)


@pytest.fixture(scope="module")
def task():
    """Easy images: the class is which quarter is bright. 130 to train, 60 to test."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, 190)
    images = rng.integers(0, 60, (190, 28, 28)).astype(np.uint8)
    images[:, :, :3] = 0  # pixels that are always dark
    for image, label in zip(images, labels, strict=True):
        image[7 * label : 7 * label + 7, 3:] += 150
    examples = Examples(images, labels, np.arange(190) >= 130, tuple("abcd"))
    return Task.of("quarters", examples, 0, scored_examples=40, probes=7)


def network(kind=Mlp):
    settings = Mlp.Settings(HIDDEN, "relu") if kind is Mlp else kind.Settings()
    return kind(settings, (28, 28), CLASSES)


def starts(pairs, kind=Mlp):
    return np.stack([network(kind).initial(0, pair, "quarters") for pair in pairs])


@pytest.fixture
def run(tmp_path, task, settings):
    """Trains networks of the given pairs; the opened store."""

    def train(pairs, weights=None, kind=Mlp, threads=1, **values):
        values = SETTINGS | values
        params = settings({f"pretrain.{k}": v for k, v in values.items()}, ("pretrain",)).pretrain
        weights = starts(pairs, kind) if weights is None else weights
        names, groups = training.grouped(pairs, params.batch_order)
        optimisation = Optimisation("sgd", params.learning_rate, params.weight_decay)
        ensemble = network(kind).ensemble(weights, optimisation, groups, threads)
        table = pd.DataFrame(
            {"pair": pairs}, index=pd.Index([f"n{i}" for i in range(len(pairs))], name="network")
        )
        cohort = Cohort(table, lambda: ensemble, task.labels, lambda weights: weights)
        ready = Training(
            tmp_path / "s.zarr", (cohort,), names, task, params, 0, network(kind).parameters, {},
            "x", True,
        )  # fmt: skip
        ready.run()
        return store.open(tmp_path / "s.zarr").load()

    return train


def test_snapshots_are_dense_in_the_first_epoch_and_none_comes_twice():
    for examples, epochs, per_epoch, expected in (
        (300, 3, 3, [*range(0, 301, 30), 400, 500, 600, 700, 800, 900]),
        (3, 2, 10, [0, 1, 2, 3, 4, 5, 6]),
    ):
        often = SimpleNamespace(first_epoch=10, per_epoch=per_epoch)
        settings = SimpleNamespace(batch_size=1, epochs=epochs, snapshots=often)
        assert snapshot_steps(settings, examples).tolist() == expected


@pytest.mark.parametrize("order", ["shared", "per_pair"])
def test_networks_of_a_pair_that_start_alike_stay_alike(run, order):
    """So mini-batches are the same for both, and a condition is all that can differ."""
    stored = run([0, 1, 0, 1], batch_order=order)
    first, second = stored["weights"].values[:2], stored["weights"].values[2:]
    np.testing.assert_array_equal(first, second)
    assert np.abs(first[:, -1] - first[:, 0]).max() > 0.01


@pytest.mark.parametrize(("order", "alike"), [("shared", True), ("per_pair", False)])
def test_only_a_shared_batch_order_is_the_same_for_all_pairs(run, order, alike):
    stored = run([0, 1], starts([0, 0]), batch_order=order)
    first, second = stored["weights"].values[:, -1]
    assert np.array_equal(first, second) == alike


@pytest.mark.parametrize("order", ["shared", "per_pair"])
def test_more_networks_and_threads_do_not_change_a_bit_of_the_first_ones(run, order):
    few = run([0, 1], batch_order=order)
    few = few["weights"].values
    many = run([0, 1, 2, 3, 4], batch_order=order, threads=2)
    np.testing.assert_array_equal(many["weights"].values[:2], few)


@pytest.mark.parametrize("kind", [Mlp, Module])
@pytest.mark.parametrize("order", ["shared", "per_pair"])
def test_an_epoch_ends_with_a_smaller_batch_and_the_penalty_follows(run, task, kind, order):
    """130 examples in batches of 50, 50 and 30, as scikit-learn; against torch.nn, alone."""
    import torch

    decay = 3.0
    stored = run([0, 2], kind=kind, epochs=2, weight_decay=decay, batch_order=order)
    assert stored["step"].values[0, -1] == 6
    module = Module(None, (28, 28), CLASSES).build((28, 28), CLASSES)
    torch.nn.utils.vector_to_parameters(
        torch.from_numpy(stored["weights"].values[1, 0]), module.parameters()
    )
    optimiser = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    for epoch in range(2):
        of = () if order == "shared" else ("pair", 2)
        shuffled = seeds.generator(0, "batch order", task.name, epoch, *of).permutation(130)
        for batch in (shuffled[:50], shuffled[50:100], shuffled[100:]):
            images = torch.from_numpy(task.images[batch]).float() / 255
            loss = torch.nn.functional.cross_entropy(
                module(images), torch.from_numpy(task.labels[batch])
            )
            penalty = sum((p**2).sum() for p in module.parameters() if p.dim() == 2)
            optimiser.zero_grad()
            (loss + decay / (2 * len(batch)) * penalty).backward()
            optimiser.step()
    expected = torch.nn.utils.parameters_to_vector(module.parameters()).detach().numpy()
    np.testing.assert_allclose(stored["weights"].values[1, -1], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", [Mlp, Module])
def test_scores_are_cross_entropy_and_share_of_hits(run, task, kind):
    stored = run([0, 1], kind=kind, epochs=30)
    vector = stored["weights"].values[1, -1]
    hidden = task.test_images / 255
    parameters = network().parameters
    for name in ("hidden1", "hidden2", "output"):
        if name != "hidden1":
            hidden = np.maximum(hidden, 0)
        matrix = vector[parameters.slice(f"{name}.weight")]
        bias = vector[parameters.slice(f"{name}.bias")]
        hidden = hidden @ matrix.reshape(len(bias), -1).T + bias
    probabilities = np.exp(hidden) / np.exp(hidden).sum(1, keepdims=True)
    last = stored.isel(network=1, snapshot=-1)
    assert last["test_loss"].item() == pytest.approx(
        -np.log(probabilities[np.arange(60), task.test_labels]).mean(), rel=1e-4, abs=1e-6
    )
    hits = (hidden.argmax(1) == task.test_labels).mean()
    assert last["test_accuracy"].item() == pytest.approx(hits)
    np.testing.assert_allclose(last["outputs"], probabilities[:7], atol=1e-5)
    np.testing.assert_array_equal(stored["label"], task.test_labels[:7])
    assert last["epoch"] == 30
    assert hits > 0.6, "chance is 0.25"


def test_failed_networks_are_flagged_and_do_no_harm(run):
    weights = starts([0, 1, 2])
    sound = run([0, 1, 2], weights)["weights"].values[0]
    weights[1, network().parameters.slice("hidden2.bias")] = -1000  # no input can wake these units
    weights[2, 3] = np.inf
    stored = run([0, 1, 2], weights)
    assert [str(value) for value in stored["outcome"].values] == ["", "dead", "diverged"]
    np.testing.assert_array_equal(stored["weights"].values[0], sound)


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_a_network_that_names_the_most_frequent_class_alone_is_dead(task, precision):
    """Its share of MNIST's test digits, 0.1135, is smaller once it is in single precision."""
    for frequent in (1135, 1136, 1137, 1138):
        labels = np.full(10_000, 1)
        labels[frequent:] = np.arange(10_000 - frequent) % 9 + 2
        found = training.outcomes(
            np.array([frequent, frequent + 1], precision) / precision(10_000),
            np.zeros(2, bool),
            replace(task, test_labels=labels, test_images=np.zeros((10_000, 784), np.uint8)),
        )
        assert found == ["dead", ""]


def test_a_batch_larger_than_the_training_set_is_refused(run):
    with pytest.raises(ParamsError, match="batch_size is 131, but omniglot has 130 training"):
        run([0], batch_size=131)


# Rounding twins


def test_a_twin_with_no_change_has_the_same_bits(run):
    start = starts([0])[0]
    nothing = np.zeros(len(start), bool)
    twin = twin_start(start, nothing, np.random.default_rng(0))
    stored = run([0, 0], np.stack([start, twin]))
    np.testing.assert_array_equal(stored["weights"].values[0], stored["weights"].values[1])


def test_a_twin_starts_one_unit_in_the_last_place_away_where_images_can_tell(run, task):
    start = starts([0])[0]
    sensitive = network().sensitive(task.images)
    matrix = sensitive[network().parameters.slice("hidden1.weight")].reshape(6, 28, 28)
    assert not matrix[:, :, :3].any()
    assert matrix[:, :, 3:].all()
    twin = twin_start(start, sensitive, np.random.default_rng(0))
    above, below = (np.nextafter(start, np.float32(end)) for end in (np.inf, -np.inf))
    np.testing.assert_array_equal(twin[~sensitive], start[~sensitive])
    assert np.isin([above, below], twin).any()
    assert ((twin == above) | (twin == below))[sensitive].all()
    assert 0.4 < (twin == above)[sensitive].mean() < 0.6
    stored = run([0, 0], np.stack([start, twin]))
    one, other = stored["weights"].values[:, -1]
    assert not np.array_equal(one[sensitive], other[sensitive])
    assert np.abs(one - other).max() < 1e-3


# Networks of torch


def test_a_module_starts_a_pair_alike_in_both_tasks_but_for_its_output_layer():
    small = Module(Module.Settings(), (28, 28), 4)
    large = Module(Module.Settings(), (28, 28), 9)
    assert small.output.sum() == (HIDDEN[-1] + 1) * 4
    np.testing.assert_array_equal(
        small.initial(0, 3, "a")[~small.output], large.initial(0, 3, "b")[~large.output]
    )
    assert not np.array_equal(small.initial(0, 3, "a"), small.initial(0, 3, "b"))
    assert not np.array_equal(small.initial(0, 3, "a"), small.initial(0, 4, "a"))
    np.testing.assert_array_equal(small.initial(0, 3, "a"), small.initial(0, 3, "a"))


def test_a_module_with_running_statistics_is_refused():
    class Normalised(ModuleNetwork):
        key, title = "normalised", "normalised"

        def build(self, shape, classes):
            import torch

            return torch.nn.Sequential(torch.nn.BatchNorm2d(1), torch.nn.Flatten())

    with pytest.raises(ParamsError, match=r"has the buffer 0\.running_mean"):
        Normalised(Normalised.Settings(), (28, 28), 4).parameters  # noqa: B018
