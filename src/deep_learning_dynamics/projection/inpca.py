"""Intensive principal component analysis: networks by what they predict, not by their weights."""

from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from deep_learning_dynamics import predictions
from deep_learning_dynamics.projection.distances import Vectors
from deep_learning_dynamics.projection.method import METHODS, Fitted, Method
from deep_learning_dynamics.quantities import Quantity, define

define(
    Quantity(
        "explained_stress",
        "explained stress",
        "%",
        "higher",
        "Share of the distances between predictions that the plane holds: "
        "1 − √(Σ of the other squared eigenvalues / Σ of all).",
    ),
    Quantity(
        "negative_axes",
        "axes of negative squared length",
        meaning="How many of both axes count negative in squared distances between predictions.",
    ),
)


@METHODS.register
class InPCA(Method):
    """The two components of InPCA with the largest eigenvalues (Quinn et al., 2019).

    It sees the roots of predicted probabilities. Null models walk on them, too, and are brought
    back to where roots of probabilities lie.
    """

    key, title, axes = "inpca", "InPCA of predictions", ("InPCA 1", "InPCA 2")
    sees = "predictions"
    merges_equal_rows = False
    most_rows = 10_000  # there is a distance for each two of them
    reads = "How functions change: the plane is a shadow of the distances between predictions."
    cautions = "Weights: networks that predict alike lie together, however far apart these are."

    @classmethod
    def uses_chance(cls, settings: Any) -> bool:
        return False

    @classmethod
    def distances(
        cls, vectors: Vectors, others: Float[np.ndarray, "other component"] | None = None
    ) -> Float64[np.ndarray, "row other"]:
        """Bhattacharyya distances between predictions."""
        return predictions.distances(vectors, others)

    @classmethod
    def fit_rows(cls, vectors: Vectors, seed: int, settings: Any) -> Fitted:
        found = predictions.inpca(predictions.distances(vectors), 2)
        return Fitted(
            coordinates=found.coordinates,
            transform=lambda rows: found.place(predictions.distances(rows, vectors)),
            properties={
                "explained_stress": float(found.explained[-1]),
                "negative_axes": float((found.signs < 0).sum()),
            },
        )
