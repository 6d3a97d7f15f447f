"""Numbers of quality have known answers on planes, shuffled layouts and collapsed ones."""

import json

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist
from scipy.stats import spearmanr
from sklearn.manifold import trustworthiness as reference

from deep_learning_dynamics.projection import quality as module
from deep_learning_dynamics.projection.distances import (
    RankedDistances,
    agreement,
    limited,
    rank_correlations,
    sampled,
    squared_distances,
)
from deep_learning_dynamics.projection.quality import Quality, Spread, assess
from deep_learning_dynamics.quantities import quantity


def ranked(points):
    return RankedDistances(cdist(points, points, "sqeuclidean")[None])


def agreement_of(space, other, k=10):
    return agreement(ranked(space), ranked(other), k)[0]


def trustworthiness(rows, points, k=10):
    return agreement_of(rows, points, k).mean()


def correlation(rows, points):
    return rank_correlations(ranked(rows), ranked(points))[0]


def halves(rows):
    return [np.arange(rows // 2), np.arange(rows // 2, rows)]


@pytest.fixture(scope="module")
def plane():
    return np.random.default_rng(0).normal(size=(120, 2))


@pytest.fixture(scope="module")
def embedded(plane):
    """The plane in 500 dimensions."""
    axes, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(500, 2)))
    return plane @ axes.T + 7


def test_a_plane_in_500_dimensions_is_shown_perfectly(plane, embedded):
    found = assess(embedded, plane, halves(120))
    for key, value in found.quality.numbers().items():
        assert value == pytest.approx(1), key
    np.testing.assert_allclose(found.trust, 1)
    np.testing.assert_allclose(found.continuity, 1)
    assert (found.quality.rows, found.quality.rows_measured, found.quality.neighbours) == (
        120, 120, 10,
    )  # fmt: skip


def test_a_shuffled_layout_is_no_better_than_chance(plane, embedded):
    """Chance is 1/2 for trustworthiness (a random neighbour ranks in the middle) and 0."""
    found = assess(embedded, np.random.default_rng(2).permutation(plane), halves(120)).quality
    assert found.trustworthiness == pytest.approx(0.5, abs=0.05)
    assert found.continuity == pytest.approx(0.5, abs=0.05)
    assert found.distance_rank_correlation == pytest.approx(0, abs=0.05)
    assert found.along_paths["trustworthiness"].median == pytest.approx(0.5, abs=0.1)
    assert found.along_paths["distance_rank_correlation"].median == pytest.approx(0, abs=0.1)


def test_a_layout_of_which_all_points_are_one_is_no_better_than_chance(embedded):
    found = assess(embedded, np.zeros((120, 2)), halves(120)).quality
    assert found.trustworthiness == pytest.approx(0.5, abs=0.05)
    assert found.continuity == pytest.approx(0.5, abs=0.05)
    assert found.distance_rank_correlation is None
    assert "distance_rank_correlation" not in found.numbers()


@pytest.mark.parametrize("k", [1, 5, 10, 30])
def test_trustworthiness_and_continuity_are_scikit_learns(k):
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(90, 20))
    points = rows[:, :2] + 0.1 * rng.normal(size=(90, 2))
    assert trustworthiness(rows, points, k) == pytest.approx(reference(rows, points, n_neighbors=k))
    assert trustworthiness(points, rows, k) == pytest.approx(reference(points, rows, n_neighbors=k))
    if k == 10:
        found = assess(rows, points, []).quality
        assert found.trustworthiness == pytest.approx(reference(rows, points, n_neighbors=10))
        assert found.continuity == pytest.approx(reference(points, rows, n_neighbors=10))


def test_rows_that_share_a_place_count_as_the_mean_over_all_ways_to_order_them():
    rng = np.random.default_rng(4)
    rows, points = rng.normal(size=(60, 5)), rng.integers(0, 3, size=(60, 2)).astype(float)
    for space, other, moved in ((rows, points, 1), (points, rows, 0)):
        drawn = []
        for _ in range(100):
            pair = [space, other]
            pair[moved] = points + 1e-9 * rng.normal(size=(60, 2))
            drawn.append(reference(*pair, n_neighbors=4))
        error = np.std(drawn) / 10
        assert trustworthiness(space, other, 4) == pytest.approx(np.mean(drawn), abs=4 * error)


def test_duplicated_rows_that_share_their_place_do_no_harm(plane, embedded):
    found = assess(np.tile(embedded, (2, 1)), np.tile(plane, (2, 1)), []).quality
    assert found.trustworthiness == pytest.approx(1, abs=1e-3)
    assert found.continuity == pytest.approx(1, abs=1e-3)


