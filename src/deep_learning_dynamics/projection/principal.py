"""Principal axes of some rows: where the self-organising map, t-SNE, UMAP and autoencoder start."""

import numpy as np
from jaxtyping import Float

FEW = 1000  # rows: below, all axes take less time than importing what finds a few


def principal_axes(
    X: Float[np.ndarray, "row component"], count: int | None = None
) -> tuple[Float[np.ndarray, " axis"], Float[np.ndarray, "axis component"]]:
    """The rows' standard deviations along their principal axes, falling, and the axes.

    All of them, or the first ``count``. The sign of an axis is arbitrary; its largest entry is
    positive, so that it is the same on every machine.
    """
    lengths, axes = _all_axes(X) if count is None or min(X.shape) < FEW else _leading(X, count)
    lengths, axes = lengths[:count], axes[:count]
    largest = axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)]
    return lengths / np.sqrt(len(X)), axes * np.where(largest < 0, -1.0, 1.0)[:, None]


def principal_plane(X: Float[np.ndarray, "row component"]) -> Float[np.ndarray, "row 2"]:
    """The rows' first two principal components."""
    _, axes = principal_axes(X, 2)
    return (X - X.mean(axis=0)) @ axes.T


def _all_axes(X: Float[np.ndarray, "row component"]) -> tuple[np.ndarray, np.ndarray]:
    return np.linalg.svd(X - X.mean(axis=0), full_matrices=False)[1:]


def _leading(X: Float[np.ndarray, "row component"], count: int) -> tuple[np.ndarray, np.ndarray]:
    """From inner products: exact for the longest axes, and five times faster for many rows."""
    from scipy.linalg import eigh

    centred = X - X.mean(axis=0)
    rows = len(X)
    _, vectors = eigh(centred @ centred.T, subset_by_index=[rows - count, rows - 1])
    axes = vectors[:, ::-1].T @ centred
    lengths = np.linalg.norm(axes, axis=1)
    return lengths, axes / np.where(lengths > 0, lengths, 1.0)[:, None]
