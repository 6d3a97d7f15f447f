"""Measures of quality give known answers on planes, shuffled layouts and collapsed codes."""

import json

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.manifold import trustworthiness as reference

from deep_learning_dynamics.projection.faithfulness import (
    _excess,
    distance_correlation,
    faithfulness,
    limited,
    reconstruction_error,
    trustworthiness,
    trustworthiness_of_rows,
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


def test_equal_rows_share_their_mean_excess_and_no_row_is_its_own_neighbour():
    line = np.array([[0.0], [0.0], [0.0], [5.0]])
    # Ranks 1 and 2 by turns exceed 1 by 0 and 1; ranks 1, 2 and 3 by 0, 1 and 2.
    expected = [[0, 0.5, 0.5, 2], [0.5, 0, 0.5, 2], [0.5, 0.5, 0, 2], [1, 1, 1, 0]]
    np.testing.assert_array_equal(_excess(apart(line), 1), expected)


def test_distances_that_differ_by_rounding_are_equal():
    places = np.random.default_rng(7).integers(0, 4, size=(50, 2)).astype(float)
    distances = apart(places)
    rounded = distances * (1 + 1e-15 * np.random.default_rng(8).choice([-1, 1], (50, 50)))
    np.testing.assert_allclose(_excess(rounded, 5), _excess(distances, 5))


@pytest.mark.parametrize("rows", [15, 21, 40])
def test_a_picture_with_all_rows_in_one_place_has_the_continuity_of_chance(rows):
    rng = np.random.default_rng(9)
    path = apart(rng.normal(size=(rows, 6)).cumsum(axis=0))
    by_chance = [trustworthiness(apart(rng.normal(size=(rows, 2))), path) for _ in range(300)]
    assert trustworthiness(np.zeros((rows, rows)), path) == pytest.approx(
        np.mean(by_chance), abs=0.02
    )


def test_rows_far_away_leave_the_others_their_neighbours(plane):
    stray = np.vstack([plane, [[1e13, 0]]])
    shown = trustworthiness_of_rows(apart(stray), apart(stray))
    np.testing.assert_allclose(shown[:-1], 1)


def test_a_path_that_the_plane_shows_as_a_point_keeps_none_of_its_distances():
    rng = np.random.default_rng(10)
    rows, line = rng.normal(size=(40, 3)).cumsum(axis=0), np.arange(20)
    points = np.where(np.arange(40)[:, None] < 20, rows[:, :2], 0.0)
    along = faithfulness(apart(rows), apart(points), [line, line + 20]).along_paths
    assert along["distance_correlation"].minimum == 0
    still = np.where(np.arange(40)[:, None] < 20, rows, 0.0)  # a network that never moved
    along = faithfulness(apart(still), apart(points), [line, line + 20]).along_paths
    assert along["distance_correlation"].minimum > 0.5


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
