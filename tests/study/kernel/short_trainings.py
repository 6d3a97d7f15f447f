"""Short trainings, and the hashes of what comes out. As a script, it prints them as JSON.

A script, so that it also runs under an emulated processor: ``qemu-x86_64 -cpu Nehalem python ...``.
"""

import hashlib
import json
import sys

import numpy as np

from deep_learning_dynamics.study.activations import ACTIVATIONS
from deep_learning_dynamics.study.kernel import Architecture, PortableEnsemble, initial_weights
from deep_learning_dynamics.study.optimisers import OPTIMISERS, Optimisation

EXAMPLES, BATCH, WIDTHS, EPOCHS = 90, 20, (100, 8, 6, 5), 6
RATES = {"sgd": 0.3, "adam": 0.01}  # high, so that every rounding shows
COMBINATIONS = [f"{activation} {optimiser}" for activation in ACTIVATIONS for optimiser in RATES]


def data():
    """The same numbers everywhere: from a generator of whole numbers."""
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (EXAMPLES, WIDTHS[0]), np.uint8)
    images[rng.integers(0, 10, images.shape) < 7] = 0
    return images, rng.integers(0, WIDTHS[-1], EXAMPLES)


def order(epoch):
    return np.random.default_rng(epoch).permutation(EXAMPLES)


def trained(activation, optimiser, networks, own_order=False, threads=1):
    """What ``networks`` networks are, lose and predict at the end; network 0 is always the same."""
    architecture = Architecture(WIDTHS, activation)
    weights = np.stack([initial_weights(architecture, 0, n, "test") for n in range(networks)])
    groups = list(range(networks)) if own_order else [0] * networks
    ensemble = PortableEnsemble(
        architecture, weights, Optimisation(optimiser, RATES[optimiser], 0.01), groups, threads
    )
    images, labels = data()
    for epoch in range(EPOCHS):
        orders = [order(epoch if group == 0 else 100 * group + epoch) for group in set(groups)]
        ensemble.train(images, labels, np.stack(orders), BATCH)
    losses, accuracies = ensemble.scores(images, labels)
    return ensemble.weights(), losses, accuracies, ensemble.outputs(images)


def hash_of(results, network):
    digest = hashlib.sha256()
    for result in results:
        digest.update(result[network].tobytes())
    return digest.hexdigest()[:16]


def hashes(networks=3, threads=1, combinations=COMBINATIONS):
    """The hashes of the first three networks after each combination, with shared batches."""
    found = {}
    for combination in combinations:
        results = trained(*combination.split(), networks, threads=threads)
        found[combination] = [hash_of(results, network) for network in range(3)]
    return found


if __name__ == "__main__":
    assert set(RATES) == set(OPTIMISERS)
    print(json.dumps(hashes(combinations=sys.argv[1:] or COMBINATIONS)))
