"""The tests of a projection: refits with other seeds and without some networks, and null models.

All of them, and the fit that they are compared with, run on the same subset of each path's
snapshots, as vectors along their own principal axes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float64, Int

from deep_learning_dynamics import null_models, predictions, seeds
from deep_learning_dynamics.errors import ProjectionError
from deep_learning_dynamics.execution import run_tasks
from deep_learning_dynamics.formatting import count
from deep_learning_dynamics.null_models import NULL_MODELS
from deep_learning_dynamics.projection.distances import Points, Vectors
from deep_learning_dynamics.projection.method import METHODS, Method, different_rows
from deep_learning_dynamics.projection.quality import assess
from deep_learning_dynamics.projection.robustness import Fold, Robustness, RobustnessSettings
from deep_learning_dynamics.selection import evenly, paths_of

if TYPE_CHECKING:
    from deep_learning_dynamics.projection.projection import Projection
    from deep_learning_dynamics.projection.reduction import Reduction

SPREAD = ("spread_xx", "spread_xy", "spread_yy")  # columns of coordinates
LEAST_SNAPSHOTS = 5  # of a path that takes part


@dataclass(frozen=True)
class Rows:
    """What every fit starts from."""

    vectors: Vectors
    fitted: Bool[np.ndarray, " row"]  # the others are placed afterwards
    paths: Sequence[null_models.Path]
    dimensions: int  # of the space that null models walk in


@dataclass(frozen=True)
class Fit:
    """One fit: of the rows as they are, of some of them, or of a null."""

    test: str  # "base" (what the others are compared with), "seeds", "folds", or a null model's key
    seed: int  # of the method
    left_out: tuple[str, ...] = ()  # networks
    kept: Bool[np.ndarray, " row"] | None = None  # None: all rows
    null: int | None = None  # number of the null


@dataclass(frozen=True)
class Found:
    """What a fit gave."""

    fit: Fit
    points: Points  # NaN for rows that were left out
    numbers: Mapping[str, float]  # by quantity; none for refits


def assess_robustness(
    projection: "Projection",
    reduction: "Reduction",
    settings: Any = True,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> "Projection":
    """The projection with its robustness, and with the spread of each row over refits.

    Only usable rows take part. A refit leaves out whole paths, and those of one pair together:
    partners start alike and see the same mini-batches, so one would give the other away. Without
    a column ``pair``, all paths of a network (one for each parameter) leave together.

    Args:
        projection: of the reduction, made with ``seed``.
        settings: a :class:`RobustnessSettings`, or what makes one.
        seed: of the experiment.
        progress: called with the numbers of fits that are done and of all.
    """
    settings = RobustnessSettings.of(settings)
    method, table = METHODS[projection.method], projection.coordinates
    subset = subset_of(table, settings.rows)
    rows, vectors = table.iloc[subset], reduction.seen_by(method)[subset]
    weights = method.sees == "weights"
    if weights and len(subset) < len(subset_of(table, None)):
        vectors = along_principal_axes(vectors)  # those of the whole are the reduction's own
    data = Rows(
        vectors,
        rows["fitted"].to_numpy(bool),
        segments_of(rows),
        reduction.weights if weights else vectors.shape[1],
    )
    chance = method.uses_chance(method.settings(projection.settings))
    fits, not_tested = _planned(settings, method, rows, chance, seed)
    work = partial(_fit, method, projection.settings, data)
    label = f"fits of {method.key}"
    results = list(run_tasks(work, fits, label=label, progress=progress))
    found, failures = _by_test(fits, results)
    robustness = Robustness(settings, len(subset), not_tested=not_tested | failures)
    spread = np.full((len(table), 3), np.nan)
    if "base" in found:
        base = found["base"][0]
        stable = {
            test: [moved_onto(base.points, each.points) for each in found.get(test, [])]
            for test in ("seeds", "folds")
        }
        moved = [moves for refits in stable.values() for _, moves in refits]
        disparities = {test: [each for each, _ in refits] for test, refits in stable.items()}
        drawn = {model: found[model] for model in settings.null_models if model in found}
        robustness = replace(
            robustness,
            real=base.numbers,
            seeds=tuple(disparities["seeds"]) if chance else (0.0,) * settings.seeds,
            folds=tuple(
                Fold(each.fit.left_out, disparity)
                for each, disparity in zip(
                    found.get("folds", []), disparities["folds"], strict=True
                )
            ),
            refit_spread=_relative(moved, base.points) if moved else None,
            nulls={
                model: {
                    key: np.array([null.numbers.get(key, np.nan) for null in nulls])
                    for key in base.numbers
                }
                for model, nulls in drawn.items()
            },
            examples={
                model: _among_all(nulls[0].points, subset, len(table))
                for model, nulls in drawn.items()
            },
        )
        if moved:
            # Refits lie around the fit of the subset; the drawn layout has a plane of its own.
            onto = superimpose(base.points, projection.points[subset]).matrix
            spread = _among_all(_turned(_moments(moved), onto), subset, len(table))
    coordinates = table.assign(**dict(zip(SPREAD, spread.T, strict=True)))
    return replace(projection, robustness=robustness, coordinates=coordinates)


def subset_of(table: pd.DataFrame, most: int | None) -> Int[np.ndarray, " taken"]:
    """Usable rows that are placed, about ``most`` of them.

    They are the same number of snapshots of every path, at least 5, evenly spread over it. Where
    these would be too many, they come from some of the pairs (or networks), evenly chosen.
    """
    placed = table["usable"].to_numpy(bool) & table["x"].notna().to_numpy()
    numbers = np.flatnonzero(placed)
    if most is None or len(numbers) <= most:
        return numbers
    units = _units(table.iloc[numbers])
    paths = sum(len(unit) for unit in units)
    wanted = max(2, len(units) * most // (LEAST_SNAPSHOTS * paths))
    chosen = [units[number] for number in evenly(np.arange(len(units)), wanted)]
    each = max(LEAST_SNAPSHOTS, most // sum(len(unit) for unit in chosen))
    taken = [evenly(path, each) for unit in chosen for path in unit]
    return np.sort(numbers[np.concatenate(taken)])


def folds_of(
    rows: pd.DataFrame, folds: int
) -> list[tuple[tuple[str, ...], Bool[np.ndarray, " row"]]]:
    """For each fold the networks that are left out, and which rows are kept.

    Pairs (or networks that have none) are dealt to so many folds at most, and each is left out
    once. Only paths that are fitted are; where there is a single unit of them, none is.
    """
    networks, fitted = rows["network"].to_numpy(), rows["fitted"].to_numpy(bool)
    of_units = [[path for path in unit if fitted[path].any()] for unit in _units(rows)]
    units = [np.concatenate(paths) for paths in of_units if paths]
    if folds < 2 or len(units) < 2:
        return []
    found = []
    for number in range(min(folds, len(units))):
        out = np.concatenate(units[number::folds])
        kept = np.ones(len(rows), bool)
        kept[out] = False
        found.append((tuple(dict.fromkeys(networks[np.sort(out)])), kept))
    return found


def segments_of(rows: pd.DataFrame) -> list[null_models.Path]:
    """The paths in a table of rows, each in as many segments as it leads through networks."""
    networks = rows["network"].to_numpy()
    return [
        np.split(path, np.flatnonzero(networks[path[1:]] != networks[path[:-1]]) + 1)
        for path in paths_of(rows)
    ]


def _units(rows: pd.DataFrame) -> list[list[Int[np.ndarray, " _"]]]:
    """The paths of each pair, or of each network that has none."""
    networks = rows["network"].to_numpy()
    pairs = rows["pair"].to_numpy() if "pair" in rows else np.full(len(rows), None)
    units: dict[tuple[str, Any], list[Int[np.ndarray, " _"]]] = {}
    for path in paths_of(rows):
        pair = pairs[path[-1]]
        alone = pd.isna(pair) or pair == ""
        unit = ("network", networks[path[0]]) if alone else ("pair", pair)
        units.setdefault(unit, []).append(path)
    return list(units.values())


def along_principal_axes(vectors: Vectors) -> Float64[np.ndarray, "row axis"]:
    """Rows with the same distances, centred, along their principal axes by falling variance.

    Rows that are equal stay so.
    """
    different, of_row = different_rows(vectors.astype(np.float64))
    centred = different - vectors.mean(axis=0)
    often = np.bincount(of_row)[:, None]  # each of the different rows counts as often as it occurs
    if centred.shape[1] <= len(centred):
        values, axes = np.linalg.eigh(centred.T @ (often * centred))
        turned = centred @ axes
    else:
        often = np.sqrt(often)
        values, left = np.linalg.eigh((often * centred) @ (often * centred).T)
        turned = left * np.sqrt(np.maximum(values, 0)) / often
    known = values > max(values[-1], 0) * 1e-13  # the others are rounding
    return np.ascontiguousarray(turned[:, known][:, ::-1][of_row])


@dataclass(frozen=True)
class Superimposed:
    """A layout that was brought onto another one."""

    points: Points  # in the plane of the other
    matrix: Float[np.ndarray, "2 2"]  # a difference of places before, times this, is that of after
    disparity: float  # 0: the same shape, 1: nothing in common


def superimpose(points: Points, onto: Points) -> Superimposed:
    """Shift, turn, reflect and scale a layout so that it lies as near as possible to another one.

    What is minimised is the sum of squared distances between the places of each row (Gower, 1975).
    The disparity is that of ``scipy.spatial.procrustes``: the sum that is left with both layouts
    centred and of unit size, so it does not depend on which of them is moved. A layout of which
    all points are one has nothing in common with any other.
    """
    from scipy.linalg import orthogonal_procrustes

    middle, target = points.mean(axis=0), onto.mean(axis=0)
    size, target_size = np.linalg.norm(points - middle), np.linalg.norm(onto - target)
    if size == 0 or target_size == 0:
        return Superimposed(np.tile(target, (len(points), 1)), np.zeros((2, 2)), 1.0)
    # The second result is the sum of singular values, which is the best scale of unit layouts.
    turn, scale = orthogonal_procrustes((points - middle) / size, (onto - target) / target_size)
    matrix = scale * target_size / size * turn
    disparity = float(np.clip(1 - scale**2, 0, 1))
    return Superimposed(target + (points - middle) @ matrix, matrix, disparity)


def moved_onto(base: Points, points: Points) -> tuple[float, Points]:
    """The disparity of a refit, and how far each row moved in the plane of ``base``; NaN where a
    row was left out."""
    kept = np.isfinite(points).all(axis=1)
    aligned = superimpose(points[kept], base[kept])
    moves = np.full_like(points, np.nan)
    moves[kept] = aligned.points - base[kept]
    return aligned.disparity, moves


def _planned(
    settings: RobustnessSettings, method: type[Method], rows: pd.DataFrame, chance: bool, seed: int
) -> tuple[list[Fit], dict[str, str]]:
    """All fits, first the one that the others are compared with; what is not tested, and why."""
    fits, not_tested = [], {}
    if settings.seeds == 0:
        not_tested["seeds"] = "robustness.seeds is 0"
    elif chance:
        numbers = range(settings.seeds)
        fits += [Fit("seeds", seeds.integer(seed, "refit", number)) for number in numbers]
    folds = folds_of(rows, settings.folds)
    fits += [Fit("folds", seed, left_out, kept) for left_out, kept in folds]
    if settings.folds < 2:
        not_tested["folds"] = "robustness.folds is less than 2"
    elif not folds:
        not_tested["folds"] = "the method is fitted on one pair or network alone"
    for model in NULL_MODELS:
        if settings.nulls == 0 or model not in settings.null_models:
            not_tested[model] = "not asked for; use robustness: full"
        elif method.key in settings.no_nulls_for:
            not_tested[model] = f"would take long for {method.key}; use robustness: full"
        else:
            fits += [Fit(model, seed, null=number) for number in range(settings.nulls)]
    return [Fit("base", seed), *fits] if fits else [], not_tested


def _fit(method: type[Method], settings: Mapping[str, Any], rows: Rows, fit: Fit) -> Found | str:
    """What a fit gives, or why there is none."""
    vectors, to_fit = rows.vectors, rows.fitted
    kept = np.ones(len(vectors), bool) if fit.kept is None else fit.kept
    if fit.null is not None:
        rng = seeds.generator(fit.seed, "null", fit.test, fit.null)
        drawn = NULL_MODELS[fit.test].draw(vectors, rows.paths, rows.dimensions, rng)
        vectors = _as_seen(method, drawn, vectors)
    elif fit.kept is not None:
        vectors, to_fit = _as_seen(method, vectors[kept], vectors), to_fit[kept]
    places = np.empty((len(vectors), 2))
    try:
        found = method.fit(vectors[to_fit], fit.seed, settings)
        places[to_fit] = found.coordinates
        if not to_fit.all():
            places[~to_fit] = found.transform(vectors[~to_fit])
    except ProjectionError as error:
        return str(error)
    points = np.full((len(rows.vectors), 2), np.nan)
    points[kept] = places
    if fit.test in ("seeds", "folds"):
        return Found(fit, points, {})
    paths = [np.concatenate(path) for path in rows.paths]
    assessment = assess(vectors, places, paths, found.properties, method.distances)
    return Found(fit, points, assessment.quality.numbers())


def _as_seen(
    method: type[Method], rows: Vectors, real: Float[np.ndarray, "real output"]
) -> Float64[np.ndarray, "row seen"]:
    """Rows along their principal axes; or brought back to where roots of probabilities lie."""
    if method.sees == "weights":
        return along_principal_axes(rows)
    return predictions.onto_sphere(rows, predictions.probes_of(real))


def _by_test(
    fits: Sequence[Fit], results: Sequence[Found | str]
) -> tuple[dict[str, list[Found]], dict[str, str]]:
    """The results of each test, and why those that failed did."""
    found: dict[str, list[Found]] = {}
    failed: dict[str, list[str]] = {}
    for fit, result in zip(fits, results, strict=True):
        of_test = failed if isinstance(result, str) else found
        of_test.setdefault(fit.test, []).append(result)
    if "base" in failed:  # nothing to compare the others with
        return {}, {fit.test: failed["base"][0] for fit in fits if fit.test != "base"}
    return found, {
        test: f"{count(len(reasons), 'fit')} failed: {reasons[0]}"
        for test, reasons in failed.items()
    }


def _moments(moved: Sequence[Points]) -> Float64[np.ndarray, "row 3"]:
    """Mean xx, xy and yy of the moves of each row; NaN where no refit has the row."""
    moves = np.stack(moved)
    products = np.stack([moves[..., a] * moves[..., b] for a, b in ((0, 0), (0, 1), (1, 1))], -1)
    known = np.isfinite(moves[..., 0]).sum(axis=0)[:, None]
    sums = np.nansum(products, axis=0)
    return np.divide(sums, known, out=np.full_like(sums, np.nan), where=known > 0)


def _relative(moved: Sequence[Points], points: Points) -> float:
    """The moves' root mean square, relative to that of distances from the layout's centre."""
    size = ((points - points.mean(axis=0)) ** 2).sum(axis=1).mean()
    moves = np.concatenate(moved)
    return float(np.sqrt(np.nanmean((moves**2).sum(axis=1)) / size)) if size > 0 else 0.0


def _turned(
    moments: Float64[np.ndarray, "row 3"], matrix: Float[np.ndarray, "2 2"]
) -> Float64[np.ndarray, "row 3"]:
    """Moments of moves that are multiplied by a matrix."""
    whole = moments[:, [0, 1, 1, 2]].reshape(-1, 2, 2)
    return (matrix.T @ whole @ matrix).reshape(-1, 4)[:, [0, 1, 3]]


def _among_all(
    values: Float64[np.ndarray, "taken value"], subset: Int[np.ndarray, " taken"], rows: int
) -> Float64[np.ndarray, "row value"]:
    """Values of the subset at their places among all rows; NaN elsewhere."""
    spread = np.full((rows, values.shape[1]), np.nan)
    spread[subset] = values
    return spread
