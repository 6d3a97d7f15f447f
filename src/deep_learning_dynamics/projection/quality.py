"""What is known of a projection: how faithful, how stable, and how unlike one of nothing."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from deep_learning_dynamics.nulls import Standing


@dataclass(frozen=True)
class Spread:
    """Over networks."""

    median: float
    minimum: float
    maximum: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(float(np.median(values)), float(min(values)), float(max(values)))


@dataclass(frozen=True)
class Refits:
    """How far refits are from the projection, after Procrustes alignment."""

    refits: int
    disparity: float  # the median; 0: the same shape, 1: nothing in common
    maximum: float


@dataclass(frozen=True)
class Stability:
    """What changes if nothing changes but chance, or the networks that happen to be there."""

    seeds: Refits | None  # with other random numbers
    folds: Refits | None  # with some networks left out
    wobble: float  # root mean squared displacement / root mean squared distance from the centre


@dataclass(frozen=True)
class Quality:
    """What is measured of a projection; ``None`` where a measure is not defined for the method."""

    method: str
    rows: int  # that have a place in the plane and are measured here
    fitted_rows: int
    weights: int  # tracked in each row
    neighbours: int  # k of trustworthiness and continuity
    trustworthiness: float | None  # 0 to 1: neighbours in the plane are neighbours in weight space
    continuity: float | None  # 0 to 1: neighbours in weight space are neighbours in the plane
    distance_correlation: float | None  # Spearman's, −1 to 1, over all pairs of rows
    explained_variance: float | None = None  # share of the variance that the plane holds, up to 1
    reconstruction_error: float | None = None  # mean squared error / variance
    code_explained_variance: float | None = None  # likewise, of the code before the plane
    quantisation_error: float | None = None  # mean distance to the best-matching unit
    topographic_error: float | None = None  # share whose two nearest units are no neighbours
    along_paths: dict[str, Spread] | None = None  # by measure, each network's own rows alone
    stability: Stability | None = None
    nulls: dict[str, dict[str, Standing]] | None = None  # by kind of null and measure

    def summary(self) -> str:
        """One line for the terminal."""
        shown = [f"{self.method}: {self.rows} snapshots"]
        for key, value in self.as_json().items():
            if isinstance(value, float):
                shown.append(f"{key.replace('_', ' ')} {value:.3g}")
        for test in ("seeds", "folds"):
            found = self.stability and getattr(self.stability, test)
            if found:
                shown.append(f"disparity of {test} {found.disparity:.2f}")
        return ", ".join(shown)

    def as_json(self) -> dict[str, Any]:
        """What is defined, rounded to 10 digits."""
        return _defined(asdict(self))


def _defined(values: dict[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            written[key] = _defined(value)
        elif isinstance(value, float):
            if np.isfinite(value):
                written[key] = float(f"{value:.10g}")
        elif value is not None:
            written[key] = value
    return written
