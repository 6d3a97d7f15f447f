"""What figures are drawn from: projected trajectories, their quality, and where the data came from.

Read straight from the files of the earlier stages, without pandas, whose import alone takes longer
than a figure.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from deep_learning_dynamics.errors import DataError, ProjectionError
from deep_learning_dynamics.figures.evidence import (
    KINDS,
    Kind,
    Stability,
    Standings,
    stability_of,
    standings_of,
)
from deep_learning_dynamics.params import Arm, Method

_COLUMNS = ("phase", "arm", "pair", "layer", "step", "epoch", "test_accuracy", "failed", "x", "y")
# Of each row; absent or NaN where a projection was not tested.
_FAITHFULNESS = ("trustworthiness", "continuity")
_WOBBLE = ("wobble_xx", "wobble_xy", "wobble_yy")


@dataclass(frozen=True)
class Trajectory:
    """A network's snapshots in the plane, in order; those without a point are left out."""

    phase: str  # "pretrain" (on OMNIGLOT) or "train" (on MNIST)
    arm: Arm
    pair: int
    layer: int  # 0: all tracked layers together
    failed: str  # "", "dead" or "diverged"
    epochs: Float[np.ndarray, " snapshot"]
    accuracy: Float[np.ndarray, " snapshot"]  # on the test set, 0 to 1
    points: Float[np.ndarray, "snapshot 2"]
    # The lower of trustworthiness and continuity of each row; NaN where not known.
    faithfulness: Float[np.ndarray, " snapshot"] | None = None
    # Mean (dx², dx dy, dy²) from a point to where refits put it, in squared units of the plane.
    wobble: Float[np.ndarray, "snapshot 3"] | None = None


@dataclass(frozen=True)
class HexagonalMap:
    """The units of a self-organising map in the plane of the trajectories."""

    centres: Float[np.ndarray, "unit 2"]
    u_matrix: Float[np.ndarray, " unit"]  # mean distance to the neighbouring units


@dataclass(frozen=True)
class Quality:
    """How far a projection may be believed; None where the measure is not defined."""

    weights: int | None  # tracked in each row
    trustworthiness: float | None
    continuity: float | None
    distance_correlation: float | None  # Spearman's, of the distances between rows
    explained_variance: float | None  # share, 1 at best
    reconstruction_error: float | None  # mean squared error / variance
    code_explained_variance: float | None  # of the code that t-SNE or the map was given
    quantisation_error: float | None
    topographic_error: float | None  # share of rows
    path_distance_correlation: float | None = None  # within a network's path; median over paths
    stability: Stability | None = None
    nulls: Standings = field(default_factory=dict)


@dataclass(frozen=True)
class Projection:
    """What one method made of all trajectories."""

    method: Method
    trajectories: tuple[Trajectory, ...]
    quality: Quality
    map: HexagonalMap | None
    # One null of each kind in the plane that the method makes of it; only its shape compares.
    nulls: dict[Kind, tuple[Trajectory, ...]] = field(default_factory=dict)

    def phase(self, phase: str) -> list[Trajectory]:
        """The trajectories of one phase that have a point at all."""
        return [t for t in self.trajectories if t.phase == phase and len(t.points)]

    @property
    def layers(self) -> list[int]:
        return sorted({trajectory.layer for trajectory in self.trajectories})

    @property
    def arms(self) -> list[Arm]:
        """The arms that were trained on MNIST, in the order of the rows."""
        return list(dict.fromkeys(t.arm for t in self.trajectories if t.phase == "train"))


@dataclass(frozen=True)
class Provenance:
    """Which data a dataset really is."""

    label: str  # e.g. "OMNIGLOT stand-in: glyphs"
    original: bool
    classes: int


