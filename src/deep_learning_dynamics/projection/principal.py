"""Principal axes of some rows: where the self-organising map, t-SNE, UMAP and autoencoder start."""

import numpy as np
from jaxtyping import Float


def principal_axes(
    X: Float[np.ndarray, "row component"],
) -> tuple[Float[np.ndarray, " axis"], Float[np.ndarray, "axis component"]]:
    """The rows' standard deviations along their principal axes, falling, and the axes.

    The sign of an axis is arbitrary; its largest entry is positive, so that it is the same on
    every machine.
    """
    _, lengths, axes = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    largest = axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)]
    return lengths / np.sqrt(len(X)), axes * np.where(largest < 0, -1.0, 1.0)[:, None]


def principal_plane(X: Float[np.ndarray, "row component"]) -> Float[np.ndarray, "row 2"]:
    """The rows' first two principal components."""
    _, axes = principal_axes(X)
    return (X - X.mean(axis=0)) @ axes[:2].T
