"""What the figures of the measures show, read from the files of stage ``measure``."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from deep_learning_dynamics.errors import DataError
from deep_learning_dynamics.params import Arm

# Titles, and by what to multiply: shares are shown in percent.
TITLES: dict[str, tuple[str, float]] = {
    "path_length": ("Path length", 1.0),
    "displacement": ("Displacement", 1.0),
    "straightness": ("Straightness", 1.0),
    "turning_angle": ("Mean turning angle (°)", 1.0),
    "effective_dimension": ("Effective dimension", 1.0),
    "steps_to_50": ("Steps to 50 % accuracy", 1.0),
    "steps_to_80": ("Steps to 80 % accuracy", 1.0),
    "steps_to_90": ("Steps to 90 % accuracy", 1.0),
    "area_under_curve": ("Mean accuracy while learning (%)", 100.0),
    "final_accuracy": ("Final accuracy (%)", 100.0),
    "failed": ("Failed networks (%)", 100.0),
}


@dataclass(frozen=True)
class Difference:
    """One measure compared within pairs: ``difference`` is pre-trained minus scratch.

    NaN where something is not defined.
    """

    layer: int  # 0: the whole network
    measure: str
    pairs: int  # in which both networks have the measure
    first: float  # median from scratch
    second: float  # median of the pre-trained
    difference: float
    low: float
    high: float
    effect_size: float
    effect_low: float
    effect_high: float
    adjusted_p: float


@dataclass(frozen=True)
class Curves:
    """What was measured over time, of the networks of one arm that did not diverge."""

    arm: Arm
    epochs: Float[np.ndarray, " snapshot"]
    values: dict[str, Float[np.ndarray, "network snapshot"]]


@dataclass(frozen=True)
class ByLayer:
    """One measure of one arm: a row per layer."""

    arm: Arm
    measure: str
    layers: Int[np.ndarray, " layer"]
    values: Float[np.ndarray, "layer network"]


@dataclass(frozen=True)
class Measured:
    """All that was measured while networks learnt MNIST."""

    pairs: int
    arms: tuple[Arm, ...]
    differences: tuple[Difference, ...]  # none if there is one arm
    can_conclude: bool
    pairs_needed: int | None
    curves: tuple[Curves, ...]
    layers: tuple[ByLayer, ...]


def read_measured(folder: Path, metrics: Path) -> Measured:
    """What stage ``measure`` wrote.

    Raises:
        DataError: a file is missing.
    """
    from pyarrow import parquet

    try:
        summary = json.loads(metrics.read_text(encoding="utf-8"))
        networks, over_time, comparison = (
            _columns(parquet.read_table(folder / f"{name}.parquet"))
            for name in ("measures", "over_time", "comparison")
        )
    except FileNotFoundError as error:
        raise DataError(
            f"{error.filename or folder} does not exist; expected what was measured. "
            "Make it with: dvc repro measure"
        ) from None
    arms = tuple(summary["arms"])
    fields = Difference.__dataclass_fields__
    rows = zip(*(comparison[name].tolist() for name in fields), strict=True)
    training = {name: values[networks["phase"] == "train"] for name, values in networks.items()}
    return Measured(
        pairs=len(set(training["pair"].tolist())),
        arms=arms,
        differences=tuple(Difference(*row) for row in rows),
        can_conclude=summary.get("can_conclude", False),
        pairs_needed=summary.get("pairs_needed"),
        curves=tuple(_curves(over_time, arm) for arm in arms),
        layers=tuple(_layers(training, arms)),
    )


def _columns(table: Any) -> dict[str, np.ndarray]:
    return {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}


def _curves(table: dict[str, np.ndarray], arm: Arm) -> Curves:
    whole = (table["phase"] == "train") & (table["layer"] == 0) & (table["arm"] == arm)
    epochs = np.unique(table["epoch"][whole]).astype(np.float64)
    sound = whole & (table["failed"] != "diverged")
    names = [name for name in table if name.startswith(("speed", "turning", "distance"))]
    values = {name: table[name][sound].reshape(-1, len(epochs)) for name in names}
    return Curves(arm, epochs, {name: v.astype(np.float64) for name, v in values.items()})


def _layers(table: dict[str, np.ndarray], arms: Sequence[Arm]) -> list[ByLayer]:
    found = []
    layers = np.unique(table["layer"][table["layer"] > 0]).astype(np.int64)
    for measure in dict.fromkeys(table["measure"][table["layer"] > 0].tolist()):
        for arm in arms:
            mine = (table["measure"] == measure) & (table["arm"] == arm)
            values = [table["value"][mine & (table["layer"] == layer)] for layer in layers]
            found.append(ByLayer(arm, measure, layers, np.array(values, np.float64)))
    return found
