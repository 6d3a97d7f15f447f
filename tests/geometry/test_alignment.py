"""Alignment takes out exactly the symmetries of a multilayer perceptron."""

import numpy as np
import pytest
from hand_made_stores import dataset, walks

from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.geometry.alignment import Alignment, Perceptron, align
from deep_learning_dynamics.selection import select
from deep_learning_dynamics.store.schema import Parameters

SHAPES = {
    "hidden1.weight": (6, 5), "hidden1.bias": (6,), "hidden2.weight": (7, 6), "hidden2.bias": (7,),
    "output.weight": (3, 7), "output.bias": (3,),
}  # fmt: skip


@pytest.fixture(params=["relu", "tanh"])
def perceptron(request):
    return Perceptron.of(Parameters.of(SHAPES), request.param)


def network(seed):
    return np.random.default_rng(seed).normal(size=Parameters.of(SHAPES).size)


def outputs(perceptron, weights, inputs):
    x = inputs
    for number, layer in enumerate(perceptron.layers):
        matrix = weights[layer.weights].reshape(layer.outputs, layer.inputs)
        x = x @ matrix.T + weights[layer.biases]
        if number < len(perceptron.layers) - 1:
            x = np.maximum(x, 0) if perceptron.rescales else np.tanh(x)
    return x


def random_symmetry(perceptron, seed=3):
    rng = np.random.default_rng(seed)
    order = tuple(rng.permutation(units) for units in perceptron.hidden)
    scales = tuple(
        rng.uniform(0.2, 5, units) if perceptron.rescales else np.ones(units)
        for units in perceptron.hidden
    )
    return Alignment(order, scales)


def test_an_alignment_does_not_change_what_a_network_computes(perceptron):
    weights, inputs = network(0), np.random.default_rng(1).normal(size=(20, 5))
    moved = random_symmetry(perceptron).apply(perceptron, weights)
    assert np.abs(moved - weights).max() > 0.1
    np.testing.assert_allclose(
        outputs(perceptron, moved, inputs), outputs(perceptron, weights, inputs), atol=1e-12
    )


def test_a_permuted_and_rescaled_copy_comes_back(perceptron):
    weights = network(0)
    copy = random_symmetry(perceptron).apply(perceptron, weights)
    back = align(copy, weights, perceptron).apply(perceptron, copy)
    np.testing.assert_allclose(back, weights, atol=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_aligning_never_increases_the_distance_and_keeps_random_networks_apart(perceptron, seed):
    weights, reference = network(seed), network(seed + 100)
    aligned = align(weights, reference, perceptron).apply(perceptron, weights)
    before, after = (np.linalg.norm(each - reference) for each in (weights, aligned))
    assert after <= before
    assert after > 0.3 * before  # another network is not made equal


def test_a_network_is_its_own_best_alignment(perceptron):
    found = align(network(0), network(0), perceptron)
    for order, scales in zip(found.order, found.scales, strict=True):
        np.testing.assert_array_equal(order, np.arange(len(order)))
        np.testing.assert_allclose(scales, 1)


def test_several_snapshots_are_aligned_at_once(perceptron):
    symmetry, path = random_symmetry(perceptron), np.stack([network(0), network(1)])
    moved = symmetry.apply(perceptron, path)
    for row, alone in zip(moved, path, strict=True):
        np.testing.assert_array_equal(row, symmetry.apply(perceptron, alone))


def test_dead_units_without_any_weights_do_no_harm(perceptron):
    weights = network(0)
    weights[perceptron.layers[0].weights.start : 5] = 0
    aligned = align(weights, network(1), perceptron).apply(perceptron, weights)
    assert np.isfinite(aligned).all()


def test_other_networks_are_refused():
    with pytest.raises(StoreError, match="conv is no fully connected layer"):
        Perceptron.of(Parameters.of({"conv.weight": (4, 1, 3, 3), "conv.bias": (4,)}))
    with pytest.raises(StoreError, match="b has 9 inputs after 6 units"):
        Perceptron.of(Parameters.of({"a.weight": (6, 5), "b.weight": (3, 9)}))


@pytest.mark.parametrize("how", ["ends", "every_snapshot"])
def test_paths_of_a_store_are_aligned_to_the_first_and_a_diverged_one_stays_as_it_is(how):
    """The second network is the first in other coordinates; the third has nothing to do with it."""
    weights = walks(4, 5)
    runs = dataset(weights, attributes={"activation": "relu"})
    perceptron = Perceptron.of(Parameters.from_runs(runs), "relu")
    weights[1] = random_symmetry(perceptron).apply(perceptron, weights[0])
    weights[3, 4] = np.nan
    runs = dataset(weights, attributes={"activation": "relu"}, outcome=["", "", "", "diverged"])
    plain, found = select(runs, "all"), select(runs, "all", align=how)
    before, after = (np.asarray(each.weights).reshape(weights.shape) for each in (plain, found))
    np.testing.assert_allclose(after[0], weights[0], atol=1e-5)
    np.testing.assert_allclose(after[1], weights[0], atol=1e-4)
    apart = [np.linalg.norm(each[2, -1] - weights[0, -1]) for each in (before, after)]
    assert 0.3 * apart[0] < apart[1] < apart[0]
    np.testing.assert_array_equal(after[3], weights[3])
    assert found.description.startswith("all weights and biases, aligned ")
    matrices = select(runs, "weights", align=how)
    np.testing.assert_array_equal(
        np.asarray(matrices.weights)[:, :30], after.reshape(20, -1)[:, :30]
    )


def test_parameters_on_paths_of_their_own_are_not_aligned():
    runs = dataset(walks(2, 3))
    with pytest.raises(StoreError, match="Set align to none, or separately to false"):
        select(runs, ["hidden1.weight"], separately=True, align="ends")
