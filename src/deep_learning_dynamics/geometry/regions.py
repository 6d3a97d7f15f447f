"""Distances between the ends of networks that learnt and of networks that failed.

Whether those that learnt share a region of weight space is the matter of ``inference.regions``.
"""

from functools import partial

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int

from deep_learning_dynamics.execution import run_tasks
from deep_learning_dynamics.geometry.alignment import Perceptron, align
from deep_learning_dynamics.geometry.analysis import ANALYSES, Analysis, Finding, Subject
from deep_learning_dynamics.geometry.paths import degrees
from deep_learning_dynamics.selection import evenly
from deep_learning_dynamics.store import schema

LEAST = 2  # networks of each kind
MOST_NETWORKS = 60  # every two of them are aligned; of more, some evenly spread over the store
TOGETHER = 20  # pairs that are aligned in one task
SCORE = "test_accuracy"
SHARE = 0.5  # of the best network's accuracy, below which a network has failed


@ANALYSES.register
class Regions(Analysis):
    """How far networks that learnt end from each other and from those that failed.

    A network failed if it died, or if its accuracy at the end is less than half of the best
    network's. Those that diverged have no end. Tables: ``networks`` (network, its coordinates,
    accuracy, learnt, length of its weights), ``ends`` (network, other, distance, aligned: distance
    with units of one in the order and scale that bring it closest, angle: between the
    aligned weights, in degrees). Of two networks the one with the longer vector is aligned.
    """

    key, title = "regions", "Regions of good weights"

    @classmethod
    def find(cls, subject: Subject) -> Finding | None:
        proper = np.flatnonzero(subject.proper).tolist()
        sound = [number for number in proper if subject.sound(number)]
        numbers = evenly(np.array(sound, int), MOST_NETWORKS).tolist()
        networks = subject.table.iloc[numbers].reset_index(drop=True)
        networks["accuracy"] = np.nan
        if SCORE in subject.runs:
            last = [subject.snapshots[number][-1] for number in numbers]
            networks["accuracy"] = subject.runs[SCORE].values[numbers, last]
        accuracy = networks["accuracy"]
        good = accuracy.isna() | (accuracy >= SHARE * max(0.0, accuracy.max()))
        learnt = (networks[schema.OUTCOME] == "") & good
        networks["learnt"] = learnt
        if min(learnt.sum(), (~learnt).sum()) < LEAST:
            return None
        ends = np.stack([subject.end(number).astype(np.float64) for number in numbers])
        networks["length"] = np.linalg.norm(ends, axis=1)
        return Finding(
            {"networks": networks, "ends": _apart(subject.perceptron, networks["network"], ends)},
            {"learnt": int(learnt.sum()), "failed": int((~learnt).sum()), "by": subject.by or ""},
        )


def _apart(
    perceptron: Perceptron | None, names: pd.Series, ends: Float64[np.ndarray, "network weight"]
) -> pd.DataFrame:
    """Distances between every two ends, and after the symmetries of perceptrons are taken out."""
    pairs = np.column_stack(np.triu_indices(len(ends), 1))
    tasks = np.array_split(pairs, -(-len(pairs) // TOGETHER))
    work = partial(_of_pairs, ends, perceptron)
    found = np.concatenate(list(run_tasks(work, tasks, label="alignments of ends")))
    one, other = names.to_numpy()[pairs].T
    table = pd.DataFrame(found, columns=["distance", "aligned", "angle"])
    return pd.DataFrame({"network": one, "other": other}).join(table)


def _of_pairs(
    ends: Float64[np.ndarray, "network weight"],
    perceptron: Perceptron | None,
    pairs: Int[np.ndarray, "pair 2"],
) -> Float64[np.ndarray, "pair kind"]:
    """Distance, distance after alignment and angle after it."""
    found = np.full((len(pairs), 3), np.nan)
    for row, pair in zip(found, pairs, strict=True):
        # If units are rescaled, it matters which of the two is aligned: here the longer one.
        near, far = sorted(ends[pair], key=lambda end: float(np.linalg.norm(end)))
        row[0] = np.linalg.norm(near - far)
        if perceptron is not None:
            far = align(far, near, perceptron).apply(perceptron, far)
            lengths = np.linalg.norm(near) * np.linalg.norm(far)
            row[1] = np.linalg.norm(near - far)
            row[2] = float(degrees(np.array(near @ far / max(lengths, 1e-300))))
    return found
