"""The reduction keeps every distance, however small, or says how much of them is lost."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist, pdist

from deep_learning_dynamics.errors import ProjectionError, ResultsError
from deep_learning_dynamics.projection import Reduction, isometry, reduce, reduction, sketch
from deep_learning_dynamics.selection import from_arrays, paths_of


def selected(weights, usable=None):
    """A selection of four paths."""
    count = len(weights)
    rows = pd.DataFrame({"network": np.arange(count) * 4 // count, "step": np.arange(count)})
    rows["network"] = rows["network"].astype(str)
    if usable is not None:
        rows["usable"] = usable
    return from_arrays(weights, rows)


@pytest.fixture
def paths():
    """Ten paths of eight snapshots far from the origin, as weights that share a large mean."""
    rng = np.random.default_rng(0)
    starts = rng.normal(size=(10, 1, 3000)) + 30 * rng.normal(size=3000)
    return (starts + 0.05 * np.cumsum(rng.normal(size=(10, 8, 3000)), axis=1)).reshape(80, 3000)


@pytest.fixture
def decaying():
    """Many rows whose components fall in variance."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(700, 120)) * 0.9 ** np.arange(120) + 5


@pytest.fixture
def sketched(monkeypatch):
    """Twenty components are found, as of very many rows."""
    monkeypatch.setattr(reduction, "EXACT", 0)
    monkeypatch.setattr(reduction, "LEAST_LIMITED", 20)
    monkeypatch.setattr(reduction, "MOST_LIMITED", 20)


def assert_same_distances(reduced, rows, relative=1e-9):
    expected, found = pdist(rows), pdist(reduced)
    np.testing.assert_allclose(found[expected > 0], expected[expected > 0], rtol=relative)
    assert (found[expected == 0] == 0).all()


def test_all_distances_stay_in_fewer_numbers_than_rows(paths):
    found = reduce(selected(paths))
    assert found.vectors.shape == (80, 79)
    assert found.weights == 3000
    assert found.lost == 0
    assert_same_distances(found.vectors, paths)


def test_rows_a_million_times_closer_than_the_others_keep_their_distance(paths):
    rng = np.random.default_rng(1)
    paths[70] = paths[5] + 1e-6 * rng.normal(size=3000)
    paths[71] = paths[70] + 3e-7 * rng.normal(size=3000)
    paths[20:28] = paths[20] + np.cumsum(1e-6 * rng.normal(size=(8, 3000)), axis=0)
    assert_same_distances(reduce(selected(paths)).vectors, paths)


def test_inner_products_of_centred_rows_would_not_keep_them(paths):
    """The negative control: why the isometry goes along a tree."""
    paths[70] = paths[5] + 1e-6 * np.random.default_rng(1).normal(size=3000)
    centred = paths - paths.mean(axis=0)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    naive = vectors * np.sqrt(np.maximum(values, 0))
    with pytest.raises(AssertionError):
        assert_same_distances(naive, paths)


@pytest.mark.parametrize("count", [5, 37, 62, 80])
def test_equal_rows_have_equal_vectors(paths, count):
    rows = paths[:count]
    rows[[3, count - 1]] = rows[0]
    vectors = reduce(selected(rows)).vectors
    assert_same_distances(vectors, rows)
    for row in (3, count - 1):
        np.testing.assert_array_equal(vectors[row], vectors[0])


def test_many_small_blocks_give_the_same_as_one(paths, monkeypatch):
    paths[[10, 33]] = paths[4]
    paths[70] = paths[5] + 1e-6
    monkeypatch.setattr(isometry, "BLOCK_BYTES", 80 * 8 * 70)
    told = []
    found = reduce(selected(paths), progress=told.append)
    assert_same_distances(found.vectors, paths)
    assert len(told) == 43
    assert told == sorted(told)
    assert told[-1] == 1


@pytest.mark.parametrize(("dimension", "count"), [(1, 5), (2, 40), (17, 200)])
def test_rows_in_a_subspace_have_as_many_components_as_it_has_dimensions(dimension, count):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(count, dimension)) @ rng.normal(size=(dimension, 500)) + 4
    vectors = reduce(selected(rows)).vectors
    assert vectors.shape == (count, min(dimension, count - 1))
    assert_same_distances(vectors, rows)


def test_fewer_weights_than_rows_need_no_more_components_than_weights():
    rows = np.random.default_rng(0).normal(size=(60, 7))
    rows[40] = rows[3]
    vectors = reduce(selected(rows)).vectors
    assert vectors.shape == (60, 7)
    assert_same_distances(vectors, rows)
    np.testing.assert_array_equal(vectors[40], vectors[3])


