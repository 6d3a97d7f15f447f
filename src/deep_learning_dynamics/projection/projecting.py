"""From a view to its picture in the plane: which rows are fitted, which placed, and how well."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from deep_learning_dynamics.nulls import paths_of
from deep_learning_dynamics.params import Method, Project
from deep_learning_dynamics.projection.faithfulness import NEIGHBOURS, faithfulness, limited
from deep_learning_dynamics.projection.placing import check_enough, own_measures, placed
from deep_learning_dynamics.projection.quality import Quality
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

    # The view's table with the columns fitted, x, y, trustworthiness and continuity (of each row);
    # tested ones also have wobble_xx, wobble_xy and wobble_yy.
    coordinates: "pd.DataFrame"
    pipeline: "Pipeline"
    quality: Quality
    map: Map | None
    nulls: dict[str, Float[np.ndarray, "row 2"]] = field(default_factory=dict)  # one of each kind

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
            if self.nulls:
                persistence.write_arrays(partial / "nulls.npz", self.nulls)
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
    check_enough(len(usable), 3, "")
    pipeline = make(method, settings, seed)
    isometry, projector = pipeline[0], pipeline[1:]
    vectors = isometry.fit_transform(view.weights.take(usable))
    to_fit = np.ones(len(usable), bool)
    if settings.fit_on_first_network_only:
        to_fit = view.of_first_network[usable]
    points = np.full((len(view.table), 2), np.nan)
    points[usable] = placed(projector, vectors, to_fit)
    if len(stray):
        points[stray] = projector.transform(isometry.transform(view.weights.take(stray)))
    fitted = np.zeros(len(view.table), bool)
    fitted[usable] = to_fit
    quality, of_rows = _quality(method, view, projector, vectors, points, fitted)
    coordinates = view.table.assign(
        fitted=fitted,
        x=points[:, 0],
        y=points[:, 1],
        trustworthiness=of_rows[:, 0],
        continuity=of_rows[:, 1],
    )
    return Projection(coordinates, pipeline, quality, _map(pipeline))


def _quality(
    method: Method,
    view: View,
    projector: "Pipeline",
    vectors: Float[np.ndarray, "row component"],
    points: Float[np.ndarray, "all 2"],
    fitted: Bool[np.ndarray, " all"],
) -> tuple[Quality, Float[np.ndarray, "all 2"]]:
    """Judged by all rows that have a place, those of networks that diverged included.

    With it, trustworthiness and continuity of each row.
    """
    from scipy.spatial.distance import cdist

    from deep_learning_dynamics.projection.isometry import pairwise_distances

    seen = np.isfinite(points).all(axis=1)
    if seen.sum() == len(vectors):
        distances = cdist(vectors, vectors)  # the isometry's distances are those of the weights
    else:
        distances = pairwise_distances(view.weights.take(seen))
    plane = cdist(points[seen], points[seen])
    found = faithfulness(distances, plane, paths_of(view.table[seen]))
    of_rows = np.full((len(points), 2), np.nan)
    of_rows[seen] = found.of_rows
    quality = Quality(
        method=method,
        rows=int(seen.sum()),
        fitted_rows=int(fitted.sum()),
        weights=view.weights.shape[1],
        neighbours=limited(NEIGHBOURS, int(seen.sum())),
        trustworthiness=found.trustworthiness,
        continuity=found.continuity,
        distance_correlation=found.distance_correlation,
        along_paths=found.along_paths,
        **own_measures(projector, vectors),
    )
    return quality, of_rows


def _map(pipeline: "Pipeline") -> Map | None:
    last = pipeline[-1]
    if not hasattr(last, "u_matrix_"):
        return None
    return Map(last.centres_, last.u_matrix_, last.rows, last.columns)
