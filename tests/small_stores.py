"""Small stores of trajectories for tests, and waiting for other processes."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from deep_learning_dynamics import store

SHAPES = {
    "hidden1.weight": (4, 6),
    "hidden1.bias": (4,),
    "hidden2.weight": (4, 4),
    "hidden2.bias": (4,),
    "output.weight": (3, 4),
    "output.bias": (3,),
}


class StudyStores:
    """Both stores of a small study: networks pre-trained, then trained beside others from scratch.

    ``before`` and ``after`` are the weights that were written, [network, snapshot, weight]. Network
    ``diverged`` of ``after``, if any, has huge weights in the middle, and then none.
    """

    def __init__(self, folder, pairs=3, snapshots=9, diverged=None):
        rng = np.random.default_rng(7)
        self.parameters = store.Parameters.of(SHAPES)
        size, earlier = self.parameters.size, 6
        starts = 0.3 * rng.normal(size=(pairs, size))
        self.before = smooth_paths(starts, earlier, rng)
        self.after = np.concatenate(
            [smooth_paths(starts, snapshots, rng), smooth_paths(self.before[:, -1], snapshots, rng)]
        )
        outcomes = [""] * (2 * pairs)
        if diverged is not None:
            self.after[diverged, snapshots // 2 - 1] *= 1e6
            self.after[diverged, snapshots // 2 :] = np.nan
            outcomes[diverged] = "diverged"
        self.pretrain, self.train = Path(folder, "pretrain.zarr"), Path(folder, "train.zarr")
        pair = np.arange(pairs)
        pretrained = [f"omniglot/pretrained-{number}" for number in pair]
        networks = pd.DataFrame({"condition": "pretrained", "pair": pair}, index=pretrained)
        write(self.pretrain, networks, self.parameters, self.before)
        names = [f"mnist/{kind}-{number}" for kind in ("scratch", "pretrained") for number in pair]
        columns = {
            "condition": np.repeat(["scratch", "pretrained"], pairs),
            "pair": np.tile(pair, 2),
            "continues": [""] * pairs + pretrained,
        }
        networks = pd.DataFrame(columns, index=names)
        write(self.train, networks, self.parameters, self.after, outcomes)

    def open(self):
        return store.open([self.pretrain, self.train])


def smooth_paths(starts, snapshots, rng, speed=0.03):
    """Paths that keep their directions for a while, as training does."""
    direction, turn = rng.normal(size=(2, *starts.shape))
    time = np.arange(snapshots)[:, None, None]
    paths = starts + speed * (time * direction + 0.02 * time**2 * turn)
    return paths.swapaxes(0, 1).astype(np.float32)


def write(path, networks, parameters, weights, outcomes=None):
    """A store of given weights [network, snapshot, weight] with an accuracy that rises."""
    titles = {"condition": {"scratch": "from scratch", "pretrained": "pre-trained"}}
    with store.StoreWriter(
        path, networks, parameters, {"titles": titles}, weights.shape[1], replace=True
    ) as writer:
        for snapshot, now in enumerate(weights.swapaxes(0, 1)):
            accuracy = np.full(len(now), 0.1 + 0.8 * snapshot / weights.shape[1], np.float32)
            steps = np.full(len(now), 10 * snapshot)
            writer.add(steps, now, {"epoch": steps / 100, "test_accuracy": accuracy})
        if outcomes is not None:
            writer.label("outcome", outcomes)


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something that happens elsewhere."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
