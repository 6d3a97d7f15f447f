"""A network in an ensemble takes the path that it would take alone with torch.nn and torch.optim."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from deep_learning_dynamics.ensemble import Ensemble, Optimiser
from deep_learning_dynamics.images import MANY_UNITS, Dense, Images, Sparse
from deep_learning_dynamics.networks import Architecture, initial_weights

STEPS, BATCH, NETWORKS = 200, 50, 3
WIDTHS = (30, 8, 8, 6, 5)
ACTIVATIONS = {
    "identity": torch.nn.Identity,
    "logistic": torch.nn.Sigmoid,
    "tanh": torch.nn.Tanh,
    "relu": torch.nn.ReLU,
}


def architecture(activation):
    return Architecture(WIDTHS, activation)


def starts(activation):
    pairs = range(NETWORKS)
    return np.stack([initial_weights(architecture(activation), 0, p, "test") for p in pairs])


@pytest.fixture(scope="module")
def batches():
    """Learnable batches: the class is where the brightest of five groups of pixels lies."""
    rng = np.random.default_rng(1)
    images = rng.random((STEPS, BATCH, WIDTHS[0]), np.float32)
    labels = images.reshape(STEPS, BATCH, 5, 6).sum(3).argmax(2)
    return torch.from_numpy(images), torch.from_numpy(labels)


def alone(activation, algorithm, start, images, labels, learning_rate, weight_decay):
    """The weights of one network after training it with autograd and torch.optim, in float64.

    In float64, so that what is left is the ensemble's own rounding.
    """
    layers = []
    for inputs, outputs in pairwise(WIDTHS):
        layers += [torch.nn.Linear(inputs, outputs), ACTIVATIONS[activation]()]
    network = torch.nn.Sequential(*layers[:-1]).double()
    torch.nn.utils.vector_to_parameters(torch.from_numpy(start).double(), network.parameters())
    matrices = [p for p in network.parameters() if p.dim() == 2]
    biases = [p for p in network.parameters() if p.dim() == 1]
    # scikit-learn's penalty: on the matrices only, shared out over the examples of the batch.
    groups = [{"params": matrices, "weight_decay": weight_decay / BATCH}, {"params": biases}]
    optimiser = (
        torch.optim.SGD(groups, lr=learning_rate, momentum=0.9, nesterov=True)
        if algorithm == "sgd"
        else torch.optim.Adam(groups, lr=learning_rate)
    )
    for batch, target in zip(images.double(), labels, strict=True):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(batch), target).backward()
        optimiser.step()
    return torch.nn.utils.parameters_to_vector(network.parameters()).detach().numpy()


@pytest.mark.parametrize("order", ["shared", "per_network"])
@pytest.mark.parametrize("algorithm", ["sgd", "adam"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_stacked_network_ends_where_it_would_alone(activation, algorithm, order, batches):
    images, labels = batches
    learning_rate, weight_decay = {"sgd": 0.05, "adam": 0.003}[algorithm], 0.5
    ensemble = Ensemble(architecture(activation), starts(activation))
    optimiser = Optimiser(ensemble, algorithm, learning_rate, weight_decay)
    # Each network sees the batches in its own order, or all in the same.
    orders = [torch.arange(STEPS)] * NETWORKS
    if order == "per_network":
        generator = torch.Generator().manual_seed(0)
        orders = [torch.randperm(STEPS, generator=generator) for _ in range(NETWORKS)]
    with torch.inference_mode():
        for step in range(STEPS):
            chosen = torch.stack([o[step] for o in orders])
            chosen = chosen[0] if order == "shared" else chosen
            ensemble.step(optimiser, Dense(images[chosen]), labels[chosen])
    stacked = ensemble.weights()
    for network, start in enumerate(starts(activation)):
        own = orders[network]
        expected = alone(
            activation, algorithm, start, images[own], labels[own], learning_rate, weight_decay
        )
        moved = np.linalg.norm(expected - start)
        assert moved > 0.5, "the network must have learnt something for this to say anything"
        error = np.linalg.norm(stacked[network] - expected) / np.linalg.norm(expected)
        assert error < 1e-5


def test_weight_vectors_come_back_in_the_order_of_torch_parameters():
    weights = starts("relu")
    np.testing.assert_array_equal(Ensemble(architecture("relu"), weights).weights(), weights)


def test_logits_are_those_of_torch_linear_layers(batches):
    weights = starts("tanh")
    images = batches[0][0]
    logits = Ensemble(architecture("tanh"), weights).logits(Dense(images))
    assert logits.shape == (NETWORKS, 5, BATCH)
    hidden, vector = images.numpy(), weights[1]
    for layer in architecture("tanh").layers:
        matrix = vector[layer.weights].reshape(layer.outputs, layer.inputs)
        hidden = hidden @ matrix.T + vector[layer.biases]
        if layer.number < len(WIDTHS) - 1:
            hidden = np.tanh(hidden)
    np.testing.assert_allclose(logits[1].T.numpy(), hidden, rtol=1e-5, atol=1e-6)


def test_a_diverged_network_leaves_the_others_alone(batches):
    images, labels = batches
    weights = starts("relu")
    broken = weights.copy()
    broken[1] = np.nan
    ends = []
    for start in (weights, broken):
        ensemble = Ensemble(architecture("relu"), start)
        optimiser = Optimiser(ensemble, "sgd", 0.05, 0.0)
        with torch.inference_mode():
            for step in range(20):
                ensemble.step(optimiser, Dense(images[step]), labels[step])
        ends.append(ensemble.weights())
    assert np.isnan(ends[1][1]).all()
    np.testing.assert_array_equal(ends[0][[0, 2]], ends[1][[0, 2]])


def test_the_penalty_leaves_biases_alone():
    """With no gradient from the loss (all images dark, uniform labels), only matrices shrink."""
    start = starts("identity")
    for layer in architecture("identity").layers:
        start[:, layer.biases] = 0
    ensemble = Ensemble(architecture("identity"), start)
    optimiser = Optimiser(ensemble, "sgd", 0.1, 5.0)
    images, labels = torch.zeros(5, WIDTHS[0]), torch.arange(5)
    with torch.inference_mode():
        ensemble.step(optimiser, Dense(images), labels)
    end = ensemble.weights()
    for layer in architecture("identity").layers:
        np.testing.assert_allclose(end[:, layer.biases], 0, atol=1e-6)
        # Nesterov's first step is (1 + 0.9) × the gradient, here weight_decay / examples × weights.
        shrunk = start[:, layer.weights] * (1 - 0.1 * 1.9 * 5.0 / 5)
        np.testing.assert_allclose(end[:, layer.weights], shrunk, rtol=1e-5)


@pytest.mark.parametrize("algorithm", ["sgd", "adam"])
def test_leaving_out_dark_pixels_leads_to_the_same_weights(algorithm):
    """The fast path against its slow twin: all pixels as numbers, weights stored unit by unit."""
    rng = np.random.default_rng(3)
    brightness = rng.integers(1, 256, (STEPS * BATCH, 30)) * (rng.random((STEPS * BATCH, 30)) < 0.2)
    images = Images(torch.from_numpy(brightness.astype(np.uint8)))
    labels = torch.from_numpy(brightness.reshape(-1, 5, 6).sum(2).argmax(1)).view(STEPS, BATCH)
    chosen = torch.arange(STEPS * BATCH).view(STEPS, BATCH)
    ends = []
    for by_pixel in (False, True):
        ensemble = Ensemble(architecture("tanh"), starts("tanh"), by_pixel=by_pixel)
        np.testing.assert_array_equal(ensemble.weights(), starts("tanh"))
        optimiser = Optimiser(ensemble, algorithm, {"sgd": 0.05, "adam": 0.003}[algorithm], 0.5)
        steps = (
            images.shared(chosen, MANY_UNITS) if by_pixel else map(Dense, images.numbers(chosen))
        )
        with torch.inference_mode():
            for batch, target in zip(steps, labels, strict=True):
                assert isinstance(batch, Sparse if by_pixel else Dense)
                ensemble.step(optimiser, batch, target)
        ends.append(ensemble.weights())
    assert np.linalg.norm(ends[0] - starts("tanh")) > 0.5
    assert np.linalg.norm(ends[1] - ends[0]) / np.linalg.norm(ends[0]) < 1e-5
