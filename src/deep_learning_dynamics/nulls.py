"""Trajectories of nothing: what pictures and measures look like where no learning shapes the paths.

Random walks in many dimensions give smooth, convincing curves by themselves (Antognini &
Sohl-Dickstein, 2018). Two nulls keep more and more of the real paths: random walks keep the start
and the length of every step; shuffled steps keep the steps themselves, and so the end, but not
their order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float64, Int

if TYPE_CHECKING:
    import pandas as pd

# A network's trajectories in the order in which it went along them, each as numbers of rows.
Chain = Sequence[Int[np.ndarray, "_"]]


def chains(table: "pd.DataFrame") -> list[Chain]:
    """The chains in a table of rows with phase, arm, pair and layer, in order of time.

    A pretrained network's training follows its pre-training, and so it must in a null.
    """
    found: dict[tuple[object, ...], dict[str, list[int]]] = {}
    columns = [table[name].tolist() for name in ("arm", "pair", "layer", "phase")]
    for row, (*who, phase) in enumerate(zip(*columns, strict=True)):
        found.setdefault(tuple(who), {}).setdefault(phase, []).append(row)
    return [
        [np.array(of[phase]) for phase in ("pretrain", "train") if phase in of]
        for of in found.values()
    ]


def paths_of(table: "pd.DataFrame") -> list[Int[np.ndarray, "_"]]:
    """The rows of each network's whole path (of each layer, if they are tracked separately)."""
    return [np.concatenate(chain) for chain in chains(table)]


def random_walks(
    rows: Float[np.ndarray, "row component"],
    chains: Sequence[Chain],
    size: int,
    rng: np.random.Generator,
) -> Float64[np.ndarray, "row axis"]:
    """Each network from its own start, by steps as long as its own, in directions of no meaning.

    ``rows`` are weights or any coordinates with the same distances, such as those of the isometry;
    so are the rows that are returned, for walks among ``size`` weights: the axes are not the given
    ones. A chain goes on where its trajectory before ended, by a step as long as the real one
    between the two. Each row must be in one chain.
    """
    order = [np.concatenate(chain) for chain in chains]
    starts = rows[[path[0] for path in order]].astype(np.float64)
    starts = _short_coordinates(starts - starts.mean(axis=0))
    moves = sum(len(path) - 1 for path in order)
    steps = directions(moves, size, rng, min(starts.shape[1], size))
    own = 0  # steps that were given away
    walks = np.zeros((len(rows), max(steps.shape[1], starts.shape[1])))
    for start, path in zip(starts, order, strict=True):
        lengths = np.linalg.norm(np.diff(rows[path].astype(np.float64), axis=0), axis=1)
        mine = lengths[:, None] * steps[own : own + len(lengths)]
        own += len(lengths)
        walks[path, : len(start)] = start
        walks[path[1:], : mine.shape[1]] += mine.cumsum(axis=0)
    return walks


def shuffled_steps(
    rows: Float[np.ndarray, "row component"], chains: Sequence[Chain], rng: np.random.Generator
) -> Float64[np.ndarray, "row component"]:
    """The real steps of each trajectory in random order, so that start and end are the real ones.

    Steps of pre-training and of training do not mix. Axes are those of ``rows``.
    """
    shuffled = rows.astype(np.float64)
    for chain in chains:
        for path in chain:
            moves = rng.permutation(np.diff(shuffled[path], axis=0))
            # The last row stays: summing in another order would miss it by rounding.
            shuffled[path[1:-1]] = shuffled[path[0]] + moves[:-1].cumsum(axis=0)
    return shuffled


def directions(
    count: int, size: int, rng: np.random.Generator, explicit: int = 0
) -> Float64[np.ndarray, "direction axis"]:
    """Independent uniform directions among ``size`` weights, turned so that few axes hold them.

    The first ``explicit`` axes are not turned; behind them the k-th direction needs k axes at
    most. That is the triangular factor of a Gaussian matrix, drawn without the matrix (Bartlett,
    1933): exact, and no vector has the length of the weights.
    """
    hidden = min(count, size - explicit)
    triangle = np.tril(rng.normal(size=(count, hidden)))
    diagonal = np.arange(hidden)
    triangle[diagonal, diagonal] = np.sqrt(rng.chisquare(size - explicit - diagonal))
    vectors = np.hstack([rng.normal(size=(count, explicit)), triangle])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@dataclass(frozen=True)
class Standing:
    """Where a real number lies among those of nulls."""

    value: float
    low: float  # 2.5th percentile of the nulls
    median: float
    high: float  # 97.5th percentile
    p_value: float  # two-sided: how often a null is as far out; at least 2 / (nulls + 1), at most 1
    nulls: int

    @property
    def stands_out(self) -> bool:
        return self.p_value <= 0.05


def standing(value: float, nulls: Float[np.ndarray, " null"]) -> Standing:
    """Compare a number with those of nulls; those that are not finite are left out.

    The real one counts among the nulls, as it would if it were one (Phipson & Smyth, 2010). NaN
    without a number or without nulls.
    """
    known = nulls[np.isfinite(nulls)]
    if len(known) == 0 or not np.isfinite(value):
        return Standing(value, *[float("nan")] * 4, nulls=len(known))
    low, median, high = (float(q) for q in np.quantile(known, [0.025, 0.5, 0.975]))
    tails = (int((known >= value).sum()), int((known <= value).sum()))
    p_value = min(1.0, 2 * (1 + min(tails)) / (1 + len(known)))
    return Standing(value, low, median, high, p_value, len(known))


def _short_coordinates(
    points: Float64[np.ndarray, "point component"],
) -> Float64[np.ndarray, "point axis"]:
    """The same points on as few axes as there are points."""
    return points if points.shape[1] <= len(points) else np.linalg.qr(points.T)[1].T
