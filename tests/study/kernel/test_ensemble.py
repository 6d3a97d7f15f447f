"""A network in an ensemble takes the path that it would take alone with torch.nn and torch.optim."""

from itertools import pairwise

import numpy as np
import pytest

from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.study.activations import ACTIVATIONS
from deep_learning_dynamics.study.kernel import (
    Architecture,
    PortableEnsemble,
    initial_weights,
)
from deep_learning_dynamics.study.optimisers import OPTIMISERS, Optimisation

EXAMPLES, BATCH, WIDTHS = 110, 20, (40, 6, 5, 7, 3)  # a last batch of 10, no layer a whole vector
RATES = {"sgd": 0.05, "adam": 0.003}
DECAY = 0.5


@pytest.fixture(scope="module")
def digits():
    """Images with dark pixels, and what can be learnt of them: where the brightest part lies."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (EXAMPLES, WIDTHS[0]), np.uint8)
    images[rng.random(images.shape) < 0.6] = 0
    labels = images[:, :39].reshape(EXAMPLES, 3, 13).sum(2, dtype=int).argmax(1)
    return images, labels


def starts(activation, networks):
    architecture = Architecture(WIDTHS, activation)
    return np.stack([initial_weights(architecture, 0, pair, "test") for pair in range(networks)])


def orders(groups, epochs=3):
    rng = np.random.default_rng(2)
    return [np.stack([rng.permutation(EXAMPLES) for _ in range(groups)]) for _ in range(epochs)]


def trained(activation, optimiser, weights, digits, orders, groups=None, threads=1, decay=DECAY):
    ensemble = PortableEnsemble(
        Architecture(WIDTHS, activation),
        weights,
        Optimisation(optimiser, RATES[optimiser], decay),
        groups,
        threads,
    )
    for order in orders:
        ensemble.train(*digits, order, BATCH)
    return ensemble


def torch_path(activation, optimiser, start, digits, orders):
    """The weights and scores of one network with autograd and torch.optim, in float64."""
    import torch

    modules = {
        "identity": torch.nn.Identity,
        "logistic": torch.nn.Sigmoid,
        "tanh": torch.nn.Tanh,
        "relu": torch.nn.ReLU,
    }
    layers = []
    for inputs, outputs in pairwise(WIDTHS):
        layers += [torch.nn.Linear(inputs, outputs), modules[activation]()]
    network = torch.nn.Sequential(*layers[:-1]).double()
    torch.nn.utils.vector_to_parameters(torch.from_numpy(start).double(), network.parameters())
    matrices = [p for p in network.parameters() if p.dim() == 2]
    biases = [p for p in network.parameters() if p.dim() == 1]
    groups = [{"params": matrices}, {"params": biases}]
    stepper = (
        torch.optim.SGD(groups, lr=RATES["sgd"], momentum=0.9, nesterov=True)
        if optimiser == "sgd"
        else torch.optim.Adam(groups, lr=RATES["adam"])
    )
    images, labels = torch.from_numpy(digits[0]).double() / 255, torch.from_numpy(digits[1])
    for order in orders:
        for chosen in torch.from_numpy(order).split(BATCH):
            # scikit-learn's penalty: on the matrices only, divided by the batch's examples.
            stepper.param_groups[0]["weight_decay"] = DECAY / len(chosen)
            stepper.zero_grad()
            torch.nn.functional.cross_entropy(network(images[chosen]), labels[chosen]).backward()
            stepper.step()
    with torch.no_grad():
        logits = network(images)
    loss = torch.nn.functional.cross_entropy(logits, labels).item()
    accuracy = (logits.argmax(1) == labels).double().mean().item()
    weights = torch.nn.utils.parameters_to_vector(network.parameters()).detach().numpy()
    return weights, loss, accuracy, torch.softmax(logits, 1).numpy()


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_networks_end_where_torch_takes_each_alone(activation, optimiser, digits):
    weights, order = starts(activation, 3), orders(2)
    ensemble = trained(activation, optimiser, weights, digits, order, groups=[0, 1, 0])
    losses, accuracies = ensemble.scores(*digits)
    for network, group in enumerate([0, 1, 0]):
        own = [each[group] for each in order]
        expected = torch_path(activation, optimiser, weights[network], digits, own)
        found = ensemble.weights()[network]
        assert np.linalg.norm(found - expected[0]) < 1e-5 * np.linalg.norm(weights[network])
        np.testing.assert_allclose(losses[network], expected[1], rtol=1e-5)
        np.testing.assert_allclose(accuracies[network], expected[2], atol=1.5 / EXAMPLES)
        np.testing.assert_allclose(ensemble.outputs(digits[0])[network], expected[3], atol=1e-5)


def test_a_network_learns_what_can_be_learnt(digits):
    ensemble = trained("relu", "sgd", starts("relu", 5), digits, orders(1, 80), decay=0.0)
    loss, accuracy = ensemble.scores(*digits)
    assert accuracy.max() > 0.95
    assert loss[accuracy.argmax()] < 0.3


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_a_network_has_the_same_bits_whatever_trains_with_it(optimiser, digits):
    """Alone, among 11 of its group, in other groups, on other threads, in calls of other lengths."""
    weights, order = starts("tanh", 11), orders(3, 2)
    first = [each[:1] for each in order]
    together = trained("tanh", optimiser, weights, digits, first).weights()
    for network in (0, 4, 10):
        alone = trained("tanh", optimiser, weights[network : network + 1], digits, first).weights()
        assert alone.tobytes() == together[network].tobytes()
    threads = trained("tanh", optimiser, weights, digits, first, threads=2).weights()
    assert threads.tobytes() == together.tobytes()
    in_parts = [part for each in first for part in (each[:, :40], each[:, 40:60], each[:, 60:])]
    assert trained("tanh", optimiser, weights, digits, in_parts).weights().tobytes() == (
        together.tobytes()
    )
    groups = [2, 0, 1, 0, 1, 2, 2, 2, 0, 0, 0]
    grouped = trained("tanh", optimiser, weights, digits, order, groups, threads=2).weights()
    for network in np.flatnonzero(np.array(groups) == 0):
        assert grouped[network].tobytes() == together[network].tobytes()
    assert grouped[0].tobytes() != together[0].tobytes()


def test_scores_and_outputs_do_not_depend_on_other_networks_either(digits):
    weights = starts("logistic", 9)
    many = trained("logistic", "sgd", weights, digits, [], threads=2)
    one = trained("logistic", "sgd", weights[7:8], digits, [])
    for found, alone in zip(many.scores(*digits), one.scores(*digits), strict=True):
        assert found[7] == alone[0]
    assert many.outputs(digits[0])[7].tobytes() == one.outputs(digits[0])[0].tobytes()


def test_dark_pixels_change_no_bit(digits):
    """The same images with dark pixels in between have the same path in the weights that they have."""
    images, labels = digits
    spread = np.zeros((EXAMPLES, 80), np.uint8)
    spread[:, ::2] = images
    narrow, wide = Architecture(WIDTHS, "relu"), Architecture((80, *WIDTHS[1:]), "relu")
    start = starts("relu", 1)
    wide_start = np.zeros((1, wide.size), np.float32)
    matrix = np.zeros((6, 80), np.float32)
    matrix[:, ::2] = start[0, :240].reshape(6, 40)
    wide_start[0] = np.concatenate([matrix.ravel(), start[0, 240:]])
    ends = []
    for architecture, pictures, weights in ((narrow, images, start), (wide, spread, wide_start)):
        ensemble = PortableEnsemble(
            architecture, weights, Optimisation("sgd", 0.05, 0.1), threads=1
        )
        for order in orders(1):
            ensemble.train(pictures, labels, order, BATCH)
        ends.append(ensemble.weights()[0])
    assert ends[1][:480].reshape(6, 80)[:, ::2].tobytes() == ends[0][:240].tobytes()
    assert ends[1][480:].tobytes() == ends[0][240:].tobytes()


def test_networks_of_a_group_may_have_labels_of_their_own(digits):
    images, labels = digits
    weights, order = starts("relu", 2), orders(1)
    other = np.roll(labels, 1)
    both = trained("relu", "sgd", weights, (images, np.stack([labels, other])), order).weights()
    for network, own in enumerate((labels, other)):
        alone = trained("relu", "sgd", weights[network : network + 1], (images, own), order)
        assert alone.weights().tobytes() == both[network].tobytes()


def test_units_that_no_longer_respond_have_no_denormal_numbers(digits):
    """Their momentum would be 0.9^1000 = 1e-46; below 2^-50, about 1e-15, it is zero."""
    ensemble = PortableEnsemble(
        Architecture(WIDTHS, "relu"), starts("relu", 1), Optimisation("sgd", 0.05), threads=1
    )
    for order in orders(1, 2):
        ensemble.train(*digits, order, BATCH)
    dead = ensemble.weights()
    dead[:, 240:246] = -1e6  # biases of the first layer
    ensemble = PortableEnsemble(
        Architecture(WIDTHS, "relu"), dead, Optimisation("sgd", 0.05, weight_decay=1.0), threads=1
    )
    for order in orders(1, 60):
        ensemble.train(*digits, order, BATCH)
    (block,) = ensemble._blocks
    for numbers in (*block.first, *block.rest):
        sizes = np.abs(numbers[numbers != 0])
        assert sizes.min(initial=1) >= 2.0**-50


def test_a_diverged_network_is_not_a_number_and_leaves_the_others_alone(digits):
    weights, order = starts("relu", 3), orders(1)
    alone = trained("relu", "sgd", weights[:1], digits, order).weights()
    weights[1, :240] = 1e30
    ensemble = trained("relu", "sgd", weights, digits, order)
    assert ensemble.weights()[0].tobytes() == alone[0].tobytes()
    assert np.isnan(ensemble.weights()[1]).any()
    loss, accuracy = ensemble.scores(*digits)
    assert np.isnan(loss[1])
    assert accuracy[1] == np.mean(digits[1] == 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((EXAMPLES, 39), np.uint8)}, "39 pixels; expected 40"),
        ({"labels": np.full(EXAMPLES, 3)}, "labels run from 3 to 3; expected .* 0 to 2"),
        ({"orders": np.array([[0, EXAMPLES]])}, "orders run from 0 to 110; expected .* 0 to 109"),
        ({"orders": np.array([[-1, 0]])}, "orders run from -1"),
    ],
)
def test_what_would_be_read_beyond_an_array_is_refused(change, message, digits):
    valid = {"images": digits[0], "labels": digits[1], "orders": np.arange(EXAMPLES)[None]}
    ensemble = trained("relu", "sgd", starts("relu", 2), digits, [])
    with pytest.raises(ParamsError, match=message):
        ensemble.train(**(valid | change), batch_size=BATCH)


def test_every_group_needs_an_order(digits):
    ensemble = trained("relu", "sgd", starts("relu", 2), digits, [], groups=[0, 2])
    with pytest.raises(ParamsError, match="orders for 2 groups; expected 3"):
        ensemble.train(*digits, orders(2)[0], BATCH)


def test_groups_name_an_order_for_each_network():
    with pytest.raises(ParamsError, match=r"groups are \[0\] for 2 networks"):
        PortableEnsemble(
            Architecture(WIDTHS, "relu"), starts("relu", 2), Optimisation("sgd", 0.1), [0]
        )
