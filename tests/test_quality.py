"""Measures of quality give known answers on planes, shuffled layouts and collapsed codes."""

import json

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.manifold import trustworthiness as reference

from deep_learning_dynamics.projection.faithfulness import (
    _ranks,
    distance_correlation,
    limited,
    reconstruction_error,
    trustworthiness,
)
from deep_learning_dynamics.projection.quality import Quality


def apart(points):
    return cdist(points, points)


@pytest.fixture(scope="module")
def plane():
    return np.random.default_rng(0).normal(size=(120, 2))


@pytest.fixture(scope="module")
def embedded(plane):
    """The plane in 500 dimensions."""
    axes, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(500, 2)))
    return plane @ axes.T + 7


def test_a_plane_in_500_dimensions_is_shown_perfectly(plane, embedded):
    high, low = apart(embedded), apart(plane)
    assert trustworthiness(high, low) == 1
    assert trustworthiness(low, high) == 1
    assert distance_correlation(high, low) == pytest.approx(1)


def test_a_shuffled_layout_is_no_better_than_chance(plane, embedded):
    """Chance is 1/2 for trustworthiness (a random neighbour ranks in the middle) and 0."""
    shuffled = apart(np.random.default_rng(2).permutation(plane))
    assert trustworthiness(apart(embedded), shuffled) == pytest.approx(0.5, abs=0.05)
    assert trustworthiness(shuffled, apart(embedded)) == pytest.approx(0.5, abs=0.05)
    assert distance_correlation(apart(embedded), shuffled) == pytest.approx(0, abs=0.05)


def test_a_layout_of_which_all_points_are_one_is_no_better_than_chance(embedded):
    collapsed = np.zeros((120, 120))
    assert trustworthiness(apart(embedded), collapsed) == pytest.approx(0.5, abs=0.05)
    assert distance_correlation(apart(embedded), collapsed) is None


@pytest.mark.parametrize("k", [1, 5, 10, 30])
def test_trustworthiness_and_continuity_are_scikit_learns(k):
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(90, 20))
    points = rows[:, :2] + 0.1 * rng.normal(size=(90, 2))
    high, low = apart(rows), apart(points)
    assert trustworthiness(high, low, k) == pytest.approx(reference(rows, points, n_neighbors=k))
    assert trustworthiness(low, high, k) == pytest.approx(reference(points, rows, n_neighbors=k))


def test_rows_that_share_a_place_count_as_the_mean_over_all_ways_to_order_them():
    rng = np.random.default_rng(4)
    rows, points = rng.normal(size=(60, 5)), rng.integers(0, 3, size=(60, 2)).astype(float)
    drawn = [
        reference(rows, points + 1e-9 * rng.normal(size=(60, 2)), n_neighbors=4) for _ in range(400)
    ]
    error = np.std(drawn) / 20
    assert trustworthiness(apart(rows), apart(points), 4) == pytest.approx(
        np.mean(drawn), abs=4 * error
    )


def test_duplicated_rows_that_share_their_place_do_no_harm(plane, embedded):
    twice, places = np.tile(embedded, (2, 1)), np.tile(plane, (2, 1))
    assert trustworthiness(apart(twice), apart(places)) == pytest.approx(1, abs=1e-3)
    assert trustworthiness(apart(places), apart(twice)) == pytest.approx(1, abs=1e-3)


def test_equal_rows_share_their_mean_rank_and_no_row_is_its_own_neighbour():
    line = np.array([[0.0], [0.0], [0.0], [5.0]])
    expected = [[0, 1.5, 1.5, 3], [1.5, 0, 1.5, 3], [1.5, 1.5, 0, 3], [2, 2, 2, 0]]
    np.testing.assert_array_equal(_ranks(apart(line)), expected)


def test_spearmans_correlation_is_scipys():
    from scipy.spatial.distance import pdist
    from scipy.stats import spearmanr

    rng = np.random.default_rng(5)
    rows, points = rng.normal(size=(40, 6)), rng.integers(0, 4, size=(40, 2)).astype(float)
    expected = spearmanr(pdist(rows), pdist(points)).statistic
    assert distance_correlation(apart(rows), apart(points)) == pytest.approx(expected)


def test_a_monotone_change_of_the_distances_leaves_their_ranks(plane, embedded):
    assert distance_correlation(apart(embedded), apart(plane) ** 3) == pytest.approx(1)


def test_a_perfect_reconstruction_has_no_error_and_a_collapsed_one_that_of_the_mean(embedded):
    assert reconstruction_error(embedded, embedded) == 0
    mean = np.tile(embedded.mean(axis=0), (120, 1))
    assert reconstruction_error(embedded, mean) == pytest.approx(1)
    assert reconstruction_error(embedded, np.zeros_like(embedded)) > 1


@pytest.mark.parametrize(("rows", "k"), [(2, 0), (3, 0), (4, 1), (10, 4), (21, 10), (500, 10)])
def test_the_number_of_neighbours_is_limited_by_the_number_of_rows(rows, k):
    assert limited(10, rows) == k
    points = np.random.default_rng(0).normal(size=(rows, 2))
    assert trustworthiness(apart(points), apart(points)) == (1 if k else None)


def test_what_is_not_defined_is_not_written():
    quality = Quality("umap", 4, 4, 6608, 1, 0.5, 1.0, None)
    assert json.loads(json.dumps(quality.as_json())) == {
        "method": "umap", "rows": 4, "fitted_rows": 4, "weights": 6608, "neighbours": 1,
        "trustworthiness": 0.5, "continuity": 1.0,
    }  # fmt: skip
    assert quality.summary() == "umap: 4 snapshots, trustworthiness 0.5, continuity 1"