def test_equal_distances_share_their_mean_excess_and_no_row_is_its_own_neighbour():
    line = ranked(np.array([[0.0], [0.0], [0.0], [5.0]]))
    # Ranks 1 and 2 by turns exceed 1 by 0 and 1; ranks 1, 2 and 3 by 0, 1 and 2.
    expected = [[0, 0.5, 0.5, 2], [0.5, 0, 0.5, 2], [0.5, 0.5, 0, 2], [1, 1, 1, 0]]
    others = np.nonzero(~np.eye(4, dtype=bool)[None])
    found = np.zeros((1, 4, 4))
    found[others] = line.expected_excess(1, others)
    np.testing.assert_array_equal(found[0], expected)


def test_distances_that_differ_by_rounding_are_equal():
    rng = np.random.default_rng(7)
    places, rows = rng.integers(0, 4, size=(50, 2)).astype(float), rng.normal(size=(50, 4))
    exact = cdist(places, places, "sqeuclidean")
    rounded = exact * (1 + 1e-15 * rng.choice([-1, 1], (50, 50)))
    for order in (slice(None), slice(None, None, -1)):
        found = [
            agreement(*[ranked(rows), RankedDistances(squared.copy()[None])][order], 5)
            for squared in (exact, rounded)
        ]
        np.testing.assert_allclose(*found)


def test_distances_from_inner_products_are_those_from_differences():
    rng = np.random.default_rng(8)
    rows = 1000 + rng.normal(size=(50, 40)).cumsum(axis=0)
    rows[7] = rows[3]
    squared = squared_distances(rows)
    np.testing.assert_allclose(squared, cdist(rows, rows, "sqeuclidean"), rtol=1e-9)
    assert squared[3, 7] == squared[7, 3] == 0
    np.testing.assert_allclose(squared_distances(rows[:9], rows), squared[:9], rtol=1e-9)


@pytest.mark.parametrize("rows", [15, 21, 40])
def test_a_layout_with_all_rows_in_one_place_has_the_continuity_of_chance(rows):
    rng = np.random.default_rng(9)
    path = rng.normal(size=(rows, 6)).cumsum(axis=0)
    by_chance = [trustworthiness(rng.normal(size=(rows, 2)), path) for _ in range(60)]
    assert trustworthiness(np.zeros((rows, 2)), path) == pytest.approx(np.mean(by_chance), abs=0.02)


def test_rows_far_away_leave_the_others_their_neighbours(plane):
    stray = np.vstack([plane, [[1e13, 0]]])
    np.testing.assert_allclose(agreement_of(stray, stray)[:-1], 1)


def test_a_row_that_lies_in_a_wrong_place_is_not_trusted_and_the_others_are():
    """The last row is drawn amid others, far from its neighbours in weight space."""
    rows = np.random.default_rng(0).normal(size=(200, 2))
    plane = rows.copy()
    rows[-1], plane[-1] = [9, 9], [0, 0]
    found = assess(rows, plane, halves(200))
    assert found.continuity[-1] < 0.3  # its neighbours are elsewhere
    assert found.continuity[:-1].min() > 0.8
    assert found.quality.continuity == pytest.approx(found.continuity.mean())
    assert found.quality.trustworthiness == pytest.approx(found.trust.mean())


def test_each_path_is_judged_by_its_own_rows_wherever_the_others_are_drawn():
    """Two straight paths of different size, drawn with their sizes exchanged; then one shuffled."""
    line = np.sort(np.random.default_rng(0).uniform(size=(30, 1)), axis=0)
    rows = np.concatenate([line * [1, 0], [[5, 0]] + 0.1 * line * [0, 1]])
    plane = np.concatenate([[[9, 9]] - 0.1 * line * [1, 0], line * [0, 3]])
    along = assess(rows, plane, halves(60)).quality.along_paths
    assert along["distance_rank_correlation"].minimum == pytest.approx(1)
    assert along["trustworthiness"].minimum == 1
    plane[:30] = np.random.default_rng(0).permutation(plane[:30])
    along = assess(rows, plane, halves(60)).quality.along_paths
    assert along["distance_rank_correlation"].minimum == pytest.approx(0, abs=0.2)
    assert along["distance_rank_correlation"].maximum == pytest.approx(1)
    assert along["trustworthiness"].minimum == pytest.approx(0.5, abs=0.15)


def test_paths_that_are_compared_together_have_the_numbers_of_each_alone():
    rng = np.random.default_rng(11)
    rows = rng.normal(size=(70, 12)).cumsum(axis=0)
    points = np.round(rows[:, :2])  # with ties
    paths = [np.arange(0, 20), np.arange(20, 40), np.arange(40, 67), np.arange(67, 70)]
    along = assess(rows, points, paths).quality.along_paths
    for key, of in (
        ("trustworthiness", trustworthiness),
        ("continuity", lambda rows, points: trustworthiness(points, rows)),
        ("distance_rank_correlation", correlation),
    ):
        values = [of(rows[path], points[path]) for path in paths]
        values = [value for value in values if np.isfinite(value)]
        expected = Spread(np.median(values), min(values), max(values))
        assert vars(along[key]) == pytest.approx(vars(expected))