def test_components_are_those_of_scikit_learns_pca_up_to_their_sign(paths):
    from sklearn.decomposition import PCA

    found, reference = reduce(selected(paths)), PCA(79)
    expected = reference.fit_transform(paths)
    signs = np.sign((expected * found.vectors).sum(axis=0))
    np.testing.assert_allclose(found.vectors * signs, expected, atol=1e-8)
    np.testing.assert_allclose(found.variance, reference.explained_variance_, rtol=1e-8)
    assert found.total_variance == pytest.approx(paths.var(axis=0, ddof=1).sum())


def test_the_row_that_is_farthest_out_is_on_the_positive_side_of_each_axis(paths):
    vectors = reduce(selected(paths)).vectors
    assert (vectors[np.abs(vectors).argmax(axis=0), np.arange(79)] > 0).all()


def test_rows_that_are_not_usable_change_nothing_and_are_shown_by_their_shadow(paths):
    alone = reduce(selected(paths[:76])).vectors
    usable = np.arange(80) < 76
    paths[76] = 0.3 * paths[1] + 0.7 * paths[30]
    paths[77] *= 1e12
    paths[78, 2000] = np.inf
    paths[79] = np.nan
    found = reduce(selected(paths, usable)).vectors
    np.testing.assert_allclose(found[:76], alone, atol=1e-10)
    np.testing.assert_allclose(found[76], 0.3 * alone[1] + 0.7 * alone[30], atol=1e-9)
    # A row cannot be farther from the others in its shadow than it is.
    assert 1e12 < np.linalg.norm(found[77]) <= np.linalg.norm(paths[77] - paths[:76].mean(axis=0))
    assert np.isnan(found[78:]).all()


def test_what_is_orthogonal_to_usable_rows_is_not_shown():
    rows = np.concatenate([np.eye(6)[:4], np.eye(6)[1:2] + 3 * np.eye(6)[5:]])
    vectors = reduce(selected(rows, np.arange(5) < 4)).vectors
    np.testing.assert_allclose(vectors[4], vectors[1], atol=1e-12)


def test_few_components_of_many_rows_are_found_without_a_whole_decomposition(decaying, request):
    whole = reduce(selected(decaying))
    assert whole.lost == 0
    request.getfixturevalue("sketched")
    few = reduce(selected(decaying))
    assert few.vectors.shape == (700, 20)
    np.testing.assert_allclose(few.vectors[:, :2], whole.vectors[:, :2], atol=1e-5)
    best = 1 - whole.variance[:20].sum() / whole.total_variance
    assert best * (1 - 1e-6) < few.lost < best * 1.01
    lost = 1 - (pdist(few.vectors) ** 2).sum() / (pdist(decaying) ** 2).sum()
    assert few.lost == pytest.approx(lost, rel=1e-3)


@pytest.mark.usefixtures("sketched")
def test_distances_of_a_sketch_are_never_longer_than_those_of_the_weights(decaying):
    found = reduce(selected(decaying)).vectors
    assert (pdist(found) <= pdist(decaying) * (1 + 1e-6)).all()


@pytest.mark.usefixtures("sketched")
def test_a_sketch_leaves_out_rows_that_are_not_usable(decaying, monkeypatch):
    alone = reduce(selected(decaying[:690])).vectors
    monkeypatch.setattr(sketch, "HELD_BYTES", 0)  # read from disk at every pass
    monkeypatch.setattr(sketch, "BLOCK_BYTES", 4 * 50 * 33)
    monkeypatch.setattr(sketch, "CHUNK_COLUMNS", 50)
    usable = np.arange(700) < 690
    decaying[690] = decaying[100]
    decaying[695] *= 1e12
    decaying[699] = np.nan
    found = reduce(selected(decaying, usable)).vectors
    np.testing.assert_allclose(found[:690, :5], alone[:, :5], atol=1e-3)
    np.testing.assert_allclose(found[690], found[100], atol=1e-5)
    assert np.isfinite(found[:699]).all()
    assert np.isnan(found[699]).all()


@pytest.mark.usefixtures("sketched")
def test_equal_rows_of_a_sketch_have_equal_vectors(decaying):
    decaying[[333, 699]] = decaying[5]
    found = reduce(selected(decaying)).vectors
    np.testing.assert_array_equal(found[[333, 699]], found[[5, 5]])


