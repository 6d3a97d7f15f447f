"""What figures are drawn from: projected trajectories, their quality, and where the data came from.

Read straight from the files of the earlier stages, without pandas, whose import alone takes longer
than a figure.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from deep_learning_dynamics.errors import DataError, ProjectionError
from deep_learning_dynamics.params import Arm, Method

_COLUMNS = ("phase", "arm", "pair", "layer", "step", "epoch", "test_accuracy", "failed", "x", "y")


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


@dataclass(frozen=True)
class Projection:
    """What one method made of all trajectories."""

    method: Method
    trajectories: tuple[Trajectory, ...]
    quality: Quality
    map: HexagonalMap | None

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
    from pyarrow import parquet

    try:
        quality = json.loads((folder / "quality.json").read_text(encoding="utf-8"))
        table = parquet.read_table(folder / "coordinates.parquet")
    except FileNotFoundError as error:
        raise ProjectionError(
            f"{error.filename or folder} does not exist; expected the projection of {method}. "
            f"Make it with: dvc repro project@{method}"
        ) from None
    missing = [name for name in _COLUMNS if name not in table.column_names]
    if missing:
        raise ProjectionError(
            f"{folder / 'coordinates.parquet'} has no column {missing[0]}; expected "
            f"{', '.join(_COLUMNS)}. Make it again with: dvc repro --force project@{method}"
        )
    columns = {name: table[name].to_numpy(zero_copy_only=False) for name in _COLUMNS}
    measures = {name: quality.get(name) for name in Quality.__dataclass_fields__}
    return Projection(method, _trajectories(columns), Quality(**measures), _map(folder))


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


def _trajectories(columns: dict[str, Any]) -> tuple[Trajectory, ...]:
    keys = list(
        zip(*(columns[name].tolist() for name in ("phase", "arm", "pair", "layer")), strict=True)
    )
    rows: dict[tuple[Any, ...], list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    found = []
    for (phase, arm, pair, layer), members in rows.items():
        ordered = np.array(members)[np.argsort(columns["step"][members], kind="stable")]
        points = np.column_stack([columns["x"][ordered], columns["y"][ordered]]).astype(np.float64)
        seen = np.isfinite(points).all(axis=1)
        found.append(
            Trajectory(
                phase,
                arm,
                pair,
                layer,
                columns["failed"][ordered[0]],
                columns["epoch"][ordered][seen].astype(np.float64),
                columns["test_accuracy"][ordered][seen].astype(np.float64),
                points[seen],
            )
        )
    return tuple(found)


def _map(folder: Path) -> HexagonalMap | None:
    try:
        with np.load(folder / "map.npz", allow_pickle=False) as arrays:
            return HexagonalMap(arrays["centres"].astype(float), arrays["u_matrix"].astype(float))
    except FileNotFoundError:
        return None
