"""Distances between the ends of networks that learnt and of networks that failed.

Whether those that learnt share a region of weight space is the matter of ``inference.regions``.
"""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.execution import run_tasks
from deep_learning_dynamics.geometry.alignment import Perceptron, align
from deep_learning_dynamics.geometry.analysis import ANALYSES, Analysis, Finding, Subject
from deep_learning_dynamics.geometry.paths import degrees
from deep_learning_dynamics.geometry.relations import is_twin, phases
from deep_learning_dynamics.store import schema

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

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
        runs = subject.runs
        networks = _networks(runs)
        learnt = networks["learnt"].to_numpy(bool)
        if min(learnt.sum(), (~learnt).sum()) < LEAST:
            return None
        ends = np.stack([_end(runs, int(number)) for number in networks.pop("number")])
        networks["length"] = np.linalg.norm(ends, axis=1)
        return Finding(
            {"networks": networks.reset_index(drop=True), "ends": _apart(runs, networks, ends)},
            {"learnt": int(learnt.sum()), "failed": int((~learnt).sum()), "by": subject.by or ""},
        )


def _networks(runs: "xr.Dataset") -> "pd.DataFrame":
    """The networks whose ends are compared: their numbers in the store, and whether they learnt."""
    networks = schema.networks_table(runs).reset_index()
    last = (runs[schema.STEP].values != schema.ABSENT).sum(axis=1) - 1
    sound = ~is_twin(networks) & np.array([each == "0" for each in phases(networks)]) & (last >= 0)
    numbers = np.array(
        [n for n in np.flatnonzero(sound) if np.isfinite(_end(runs, int(n))).all()], int
    )
    if len(numbers) > MOST_NETWORKS:
        numbers = numbers[np.linspace(0, len(numbers) - 1, MOST_NETWORKS).round().astype(int)]
    networks = networks.iloc[numbers].assign(number=numbers)
    accuracy = np.full(len(numbers), np.nan)
    if SCORE in runs:
        accuracy = runs[SCORE].values[numbers, last[numbers]]
    return networks.assign(accuracy=accuracy, learnt=_learnt(networks[schema.OUTCOME], accuracy))


def _learnt(
    outcome: "pd.Series", accuracy: Float[np.ndarray, " network"]
) -> Bool[np.ndarray, " network"]:
    known = np.isfinite(accuracy)
    best = accuracy[known].max(initial=0.0)
    return (outcome == "").to_numpy() & (~known | (accuracy >= SHARE * best))


def _end(runs: "xr.Dataset", number: int) -> Float[np.ndarray, " weight"]:
    last = int((runs[schema.STEP].values[number] != schema.ABSENT).sum()) - 1
    return runs[schema.WEIGHTS][number, last].values.astype(np.float64)


def _apart(
    runs: "xr.Dataset", networks: "pd.DataFrame", ends: Float64[np.ndarray, "network weight"]
) -> "pd.DataFrame":
    """Distances between every two ends, and after the symmetries of perceptrons are taken out."""
    import pandas as pd

    try:
        parameters = schema.Parameters.from_runs(runs)
        perceptron = Perceptron.of(parameters, str(runs.attrs.get("activation", "")))
    except StoreError:
        perceptron = None
    pairs = np.column_stack(np.triu_indices(len(ends), 1))
    tasks = np.array_split(pairs, -(-len(pairs) // TOGETHER))
    work = partial(_of_pairs, ends, perceptron)
    found = np.concatenate(list(run_tasks(work, tasks, label="alignments of ends")))
    names = networks["network"].to_numpy()
    columns = {"network": names[pairs[:, 0]], "other": names[pairs[:, 1]]}
    kinds = zip(("distance", "aligned", "angle"), found.T, strict=True)
    return pd.DataFrame(columns | dict(kinds))


def _of_pairs(
    ends: Float64[np.ndarray, "network weight"],
    perceptron: Perceptron | None,
    pairs: Int[np.ndarray, "pair 2"],
) -> Float64[np.ndarray, "pair kind"]:
    """Distance, distance after alignment and angle after it."""
    found = np.full((len(pairs), 3), np.nan)
    for row, pair in zip(found, pairs, strict=True):
        # Where units are rescaled, it matters which of both is aligned: the one that is longer.
        near, far = sorted(ends[pair], key=lambda end: float(np.linalg.norm(end)))
        row[0] = np.linalg.norm(near - far)
        if perceptron is not None:
            far = align(far, near, perceptron).apply(perceptron, far)
            lengths = np.linalg.norm(near) * np.linalg.norm(far)
            row[1] = np.linalg.norm(near - far)
            row[2] = float(degrees(np.array(near @ far / max(lengths, 1e-300))))
    return found
