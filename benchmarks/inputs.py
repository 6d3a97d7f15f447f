"""What rows work on: MNIST's digits, and weights of networks that learnt them."""

import os
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from deep_learning_dynamics.datasets import embedded, local
from deep_learning_dynamics.datasets.examples import Examples
from deep_learning_dynamics.datasets.sources import UnavailableError
from deep_learning_dynamics.networks import Architecture
from deep_learning_dynamics.training import Task

SEED = 0
DIGITS = 60_000
NETWORK = Architecture((784, 8, 8, 8, 8, 8, 10), "relu")  # 6,608 weights and 50 biases


def datasets_folder() -> Path | None:
    """Where the original datasets lie on this machine; None: nowhere."""
    setting = os.environ.get(local.VARIABLE)
    folders = [Path(setting).expanduser()] if setting else local.DEFAULTS
    return next((folder.resolve() for folder in folders if folder.is_dir()), None)


@cache
def digits() -> tuple[Examples, str]:
    """MNIST, and what it is; where there is none, a sample of it, repeated up to its size."""
    try:
        return local.examples("mnist", "alphabet"), "MNIST"
    except UnavailableError:
        sample = embedded.examples("mnist", "alphabet")
    again = np.resize(np.flatnonzero(~sample.is_test), DIGITS)
    images, labels = sample.images[again], sample.labels[again]
    return (
        Examples(images, labels, np.zeros(DIGITS, bool), sample.class_names),
        "a sample of MNIST, repeated",
    )


@cache
def task() -> Task:
    """The 60,000 digits for training, and next to nothing to be scored on."""
    import torch

    examples, _ = digits()
    train = examples.train
    images = torch.from_numpy(train.images.reshape(len(train), -1)).float().div_(255)
    labels = torch.from_numpy(train.labels)
    few = slice(0, 10)
    return Task(
        "mnist",
        images,
        labels,
        images[few],
        labels[few],
        images[few],
        labels[few],
        probes=1,
        classes=len(examples.class_names),
    )


@cache
def trained_weights(
    networks: int, snapshots: int, steps_between: int
) -> Float[np.ndarray, "row weight"]:
    """Matrices (6,608 weights, no biases) of networks as they learn, network by network.

    Rows are in float64, as minisom computes.
    """
    import torch

    from benchmarks.training import batches, starting
    from deep_learning_dynamics.ensemble import Optimiser

    ensemble = starting(networks)
    optimiser = Optimiser(ensemble, "sgd", 0.1, 1e-4)
    taken = []
    stream = batches(networks, "shared", epochs=1 + snapshots * steps_between // 300)
    columns = np.concatenate([np.arange(NETWORK.size)[part.weights] for part in NETWORK.layers])
    with torch.inference_mode():
        for _ in range(snapshots):
            taken.append(ensemble.weights()[:, columns])
            for _ in range(steps_between):
                ensemble.step(optimiser, *next(stream))
    return np.stack(taken, axis=1).reshape(networks * snapshots, -1).astype(np.float64)
