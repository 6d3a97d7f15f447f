"""Function space: networks as points by what they predict, not by their weights.

Predictions on probe examples are probability distributions; their distance is Bhattacharyya's.
InPCA embeds these distances isometrically in a space in which some squared lengths are negative
(Quinn et al., "Visualizing probabilistic models and data with Intensive Principal Component
Analysis", PNAS 2019; Mao et al., "The training process of many deep networks explores the same
low-dimensional manifold", PNAS 2024, whose progress towards the truth is also here).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int

from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.quantities import Quantity, define
from deep_learning_dynamics.store import schema

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

SMALLEST = 1e-12  # affinity of two predictions, so that contradicting ones are at a finite distance
FINENESS = 201  # points on the geodesic at which the nearest is looked for

define(
    Quantity(
        "progress",
        "progress to the truth",
        "%",
        "higher",
        "The nearest point on the geodesic from ignorance (all classes alike) to the true labels.",
    )
)


@dataclass(frozen=True)
class FunctionSpace:
    """Snapshots by their predictions.

    ``rows``: network, its coordinates, snapshot, step, progress (0: ignorance, 1: the truth).
    """

    rows: "pd.DataFrame"
    coordinates: Float64[np.ndarray, "row component"]  # by falling size of eigenvalue
    signs: Int[np.ndarray, " component"]  # −1: squared lengths along it count negative
    eigenvalues: Float64[np.ndarray, " component"]
    explained: Float64[np.ndarray, " component"]  # stress that so many components explain, to 1


def function_space(
    runs: "xr.Dataset", *, networks: str | None = None, components: int = 3
) -> FunctionSpace:
    """Embed the snapshots of some networks by what they predict on the probe examples.

    Args:
        runs: opened stores with recorded ``outputs``.
        networks: a condition on networks' coordinates, such as "not twin".

    Raises:
        StoreError: no predictions were recorded.
    """
    if schema.OUTPUTS not in runs:
        raise StoreError(
            "These networks' predictions were not recorded; expected outputs on probe examples. "
            "Record them with Recorder(outputs=...), or set train.probes."
        )
    table = schema.networks_table(runs)
    chosen = table if networks is None else table.query(networks)
    numbers = table.index.get_indexer(chosen.index)
    steps = runs[schema.STEP].values[numbers]
    network, snapshot = np.nonzero(steps != schema.ABSENT)
    predictions = runs[schema.OUTPUTS].values[numbers[network], snapshot].astype(np.float64)
    finite = np.isfinite(predictions).all(axis=(1, 2))
    network, snapshot, predictions = network[finite], snapshot[finite], predictions[finite]
    rows = chosen.iloc[network].reset_index()
    rows["snapshot"], rows["step"] = snapshot, steps[network, snapshot]
    if schema.LABEL in runs:
        rows["progress"] = progress(predictions, runs[schema.LABEL].values)
    coordinates, signs, eigenvalues, explained = inpca(distances(predictions), components)
    return FunctionSpace(rows, coordinates, signs, eigenvalues, explained)


def distances(
    predictions: Float64[np.ndarray, "row probe class"],
) -> Float64[np.ndarray, "row row"]:
    """Bhattacharyya distances: −log Σ √(p q), the mean over probe examples."""
    roots = np.sqrt(predictions)
    total = np.zeros((len(roots), len(roots)))
    for probe in range(roots.shape[1]):
        affinity = np.clip(roots[:, probe] @ roots[:, probe].T, SMALLEST, 1.0)
        total -= np.log(affinity)
    total /= roots.shape[1]
    np.fill_diagonal(total, 0.0)
    return (total + total.T) / 2


def inpca(
    squared: Float64[np.ndarray, "row row"], components: int
) -> tuple[
    Float64[np.ndarray, "row component"],
    Int[np.ndarray, " component"],
    Float64[np.ndarray, " component"],
    Float64[np.ndarray, " component"],
]:
    """Coordinates whose signed squared distances are the given divergences.

    Returns:
        coordinates, signs and eigenvalues of the components by falling size of eigenvalue, and the
        share of the stress explained by the first of them together,
        1 − √(Σ rest λ² / Σ all λ²).
    """
    centred = squared - squared.mean(axis=0) - squared.mean(axis=1)[:, None] + squared.mean()
    values, vectors = np.linalg.eigh(-centred / 2)
    order = np.argsort(-np.abs(values), kind="stable")[:components]
    chosen = vectors[:, order]
    # A vector's sign is arbitrary: its largest entry is made positive.
    chosen = chosen * np.sign(chosen[np.abs(chosen).argmax(axis=0), np.arange(len(order))])
    total = (values**2).sum()
    rest = np.maximum(total - np.cumsum(values[order] ** 2), 0)
    explained = 1 - np.sqrt(rest / total) if total > 0 else np.ones(len(order))
    signs = np.where(values[order] < 0, -1, 1)
    return chosen * np.sqrt(np.abs(values[order])), signs, values[order], explained


def progress(
    predictions: Float64[np.ndarray, "row probe class"], labels: Int[np.ndarray, " probe"]
) -> Float64[np.ndarray, " row"]:
    """Where on the geodesic from ignorance to the truth the nearest point lies, from 0 to 1.

    On the sphere of roots of probabilities the point at a share s is
    (sin((1 − s) d) √p0 + sin(s d) √p*) / sin d, with d the angle between the two.
    """
    classes = predictions.shape[2]
    roots = np.sqrt(predictions)
    with_ignorance = roots.sum(axis=2) / np.sqrt(classes)
    with_truth = roots[:, np.arange(len(labels)), labels.astype(int)]
    angle = np.arccos(1 / np.sqrt(classes))
    shares = np.linspace(0, 1, FINENESS)
    best, nearest = np.full(len(roots), np.inf), np.zeros(len(roots))
    for share in shares:
        a, b = np.sin((1 - share) * angle) / np.sin(angle), np.sin(share * angle) / np.sin(angle)
        affinity = np.clip(a * with_ignorance + b * with_truth, SMALLEST, 1.0)
        distance = -np.log(affinity).mean(axis=1)
        closer = distance < best
        best[closer], nearest[closer] = distance[closer], share
    return nearest
