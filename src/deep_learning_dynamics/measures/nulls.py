"""Nulls of single paths, for what is measured of a path alone: see ``nulls.py``."""

import numpy as np
from jaxtyping import Float64

from deep_learning_dynamics.measures.paths import Path
from deep_learning_dynamics.nulls import directions


def random_walk(path: Path, size: int, rng: np.random.Generator) -> Path:
    """One network's random walk among ``size`` weights, for what is measured of paths alone."""
    steps = directions(len(path.lengths), size, rng)
    return Path(path.steps, np.outer(path.lengths, path.lengths) * (steps @ steps.T))


def shuffled(path: Path, rng: np.random.Generator) -> Path:
    """One network's own steps in random order; each keeps its length, not its duration."""
    order = rng.permutation(len(path.products))
    return Path(path.steps, path.products[np.ix_(order, order)])


def measures_of(
    products: Float64[np.ndarray, "path move move"],
) -> dict[str, Float64[np.ndarray, " path"]]:
    """The measures of many paths at once, as :class:`Path` has them of one; by their names.

    NaN where a measure is not defined.
    """
    lengths = np.sqrt(np.einsum("pii->pi", products))
    offsets = np.pad(products.cumsum(axis=1).cumsum(axis=2), ((0, 0), (1, 0), (1, 0)))
    centred = offsets - offsets.mean(axis=1, keepdims=True)
    centred = centred - centred.mean(axis=2, keepdims=True)
    spread = np.einsum("pii->p", centred)
    displacement = np.sqrt(np.maximum(offsets[:, -1, -1], 0))
    with np.errstate(invalid="ignore", divide="ignore"):
        straightness = displacement / lengths.sum(axis=1)
        dimension = spread**2 / (centred**2).sum(axis=(1, 2))
        cosine = np.einsum("pii->pi", products[:, :-1, 1:]) / lengths[:, :-1] / lengths[:, 1:]
        angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
        known = np.isfinite(angle)
        turning = np.where(known, angle, 0).sum(axis=1) / known.sum(axis=1)
    return {
        "straightness": straightness,
        "turning_angle": turning,
        "effective_dimension": dimension,
        "displacement": displacement,
    }
