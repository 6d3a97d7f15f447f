"""t-SNE: neighbours in weight space become neighbours in the plane; long distances mean little."""

from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from deep_learning_dynamics.errors import ProjectionError
from deep_learning_dynamics.projection.principal import principal_plane
from deep_learning_dynamics.projection.reach import within_reach


class TSNE(TransformerMixin, BaseEstimator):
    """openTSNE (Poličar, Stražar & Zupan, 2024) as a transformer that can be stored as arrays.

    It starts from the first two principal components, so that the coarse layout means something
    (Kobak & Berens, 2019). The first third of ``iterations`` exaggerates attraction. ``transform``
    places each new row among the fitted ones without moving them.
    """

    # Attributes: rows_ [row, component] and embedding_ [row, 2], both needed by transform.

    def __init__(self, perplexity: float, iterations: int, random_state: int = 0) -> None:
        self.perplexity = perplexity
        self.iterations = iterations
        self.random_state = random_state

    def fit(self, X: Float[np.ndarray, "row component"], y: None = None) -> "TSNE":
        self.fit_transform(X)
        return self

    def fit_transform(
        self, X: Float[np.ndarray, "row component"], y: None = None
    ) -> Float[np.ndarray, "row 2"]:
        """The layout of the rows.

        Raises:
            ProjectionError: there are fewer than four rows.
        """
        import openTSNE

        X = np.asarray(X, float)
        if len(X) < 4:
            raise ProjectionError(
                f"t-SNE of {len(X)} rows is not defined; expected at least 4. Keep more snapshots "
                "(train.snapshots) or train more networks (train.networks)."
            )
        largest = _largest_perplexity(len(X))
        if self.perplexity > largest:
            print(
                f"t-SNE: perplexity {self.perplexity:g} → {largest:g}, as there are {len(X)} rows"
            )
        early = self.iterations // 3
        plane = principal_plane(X)
        embedding = openTSNE.TSNE(
            early_exaggeration_iter=early,
            n_iter=self.iterations - early,
            n_jobs=1,  # sums in one order: the same bytes at every repetition
            random_state=self.random_state,
        ).fit(affinities=self._affinities(X), initialization=plane / plane.std() * 1e-4)
        embedding = np.asarray(embedding)
        # openTSNE centres the embedding like this whenever it transforms; points stay where they
        # were drawn only if that has happened before.
        embedding = embedding - (embedding.max(axis=0) + embedding.min(axis=0)) / 2
        self.rows_, self.embedding_ = X, embedding
        return self.embedding_

    def transform(self, X: Float[np.ndarray, "row component"]) -> Float[np.ndarray, "row 2"]:
        import openTSNE

        check_is_fitted(self, "embedding_")
        placed = openTSNE.TSNEEmbedding(
            self.embedding_.copy(),
            affinities=self._affinities(self.rows_),
            random_state=self.random_state,
            n_jobs=1,
            # Method and angle of the forces, as openTSNE.TSNE chooses them for as many points.
            negative_gradient_method="bh" if len(self.rows_) < 10_000 else "fft",
            theta=0.5,
        )
        neighbours = len(self.rows_) - 1
        new = placed.transform(
            within_reach(X, self.rows_),
            k=min(25, neighbours),
            perplexity=min(5.0, neighbours / 3),
        )
        return np.array(new)

    def _affinities(self, X: Float[np.ndarray, "row component"]) -> Any:
        from openTSNE.affinity import PerplexityBasedNN

        return PerplexityBasedNN(
            X,
            perplexity=min(self.perplexity, _largest_perplexity(len(X))),
            method="exact" if len(X) <= 10_000 else "approx",
            n_jobs=1,
            random_state=self.random_state,
        )


def _largest_perplexity(rows: int) -> float:
    return (rows - 1) / 3  # openTSNE looks at 3 × perplexity neighbours
