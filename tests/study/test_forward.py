"""The study's forward function: scores and activations are those of the networks' own layers."""

import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.study import forward, params
from deep_learning_dynamics.study.datasets import Examples
from deep_learning_dynamics.study.forward import StudyForward
from deep_learning_dynamics.study.networks.mlp import Mlp
from deep_learning_dynamics.study.networks.module import ModuleNetwork

HIDDEN, CLASSES, SHAPE = (6, 5), 4, (4, 3)


class Module(ModuleNetwork):
    """The same perceptron in torch, whose vector of weights has the same order."""

    key, title = "module", "module"

    def build(self, shape, classes):
        import torch

        widths = (shape[0] * shape[1], *HIDDEN, classes)
        linear = [torch.nn.Linear(one, other) for one, other in pairwise(widths)]
        layers = [linear[0], torch.nn.ReLU(), linear[1], torch.nn.ReLU(), linear[2]]
        return torch.nn.Sequential(torch.nn.Flatten(), *layers)


@pytest.fixture(scope="module")
def examples():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (70, 12)).astype(np.uint8), rng.integers(0, CLASSES, 70)


def weights_of(count):
    size = Mlp(Mlp.Settings(HIDDEN, "tanh"), SHAPE, CLASSES).parameters.size
    return np.random.default_rng(1).normal(size=(count, size)).astype(np.float32)


def by_hand(network, weights, images, activation):
    """Activations of each layer, and logits."""
    units, layers = images / 255, []
    for name in network.parameters.layers():
        matrix = weights[network.parameters.slice(f"{name}.weight")].reshape(-1, units.shape[1])
        units = units @ matrix.T + weights[network.parameters.slice(f"{name}.bias")]
        if name != "output":
            units = activation(units)
            layers.append(units)
    return layers, units


@pytest.mark.parametrize("key", ["relu", "tanh"])
def test_scores_and_activations_of_perceptrons(examples, key, monkeypatch):
    activation = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}[key]
    network = Mlp(Mlp.Settings(HIDDEN, key), SHAPE, CLASSES)
    images, labels = examples
    study, weights = StudyForward(network, images, labels), weights_of(5)
    loss, accuracy = study.scores(weights)
    for number, row in enumerate(weights.astype(float)):
        layers, logits = by_hand(network, row, images, activation)
        chances = np.exp(logits - logits.max(axis=1, keepdims=True))
        right = (chances / chances.sum(axis=1, keepdims=True))[np.arange(70), labels]
        assert loss[number] == pytest.approx(-np.log(right).mean(), rel=1e-4)
        assert accuracy[number] == pytest.approx((logits.argmax(1) == labels).mean())
    found = study.activations(weights[-1])
    assert list(found) == ["hidden1", "hidden2"]
    for mine, theirs in zip(found.values(), layers, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)
    monkeypatch.setattr(forward, "AT_ONCE", {"portable": 2})
    np.testing.assert_array_equal(study.scores(weights), [loss, accuracy])


def test_modules_have_the_scores_of_the_same_perceptrons_and_activations(examples):
    perceptrons = StudyForward(Mlp(Mlp.Settings(HIDDEN, "relu"), SHAPE, CLASSES), *examples)
    modules = StudyForward(Module(Module.Settings(), SHAPE, CLASSES), *examples)
    weights = weights_of(20)
    np.testing.assert_allclose(modules.scores(weights), perceptrons.scores(weights), rtol=1e-4)
    mine, theirs = (each.activations(weights[0]) for each in (modules, perceptrons))
    for before, after in zip(mine.values(), theirs.values(), strict=True):
        np.testing.assert_allclose(np.maximum(before, 0), after, atol=1e-4)


def test_only_known_analyses_are_made_each_once(changed):
    for value, expected in (
        (["barrier"], "Did you mean barriers"),
        (["surface", "surface"], "geometry.analyses names surface more than once"),
    ):
        with pytest.raises(ParamsError, match=expected):
            params.validate(changed({"geometry.analyses": value}))
    assert params.validate(changed({"geometry.analyses": []})).geometry.analyses == ()


def test_an_experiment_is_evaluated_on_some_of_its_test_images(settings, monkeypatch):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 28, 28)).astype(np.uint8)
    data = Examples(images, np.arange(50) % 10, np.arange(50) >= 20, tuple("0123456789"))
    monkeypatch.setattr(forward.datasets, "load", lambda path: data)
    drawn = forward.forward(settings({"geometry.examples": 12}))
    chosen = [int((images.reshape(50, -1) == row).all(axis=1).argmax()) for row in drawn._images]
    assert len(set(chosen)) == 12
    assert min(chosen) >= 20
    again = forward.forward(settings({"geometry.examples": 12}))
    np.testing.assert_array_equal(drawn._images, again._images)
    every = forward.forward(settings({"geometry.examples": 1000}))
    assert len(every._images) == 30


def test_activations_have_the_same_bits_where_a_library_sums_in_another_order():
    """OpenBLAS takes the kernels of the processor that it is told."""
    program = """
import hashlib
import numpy as np
from deep_learning_dynamics.study.forward import StudyForward
from deep_learning_dynamics.study.networks.mlp import Mlp

rng = np.random.default_rng(0)
network = Mlp(Mlp.Settings((8, 8), "relu"), (28, 28), 10)
images = rng.integers(0, 256, (500, 784)).astype(np.uint8)
weights = rng.normal(size=network.parameters.size).astype(np.float32)
found = StudyForward(network, images, np.zeros(500, int)).activations(weights)
single = np.float32(images) @ weights[: 784 * 8].reshape(8, 784).T
print(*(hashlib.md5(each.tobytes()).hexdigest() for each in (single, *found.values())))
"""
    printed = []
    for core in ("Nehalem", "Haswell"):
        variables = os.environ | {"OPENBLAS_CORETYPE": core, "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", program], env=variables, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout.split())
    if printed[0][0] == printed[1][0]:
        pytest.skip("NumPy's products are not OpenBLAS's here")
    assert printed[0][1:] == printed[1][1:]
