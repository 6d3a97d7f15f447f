"""Predictions as points: how far networks differ in what they say of the same probe examples.

Predictions on probe examples are probability distributions; their distance is Bhattacharyya's.
InPCA embeds these distances isometrically in a space in which some squared lengths are negative
(Quinn et al., "Visualizing probabilistic models and data with Intensive Principal Component
Analysis", PNAS 2019; Mao et al., "The training process of many deep networks explores the same
low-dimensional manifold", PNAS 2024, whose progress towards the truth is also here).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int

from deep_learning_dynamics import seeds
from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.store.schema import are_probabilities

Roots = Float[np.ndarray, "row output"]

SMALLEST = 1e-12  # affinity of two predictions, so that contradicting ones are at a finite distance
FINENESS = 201  # points on the geodesic at which the nearest is looked for
TOGETHER = 20  # probe examples whose affinities are multiplied before a logarithm is taken
FEW = 256  # rows up to which all eigenvalues are computed


def roots_of(predictions: Float[np.ndarray, "row probe class"]) -> Roots:
    """Square roots of predicted probabilities, on which null models can walk.

    Those of each probe example have length 1, so that a row's squared length is the number of
    probe examples. NaN where a prediction is not finite.

    Raises:
        StoreError: these are no probabilities.
    """
    if not are_probabilities(predictions):
        raise StoreError(
            "Outputs of the store are no probabilities, which add up to 1; logits were recorded, "
            'it seems. Turn them into such: runs["outputs"] = softmax(runs["outputs"], axis=-1)'
        )
    return _roots(predictions)


def _roots(predictions: Float[np.ndarray, "row probe class"]) -> Roots:
    roots = np.sqrt(np.maximum(predictions.astype(np.float64), 0))
    with np.errstate(invalid="ignore", divide="ignore"):
        roots /= np.linalg.norm(roots, axis=2, keepdims=True)
    return roots.reshape(len(roots), -1)


def onto_sphere(rows: Roots, probes: int) -> Roots:
    """The roots of probabilities that lie nearest to the sizes of these numbers."""
    return _roots(rows.reshape(len(rows), probes, -1).astype(np.float64) ** 2)


def probes_of(roots: Roots) -> int:
    """How many probe examples there are: each has length 1."""
    if not len(roots):  # every network diverged
        return 1
    return max(1, round(float(np.einsum("ro,ro->r", roots, roots).mean())))


def distances(
    roots: Roots, others: Float[np.ndarray, "other output"] | None = None
) -> Float64[np.ndarray, "row other"]:
    """Bhattacharyya distances: −log Σ √(p q), the mean over probe examples.

    Args:
        roots: of probabilities, as :func:`roots_of` gives them.
        others: to which the distances are; default: the rows themselves.
    """
    probes = probes_of(roots)
    of_one = (probes, roots.shape[1] // probes)
    left = roots.reshape(len(roots), *of_one)
    right = left if others is None else others.reshape(len(others), *of_one)
    total = np.zeros((len(left), len(right)))
    for start in range(0, probes, TOGETHER):
        affinity = np.ones_like(total)
        for probe in range(start, min(start + TOGETHER, probes)):
            both = left[:, probe] @ right[:, probe].T
            affinity *= np.clip(both, SMALLEST, 1.0, out=both)
        total -= np.log(affinity)
    total /= probes
    if others is not None:
        return total
    np.fill_diagonal(total, 0.0)
    return (total + total.T) / 2


@dataclass(frozen=True)
class Embedding:
    """Coordinates whose signed squared distances are the given divergences.

    Components go by falling size of eigenvalue.
    """

    coordinates: Float64[np.ndarray, "row component"]
    signs: Int[np.ndarray, " component"]  # −1: squared lengths along it count negative
    eigenvalues: Float64[np.ndarray, " component"]
    explained: Float64[np.ndarray, " component"]  # share of stress, of the first 1, 2, ...
    means: Float64[np.ndarray, " row"]  # of each row's divergences from all

    def place(self, divergences: Float[np.ndarray, "new row"]) -> Float64[np.ndarray, "new _"]:
        """Where further rows lie, from their divergences from the embedded ones (Gower, 1968)."""
        known = np.where(self.eigenvalues == 0, np.inf, self.eigenvalues)
        return (self.means - divergences) @ (self.coordinates / (2 * known))


def inpca(divergences: Float64[np.ndarray, "row row"], components: int) -> Embedding:
    """Embed rows by their symmetric divergences.

    The share of the stress that the first components explain together is
    1 − √(Σ rest λ² / Σ all λ²).
    """
    means = divergences.mean(axis=0)
    centred = (means + means[:, None] - divergences - means.mean()) / 2
    values, vectors = _largest(centred, components)
    # A vector's sign is arbitrary: its largest entry is made positive.
    columns = np.arange(len(values))
    vectors = vectors * np.where(vectors[np.abs(vectors).argmax(axis=0), columns] < 0, -1, 1)
    total = (centred**2).sum()
    rest = np.maximum(total - np.cumsum(values**2), 0)
    explained = 1 - np.sqrt(rest / total) if total > 0 else np.ones(len(values))
    signs = np.where(values < 0, -1, 1)
    return Embedding(vectors * np.sqrt(np.abs(values)), signs, values, explained, means)


def _largest(
    matrix: Float64[np.ndarray, "row row"], count: int
) -> tuple[Float64[np.ndarray, " component"], Float64[np.ndarray, "row component"]]:
    """Eigenvalues by falling size, and their vectors."""
    if len(matrix) <= FEW or 4 * count > len(matrix):
        values, vectors = np.linalg.eigh(matrix)
    else:
        from scipy.sparse.linalg import eigsh

        start = seeds.generator(0, "inpca").normal(size=len(matrix))
        values, vectors = eigsh(matrix, count, which="LM", v0=start)
    order = np.argsort(-np.abs(values), kind="stable")[:count]
    return values[order], vectors[:, order]


def progress(roots: Roots, labels: Int[np.ndarray, " probe"]) -> Float64[np.ndarray, " row"]:
    """Where on the geodesic from ignorance to the truth the nearest point lies, from 0 to 1.

    On the sphere of roots of probabilities the point at a share s is
    (sin((1 − s) d) √p0 + sin(s d) √p*) / sin d, with d the angle between the two.
    """
    roots = roots.reshape(len(roots), len(labels), -1)
    classes = roots.shape[2]
    with_ignorance = roots.sum(axis=2) / np.sqrt(classes)
    with_truth = roots[:, np.arange(len(labels)), labels.astype(int)]
    angle = np.arccos(1 / np.sqrt(classes))
    best, nearest = np.full(len(roots), np.inf), np.zeros(len(roots))
    for share in np.linspace(0, 1, FINENESS):
        a, b = np.sin((1 - share) * angle) / np.sin(angle), np.sin(share * angle) / np.sin(angle)
        affinity = np.clip(a * with_ignorance + b * with_truth, SMALLEST, 1.0)
        distance = -np.log(affinity).mean(axis=1)
        closer = distance < best
        best[closer], nearest[closer] = distance[closer], share
    return nearest
