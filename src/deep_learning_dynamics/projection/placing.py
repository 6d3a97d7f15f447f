"""Puts rows into the plane with a projector, whatever the method, and measures what only it has."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int

from deep_learning_dynamics.errors import ProjectionError
from deep_learning_dynamics.nulls import Chain
from deep_learning_dynamics.projection.faithfulness import reconstruction_error

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True)
class Rows:
    """The rows that a method is fitted on and tested with."""

    vectors: Float[np.ndarray, "row component"]  # from the isometry
    to_fit: Bool[np.ndarray, " row"]  # the others are only placed
    chains: tuple[Chain, ...]  # each network's trajectories, as numbers of rows
    weights: int  # tracked in each row

    @property
    def paths(self) -> list[Int[np.ndarray, " _"]]:
        """Each network's whole path."""
        return [np.concatenate(chain) for chain in self.chains]


def placed(
    projector: "Pipeline",
    vectors: Float[np.ndarray, "row component"],
    to_fit: Bool[np.ndarray, " row"],
) -> Float[np.ndarray, "row 2"]:
    """Fit a projector on some of the rows and place all of them.

    Rows that are equal share a place, whatever the method: each is fitted or placed once.

    Raises:
        ProjectionError: there are fewer than three different rows to fit, or all lie on one line.
    """
    different, of_row = _different(vectors)
    # A vector is fitted if any of the rows that it stands for is.
    fitted = np.zeros(len(different), bool)
    fitted[of_row[to_fit]] = True
    check_enough(int(fitted.sum()), 3, "different ")
    if vectors.shape[1] < 2:
        raise ProjectionError(
            "The weights of all snapshots lie on one line; expected paths that span a plane. "
            "Keep more snapshots (train.snapshots) or train more networks (train.networks)."
        )
    points = np.empty((len(different), 2))
    points[fitted] = projector.fit_transform(different[fitted])
    if not fitted.all():
        points[~fitted] = projector.transform(different[~fitted])
    return points[of_row]


def _different(
    vectors: Float[np.ndarray, "row component"],
) -> tuple[Float[np.ndarray, "different component"], Int[np.ndarray, " row"]]:
    """The different vectors, in the order in which they appear, and which one each row is."""
    _, first, of_row = np.unique(vectors, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return vectors[first[order]], np.argsort(order)[of_row.ravel()]


def own_measures(
    projector: "Pipeline", vectors: Float[np.ndarray, "row component"]
) -> dict[str, float]:
    """What only some projectors have, by the names of :class:`Quality`."""
    from sklearn.decomposition import PCA

    from deep_learning_dynamics.projection.autoencoder import Autoencoder
    from deep_learning_dynamics.projection.som import SelfOrganisingMap

    measures: dict[str, float] = {}
    first, last = projector[0], projector[-1]
    shown = vectors
    if isinstance(first, (PCA, Autoencoder)):
        shown = first.transform(vectors)
        error = reconstruction_error(vectors, first.inverse_transform(shown))
        if first is last:
            measures |= {"explained_variance": 1 - error, "reconstruction_error": error}
        else:
            measures["code_explained_variance"] = 1 - error
    if isinstance(last, SelfOrganisingMap):
        measures["quantisation_error"] = last.quantisation_error(shown)
        measures["topographic_error"] = last.topographic_error(shown)
    return measures


def check_enough(found: int, needed: int, kind: str) -> None:
    """Raise a :class:`ProjectionError` where there are fewer rows of a kind than needed."""
    if found < needed:
        raise ProjectionError(
            f"There are {found} {kind}snapshots to fit; expected at least {needed}. Keep more "
            "(train.snapshots), train more networks (train.networks), or look whether they failed."
        )