def test_a_path_that_the_plane_shows_as_a_point_keeps_none_of_its_distances():
    rng = np.random.default_rng(10)
    rows = rng.normal(size=(40, 3)).cumsum(axis=0)
    points = np.where(np.arange(40)[:, None] < 20, rows[:, :2], 0.0)
    along = assess(rows, points, halves(40)).quality.along_paths
    assert along["distance_rank_correlation"].minimum == 0
    still = np.where(np.arange(40)[:, None] < 20, rows, 0.0)  # a network that never moved
    along = assess(still, points, halves(40)).quality.along_paths
    assert along["distance_rank_correlation"].minimum > 0.5


def test_spearmans_correlation_is_scipys():
    rng = np.random.default_rng(5)
    rows, points = rng.normal(size=(40, 6)), rng.integers(0, 4, size=(40, 2)).astype(float)
    expected = spearmanr(pdist(rows), pdist(points)).statistic
    assert correlation(rows, points) == pytest.approx(expected)
    assert assess(rows, points, []).quality.distance_rank_correlation == pytest.approx(expected)


@pytest.mark.parametrize(("rows", "k"), [(2, 0), (3, 0), (4, 1), (10, 4), (21, 10), (500, 10)])
def test_the_number_of_neighbours_is_limited_by_the_number_of_rows(rows, k):
    assert limited(10, rows) == k
    points = np.random.default_rng(0).normal(size=(rows, 2))
    found = assess(points, points, [])
    assert found.quality.neighbours == k
    assert found.quality.trustworthiness == (1 if k else None)
    assert np.isnan(found.trust).all() == (k == 0)


def walks(paths, snapshots, components=12):
    rng = np.random.default_rng(12)
    rows = rng.normal(size=(paths, snapshots, components)).cumsum(axis=1)
    return rows.reshape(-1, components), list(
        np.arange(paths * snapshots).reshape(paths, snapshots)
    )


def test_a_sample_has_the_same_share_of_every_path_and_both_of_its_ends():
    paths = [np.arange(100), np.arange(100, 400), np.arange(400, 405)]
    taken = sampled(405, paths, 81)
    counts = [np.isin(path, taken).sum() for path in paths]
    assert counts == [20, 60, 1]
    assert {0, 99, 100, 399} <= set(taken.tolist())
    assert np.diff(taken[:20]).max() <= 6
    np.testing.assert_array_equal(sampled(405, paths, 405), np.arange(405))


def test_above_some_thousand_rows_a_sample_is_measured_and_says_so(monkeypatch):
    """Numbers are near those of all rows, and every row has its own."""
    rows, paths = walks(20, 50)
    points = rows[:, :2] + np.random.default_rng(13).normal(size=(1000, 2))
    every = assess(rows, points, paths)
    monkeypatch.setattr(module, "MOST_ROWS", 400)
    some = assess(rows, points, paths)
    assert every.quality.rows_measured == 1000
    assert some.quality.rows_measured == 400
    assert some.quality.rows == 1000
    for key, value in every.quality.numbers().items():
        assert some.quality.numbers()[key] == pytest.approx(value, abs=0.05), key
    assert some.quality.along_paths == every.quality.along_paths  # of all rows of each path
    assert np.isfinite(some.trust).all()
    assert np.corrcoef(some.trust, every.trust)[0, 1] > 0.5
    assert some.continuity.mean() == pytest.approx(every.continuity.mean(), abs=0.05)


def test_rows_beyond_the_sample_have_their_values_however_many_are_taken_at_once(monkeypatch):
    """Also as many as there are in the sample, which they are not among."""
    rows, paths = walks(60, 2)
    points = rows[:, :2]
    monkeypatch.setattr(module, "MOST_ROWS", 90)
    together = assess(rows, points, paths)
    assert together.quality.rows_measured == 60
    monkeypatch.setattr(module, "_BLOCK", 60 * 7)
    np.testing.assert_array_equal(assess(rows, points, paths).trust, together.trust)


def test_what_is_written_is_read_again_and_everything_measured_has_a_title():
    quality = assess(*walks(4, 12)[:1], walks(4, 12)[0][:, :2], walks(4, 12)[1], {"stress": 0.25})
    text = json.dumps(quality.quality.as_json())
    again = Quality.from_json(json.loads(text))
    assert json.dumps(again.as_json()) == text
    assert again.numbers() == pytest.approx(quality.quality.numbers())
    for key in set(again.numbers()) - {"stress"}:
        assert quantity(key).meaning.endswith(".")
        assert quantity(key).better == "higher"


def test_what_is_not_defined_is_null():
    content = assess(np.eye(3), np.zeros((3, 2)), []).quality.as_json()
    assert content["trustworthiness"] is None
    assert content["distance_rank_correlation"] is None
    assert Quality.from_json(content).numbers() == {}
