"""UMAP: a neighbourhood graph of the snapshots, laid out in the plane."""

import contextlib
import warnings
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from deep_learning_dynamics.errors import ProjectionError
from deep_learning_dynamics.projection.principal import principal_plane
from deep_learning_dynamics.projection.reach import within_reach


class UMAP(TransformerMixin, BaseEstimator):
    """umap-learn (McInnes, Healy & Melville, 2018) as a transformer that can be stored as arrays.

    It starts from the first two principal components, so that the coarse layout means something
    even where the graph falls into one piece per network (Kobak & Linderman, 2021). ``transform``
    places each new row among the fitted ones without moving them.
    """

    # Attributes: rows_ [row, component] and embedding_ [row, 2], both needed by transform.

    def __init__(self, neighbours: int, minimum_distance: float, random_state: int = 0) -> None:
        self.neighbours = neighbours
        self.minimum_distance = minimum_distance
        self.random_state = random_state

    def fit(self, X: Float[np.ndarray, "row component"], y: None = None) -> "UMAP":
        """Lay out the rows.

        Raises:
            ProjectionError: there are fewer than four rows.
        """
        if len(X) < 4:
            raise ProjectionError(
                f"UMAP of {len(X)} rows is not defined; expected at least 4. Keep more snapshots "
                "(train.snapshots) or train more networks (train.networks)."
            )
        largest = len(X) - 1
        if self.neighbours > largest:
            print(f"UMAP: {self.neighbours} → {largest} neighbours, as there are {len(X)} rows")
        self.rows_ = np.asarray(X, float)
        plane = principal_plane(self.rows_)
        self.embedding_ = self._fitted(plane / np.abs(plane).max() * 10, epochs=None).embedding_
        return self

    def fit_transform(
        self, X: Float[np.ndarray, "row component"], y: None = None
    ) -> Float[np.ndarray, "row 2"]:
        return self.fit(X).embedding_

    def transform(self, X: Float[np.ndarray, "row component"]) -> Float[np.ndarray, "row 2"]:
        check_is_fitted(self, "embedding_")
        # The graph is made again (0.1 s); the layout is not.
        fitted = self._fitted(self.embedding_, epochs=0)
        fitted.embedding_, fitted.n_epochs = self.embedding_, None
        return fitted.transform(self._scaled(within_reach(X, self.rows_)))

    def _fitted(self, start: Float[np.ndarray, "row 2"], epochs: int | None) -> Any:
        import umap

        _keep_compiled()
        model = umap.UMAP(
            n_neighbors=min(self.neighbours, len(self.rows_) - 1),
            min_dist=self.minimum_distance,
            init=start,
            n_epochs=epochs,
            n_jobs=1,  # with more, sums run in any order and no two results are alike
            random_state=self.random_state,
            transform_seed=self.random_state,
        )
        with warnings.catch_warnings():
            # Many trajectories may be several graphs; that is no mistake.
            warnings.filterwarnings("ignore", module="umap")
            return model.fit(self._scaled(self.rows_))

    def _scaled(self, X: Float[np.ndarray, "row component"]) -> Float[np.ndarray, "row component"]:
        # umap-learn computes in float32, which cannot hold the squares of very large distances.
        return np.asarray(X, float) / np.abs(self.rows_).max()


def _keep_compiled() -> None:
    """Let numba keep what it compiles of umap-learn beside it, for the processes to come.

    umap-learn asks for that for few of its functions; the rest cost about 10 s in each process.
    """
    from umap import layouts, umap_

    for function in (
        umap_.fast_knn_indices,
        umap_.smooth_knn_dist,
        umap_.compute_membership_strengths,
        umap_.submatrix,
        umap_.init_transform,
        layouts._nb_optimize_layout_euclidean_single_epoch,
    ):
        with contextlib.suppress(RuntimeError):  # there is no folder that it may write to
            function.enable_caching()