@pytest.mark.parametrize("fixture", ["decaying", "sketched"])
def test_repeating_gives_the_same_bytes(decaying, tmp_path, request, fixture):
    request.getfixturevalue(fixture)
    for name in ("first", "second"):
        reduce(selected(decaying)).save(tmp_path / name)
    files = sorted(file.name for file in (tmp_path / "first").iterdir())
    assert files == ["reduction.json", "rows.parquet", "variance.npy", "vectors.npy"]
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (
            tmp_path / "second" / file
        ).read_bytes(), file


def test_a_saved_reduction_comes_back(paths, tmp_path):
    found = reduce(selected(paths))
    found.save(tmp_path / "reduction")
    loaded = Reduction.load(tmp_path / "reduction")
    np.testing.assert_array_equal(loaded.vectors, found.vectors)
    np.testing.assert_array_equal(loaded.variance, found.variance)
    pd.testing.assert_frame_equal(loaded.rows, found.rows)
    assert (loaded.lost, loaded.weights, loaded.titles) == (0, 3000, {})
    assert [len(path) for path in paths_of(loaded.rows)] == [20, 20, 20, 20]


def test_a_damaged_or_missing_reduction_is_named_with_the_command_that_makes_it(paths, tmp_path):
    with pytest.raises(ResultsError, match=r"does not exist. Make it with: dvc repro reduce"):
        Reduction.load(tmp_path)
    reduce(selected(paths)).save(tmp_path / "reduction")
    (tmp_path / "reduction" / "vectors.npy").write_bytes(b"nothing")
    with pytest.raises(ResultsError, match="does not hold a whole reduction"):
        Reduction.load(tmp_path / "reduction")


@pytest.mark.parametrize("fixture", ["paths", "sketched"])
def test_a_usable_row_that_is_not_finite_is_refused(paths, request, fixture):
    request.getfixturevalue(fixture)
    paths[33, 2000] = np.nan
    with pytest.raises(ProjectionError, match=r"1 usable rows .* not finite .* row 33"):
        reduce(selected(paths, np.ones(80, bool)))


def test_one_usable_row_is_refused():
    with pytest.raises(ProjectionError, match=r"There are 1 usable rows.*expected at least 2"):
        reduce(selected(np.eye(5), np.arange(5) < 1))


def test_equal_rows_alone_have_no_components():
    found = reduce(selected(np.ones((4, 9))))
    assert found.vectors.shape == (4, 0)
    assert found.total_variance == 0


def test_what_would_not_fit_into_memory_is_refused_before_anything_is_read():
    class Unread:
        shape = (1_000_000, 60_000)

    selection = selected(np.zeros((1_000_000, 1)), np.ones(1_000_000, bool))
    object.__setattr__(selection, "weights", Unread())
    with pytest.raises(
        ProjectionError,
        match=r"256 components of 1,000,000 rows need about .* GB .*view.snapshots",
    ):
        reduce(selection)


def test_where_an_exact_decomposition_takes_long_components_are_limited(decaying, monkeypatch):
    monkeypatch.setattr(reduction, "EXACT", 100)
    monkeypatch.setattr(reduction, "LEAST_LIMITED", 30)
    monkeypatch.setattr(reduction, "LIMITED_NUMBERS", 0)
    found = reduce(selected(decaying))
    assert found.vectors.shape == (700, 30)
    assert 0 < found.lost < 0.01
    assert f"{100 * found.lost:.2g} % lie outside of" in found.description


def test_minisom_finds_the_same_units_on_weights_and_on_vectors(paths):
    """What a method that sees only distances makes of vectors is what it makes of weights."""
    from minisom import MiniSom

    vectors = reduce(selected(paths)).vectors
    chosen = np.random.default_rng(3).integers(80, size=64)
    units = []
    for rows in (vectors, paths):
        som = MiniSom(8, 8, rows.shape[1], sigma=3, learning_rate=0.5)
        som.get_weights()[:] = rows[chosen].reshape(8, 8, -1)
        som.train(rows, 1000)
        units.append([som.winner(row) for row in rows])
    assert units[0] == units[1]
    assert len(set(units[0])) > 8


def test_distances_between_stray_and_usable_rows_in_the_span_are_kept(paths):
    new = 0.3 * paths[:4] + 0.7 * paths[40:44]
    new[0] = paths[7] + 1e-5 * (paths[9] - paths[7])
    rows = np.concatenate([paths, new])
    vectors = reduce(selected(rows, np.arange(84) < 80)).vectors
    np.testing.assert_allclose(cdist(vectors[80:], vectors[:80]), cdist(new, paths), rtol=1e-8)
