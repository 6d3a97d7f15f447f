"""Principal component analysis: the plane in which rows vary most."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from deep_learning_dynamics.projection.distances import Vectors
from deep_learning_dynamics.projection.isometry import oriented
from deep_learning_dynamics.projection.method import METHODS, Fitted, Method
from deep_learning_dynamics.seeds import generator

WATCHED = 16  # directions that are iterated to find the first two
MOST_STEPS = 200


@METHODS.register
class PrincipalComponents(Method):
    """The first two principal components (Pearson, 1901)."""

    key, title, axes = "pca", "Principal component analysis", ("PC 1", "PC 2")
    merges_equal_rows = False
    reads = (
        "What differs most between snapshots: the plane is a shadow, in which lines stay straight."
    )
    cautions = (
        "Lengths and crossings: the plane holds only the explained variance, and what is near in "
        "it may be far apart."
    )

    @dataclass(frozen=True)
    class Settings:
        """How components are scaled."""

        whiten: bool = False  # both components scaled to unit variance

    @classmethod
    def uses_chance(cls, settings: Any) -> bool:
        return False

    @classmethod
    def fit_rows(cls, vectors: Vectors, seed: int, settings: Any) -> Fitted:
        mean, axes = principal_plane(vectors)
        centred = (vectors - mean) @ axes
        scale = np.ones(2)
        if settings.whiten:
            spread = centred.std(axis=0, ddof=1)
            scale = np.where(spread > 0, spread, 1.0)
        total = ((vectors - mean) ** 2).sum()
        return Fitted(
            coordinates=centred / scale,
            transform=lambda rows: (rows - mean) @ (axes / scale),
            properties={"explained_variance": float((centred**2).sum() / total)},
        )


def principal_plane(
    vectors: Vectors,
) -> tuple[Float[np.ndarray, " component"], Float[np.ndarray, "component 2"]]:
    """The rows' mean and their first two principal axes.

    Components of a reduction are its principal axes already; where rows were left out since, the
    axes are near them, and a subspace iteration finds them.
    """
    mean = vectors.mean(axis=0)
    centred = vectors - mean
    variance = np.einsum("rc,rc->c", centred, centred)
    shared = centred[:, :2].T @ centred
    shared[[0, 1], [0, 1]] = 0
    falling = (np.diff(variance) <= 1e-9 * variance[0]).all()
    aligned = np.abs(shared).max() <= 1e-9 * variance[0]
    plane = np.eye(centred.shape[1], 2) if falling and aligned else _iterated(centred)
    return mean, oriented(plane, centred)


def _iterated(centred: Vectors) -> Float[np.ndarray, "component 2"]:
    axes = np.eye(centred.shape[1], WATCHED)
    # A little of every direction, so that none is out of reach.
    axes += 1e-3 * generator(0, "principal plane").normal(size=axes.shape)
    axes, _ = np.linalg.qr(axes)
    for _ in range(MOST_STEPS):
        turned, _ = np.linalg.qr(centred.T @ (centred @ axes))
        shadow = centred @ turned
        _, rotation = np.linalg.eigh(shadow.T @ shadow)
        following = (turned @ rotation)[:, ::-1]
        plane = following[:, :2]
        before, axes = axes[:, :2], following
        if np.abs(plane - before @ (before.T @ plane)).max() < 1e-11:
            break
    return plane
