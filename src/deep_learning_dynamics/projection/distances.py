"""Distances among rows, their order, and how far two orders of the same rows agree.

Whatever depends on ranks is corrected for ties, of which layouts of self-organising maps have many:
values are expectations over all ways to break them. One sort of each row of distances serves all;
ranks are then looked up for the few neighbours that count.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from deep_learning_dynamics.selection import evenly

Vectors = Float[np.ndarray, "row component"]  # rows as methods see them
Points = Float[np.ndarray, "row 2"]  # in the plane

ROUNDING = 1e-12  # share of a distance by which another may differ and count as equal
EXACT = 8  # components up to which distances are summed from differences


class RankedDistances:
    """Distances of rows to others, in stacks of equal size, and what follows from their order.

    Args:
        among_themselves: the others are the rows, of which none is a neighbour of its own.
    """

    def __init__(
        self, squared: Float64[np.ndarray, "stack row other"], among_themselves: bool = True
    ) -> None:
        self.squared = squared
        self.rows, self.others = squared.shape[1:]
        if among_themselves:
            self.others -= 1
            np.einsum("sii->si", squared)[...] = np.inf

    @cached_property
    def ascending(self) -> Float64[np.ndarray, "stack row other"]:
        return np.sort(self.squared, axis=2)

    @cached_property
    def pair_ranks(self) -> Float[np.ndarray, "stack pair"]:
        """Ranks of the distances of all pairs, centred and of unit length; 0 if all are equal."""
        upper = np.triu_indices(self.rows, 1)
        if len(upper[0]) == 0:
            return np.zeros((len(self.squared), 0))
        ranks = np.stack([_ranks(of_pairs) for of_pairs in np.sqrt(self.squared[:, *upper])])
        ranks -= ranks.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(ranks, axis=1, keepdims=True)
        return np.divide(ranks, norms, out=np.zeros_like(ranks), where=norms > 0)

    def nearest(self, k: int) -> tuple[Bool[np.ndarray, "stack row other"], ...]:
        """Which others are nearer than the k-th nearest, and which are as near."""
        edge = self.ascending[:, :, k - 1 : k]
        low, high = edge * (1 - 2 * ROUNDING), edge * (1 + 2 * ROUNDING)
        inside = self.squared < low
        return inside, (self.squared <= high) & ~inside

    def expected_excess(
        self, k: int, which: tuple[Int[np.ndarray, " wanted"], ...]
    ) -> Float64[np.ndarray, " wanted"]:
        """By how much the ranks of some distances exceed k, 0 where they do not.

        The nearest has rank 1. Of equal distances, the expectation if ties are broken by lot.
        """
        stack, row, _ = which
        table = self.ascending.reshape(-1, self.ascending.shape[2])
        line, value = stack * self.rows + row, self.squared[which]
        first = _count_below(table, line, value * (1 - 2 * ROUNDING), strictly=True) + 1
        last = _count_below(table, line, value * (1 + 2 * ROUNDING), strictly=False)
        return (_triangular(last - k) - _triangular(first - 1 - k)) / (last - first + 1)


def agreement(
    space: RankedDistances, other: RankedDistances, neighbours: int
) -> Float64[np.ndarray, "stack row"]:
    """Whether each row's nearest in ``other`` are near in ``space``; the mean is the measure.

    It is the trustworthiness of the plane as ``other`` and the continuity of the plane as
    ``space``: 1 where all neighbours are, about 0.5 where they are any rows; that of a single row
    can fall below 0. NaN for fewer than four rows; the number of neighbours is at most what the
    measure allows.
    """
    rows = space.others + 1
    k = limited(neighbours, rows)
    if k < 1:
        return np.full(space.squared.shape[:2], np.nan)
    inside, tied = other.nearest(k)
    share = (k - inside.sum(axis=2)) / tied.sum(axis=2)  # chance of one of the tied to be chosen
    penalty = np.zeros(share.size)
    for which, weight in ((inside, 1.0), (tied, share.ravel())):
        wanted = np.nonzero(which)
        line = wanted[0] * which.shape[1] + wanted[1]
        excess = space.expected_excess(k, wanted)
        penalty += weight * np.bincount(line, excess, minlength=len(penalty))
    return 1 - penalty.reshape(share.shape) * 2 / (k * (2 * rows - 3 * k - 1))


def rank_correlations(
    space: RankedDistances, other: RankedDistances
) -> Float64[np.ndarray, " stack"]:
    """Spearman's, over all pairs of rows, of each of the stack; NaN where all are equal."""
    left, right = space.pair_ranks, other.pair_ranks
    defined = left.any(axis=1) & right.any(axis=1)
    return np.where(defined, np.einsum("sp,sp->s", left, right), np.nan)


