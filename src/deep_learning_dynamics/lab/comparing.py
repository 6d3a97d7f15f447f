"""Runs beside each other: what differs between them, how they did, and all paths in one plane."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
from jaxtyping import Float

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.errors import ParamsError, SnapshotsError
from deep_learning_dynamics.lab.differences import Differences
from deep_learning_dynamics.lab.showing import copy_into
from deep_learning_dynamics.params import Method, Params
from deep_learning_dynamics.tracked_weights import TrackedWeights
from deep_learning_dynamics.tracking.files import fetch, local_files
from deep_learning_dynamics.tracking.fingerprints import DATASETS
from deep_learning_dynamics.tracking.records import Record
from deep_learning_dynamics.tracking.store import Connection, reaching
from deep_learning_dynamics.views import View, view

if TYPE_CHECKING:
    from deep_learning_dynamics.figures import Provenance
    from deep_learning_dynamics.projection import Projection

PHASES = ("pretrain", "train")
COMPARISONS = "comparisons"  # the folder among a run's artifacts


@dataclass(frozen=True)
class WeightsOfRuns(TrackedWeights):
    """The tracked weights of several runs, one after the other.

    ``stores`` are pretrain and train of the first run, then those of the next.
    """

    def read(self, columns: slice, as_stored: bool = False) -> Float[np.ndarray, "row block"]:
        block = np.empty(
            (len(self.chosen), columns.stop - columns.start), self.number_type(as_stored)
        )
        first = 0  # row of all paths with which the run begins
        for run in range(len(self.stores) // 2):
            paths = [path for path in self.trajectories if path.store // 2 == run]
            end = first + sum(path.snapshots for path in paths)
            rows = np.flatnonzero((self.chosen >= first) & (self.chosen < end))
            alone = TrackedWeights(
                self.stores[2 * run : 2 * run + 2],
                tuple(replace(path, store=path.store % 2) for path in paths),
                self.segments,
                self.chosen[rows] - first,
            )
            block[rows] = alone.read(columns, as_stored)
            first = end
        return block


def joined(views: Sequence[View]) -> View:
    """The views of several runs as one, with the column ``run``: its number from 0."""
    import pandas as pd

    tables = [each.table.assign(run=number) for number, each in enumerate(views)]
    paths = tuple(
        replace(path, store=path.store + 2 * number)
        for number, each in enumerate(views)
        for path in each.weights.trajectories
    )
    table = pd.concat(tables, ignore_index=True)
    weights = WeightsOfRuns(
        tuple(store for each in views for store in each.weights.stores),
        paths,
        views[0].weights.segments,
        np.arange(len(table)),
    )
    return View(table, weights, np.concatenate([each.finite for each in views]))


def parameters_of(connection: Connection, record: Record, scratch: Path) -> Params:
    """A run's params.yaml, checked.

    Raises:
        ParamsError: it is of another version of the program.
    """
    path = fetch(connection, record, "params.yaml", scratch)
    return parameters.validate(parameters.read(path), origin=f"params.yaml of the run {record}")


def common_plane(
    connection: Connection, compared: Sequence[Record], method: Method, scratch: Path
) -> "Projection":
    """Fit a method on the snapshots of all runs together, with the settings of the first.

    Its coordinates have the column ``run``. The weights that are tracked, the settings of the
    method and the seed are those of the first run.

    Raises:
        SnapshotsError: the runs' networks differ in their layers.
        TrackingError: a run has no snapshots.
    """
    from deep_learning_dynamics import projection

    check_architectures(compared)
    settings = parameters_of(connection, compared[0], scratch)
    views = []
    for record in compared:
        stores = (fetch(connection, record, f"snapshots/{p}.zarr", scratch) for p in PHASES)
        views.append(view(*stores, settings.track))
    # Fitted on one network, the plane would be that of one run.
    project = settings.project.model_copy(update={"fit_on_first_network_only": False})
    return projection.project(method, joined(views), project, settings.seed)


def check_method(method: str) -> None:
    """Refuse what is not a method.

    Raises:
        ParamsError: which ones there are.
    """
    if method not in get_args(Method):
        raise ParamsError(f"--method is {method}; expected one of {', '.join(get_args(Method))}.")


def draw(
    connection: Connection,
    compared: Sequence[Record],
    found: Differences,
    method: Method,
    scratch: Path,
) -> Path:
    """The figure of all runs in one plane: a folder in ``scratch`` with it and its coordinates.

    Raises:
        SnapshotsError, TrackingError: as in :func:`common_plane`.
    """
    from deep_learning_dynamics import figures
    from deep_learning_dynamics.figures.comparison import comparison_figure
    from deep_learning_dynamics.figures.inputs import read_projection
    from deep_learning_dynamics.figures.run_paths import RunPaths

    projected = common_plane(connection, compared, method, scratch)
    runs = []
    for number, label in enumerate(labels(compared, found.parameters)):
        rows = projected.coordinates["run"] == number
        part = replace(projected, coordinates=projected.coordinates[rows].drop(columns="run"))
        part.save(scratch / "planes" / str(number))
        read = read_projection(scratch / "planes" / str(number), method)
        runs.append(RunPaths(label, read.trajectories))
    common = replace(read, trajectories=tuple(t for run in runs for t in run.trajectories))
    data = [_provenance(connection, compared, name, scratch) for name in DATASETS]
    settings = parameters_of(connection, compared[0], scratch)
    folder = scratch / _folder_name(compared, method)
    figures.save(comparison_figure(runs, common, *data), folder, settings.plot.dpi)
    names = [record.name for record in compared]
    coordinates = projected.coordinates.assign(
        run=[names[number] for number in projected.coordinates["run"]]
    )
    coordinates.to_parquet(folder / "coordinates.parquet", index=False)
    return folder


def keep(connection: Connection, compared: Sequence[Record], drawn: Path) -> list[str]:
    """Add a comparison to each run under ``comparisons/``; where its figure can be seen."""
    name = f"{COMPARISONS}/{drawn.name}"
    with reaching(connection.store):
        for record in compared:
            connection.client.log_artifacts(record.run_id, str(drawn), name)
    picture = f"{name}/{drawn.name}.png"
    here = local_files(compared[0])
    if here is not None and (here / picture).exists():
        return [str(here / picture)]
    return [f"{picture} among the artifacts of {', '.join(record.name for record in compared)}"]


def copy(drawn: Path, folder: Path) -> Path:
    """Put a comparison's files into a folder of one's own, in a folder of its name."""
    target = folder / drawn.name
    copy_into(drawn, target)
    return target / f"{drawn.name}.png"


def check_architectures(compared: Sequence[Record]) -> None:
    """Refuse runs whose weight vectors are of different spaces.

    Raises:
        SnapshotsError: which key differs, and how.
    """
    key = "network.hidden_layers"
    found = {record.parameters.get(key): record for record in compared}
    if len(found) > 1:
        shown = ", ".join(f"{value} in {record}" for value, record in found.items())
        raise SnapshotsError(
            f"Runs of different architectures have no plane in common: {key} is {shown}. "
            "Compare runs with the same layers, or look at their numbers with --no-figure."
        )


def labels(compared: Sequence[Record], differing: dict[str, tuple[str | None, ...]]) -> list[str]:
    """What sets each run apart, one setting on a line; its name where no parameter does.

    ``differing`` are the parameters that differ, with a value for each run.
    """
    # How paths are projected, tested and drawn does not change them.
    aside = ("project", "plot", "track", "trust")
    keys = [key for key in differing if key.split(".")[0] not in aside]
    last = [key.rpartition(".")[2] for key in keys]
    short = [name if last.count(name) == 1 else key for name, key in zip(last, keys, strict=True)]
    made = []
    for number, record in enumerate(compared):
        lines = [
            f"{name} {_clipped(differing[key][number])}"
            for name, key in zip(short, keys, strict=True)
        ]
        if len(lines) > 3:
            lines = [*lines[:2], f"and {len(lines) - 2} more"]
        made.append("\n".join(lines or [record.name]))
    return [
        label if made.count(label) == 1 else f"{label}\n{record.name}"
        for label, record in zip(made, compared, strict=True)
    ]


def _folder_name(compared: Sequence[Record], method: str) -> str:
    """The same for the same runs in the same order; short enough for any file system."""
    names = "_".join(record.name for record in compared)
    if len(compared) > 3:
        ids = " ".join(record.run_id for record in compared)
        digest = hashlib.sha256(ids.encode()).hexdigest()[:8]
        names = f"{compared[0].name}_and-{len(compared) - 1}-more_{digest}"
    return f"{method}_{names}"


def _provenance(
    connection: Connection, compared: Sequence[Record], name: str, scratch: Path
) -> "Provenance":
    """Which data all runs used, or the different ones that they did."""
    from deep_learning_dynamics.figures import Provenance, read_provenance

    each = [
        read_provenance(fetch(connection, record, f"data/{name}.json", scratch))
        for record in compared
    ]
    return Provenance(
        " / ".join(dict.fromkeys(one.label for one in each)),
        all(one.original for one in each),
        each[0].classes,
    )


def _clipped(value: str | None) -> str:
    if value is None:
        return "–"
    return value if len(value) <= 24 else f"{value[:23]}…"
