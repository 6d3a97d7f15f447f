"""Where layers lie in the weight vector, and where networks start."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from deep_learning_dynamics import seeds
from deep_learning_dynamics.networks import Architecture, initial_weights

DEFAULT = Architecture((784, 8, 8, 8, 8, 8, 10), "relu")


def test_layers_lie_as_in_torch():
    stack = [torch.nn.Linear(i, o) for i, o in pairwise(DEFAULT.widths)]
    vector = torch.nn.utils.parameters_to_vector(torch.nn.Sequential(*stack).parameters())
    assert len(vector) == DEFAULT.size
    for layer, module in zip(DEFAULT.layers, stack, strict=True):
        assert torch.equal(vector[layer.weights].view(layer.outputs, layer.inputs), module.weight)
        assert torch.equal(vector[layer.biases], module.bias)


def test_the_default_network_has_6608_weights_besides_its_biases():
    assert sum(layer.inputs * layer.outputs for layer in DEFAULT.layers) == 6608


@pytest.mark.parametrize(("activation", "factor"), [("relu", 6), ("tanh", 6), ("logistic", 2)])
def test_networks_start_uniformly_within_glorots_bound(activation, factor):
    architecture = Architecture((784, 100, 10), activation)
    first = initial_weights(architecture, 0, 0, "mnist")[architecture.layers[0].weights]
    bound = np.sqrt(factor / 884)
    assert np.abs(first).max() <= bound
    # The standard deviation of a uniform distribution is its half-width over √3.
    assert first.std() == pytest.approx(bound / np.sqrt(3), rel=0.01)


def test_tasks_share_hidden_layers_but_not_the_output_layer():
    hidden = slice(0, DEFAULT.layers[-1].weights.start)
    mnist, omniglot = (initial_weights(DEFAULT, 0, 3, task) for task in ("mnist", "omniglot"))
    np.testing.assert_array_equal(mnist[hidden], omniglot[hidden])
    assert not np.isin(mnist[hidden.stop :], omniglot[hidden.stop :]).any()


def test_pairs_and_seeds_start_elsewhere():
    starts = [initial_weights(DEFAULT, seed, pair, "mnist") for seed in (0, 1) for pair in (0, 1)]
    assert len({start.tobytes() for start in starts}) == 4


def test_streams_are_the_same_on_every_machine():
    """Known values: if they change, no earlier experiment can be repeated."""
    assert seeds.integer(0, "initialisation", 0, 1) == 1293052121
    assert seeds.integer(1, "som") == 856410702


def test_a_stream_depends_on_every_part_of_its_name():
    names = [("a", 1), ("a", 2), ("b", 1), ("a1",), ("a", "1"), ("a",)]
    assert len({seeds.integer(0, *name) for name in names}) == len(names)