def limited(neighbours: int, rows: int) -> int:
    """``neighbours``, at most what trustworthiness allows: (rows − 1) / 2, 0 below four rows."""
    return min(neighbours, (rows - 1) // 2) if rows >= 4 else 0


def squared_distances(
    rows: Vectors, others: Float[np.ndarray, "other component"] | None = None
) -> Float64[np.ndarray, "row other"]:
    """From inner products; values that could be rounding alone are 0.

    With few components they are summed from differences: equal distances have equal bits.
    """
    if rows.shape[1] <= EXACT:
        from scipy.spatial.distance import cdist

        return cdist(rows, rows if others is None else others, "sqeuclidean")
    rows = rows.astype(np.float64)
    centre = rows.mean(axis=0) if others is None else others.mean(axis=0)
    rows = rows - centre
    others = rows if others is None else others - centre
    left, right = (np.einsum("rc,rc->r", each, each) for each in (rows, others))
    sums = left[:, None] + right
    squared = sums - 2 * (rows @ others.T)
    squared[squared <= 1e-14 * sums] = 0
    return squared


def sampled(
    rows: int, paths: Sequence[Int[np.ndarray, " _"]], most: int
) -> Int[np.ndarray, " measured"]:
    """Rows of a sample that has the same share of every path, evenly spread over it; ascending.

    All rows, if they are not more than ``most``.
    """
    if rows <= most:
        return np.arange(rows)
    share = most / sum(len(path) for path in paths)
    return np.sort(np.concatenate([evenly(path, max(1, int(len(path) * share))) for path in paths]))


def _ranks(values: Float64[np.ndarray, " value"]) -> Float64[np.ndarray, " value"]:
    """Ranks from 1, the mean rank where values are equal: a third of the time of scipy.stats."""
    order = np.argsort(values)
    ascending = values[order]
    starts = np.flatnonzero(np.diff(ascending, prepend=-np.inf) > 0)
    ends = np.append(starts[1:], len(values))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((starts + 1 + ends) / 2, ends - starts)
    return ranks


def _count_below(
    table: Float64[np.ndarray, "line column"],
    line: Int[np.ndarray, " wanted"],
    value: Float64[np.ndarray, " wanted"],
    strictly: bool,
) -> Int[np.ndarray, " wanted"]:
    """How many numbers of an ascending line of the table are below each value (or equal to it)."""
    low = np.zeros(len(line), int)
    high = np.full(len(line), table.shape[1])
    for _ in range(int(table.shape[1]).bit_length()):
        middle = (low + high) // 2
        found = table[line, np.minimum(middle, table.shape[1] - 1)]
        below = (found < value if strictly else found <= value) & (middle < high)
        low, high = np.where(below, middle + 1, low), np.where(below, high, middle)
    return low


def _triangular(number: Int[np.ndarray, " wanted"]) -> Int[np.ndarray, " wanted"]:
    """1 + 2 + … + number; 0 where there is nothing to add."""
    number = np.maximum(number, 0)
    return number * (number + 1) // 2
