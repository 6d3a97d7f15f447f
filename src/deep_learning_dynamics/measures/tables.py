"""All measures of an experiment as two tables: one number per network, and curves over time."""

from dataclasses import dataclass
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

import numpy as np

from deep_learning_dynamics.measures.distances import Distances, distances
from deep_learning_dynamics.measures.learning import (
    TARGETS,
    area_under_curve,
    final_accuracy,
    steps_to,
)
from deep_learning_dynamics.measures.paths import Path
from deep_learning_dynamics.trajectories import architecture_of, members_of, open_snapshots

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

WHOLE_NETWORK = 0  # the layer number of what is measured over all layers together
PATH_MEASURES = (
    "path_length",
    "displacement",
    "straightness",
    "turning_angle",
    "effective_dimension",
)
LEARNING_MEASURES = (
    *(f"steps_to_{target * 100:.0f}" for target in TARGETS),
    "area_under_curve",
    "final_accuracy",
    "failed",
)
CURVES = (
    "speed",
    "turning_angle",
    "distance_to_start",
    "distance_to_end",
    "distance_to_partner",
    "distance_within_arm",
)


@dataclass(frozen=True)
class TrainedPath:
    """A network's path in training, over all its weights."""

    arm: str
    pair: int
    weights: int  # how many, biases included
    path: Path


@dataclass(frozen=True)
class Measures:
    """What was measured; NaN where something is not defined.

    ``networks`` has a row per network, layer (0: the whole network) and measure; its columns:
    phase ("pretrain" | "train"), arm, pair, failed, layer, measure, value. ``over_time`` has a row
    per network, layer and snapshot; its columns: phase, arm, pair, failed, layer, step, epoch and
    ``CURVES``. Distances are Euclidean, over weights and biases; angles are in degrees.

    A network that diverged has no measures of its path, because the length of a path to infinity
    says nothing, and no final accuracy; a dead one is measured like any other. ``paths`` has
    those of training that have measures.
    """

    networks: "pd.DataFrame"
    over_time: "pd.DataFrame"
    paths: tuple[TrainedPath, ...]


def measure(pretrain: File, train: File) -> Measures:
    """Measure all networks in the two stores of an experiment.

    Raises:
        SnapshotsError: a store is missing.
    """
    import pandas as pd
    from threadpoolctl import threadpool_limits

    networks: list[dict[str, Any]] = []
    curves: list[pd.DataFrame] = []
    paths: list[TrainedPath] = []
    # One thread: sums do not depend on the machine, and small products gain nothing from more.
    with threadpool_limits(1, user_api="blas"):
        for phase, store in (("pretrain", pretrain), ("train", train)):
            snapshots = open_snapshots(store)
            found = _add(phase, snapshots, distances(snapshots), networks, curves)
            paths += found if phase == "train" else []
    return Measures(pd.DataFrame(networks), pd.concat(curves, ignore_index=True), tuple(paths))


def _add(
    phase: str,
    snapshots: "xr.Dataset",
    measured: Distances,
    networks: list[dict[str, Any]],
    curves: list["pd.DataFrame"],
) -> list[TrainedPath]:
    """Add a store's rows to the tables; the paths of its networks that did not diverge."""
    import pandas as pd

    paths = []
    size = architecture_of(snapshots).size
    steps = snapshots["step"].values.astype(np.int64)
    # Stored in single precision, in which 0.9 would be less than 0.9.
    accuracy = np.round(snapshots["test_accuracy"].values.astype(np.float64), 6)
    failed = [str(value) for value in snapshots["failed"].values]
    for row, member in enumerate(members_of(snapshots)):
        who = {"phase": phase, "arm": member.arm, "pair": member.pair, "failed": failed[row]}
        layers = [Path(steps, products[row]) for products in measured.products]
        whole = layers[0]
        for layer in layers[1:]:
            whole = whole + layer
        if failed[row] != "diverged":
            paths.append(TrainedPath(member.arm, member.pair, size, whole))
        apart = (measured.to_partner[:, row], measured.within_arm[:, row])
        for number, path in enumerate([whole, *layers]):
            values = _path_measures(path, failed[row])
            if number == WHOLE_NETWORK:
                values |= _learning_measures(accuracy[row], steps, failed[row])
            networks += [
                {**who, "layer": number, "measure": name, "value": value}
                for name, value in values.items()
            ]
            columns = {**who, "layer": number, "step": steps, "epoch": snapshots["epoch"].values}
            of_time = (path.speed, path.turning, path.from_start, path.to_end)
            of_time += tuple(distance[number] for distance in apart)
            columns |= dict(zip(CURVES, of_time, strict=True))
            curves.append(pd.DataFrame(columns))
    return paths


def _path_measures(path: Path, failed: str) -> dict[str, float]:
    values = (
        path.length,
        path.displacement,
        path.straightness,
        path.mean_turning,
        path.dimension,
    )
    if failed == "diverged":
        values = (float("nan"),) * len(values)
    return dict(zip(PATH_MEASURES, values, strict=True))


def _learning_measures(accuracy: np.ndarray, steps: np.ndarray, failed: str) -> dict[str, float]:
    learnt = (area_under_curve(accuracy, steps), final_accuracy(accuracy))
    if failed == "diverged":
        learnt = (float("nan"),) * len(learnt)
    values = (
        *(steps_to(target, accuracy, steps) for target in TARGETS),
        *learnt,
        float(failed != ""),
    )
    return dict(zip(LEARNING_MEASURES, values, strict=True))
