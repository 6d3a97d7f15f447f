"""How far a picture may be believed: what a projection kept of the distances in weight space."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

NEIGHBOURS = 10


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

    def summary(self) -> str:
        """One line for the terminal."""
        shown = [f"{self.method}: {self.rows} snapshots"]
        for key, value in self.as_json().items():
            if isinstance(value, float):
                shown.append(f"{key.replace('_', ' ')} {value:.3g}")
        return ", ".join(shown)

    def as_json(self) -> dict[str, Any]:
        """What is defined, rounded to 10 digits."""
        values = {key: value for key, value in asdict(self).items() if value is not None}
        return {
            key: float(f"{value:.10g}") if isinstance(value, float) else value
            for key, value in values.items()
        }


def trustworthiness(
    distances: Float[np.ndarray, "row row"],
    plane: Float[np.ndarray, "row row"],
    neighbours: int = NEIGHBOURS,
) -> float | None:
    """Are neighbours in the plane neighbours in weight space? (Venna & Kaski, 2001)

    Both arguments are distances between all rows. Where rows share a place, as in the cell of a
    map, which of them count as the k nearest is chance: the expected value over all choices is
    given. Swapped arguments give the *continuity*. None for fewer than four rows; k is at most
    what the measure allows, (rows − 1) / 2.
    """
    rows = len(distances)
    k = limited(neighbours, rows)
    if k < 1:
        return None
    excess = np.maximum(_ranks(distances) - k, 0)
    penalty = (_nearest(plane, k) * excess).sum()
    return float(1 - penalty * 2 / (rows * k * (2 * rows - 3 * k - 1)))


def limited(neighbours: int, rows: int) -> int:
    """The k that trustworthiness allows for so many rows; 0 if none."""
    return min(neighbours, (rows - 1) // 2) if rows >= 4 else 0


def distance_correlation(
    distances: Float[np.ndarray, "row row"], plane: Float[np.ndarray, "row row"]
) -> float | None:
    """Spearman's rank correlation of the distances of all pairs. None where all are equal."""
    from scipy.stats import rankdata

    upper = np.triu_indices(len(distances), 1)
    left, right = rankdata(distances[upper]), rankdata(plane[upper])
    if len(left) < 2 or np.ptp(left) == 0 or np.ptp(right) == 0:
        return None
    return float(np.corrcoef(left, right)[0, 1])


def reconstruction_error(
    rows: Float[np.ndarray, "row component"], rebuilt: Float[np.ndarray, "row component"]
) -> float:
    """Mean squared error / variance: 0 is perfect, 1 is no better than the mean of all rows."""
    variance = ((rows - rows.mean(axis=0)) ** 2).sum()
    return float(((rows - rebuilt) ** 2).sum() / variance)


def _ranks(distances: Float[np.ndarray, "row row"]) -> Float[np.ndarray, "row row"]:
    """1 for the row's nearest other row, and so on; equal distances share their mean rank."""
    from scipy.stats import rankdata

    apart = distances.astype(float)
    np.fill_diagonal(apart, -1)  # before all others, duplicates included: rank 1, taken off again
    return rankdata(apart, axis=1) - 1


def _nearest(plane: Float[np.ndarray, "row row"], k: int) -> Float[np.ndarray, "row row"]:
    """The probability that a row is among the k nearest of another if ties are decided by lot."""
    apart = plane.astype(float)
    np.fill_diagonal(apart, np.inf)
    edge = np.partition(apart, k - 1, axis=1)[:, k - 1 : k]
    # Places that differ by rounding alone are one place.
    tolerance = 1e-12 * np.max(plane, initial=0)
    inside: Bool[np.ndarray, "row row"] = apart < edge - tolerance
    tied = np.abs(apart - edge) <= tolerance
    places = k - inside.sum(axis=1, keepdims=True)
    return inside + tied * (places / tied.sum(axis=1, keepdims=True))
