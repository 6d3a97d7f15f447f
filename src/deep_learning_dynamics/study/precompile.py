"""Compile what the training in ``params.yaml`` needs, so that numba's cache has it when it starts.

``python -m deep_learning_dynamics.study.precompile`` in a project's folder. ``dynamics run``
does it while the datasets are brought in, on a core that is idle then.
"""

from pathlib import Path

import numpy as np

from deep_learning_dynamics.study import params
from deep_learning_dynamics.study.networks import NETWORKS
from deep_learning_dynamics.study.optimisers import Optimisation


def precompile(settings: params.Params) -> None:
    """Train and score a network on two images with each phase's optimiser."""
    kind = NETWORKS[settings.network.kind]
    if kind.arithmetic != "portable":
        return
    network = kind(settings.network.settings(), (2, 2), 2)
    weights = network.initial(settings.seed, 0, settings.train.dataset)[None]
    images, labels = np.full((2, 4), 255, np.uint8), np.array([0, 1])
    for optimiser in {settings.pretrain.optimiser, settings.train.optimiser}:
        ensemble = network.ensemble(weights, Optimisation(optimiser, 0.1, 0.0), [0], threads=1)
        ensemble.scores(images, labels)  # first, as training starts with a snapshot
        ensemble.train(images, labels, np.array([[0, 1]]), 2)


if __name__ == "__main__":
    precompile(params.load(Path("params.yaml")))
