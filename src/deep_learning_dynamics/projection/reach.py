"""Brings rows that a divergence took far off within the numbers that a method can hold."""

import numpy as np
from jaxtyping import Float

REACH = 1000.0  # × how far the farthest fitted row is from the mean


def within_reach(
    X: Float[np.ndarray, "row component"], fitted: Float[np.ndarray, "fitted component"]
) -> Float[np.ndarray, "row component"]:
    """The rows, those very far from the fitted ones moved straight towards their mean.

    A moved row keeps its nearest fitted rows, up to one part in ``REACH``.
    """
    mean = fitted.mean(axis=0)
    away = np.asarray(X, float) - mean
    far = np.linalg.norm(away, axis=1)
    most = REACH * np.linalg.norm(fitted - mean, axis=1).max()
    share = most / np.maximum(far, most)
    # Rows within reach stay what they are, without a rounding.
    return np.where((share < 1)[:, None], mean + share[:, None] * away, X)
