"""The self-organising map: a sheet of units bent through the data, each row shown at its unit."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from deep_learning_dynamics.errors import ProjectionError
from deep_learning_dynamics.projection.principal import principal_axes


class SelfOrganisingMap(TransformerMixin, BaseEstimator):
    """A hexagonal map of minisom (Kohonen, 1982) as a transformer to its plane.

    The codebook starts on the plane of the first two principal components. Rows are then shown one
    at a time in random order; each draws its best-matching unit and, by a Gaussian of the distance
    on the map, that unit's neighbours towards itself. The Gaussian's radius falls linearly from
    ``radius`` to one cell and the learning rate from ``learning_rate`` to zero.

    ``transform`` gives the centre of each row's best-matching unit, neighbouring centres being 1
    apart; ``inverse_transform`` the codebook vector of the unit that is nearest to a point.
    """

    # Attributes: codebook_ [unit, component], centres_ [unit, 2], u_matrix_ [unit] (the mean
    # distance from a unit's codebook vector to those of its neighbours).

    def __init__(
        self,
        rows: int,
        columns: int,
        updates: int,
        learning_rate: float,
        radius: float,
        random_state: int = 0,
    ) -> None:
        self.rows = rows
        self.columns = columns
        self.updates = updates
        self.learning_rate = learning_rate
        self.radius = radius
        self.random_state = random_state

    def fit(self, X: Float[np.ndarray, "row component"], y: None = None) -> "SelfOrganisingMap":
        """Train the map.

        Raises:
            ProjectionError: the rows do not span a plane.
        """
        from deep_learning_dynamics.projection.som_training import train

        som = self.minisom(X)
        train(som, np.asarray(X, float), self.updates)
        self._keep(som)
        return self

    def transform(self, X: Float[np.ndarray, "row component"]) -> Float[np.ndarray, "row 2"]:
        check_is_fitted(self, "codebook_")
        return self.centres_[self.best_matching_units(X)[:, 0]]

    def inverse_transform(
        self, X: Float[np.ndarray, "row 2"]
    ) -> Float[np.ndarray, "row component"]:
        from scipy.spatial.distance import cdist

        return self.codebook_[cdist(X, self.centres_).argmin(axis=1)]

    def best_matching_units(
        self, X: Float[np.ndarray, "row component"], count: int = 1
    ) -> Int[np.ndarray, "row rank"]:
        """The numbers of the units nearest to each row, nearest first."""
        from scipy.spatial.distance import cdist

        return np.argsort(cdist(X, self.codebook_), axis=1, kind="stable")[:, :count]

    def quantisation_error(self, X: Float[np.ndarray, "row component"]) -> float:
        """The mean distance from a row to its best-matching unit (Kohonen, 2001)."""
        nearest = self.codebook_[self.best_matching_units(X)[:, 0]]
        return float(np.linalg.norm(X - nearest, axis=1).mean())

    def topographic_error(self, X: Float[np.ndarray, "row component"]) -> float:
        """The share of rows whose two nearest units are not neighbours (Kiviluoto, 1996)."""
        first, second = self.best_matching_units(X, 2).T
        apart = np.linalg.norm(self.centres_[first] - self.centres_[second], axis=1)
        return float((apart > 1.5).mean())

    def minisom(self, X: Float[np.ndarray, "row component"]) -> Any:
        """The untrained map: minisom's object, its codebook on the plane of the rows."""
        from minisom import MiniSom

        som = MiniSom(
            self.columns,
            self.rows,
            np.shape(X)[1],
            sigma=min(self.radius, float(np.hypot(self.rows, self.columns))),
            learning_rate=self.learning_rate,
            decay_function="linear_decay_to_zero",
            sigma_decay_function="linear_decay_to_one",
            topology="hexagonal",
            random_seed=self.random_state,
        )
        # minisom's own start spans unit vectors, whatever the scale of the data.
        som._weights = self._plane(np.asarray(X, float), _centres(som)).reshape(som._weights.shape)
        return som

    def _plane(
        self, X: Float[np.ndarray, "row component"], centres: Float[np.ndarray, "unit 2"]
    ) -> Float[np.ndarray, "unit component"]:
        if min(X.shape) < 2:
            raise ProjectionError(
                f"A map of {X.shape[0]} rows in {X.shape[1]} dimensions is not defined; "
                "expected at least 2 of both. Keep more snapshots (train.snapshots)."
            )
        spread, axes = principal_axes(X, 2)
        middle = (centres.max(axis=0) + centres.min(axis=0)) / 2
        half = (centres.max(axis=0) - centres.min(axis=0)) / 2
        # From −2 to 2 standard deviations: the sheet covers most rows from the start.
        return X.mean(axis=0) + ((centres - middle) / half * 2 * spread[:2]) @ axes[:2]

    def _keep(self, som: Any) -> None:
        self.codebook_ = som.get_weights().reshape(-1, som._input_len)
        self.centres_ = _centres(som)
        apart = np.linalg.norm(self.centres_[:, None] - self.centres_, axis=2)
        first, second = np.nonzero((apart > 0) & (apart < 1.5))
        lengths = np.linalg.norm(self.codebook_[first] - self.codebook_[second], axis=1)
        neighbours = np.bincount(first, minlength=len(self.centres_))
        self.u_matrix_ = np.bincount(first, lengths, len(self.centres_)) / neighbours


def _centres(som: Any) -> Float[np.ndarray, "unit 2"]:
    x, y = som.get_euclidean_coordinates()
    return np.column_stack([x.ravel(), y.ravel()])
