"""The same method on trajectories of nothing: what the numbers of its pictures would be anyway."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from deep_learning_dynamics import seeds
from deep_learning_dynamics.nulls import Standing, random_walks, shuffled_steps, standing
from deep_learning_dynamics.params import Method, Project
from deep_learning_dynamics.projection.faithfulness import faithfulness
from deep_learning_dynamics.projection.placing import Rows, own_measures, placed

Kind = Literal["random_walk", "shuffled_steps"]
KINDS: tuple[Kind, ...] = ("random_walk", "shuffled_steps")


@dataclass(frozen=True)
class Null:
    """One null of a kind."""

    kind: Kind
    number: int
    seed: int  # of the experiment


def project_null(
    method: Method, settings: Project, rows: Rows, wanted: Null
) -> tuple[Float[np.ndarray, "row 2"], dict[str, float]]:
    """Make a null of the real rows and project it: its places and its numbers.

    The method has the random numbers of the real projection.
    """
    from deep_learning_dynamics.projection.methods import make

    rng = seeds.generator(wanted.seed, "null", wanted.kind, wanted.number)
    if wanted.kind == "random_walk":
        vectors = random_walks(rows.vectors, rows.chains, rows.weights, rng)
    else:
        vectors = shuffled_steps(rows.vectors, rows.chains, rng)
    projector = make(method, settings, wanted.seed)[1:]
    points = placed(projector, vectors, rows.to_fit)
    return points, numbers(vectors, points, rows.paths) | own_measures(projector, vectors)


def numbers(
    vectors: Float[np.ndarray, "row component"],
    points: Float[np.ndarray, "row 2"],
    paths: Sequence[Int[np.ndarray, " _"]],
) -> dict[str, float]:
    """How faithful a projection is, by the names of the measures."""
    from scipy.spatial.distance import cdist

    found = faithfulness(cdist(vectors, vectors), cdist(points, points), paths)
    values = {
        "trustworthiness": found.trustworthiness,
        "continuity": found.continuity,
        "distance_correlation": found.distance_correlation,
    }
    values |= {f"path_{name}": spread.median for name, spread in found.along_paths.items()}
    return {name: value for name, value in values.items() if value is not None}


def standings(real: dict[str, float], nulls: Sequence[dict[str, float]]) -> dict[str, Standing]:
    """Where each of the real numbers lies among those of the nulls."""
    return {
        name: standing(value, np.array([null.get(name, np.nan) for null in nulls]))
        for name, value in real.items()
    }
