"""What rows work on: MNIST's digits, and weights of networks that learnt them."""

import itertools
import os
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from deep_learning_dynamics import arms, training
from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.datasets import embedded, local
from deep_learning_dynamics.datasets.examples import Examples
from deep_learning_dynamics.datasets.sources import UnavailableError
from deep_learning_dynamics.images import Images
from deep_learning_dynamics.networks import Architecture
from deep_learning_dynamics.params import BatchOrder, Pretrain
from deep_learning_dynamics.training import Task
from deep_learning_dynamics.trajectories import Member

SEED, BATCH = 0, 200
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
    brightness = torch.from_numpy(train.images.reshape(len(train), -1))
    labels, few = torch.from_numpy(train.labels), slice(0, 10)
    return Task(
        "mnist",
        Images(brightness),
        labels,
        Images(brightness[few]),
        labels[few],
        Images(brightness[few]),
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
    taken = []
    columns = np.concatenate([np.arange(NETWORK.size)[part.weights] for part in NETWORK.layers])
    chosen = settings(epochs=1 + snapshots * steps_between // 300)
    steps = itertools.chain.from_iterable(
        training.mini_batches(task(), NETWORK, members(networks), chosen, SEED)
    )
    with training.shared_out(task(), NETWORK, starts(networks), chosen) as ensemble:
        for _ in range(snapshots):
            taken.append(ensemble.weights()[:, columns])
            ensemble.take(list(itertools.islice(steps, steps_between)))
    return np.stack(taken, axis=1).reshape(networks * snapshots, -1).astype(np.float64)


def settings(order: BatchOrder = "shared", epochs: int = 1) -> Pretrain:
    """How the stage ``train`` trains by default, for so many epochs."""
    return parameters.load().train.model_copy(
        update={"epochs": epochs, "batch_order": order, "batch_size": BATCH}
    )


def members(networks: int) -> list[Member]:
    return [Member("scratch", pair) for pair in range(networks)]


def starts(
    networks: int, architecture: Architecture = NETWORK
) -> Float[np.ndarray, "network weight"]:
    """Networks at their initialisations."""
    return arms.starts(members(networks), architecture, SEED, "mnist")
