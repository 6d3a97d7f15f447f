"""Two small stores whose networks every analysis has something to say about."""

import numpy as np
import pandas as pd
from made_results import TITLES

from deep_learning_dynamics.store import Parameters, StoreWriter, open

LABELS = np.arange(12) % 3  # of the probes


class Bowls:
    """Every network has a bowl of its own: no loss at its end, more around it."""

    def __init__(self, ends, wide=1.0):
        self._ends, self._wide = ends, wide

    def scores(self, weights):
        squared = ((weights[:, None].astype(float) - self._ends) ** 2).sum(axis=2).min(axis=1)
        return 0.1 + squared / self._wide, 1 / (1 + squared / self._wide)

    def activations(self, weights):
        return {}


class Layers:
    """One hidden layer without an activation."""

    inputs = np.random.default_rng(0).normal(size=(30, 12))

    def scores(self, weights):
        raise AssertionError("not needed")

    def activations(self, weights):
        hidden = self.inputs @ weights[:108].reshape(9, 12).T
        return {"hidden": hidden, "squared": hidden**2}


def pairs_with_twins(pairs):
    """Networks of two conditions, each with a twin after it."""
    rows = [
        (f"{condition}-{pair}{'/twin' * twin}", condition, pair, twin)
        for condition in ("scratch", "pretrained")
        for pair in range(pairs)
        for twin in (False, True)
    ]
    return pd.DataFrame(rows, columns=["network", "condition", "pair", "twin"])


def written(path, networks, shapes, snapshots, **sizes):
    """A store of snapshots: weights, accuracy and, where there are probes, outputs."""
    attributes = {"titles": TITLES, "activation": "relu"}
    table = networks.set_index("network")
    with StoreWriter(path, table, Parameters.of(shapes), attributes, **sizes) as writer:
        for number, (weights, accuracy, *outputs) in enumerate(snapshots):
            steps = np.full(len(networks), 100 * number)
            scores = {"test_accuracy": np.full(len(networks), accuracy)}
            writer.add(steps, weights.astype("f4"), scores, *outputs)
    return open(str(path))


def store_of_bowls(path):
    """Three pairs of two conditions with twins, and their ends; the twin of one ends far from it."""
    shapes = {"hidden.weight": (3, 4), "hidden.bias": (3,), "output.weight": (2, 3)}
    rng = np.random.default_rng(0)
    ends = np.repeat(rng.normal(size=(6, Parameters.of(shapes).size)) * 3, 2, axis=0)
    ends[3] += 10
    snapshots = [(share * ends, share / 2) for share in np.linspace(0, 1, 6)]
    return written(path, pairs_with_twins(3), shapes, snapshots), ends


def store_of_layers(path):
    """Six pairs of two conditions, each network with a twin; every third from scratch fails."""
    shapes = {"hidden.weight": (9, 12), "hidden.bias": (9,), "output.weight": (3, 9)}
    rng = np.random.default_rng(1)
    table = pairs_with_twins(6)
    failed = ((table["condition"] == "scratch") & (table["pair"] % 3 == 0)).to_numpy()
    own = rng.normal(size=(12, Parameters.of(shapes).size))
    ends = np.repeat(own, 2, axis=0) * np.where(failed, 5, 1)[:, None]
    starts = 0.1 * rng.normal(size=ends.shape)
    sure = np.where(failed, 0.1, np.where(table["condition"] == "scratch", 0.9, 0.7))

    def snapshot(share):
        mixed = (share * sure)[:, None, None]
        outputs = mixed * np.eye(3)[LABELS] + (1 - mixed) / 3
        outputs = outputs + rng.uniform(0, 0.02, size=outputs.shape)
        outputs /= outputs.sum(axis=2, keepdims=True)
        weights = (1 - share) * starts + share * ends
        return weights, 0.1 + 0.8 * share * sure, outputs.astype("f4")

    sizes = {"probes": len(LABELS), "classes": 3, "probe_labels": LABELS.tolist()}
    return written(path, table, shapes, map(snapshot, np.linspace(0, 1, 5)), **sizes)
