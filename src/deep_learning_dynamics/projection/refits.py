"""Refits: the same method with other random numbers, and with some networks left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from deep_learning_dynamics.errors import ProjectionError
from deep_learning_dynamics.params import Method, Project
from deep_learning_dynamics.projection.alignment import align
from deep_learning_dynamics.projection.placing import Rows, placed
from deep_learning_dynamics.projection.quality import Refits, Stability

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Refit:
    """One more fit of the method."""

    kept: Bool[np.ndarray, " row"]  # rows that take part
    seed: int

    @property
    def is_fold(self) -> bool:
        """Networks are left out; otherwise only the seed differs."""
        return not self.kept.all()


def refit(
    method: Method, settings: Project, rows: Rows, wanted: Refit
) -> Float[np.ndarray, "row 2"] | None:
    """Where the kept rows come to lie, NaN for the others.

    None where too few different rows are left.
    """
    from deep_learning_dynamics.projection.methods import make

    points, kept = np.full((len(rows.vectors), 2), np.nan), wanted.kept
    projector = make(method, settings, wanted.seed)[1:]
    try:
        points[kept] = placed(projector, rows.vectors[kept], rows.to_fit[kept])
    except ProjectionError:
        return None
    return points


def folds(
    table: "pd.DataFrame", to_fit: Bool[np.ndarray, " row"], count: int
) -> list[Bool[np.ndarray, " row"]]:
    """Which rows stay if each network is left out once, in ``count`` groups at most.

    Only networks that are fitted are left out; where there is just one of them, none is.
    """
    owners = list(zip(table["arm"], table["pair"], strict=True))
    fitted = list(dict.fromkeys(who for who, yes in zip(owners, to_fit, strict=True) if yes))
    if len(fitted) < 2 or count < 2:
        return []
    group = {who: number % count for number, who in enumerate(fitted)}
    groups = np.array([group.get(who, -1) for who in owners])
    return [groups != number for number in range(min(count, len(fitted)))]


def stability(
    drawn: Float[np.ndarray, "row 2"],
    wanted: Sequence[Refit],
    found: Sequence[Float[np.ndarray, "row 2"] | None],
) -> tuple[Stability | None, Float[np.ndarray, "row 3"]]:
    """How far refits lie from the drawn projection, and each row's wobble (xx, xy, yy)."""
    disparities: dict[bool, list[float]] = {False: [], True: []}
    moments, counts = np.zeros((len(drawn), 3)), np.zeros(len(drawn))
    for each, points in zip(wanted, found, strict=True):
        if points is None:
            continue
        aligned = align(points[each.kept], drawn[each.kept])
        disparities[each.is_fold].append(aligned.disparity)
        x, y = (aligned.points - drawn[each.kept]).T
        moments[each.kept] += np.column_stack([x * x, x * y, y * y])
        counts[each.kept] += 1
    wobble = np.full_like(moments, np.nan)
    np.divide(moments, counts[:, None], out=wobble, where=counts[:, None] > 0)
    if not counts.any():
        return None, wobble
    size = ((drawn - drawn.mean(axis=0)) ** 2).sum(axis=1).mean()
    moved = moments[:, [0, 2]].sum() / counts.sum()
    seeds, left_out = (_summary(disparities[is_fold]) for is_fold in (False, True))
    return Stability(seeds, left_out, float(np.sqrt(moved / size)) if size > 0 else 0.0), wobble


def _summary(disparities: Sequence[float]) -> Refits | None:
    if not disparities:
        return None
    return Refits(len(disparities), float(np.median(disparities)), float(max(disparities)))