def read_projection(folder: Path, method: Method) -> Projection:
    """The projection that lies in ``folder``.

    Raises:
        ProjectionError: a file is missing or a column in it.
    """
    columns = read_columns(folder, method, _COLUMNS, (*_FAITHFULNESS, *_WOBBLE))
    try:
        quality = json.loads((folder / "quality.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _missing(error.filename, method) from None
    return Projection(
        method,
        _trajectories(columns),
        _quality(quality),
        _map(folder),
        _nulls(folder, columns),
    )


def read_columns(
    folder: Path, method: Method, names: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Columns of a projection's coordinates, by name; of ``optional`` those that are there.

    Raises:
        ProjectionError: the coordinates are missing, or a column in them.
    """
    from pyarrow import parquet

    path = folder / "coordinates.parquet"
    try:
        table = parquet.read_table(path)
    except FileNotFoundError:
        raise _missing(path, method) from None
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise ProjectionError(
            f"{path} has no column {missing[0]}; expected {', '.join(names)}. "
            f"Make it again with: dvc repro --force project@{method}"
        )
    there = [*names, *(name for name in optional if name in table.column_names)]
    return {name: table[name].to_numpy(zero_copy_only=False) for name in there}


def read_provenance(path: Path) -> Provenance:
    """Which data a dataset really is, from its ``data/NAME.json``.

    Raises:
        DataError: the file is missing.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist; expected where the data came from. "
            f"Make it with: dvc repro fetch@{path.stem}"
        ) from None
    return Provenance(content["label"], content["original"], content["classes"])


def _missing(path: Path | str, method: Method) -> ProjectionError:
    return ProjectionError(
        f"{path} does not exist; expected the projection of {method}. "
        f"Make it with: dvc repro project@{method}"
    )


def _quality(content: Mapping[str, Any]) -> Quality:
    measures = {name: content.get(name) for name in Quality.__dataclass_fields__}
    along = (content.get("along_paths") or {}).get("distance_correlation") or {}
    return Quality(
        **measures
        | {
            "path_distance_correlation": along.get("median"),
            "stability": stability_of(content),
            "nulls": standings_of(content),
        }
    )


def _trajectories(columns: Mapping[str, Any]) -> tuple[Trajectory, ...]:
    keys = list(
        zip(*(columns[name].tolist() for name in ("phase", "arm", "pair", "layer")), strict=True)
    )
    rows: dict[tuple[Any, ...], list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    points = np.column_stack([columns["x"], columns["y"]]).astype(np.float64)
    seen = np.isfinite(points).all(axis=1)
    faithfulness, wobble = _numbers(columns, _FAITHFULNESS), _numbers(columns, _WOBBLE)
    found = []
    for (phase, arm, pair, layer), members in rows.items():
        ordered = np.array(members)[np.argsort(columns["step"][members], kind="stable")]
        kept = ordered[seen[ordered]]
        found.append(
            Trajectory(
                phase,
                arm,
                pair,
                layer,
                columns["failed"][ordered[0]],
                columns["epoch"][kept].astype(np.float64),
                columns["test_accuracy"][kept].astype(np.float64),
                points[kept],
                None if faithfulness is None else faithfulness[kept].min(axis=1),
                None if wobble is None else wobble[kept],
            )
        )
    return tuple(found)


def _numbers(columns: Mapping[str, Any], names: Sequence[str]) -> Float[np.ndarray, "row _"] | None:
    """These columns side by side; None where there is one missing."""
    if not all(name in columns for name in names):
        return None
    return np.column_stack([columns[name].astype(np.float64) for name in names])


def _nulls(folder: Path, columns: Mapping[str, Any]) -> dict[Kind, tuple[Trajectory, ...]]:
    """The nulls' trajectories; no network of nothing failed, and none was tested."""
    try:
        with np.load(folder / "nulls.npz", allow_pickle=False) as arrays:
            points = {kind: arrays[kind].astype(np.float64) for kind in KINDS if kind in arrays}
    except FileNotFoundError:
        return {}
    given = {name: columns[name] for name in _COLUMNS}
    unfailed = np.full(len(columns["failed"]), "", dtype=object)
    return {
        kind: _trajectories(given | {"x": of[:, 0], "y": of[:, 1], "failed": unfailed})
        for kind, of in points.items()
    }


def _map(folder: Path) -> HexagonalMap | None:
    try:
        with np.load(folder / "map.npz", allow_pickle=False) as arrays:
            return HexagonalMap(arrays["centres"].astype(float), arrays["u_matrix"].astype(float))
    except FileNotFoundError:
        return None
