"""Null models: paths of the same size as the real ones in which nothing was learnt.

Random walks in many dimensions look like smooth, convincing curves by themselves (Antognini and
Sohl-Dickstein, 2018). Each model here keeps certain properties of the real paths and is random
otherwise: what a projection or a measure finds in it as well is no evidence of learning. Models
work on coordinates with the distances of the weights, such as those of a reduction; no vector has
the length of the weights.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int

from deep_learning_dynamics.registry import Registry

# The rows of one network's snapshots in the order of time; those of a path, network by network.
Segment = Int[np.ndarray, " _"]
Path = Sequence[Segment]
Vectors = Float[np.ndarray, "row component"]
Walk = Float64[np.ndarray, "row axis"]


@dataclass(frozen=True)
class NullModel:
    """A way to draw paths of the same size."""

    key: str
    title: str
    keeps: str  # the properties of the real paths that it has, too
    draw: Callable[[Vectors, Sequence[Path], int, np.random.Generator], Walk]
    """Of ``vectors``, the paths among their rows, the number of weights that the vectors stand for,
    and a random stream: null vectors of the same rows. Their axes are those given if there are as
    many as weights, and need not be otherwise."""


NULL_MODELS: Registry[NullModel] = Registry("null model", __name__, ())


def random_walk(
    vectors: Vectors, paths: Sequence[Path], weights: int, rng: np.random.Generator
) -> Walk:
    """From the real starts, by steps of the real lengths, in independent uniform directions."""
    return _walk(vectors, paths, weights, rng, [0.0 for path in paths for _ in path])


def momentum_walk(
    vectors: Vectors, paths: Sequence[Path], weights: int, rng: np.random.Generator
) -> Walk:
    """As a random walk, but each step goes on in the direction of the one before.

    Directions are a stationary autoregressive process of first order, one for each network: the
    cosine between steps that are k apart is the mean cosine between consecutive steps of the real
    network, to the power of k, up to deviations of about one over the root of the number of
    weights. Such a walk turns as sharply as the real path does, and what it shows of its
    straightness needs no other explanation.

    Kept: starts, the length of every step, the mean cosine between consecutive steps. Lost:
    whatever lasts longer than that, and everything that paths have in common but their starts.
    """
    momenta = [mean_cosine(vectors[segment]) for path in paths for segment in path]
    return _walk(vectors, paths, weights, rng, momenta)


def shuffled_steps(
    vectors: Vectors, paths: Sequence[Path], weights: int, rng: np.random.Generator
) -> Walk:
    """The real steps of each network in random order, so that its start and end are the real ones.

    Steps of different networks of a path (pre-training and training) do not mix. Axes are those of
    ``vectors``.
    """
    shuffled = vectors.astype(np.float64)
    for path in paths:
        for segment in path:
            steps = rng.permutation(np.diff(shuffled[segment], axis=0))
            # The last row stays: summing in another order would miss it by rounding.
            shuffled[segment[1:-1]] = shuffled[segment[0]] + steps[:-1].cumsum(axis=0)
    return shuffled


for _draw, _title, _keeps in (
    (random_walk, "random walks", "the start of each path and the length of every step"),
    (
        momentum_walk,
        "walks with momentum",
        "the start of each path, the length of every step and the mean angle between consecutive "
        "steps",
    ),
    (
        shuffled_steps,
        "shuffled steps",
        "the start and end of each network and its steps, but not their order",
    ),
):
    NULL_MODELS.register(NullModel(_draw.__name__, _title, _keeps, _draw))


def expected_products(
    lengths: Float[np.ndarray, " step"], momentum: float = 0.0
) -> Float64[np.ndarray, "step step"]:
    """Inner products of the steps of a walk with steps of these lengths, in very many dimensions.

    There a single walk hardly differs from what is expected: a random walk's steps are orthogonal,
    so that its straightness is √Σl² / Σl; with momentum the cosine falls with the steps between.
    """
    between = np.abs(np.subtract.outer(np.arange(len(lengths)), np.arange(len(lengths))))
    return lengths[:, None] * lengths * momentum ** between.astype(float)


def mean_cosine(points: Float[np.ndarray, "snapshot component"]) -> float:
    """Of the angles between consecutive steps; steps of no length are left out, 0 without any."""
    steps = np.diff(points.astype(np.float64), axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    steps = steps[lengths > 0] / lengths[lengths > 0, None]
    return float((steps[1:] * steps[:-1]).sum(axis=1).mean()) if len(steps) > 1 else 0.0


def _walk(
    vectors: Vectors,
    paths: Sequence[Path],
    weights: int,
    rng: np.random.Generator,
    momenta: Sequence[float],  # of each segment
) -> Walk:
    wholes = [np.concatenate(list(path)) for path in paths]
    starts = vectors[[whole[0] for whole in wholes]].astype(np.float64)
    # Paths with one start, such as those of a pair, have it to the bit.
    different, of_path = np.unique(starts, axis=0, return_inverse=True)
    if vectors.shape[1] < weights:
        different = different - starts.mean(axis=0)
        if different.shape[1] > len(different):  # as few axes as there are points
            different = np.linalg.qr(different.T)[1].T
    starts = different[of_path.ravel()]
    noise = _gaussian_vectors(
        sum(len(whole) - 1 for whole in wholes), weights, rng, min(starts.shape[1], weights)
    )
    walks = np.zeros((len(vectors), max(noise.shape[1], starts.shape[1])))
    momentum, used = iter(momenta), 0
    for start, path, whole in zip(starts, paths, wholes, strict=True):
        lengths = np.linalg.norm(np.diff(vectors[whole].astype(np.float64), axis=0), axis=1)
        steps = noise[used : used + len(lengths)]
        used += len(lengths)
        position = -1  # of the step that leads to the segment's first row; a path's first has none
        for segment in path:
            kept = float(np.clip(next(momentum), -0.999, 0.999))
            if kept:
                for row in range(position + 2, position + len(segment)):
                    steps[row] = kept * steps[row - 1] + np.sqrt(1 - kept**2) * steps[row]
            position += len(segment)
        steps *= (lengths / np.linalg.norm(steps, axis=1))[:, None]
        walks[whole, : len(start)] = start
        walks[whole[1:], : steps.shape[1]] += steps.cumsum(axis=0)
    return walks


def _gaussian_vectors(
    count: int, size: int, rng: np.random.Generator, explicit: int = 0
) -> Float64[np.ndarray, "vector axis"]:
    """Independent Gaussian vectors of ``size`` elements, turned so that few axes hold them.

    The first ``explicit`` axes are not turned; behind them the k-th vector needs k axes at most.
    That is the triangular factor of a Gaussian matrix, drawn without the matrix (Bartlett, 1933):
    exact, and no vector has ``size`` elements.
    """
    hidden = min(count, size - explicit)
    triangle = np.tril(rng.normal(size=(count, hidden)))
    diagonal = np.arange(hidden)
    triangle[diagonal, diagonal] = np.sqrt(rng.chisquare(size - explicit - diagonal))
    return np.hstack([rng.normal(size=(count, explicit)), triangle])
