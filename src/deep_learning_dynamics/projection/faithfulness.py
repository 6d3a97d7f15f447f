"""How faithful a picture is: what a projection kept of the distances in weight space."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from deep_learning_dynamics.projection.quality import Spread

NEIGHBOURS = 10
ROUNDING = 1e-12  # share of a distance by which another may differ and count as equal


@dataclass(frozen=True)
class Faithfulness:
    """Over all rows, of each row, and along each path by itself; None where not defined."""

    trustworthiness: float | None
    continuity: float | None
    distance_correlation: float | None
    of_rows: Float[np.ndarray, "row 2"]  # trustworthiness and continuity, NaN where not defined
    along_paths: dict[str, Spread]  # the three above, of each path's own rows, spread over paths


def faithfulness(
    distances: Float[np.ndarray, "row row"],
    plane: Float[np.ndarray, "row row"],
    paths: Sequence[Int[np.ndarray, " _"]],
) -> Faithfulness:
    """Compare distances in weight space with those in the plane.

    Args:
        distances: in weight space, between all rows.
        plane: in the plane.
        paths: numbers of the rows of each path.
    """
    of_rows = [
        trustworthiness_of_rows(distances, plane),
        trustworthiness_of_rows(plane, distances),
    ]
    missing = np.full(len(distances), np.nan)
    shown = [missing if values is None else values for values in of_rows]
    along: dict[str, list[float]] = {}
    for path in paths:
        far, near = distances[np.ix_(path, path)], plane[np.ix_(path, path)]
        own = {
            "trustworthiness": trustworthiness(far, near),
            "continuity": trustworthiness(near, far),
            "distance_correlation": _path_correlation(far, near),
        }
        for name, value in own.items():
            along.setdefault(name, []).extend([] if value is None else [value])
    trusted, continued = (None if v is None else float(v.mean()) for v in of_rows)
    return Faithfulness(
        trusted,
        continued,
        distance_correlation(distances, plane),
        np.column_stack(shown),
        {name: Spread.of(values) for name, values in along.items() if values},
    )


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
    of_rows = trustworthiness_of_rows(distances, plane, neighbours)
    return None if of_rows is None else float(of_rows.mean())


def trustworthiness_of_rows(
    distances: Float[np.ndarray, "row row"],
    plane: Float[np.ndarray, "row row"],
    neighbours: int = NEIGHBOURS,
) -> Float[np.ndarray, " row"] | None:
    """What each row contributes: the mean over rows is the trustworthiness.

    1 where all neighbours in the plane are neighbours in weight space, about 0.5 where they are
    any rows; a single row can fall below 0.
    """
    rows = len(distances)
    k = limited(neighbours, rows)
    if k < 1:
        return None
    penalty = (_nearest(plane, k) * _excess(distances, k)).sum(axis=1)
    return 1 - penalty * 2 / (k * (2 * rows - 3 * k - 1))


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


def _path_correlation(
    distances: Float[np.ndarray, "row row"], plane: Float[np.ndarray, "row row"]
) -> float | None:
    """As :func:`distance_correlation`; 0 for a path that the plane shows as a single point."""
    found = distance_correlation(distances, plane)
    if found is None and distance_correlation(distances, distances) is not None:
        return 0.0
    return found


def _excess(distances: Float[np.ndarray, "row row"], k: int) -> Float[np.ndarray, "row row"]:
    """By how much each row's rank as a neighbour of another exceeds k, 0 where it does not.

    The nearest has rank 1. Of equal distances, the expected value if ties are decided by lot.
    """
    apart = distances.astype(float)
    np.fill_diagonal(apart, -1)  # rank 0, before all others, duplicates included
    order = np.argsort(apart, axis=1, kind="stable")
    ascending = np.take_along_axis(apart, order, axis=1)
    ranks = np.arange(len(apart))
    begins = np.diff(ascending, axis=1, prepend=-2) > ROUNDING * np.abs(ascending)
    ends = np.roll(begins, -1, axis=1)
    ends[:, -1] = True
    first = np.maximum.accumulate(np.where(begins, ranks, 0), axis=1)
    last = np.minimum.accumulate(np.where(ends, ranks, len(apart))[:, ::-1], axis=1)[:, ::-1]
    mean = (_triangular(last - k) - _triangular(first - 1 - k)) / (last - first + 1)
    excess = np.empty_like(apart)
    np.put_along_axis(excess, order, mean, axis=1)
    return excess


def _triangular(number: Int[np.ndarray, "row row"]) -> Int[np.ndarray, "row row"]:
    """1 + 2 + … + number; 0 where there is nothing to add."""
    number = np.maximum(number, 0)
    return number * (number + 1) // 2


def _nearest(plane: Float[np.ndarray, "row row"], k: int) -> Float[np.ndarray, "row row"]:
    """The probability that a row is among the k nearest of another if ties are decided by lot."""
    apart = plane.astype(float)
    np.fill_diagonal(apart, np.inf)
    edge = np.partition(apart, k - 1, axis=1)[:, k - 1 : k]
    tolerance = ROUNDING * edge
    inside: Bool[np.ndarray, "row row"] = apart < edge - tolerance
    tied = np.abs(apart - edge) <= tolerance
    places = k - inside.sum(axis=1, keepdims=True)
    return inside + tied * (places / tied.sum(axis=1, keepdims=True))
