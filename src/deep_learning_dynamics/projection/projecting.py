"""From a view to its picture in the plane: which rows are fitted, which placed, and how well."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int

from deep_learning_dynamics.errors import ProjectionError
from deep_learning_dynamics.params import Method, Project
from deep_learning_dynamics.projection.quality import (
    NEIGHBOURS,
    Quality,
    distance_correlation,
    limited,
    reconstruction_error,
    trustworthiness,
)
from deep_learning_dynamics.projection.threads import threads_for
from deep_learning_dynamics.views import View

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True)
class Map:
    """The units of a self-organising map."""

    centres: Float[np.ndarray, "unit 2"]  # in the plane of the projection
    u_matrix: Float[np.ndarray, " unit"]  # mean distance to the neighbouring units
    rows: int
    columns: int


@dataclass(frozen=True)
class Projection:
    """What a method made of a view."""

    coordinates: "pd.DataFrame"  # the view's table with the columns fitted, x and y
    pipeline: "Pipeline"
    quality: Quality
    map: Map | None

    def save(self, folder: Path) -> None:
        """Write all of it into ``folder``, which appears whole or not at all."""
        import shutil

        from deep_learning_dynamics import stage
        from deep_learning_dynamics.projection import persistence

        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            self.coordinates.to_parquet(partial / "coordinates.parquet", index=False)
            persistence.save(self.pipeline, partial)
            stage.write_json(partial / "quality.json", self.quality.as_json())
            if self.map is not None:
                persistence.write_arrays(partial / "map.npz", vars(self.map))
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)


def project(method: Method, view: View, settings: Project, seed: int) -> Projection:
    """Fit a method on the rows of a view that may be fitted, and place all rows that are finite.

    The isometry is fitted on all usable rows: it is exact, so nothing leaks through it. With
    ``settings.fit_on_first_network_only`` the projector behind it sees the first network alone.
    Rows that are equal share a place, whatever the method: each is fitted or placed once.

    Raises:
        ProjectionError: there are too few different rows.
    """
    with threads_for(*view.weights.shape):
        return _project(method, view, settings, seed)


def _project(method: Method, view: View, settings: Project, seed: int) -> Projection:
    from deep_learning_dynamics.projection.methods import make

    usable = np.flatnonzero(view.usable)
    stray = np.flatnonzero(view.finite & ~view.usable)  # finite rows of networks that diverged
    _check_enough(len(usable), 3, "")
    pipeline = make(method, settings, seed)
    isometry, projector = pipeline[0], pipeline[1:]
    vectors = isometry.fit_transform(view.weights.take(usable))
    to_fit = np.ones(len(usable), bool)
    if settings.fit_on_first_network_only:
        to_fit = view.of_first_network[usable]
    points = np.full((len(view.table), 2), np.nan)
    points[usable] = _placed(projector, vectors, to_fit)
    if len(stray):
        points[stray] = projector.transform(isometry.transform(view.weights.take(stray)))
    fitted = np.zeros(len(view.table), bool)
    fitted[usable] = to_fit
    coordinates = view.table.assign(fitted=fitted, x=points[:, 0], y=points[:, 1])
    quality = _quality(method, view, pipeline, vectors, points, fitted)
    return Projection(coordinates, pipeline, quality, _map(pipeline))


def _placed(
    projector: "Pipeline",
    vectors: Float[np.ndarray, "row component"],
    to_fit: Bool[np.ndarray, " row"],
) -> Float[np.ndarray, "row 2"]:
    different, of_row = _different(vectors)
    # A vector is fitted if any of the rows that it stands for is.
    fitted = np.zeros(len(different), bool)
    fitted[of_row[to_fit]] = True
    _check_enough(int(fitted.sum()), 3, "different ")
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


def _quality(
    method: Method,
    view: View,
    pipeline: "Pipeline",
    vectors: Float[np.ndarray, "row component"],
    points: Float[np.ndarray, "all 2"],
    fitted: Bool[np.ndarray, " all"],
) -> Quality:
    """Judged by all rows that have a place, those of networks that diverged included."""
    from scipy.spatial.distance import cdist
    from sklearn.decomposition import PCA

    from deep_learning_dynamics.projection.autoencoder import Autoencoder
    from deep_learning_dynamics.projection.isometry import pairwise_distances
    from deep_learning_dynamics.projection.som import SelfOrganisingMap

    placed = np.isfinite(points).all(axis=1)
    if placed.sum() == len(vectors):
        distances = cdist(vectors, vectors)  # the isometry's distances are those of the weights
    else:
        distances = pairwise_distances(view.weights.take(placed))
    plane = cdist(points[placed], points[placed])
    measures: dict[str, float] = {}
    projector, last = pipeline[1:], pipeline[-1]
    if isinstance(projector[0], (PCA, Autoencoder)):
        code = projector[0].transform(vectors)
        error = reconstruction_error(vectors, projector[0].inverse_transform(code))
        if len(projector) == 1:
            measures |= {"explained_variance": 1 - error, "reconstruction_error": error}
        else:
            measures["code_explained_variance"] = 1 - error
    if isinstance(last, SelfOrganisingMap):
        shown = vectors if len(projector) == 1 else code
        measures["quantisation_error"] = last.quantisation_error(shown)
        measures["topographic_error"] = last.topographic_error(shown)
    return Quality(
        method=method,
        rows=int(placed.sum()),
        fitted_rows=int(fitted.sum()),
        weights=view.weights.shape[1],
        neighbours=limited(NEIGHBOURS, int(placed.sum())),
        trustworthiness=trustworthiness(distances, plane),
        continuity=trustworthiness(plane, distances),
        distance_correlation=distance_correlation(distances, plane),
        **measures,
    )


def _map(pipeline: "Pipeline") -> Map | None:
    last = pipeline[-1]
    if not hasattr(last, "u_matrix_"):
        return None
    return Map(last.centres_, last.u_matrix_, last.rows, last.columns)


def _check_enough(found: int, needed: int, kind: str) -> None:
    if found < needed:
        raise ProjectionError(
            f"There are {found} {kind}snapshots to fit; expected at least {needed}. Keep more "
            "(train.snapshots), train more networks (train.networks), or look whether they failed."
        )
