"""The isometry keeps every distance, however small, and everything that is made of distances."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist, squareform
from small_stores import Stores, settings

from deep_learning_dynamics.errors import ProjectionError
from deep_learning_dynamics.projection.isometry import Isometry, pairwise_distances
from deep_learning_dynamics.views import view


@pytest.fixture
def paths():
    """Ten paths of eight snapshots far from the origin, as weights that share a large mean."""
    rng = np.random.default_rng(0)
    starts = rng.normal(size=(10, 1, 3000)) + 30 * rng.normal(size=3000)
    return (starts + 0.05 * np.cumsum(rng.normal(size=(10, 8, 3000)), axis=1)).reshape(80, 3000)


def assert_same_distances(reduced, rows, relative=1e-9):
    expected, found = pdist(rows), pdist(reduced)
    np.testing.assert_allclose(found[expected > 0], expected[expected > 0], rtol=relative)
    assert (found[expected == 0] == 0).all()


def test_all_distances_stay_in_fewer_numbers_than_rows(paths):
    reduced = Isometry().fit_transform(paths)
    assert reduced.shape == (80, 79)
    assert_same_distances(reduced, paths)


def test_rows_a_million_times_closer_than_the_others_keep_their_distance(paths):
    rng = np.random.default_rng(1)
    paths[70] = paths[5] + 1e-6 * rng.normal(size=3000)
    paths[71] = paths[70] + 3e-7 * rng.normal(size=3000)
    paths[20:28] = paths[20] + np.cumsum(1e-6 * rng.normal(size=(8, 3000)), axis=0)
    assert_same_distances(Isometry().fit_transform(paths), paths)


def test_a_gram_matrix_of_centred_rows_would_not_keep_them(paths):
    """The negative control: why the isometry goes along a tree."""
    paths[70] = paths[5] + 1e-6 * np.random.default_rng(1).normal(size=3000)
    centred = paths - paths.mean(axis=0)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    naive = vectors * np.sqrt(np.maximum(values, 0))
    with pytest.raises(AssertionError):
        assert_same_distances(naive, paths)


@pytest.mark.parametrize("count", [5, 37, 62, 80])
def test_equal_rows_stay_equal(paths, count):
    rows = paths[:count]
    rows[[3, count - 1]] = rows[0]
    reduced = Isometry().fit_transform(rows)
    assert_same_distances(reduced, rows)
    for row in (3, count - 1):
        np.testing.assert_array_equal(reduced[row], reduced[0])


def test_small_blocks_give_the_same_as_one(paths):
    paths[[10, 33]] = paths[4]
    paths[70] = paths[5] + 1e-6
    assert_same_distances(Isometry(block_bytes=2 * 80 * 8 * 70).fit_transform(paths), paths)


def test_fewer_weights_than_rows_need_no_more_numbers_than_weights():
    rows = np.random.default_rng(0).normal(size=(60, 7))
    reduced = Isometry().fit_transform(rows)
    assert reduced.shape == (60, 7)
    assert_same_distances(reduced, rows)


@pytest.mark.parametrize(("dimension", "count"), [(1, 5), (2, 40), (17, 200)])
def test_the_rank_of_rows_in_a_subspace_is_found(dimension, count):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(count, dimension)) @ rng.normal(size=(dimension, 500)) + 4
    reduced = Isometry().fit_transform(rows)
    assert reduced.shape == (count, min(dimension, count - 1))
    assert_same_distances(reduced, rows)


def test_equal_rows_alone_have_no_coordinates():
    assert Isometry().fit_transform(np.ones((4, 9))).shape == (4, 0)


def test_coordinates_are_centred_and_ordered_by_variance_as_principal_components_are(paths):
    from sklearn.decomposition import PCA

    reduced = Isometry().fit_transform(paths)
    np.testing.assert_allclose(reduced.mean(axis=0), 0, atol=1e-10)
    expected = PCA(79).fit(paths).explained_variance_
    np.testing.assert_allclose(reduced.var(axis=0, ddof=1), expected, rtol=1e-8)


def test_the_rows_come_back(paths):
    isometry = Isometry(block_bytes=2 * 80 * 8 * 300)
    reduced = isometry.fit_transform(paths)
    np.testing.assert_allclose(isometry.inverse_transform(reduced), paths, atol=1e-11)


def test_a_point_between_rows_comes_back_as_the_weights_between_them(paths):
    isometry = Isometry()
    reduced = isometry.fit_transform(paths)
    middle = isometry.inverse_transform((reduced[3:4] + reduced[60:61]) / 2)
    np.testing.assert_allclose(middle[0], (paths[3] + paths[60]) / 2, atol=1e-11)


def test_new_rows_in_the_span_keep_their_distances_to_the_fitted_ones(paths):
    new = 0.3 * paths[:20] + 0.7 * paths[40:60]
    new[0] = paths[7] + 1e-5 * (paths[9] - paths[7])
    isometry = Isometry(block_bytes=2 * 80 * 8 * 500)
    reduced = isometry.fit_transform(paths)
    np.testing.assert_allclose(
        cdist(isometry.transform(new), reduced), cdist(new, paths), rtol=1e-9
    )


def test_transforming_the_fitted_rows_again_gives_their_coordinates(paths):
    isometry = Isometry()
    np.testing.assert_allclose(
        isometry.fit_transform(paths), isometry.transform(paths.copy()), atol=1e-12
    )


def test_what_is_orthogonal_to_the_span_is_lost():
    rows = np.eye(5)[:4]  # the span has no fifth axis
    isometry = Isometry().fit(rows)
    off = rows[1:2] + 3 * np.eye(5)[4:]
    np.testing.assert_allclose(isometry.transform(off), isometry.coordinates_[1:2], atol=1e-12)


def test_weights_on_disk_give_the_same_as_in_memory(tmp_path):
    stores = Stores(tmp_path, pairs=2)
    weights = view(stores.pretrain, stores.train, settings().track).weights
    on_disk, in_memory = Isometry(), Isometry()
    reduced = on_disk.fit_transform(weights)
    np.testing.assert_array_equal(reduced, in_memory.fit_transform(np.asarray(weights)))
    assert_same_distances(reduced, np.asarray(weights))
    some = np.arange(0, 48, 5)
    np.testing.assert_allclose(on_disk.transform(weights.take(some)), reduced[some], atol=1e-10)


def test_minisom_finds_the_same_units_on_the_weights_and_on_the_reduction(paths):
    from minisom import MiniSom

    isometry = Isometry()
    reduced = isometry.fit_transform(paths)
    codebook = np.random.default_rng(3).normal(size=(64, 79)) * reduced.std(axis=0)
    units = []
    for rows, start in ((reduced, codebook), (paths, isometry.inverse_transform(codebook))):
        som = MiniSom(8, 8, rows.shape[1], sigma=3, learning_rate=0.5)
        # Drawing its own codebook has taken a number from the stream for each weight.
        som._random_generator = np.random.RandomState(5)
        som._weights = start.reshape(8, 8, -1).copy()
        som.train_random(rows, 1000)
        units.append([som.winner(row) for row in rows])
    assert units[0] == units[1]
    assert len(set(units[0])) > 8


def test_exact_distances_hold_beside_a_row_that_is_very_far_away(paths):
    paths[79] *= 1e9
    expected = squareform(pdist(paths))
    np.testing.assert_allclose(pairwise_distances(paths), expected, rtol=1e-9)


def test_a_row_that_is_not_finite_is_refused(paths):
    paths[33, 2000] = np.nan
    with pytest.raises(ProjectionError, match=r"1 rows hold weights that are not finite .* row 33"):
        Isometry().fit(paths)
    with pytest.raises(ProjectionError, match="not finite"):
        Isometry(block_bytes=2 * 80 * 8 * 100).fit(paths)


def test_other_rows_are_not_taken_for_those_it_was_fitted_on(paths):
    fitted = Isometry().fit(paths)
    fitted.attach(paths.copy())
    for others in (paths[::-1], paths[:, :2000]):
        with pytest.raises(ProjectionError, match=r"not as far apart .*the same rows in the same"):
            fitted.attach(others)


def test_one_row_is_refused():
    with pytest.raises(ProjectionError, match=r"There are 1 rows.*expected at least 2"):
        Isometry().fit(np.ones((1, 5)))


def test_rows_of_another_length_are_refused(paths):
    with pytest.raises(ProjectionError, match="Rows have 2999 weights; expected 3000"):
        Isometry().fit(paths).transform(paths[:, 1:])
