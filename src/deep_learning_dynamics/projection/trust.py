"""Puts a projection to the test: refits, networks left out, and trajectories of nothing."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from deep_learning_dynamics import nulls, seeds
from deep_learning_dynamics.params import Method, Project, Trust
from deep_learning_dynamics.projection.against_nulls import (
    KINDS,
    Null,
    numbers,
    project_null,
    standings,
)
from deep_learning_dynamics.projection.parallel import in_order
from deep_learning_dynamics.projection.placing import Rows, own_measures
from deep_learning_dynamics.projection.projecting import Projection
from deep_learning_dynamics.projection.refits import Refit, folds, refit, stability
from deep_learning_dynamics.views import View


def put_to_test(
    projection: Projection, view: View, settings: Project, trust: Trust, seed: int
) -> Projection:
    """The projection with what the tests of ``trust`` found: stability, wobble and nulls.

    Rows of networks that diverged take no part. Each fit takes as long as the projection's own.
    """
    usable = np.flatnonzero(view.usable)
    table = view.table.iloc[usable]
    coordinates = projection.coordinates.iloc[usable]
    rows = Rows(
        projection.pipeline[0].coordinates_,
        coordinates["fitted"].to_numpy(),
        tuple(tuple(chain) for chain in nulls.chains(table)),
        view.weights.shape[1],
    )
    every = np.ones(len(usable), bool)
    refits = [Refit(every, seeds.integer(seed, "refit", n)) for n in range(trust.seeds)]
    refits += [Refit(kept, seed) for kept in folds(table, rows.to_fit, trust.folds)]
    of_nothing = [Null(kind, n, seed) for kind in KINDS for n in range(trust.nulls)]
    if refits or of_nothing:
        count = len(refits) + len(of_nothing)
        print(f"{projection.quality.method}: {count} more fits to test it (trust)", flush=True)
    work = partial(_fitted, projection.quality.method, settings, rows)
    results = list(in_order(work, [*refits, *of_nothing]))

    drawn = coordinates[["x", "y"]].to_numpy()
    stable, wobble = stability(drawn, refits, results[: len(refits)])
    real = numbers(rows.vectors, drawn, rows.paths)
    real |= own_measures(projection.pipeline[1:], rows.vectors)
    compared, shown = {}, {}
    for kind in KINDS if trust.nulls else ():
        found = [
            result
            for null, result in zip(of_nothing, results[len(refits) :], strict=True)
            if null.kind == kind
        ]
        compared[kind] = standings(real, [values for _, values in found])
        shown[kind] = _among_all(found[0][0], usable, len(view.table))
    moments = _among_all(wobble, usable, len(view.table))
    columns = dict(zip(("wobble_xx", "wobble_xy", "wobble_yy"), moments.T, strict=True))
    return replace(
        projection,
        coordinates=projection.coordinates.assign(**columns),
        quality=replace(projection.quality, stability=stable, nulls=compared or None),
        nulls=shown,
    )


def _fitted(method: Method, settings: Project, rows: Rows, task: Refit | Null) -> Any:
    does = refit if isinstance(task, Refit) else project_null
    return does(method, settings, rows, task)


def _among_all(
    values: Float[np.ndarray, "usable value"], usable: Int[np.ndarray, " usable"], rows: int
) -> Float[np.ndarray, "row value"]:
    """Values of the usable rows at their places among all rows; NaN elsewhere."""
    spread = np.full((rows, values.shape[1]), np.nan)
    spread[usable] = values
    return spread
