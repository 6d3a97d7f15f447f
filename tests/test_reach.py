"""Rows that a divergence took far off have a place, and the others stay what they are."""

import numpy as np
import pytest

from deep_learning_dynamics.projection.reach import REACH, within_reach
from deep_learning_dynamics.projection.tsne import TSNE
from deep_learning_dynamics.projection.umap import UMAP


@pytest.fixture(scope="module")
def clusters():
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(size=(20, 30)) + 20 * rng.normal(size=30) for _ in range(4)])


def test_rows_within_reach_are_not_touched(clusters):
    mean = clusters.mean(axis=0)
    rows = mean + 0.99 * REACH * (clusters - mean)
    np.testing.assert_array_equal(within_reach(rows, clusters), rows)


def test_a_row_beyond_it_comes_straight_nearer(clusters):
    mean = clusters.mean(axis=0)
    moved = within_reach(mean + 1e30 * (clusters[:3] - mean), clusters) - mean
    farthest = np.linalg.norm(clusters - mean, axis=1).max()
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), REACH * farthest)
    towards = (clusters[:3] - mean) / np.linalg.norm(clusters[:3] - mean, axis=1, keepdims=True)
    np.testing.assert_allclose(moved, REACH * farthest * towards)


@pytest.mark.parametrize(
    "method",
    [
        TSNE(perplexity=10.0, iterations=300, random_state=1),
        UMAP(neighbours=10, minimum_distance=0.1, random_state=1),
    ],
    ids=["tsne", "umap"],
)
def test_it_lands_beside_its_nearest_rows(clusters, method):
    fitted, mean = method.fit(clusters), clusters.mean(axis=0)
    offset = clusters[:20].mean(axis=0) - mean  # of the first cluster
    new = fitted.transform(mean + np.array([[1e4], [1e20], [1e30]]) * offset)
    nearest = np.linalg.norm(new[:, None] - fitted.embedding_, axis=2).argmin(axis=1)
    assert (nearest < 20).all()
