"""The contract that every registered method fulfils."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from deep_learning_dynamics.errors import ParamsError, ProjectionError
from deep_learning_dynamics.projection import METHODS, reduce
from deep_learning_dynamics.projection.method import REACH, Method, different_rows, within_reach
from deep_learning_dynamics.projection.pca import principal_plane
from deep_learning_dynamics.projection.quality import assess
from deep_learning_dynamics.quantities import quantity
from deep_learning_dynamics.selection import from_arrays

KEYS = ["pca", "som", "autoencoder", "autoencoder_som", "autoencoder_tsne", "umap"]
ALL = [*KEYS, "inpca"]  # which sees predictions: what follows from any weights is tested for KEYS
MAPS = ["som", "autoencoder_som"]
SMALL = {
    "som": {"rows": 9, "columns": 9, "epochs": 20},
    "autoencoder": {"hidden_units": 16, "iterations": 60, "restarts": 2},
    "autoencoder_som": {"code_units": 20, "rows": 9, "columns": 9, "epochs": 20},
    "autoencoder_tsne": {"code_units": 20, "perplexity": 12, "iterations": 200},
    "umap": {"neighbours": 12, "epochs": 100},
}


def fit(key, vectors, seed=0, **settings):
    return METHODS[key].fit(vectors, seed, SMALL.get(key, {}) | settings)


@pytest.fixture(scope="module")
def paths():
    """Eight paths of 15 rows, along the principal axes of all."""
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(8, 15, 40)) * 0.8 ** np.arange(40) + rng.normal(size=(8, 1, 40)) / 2
    rows = np.cumsum(steps, axis=1).reshape(120, 40)
    rows -= rows.mean(axis=0)
    return rows @ np.linalg.svd(rows, full_matrices=False)[2].T


@pytest.fixture(scope="module")
def fitted(paths):
    made = {}

    def get(key):
        if key not in made:
            made[key] = fit(key, paths)
        return made[key]

    return get


def test_the_registry_holds_the_methods_in_the_order_of_display():
    assert list(METHODS)[:7] == ALL


@pytest.mark.parametrize("key", ALL)
def test_a_method_says_what_may_be_read_from_its_picture_and_what_may_not(key):
    method = METHODS[key]
    assert len(method.axes) == 2
    for sentence in (method.reads, method.cautions):
        assert sentence.endswith(".")
        assert 20 < len(sentence) < 120


@pytest.mark.parametrize("key", KEYS)
def test_a_plane_in_500_dimensions_comes_back(key):
    """With its distances by PCA, and with its neighbourhoods by every method."""
    rng = np.random.default_rng(0)
    plane = rng.uniform(size=(150, 2)) * [3, 2]
    axes, _ = np.linalg.qr(rng.normal(size=(500, 2)))
    rows = pd.DataFrame({"network": "a", "step": np.arange(150)})
    found = fit(key, reduce(from_arrays(plane @ axes.T + 3, rows)).vectors)
    quality = assess(plane, found.coordinates, [np.arange(150)]).quality
    assert quality.trustworthiness > 0.95
    assert quality.continuity > 0.95
    if key in ("pca", "autoencoder"):
        assert quality.distance_rank_correlation == pytest.approx(1, abs=1e-4)
        assert found.properties["explained_variance"] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("key", KEYS)
def test_a_fit_is_better_than_a_shuffled_one(key, paths, fitted):
    lines = [np.arange(15) + 15 * path for path in range(8)]
    points = fitted(key).coordinates
    shuffled = np.random.default_rng(0).permutation(points)
    good, bad = (assess(paths, each, lines).quality for each in (points, shuffled))
    assert good.trustworthiness > 0.85
    assert good.continuity > 0.85
    assert bad.trustworthiness < 0.7


@pytest.mark.parametrize("key", KEYS)
def test_the_fitted_rows_are_placed_where_they_were(key, paths, fitted):
    found = fitted(key)
    np.testing.assert_array_equal(found.transform(paths), found.coordinates)


@pytest.mark.parametrize("key", KEYS)
def test_a_row_beside_a_fitted_one_is_placed_beside_it(key, paths, fitted):
    found = fitted(key)
    placed = found.transform(paths[::10] + 1e-4)
    apart = np.linalg.norm(placed - found.coordinates[::10], axis=1)
    assert np.median(apart) < 0.05 * np.ptp(found.coordinates, axis=0).max()


@pytest.mark.parametrize("key", KEYS)
def test_placing_a_row_does_not_move_the_others(key, paths, fitted):
    found = fitted(key)
    before = found.coordinates.copy()
    found.transform(paths[:30] * 1.1)
    np.testing.assert_array_equal(found.coordinates, before)
    np.testing.assert_array_equal(found.transform(paths), before)


@pytest.mark.parametrize("key", KEYS)
def test_repeating_gives_the_same_places_and_another_seed_others_if_it_says_so(key, paths, fitted):
    method = METHODS[key]
    np.testing.assert_array_equal(fit(key, paths).coordinates, fitted(key).coordinates)
    moved = np.abs(fit(key, paths, seed=1).coordinates - fitted(key).coordinates).max() > 0
    assert moved == method.uses_chance(method.settings(SMALL.get(key)))


@pytest.mark.parametrize("key", KEYS)
def test_equal_rows_share_a_place(key, paths):
    rows = paths.copy()
    rows[[40, 119]] = rows[3]
    found = fit(key, rows)
    np.testing.assert_array_equal(found.coordinates[[40, 119]], found.coordinates[[3, 3]])
    new = np.repeat(paths[[7, 9]] * 1.01, 2, axis=0)
    placed = found.transform(new)
    np.testing.assert_array_equal(placed[::2], placed[1::2])


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("count", [1, 2, 100])
def test_too_few_different_rows_are_refused(key, count):
    rows = np.ones((count, 30)) * np.minimum(np.arange(count), 1)[:, None]
    with pytest.raises(
        ProjectionError,
        match=rf"{METHODS[key].title} needs at least [34] different rows; found {min(count, 2)}\.",
    ):
        fit(key, rows)


@pytest.mark.parametrize("key", KEYS)
def test_few_rows_and_rows_on_a_line_have_places(key):
    line = np.arange(5.0)[:, None]
    for rows in (np.random.default_rng(0).normal(size=(4, 3)), line - 2, line * np.eye(1, 30) - 2):
        found = fit(key, rows)
        assert np.isfinite(found.coordinates).all()
        assert len(np.unique(found.coordinates, axis=0)) > 1
        assert np.isfinite(found.transform(rows * 1.5)).all()


@pytest.mark.parametrize("key", ALL)
def test_no_components_at_all_are_rows_that_are_equal(key):
    with pytest.raises(ProjectionError, match="different rows; found 1"):
        fit(key, np.zeros((10, 0)))


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("far", [1e4, 1e12, 1e30])
def test_a_row_that_a_divergence_took_far_off_is_placed(key, paths, fitted, far):
    placed = fitted(key).transform(np.concatenate([paths[:1] * far, paths[5:6]]))
    assert np.isfinite(placed).all()
    np.testing.assert_array_equal(placed[1], fitted(key).coordinates[5])


@pytest.mark.parametrize("key", KEYS)
def test_the_scale_of_the_weights_changes_no_neighbourhood(key, paths, fitted):
    lines = [np.arange(15) + 15 * path for path in range(8)]
    for scale in (1e-9, 1e9):
        found = fit(key, paths * scale)
        quality = assess(paths, found.coordinates, lines).quality
        assert quality.trustworthiness > 0.85


@pytest.mark.parametrize("key", KEYS)
def test_every_property_has_a_title_and_a_meaning(key, fitted):
    for name, value in fitted(key).properties.items():
        assert quantity(name).meaning, name
        assert np.isfinite(value)


def test_each_method_has_the_properties_that_are_defined_for_it(fitted):
    assert {key: set(fitted(key).properties) for key in KEYS} == {
        "pca": {"explained_variance"},
        "som": {"quantisation_error", "topographic_error"},
        "autoencoder": {"explained_variance"},
        "autoencoder_som": {"code_explained_variance", "quantisation_error", "topographic_error"},
        "autoencoder_tsne": {"code_explained_variance"},
        "umap": set(),
    }
    assert {key for key in KEYS if fitted(key).cells is not None} == set(MAPS)


@pytest.mark.parametrize("key", ALL)
def test_settings_are_checked_against_their_bounds(key):
    method = METHODS[key]
    for each in fields(method.Settings):
        if each.type in (bool, "bool"):
            continue
        for wrong in (-1, "many"):
            with pytest.raises(
                ParamsError,
                match=rf"{key}\.{each.name} is {wrong!r}; .*\n.*params.yaml \(project\.{key}\)",
            ):
                method.settings({each.name: wrong})
    with pytest.raises(ParamsError, match=f"{key} has no setting 'colour'; expected "):
        method.settings({"colour": 1})
    with pytest.raises(ParamsError, match="expected a mapping"):
        method.settings(3)
    assert method.settings() == method.settings(None) == method.settings({}) == method.Settings()
    assert method.settings(method.Settings()) == method.Settings()


@pytest.mark.parametrize("key", ALL)
def test_too_many_rows_are_refused_with_the_setting_that_helps(key):
    method = METHODS[key]
    method.check_rows(10_000)
    if key in ("pca", "som"):
        method.check_rows(1_000_000)
    else:
        with pytest.raises(
            ProjectionError,
            match=rf"{method.title} would be fitted on 1,000,000 rows; expected at most "
            r"\d+,000.*view.snapshots",
        ):
            method.check_rows(1_000_000)


def test_principal_components_are_those_of_scikit_learn(paths):
    from sklearn.decomposition import PCA

    for rows in (paths, paths[10:70], np.repeat(paths, 3, axis=0)[:200]):
        reference = PCA(2)
        expected = reference.fit_transform(rows)
        found = fit("pca", rows)
        signs = np.sign((expected * found.coordinates).sum(axis=0))
        np.testing.assert_allclose(found.coordinates * signs, expected, atol=1e-8)
        assert found.properties["explained_variance"] == pytest.approx(
            reference.explained_variance_ratio_.sum()
        )


def test_principal_components_of_a_whole_reduction_are_its_first_columns(paths):
    found = fit("pca", paths).coordinates
    np.testing.assert_allclose(np.abs(found), np.abs(paths[:, :2]), atol=1e-12)
    assert (principal_plane(paths)[1] != 0).sum() == 2


def test_whitened_components_have_unit_variance(paths):
    found = fit("pca", paths, whiten=True)
    np.testing.assert_allclose(found.coordinates.std(axis=0, ddof=1), 1)
    np.testing.assert_allclose(
        found.transform(paths * 0.5 + 0.5), found.transform(paths * 0.5 + 0.5)
    )


def test_principal_axes_are_found_where_components_lie_along_others():
    rows = np.random.default_rng(0).normal(size=(90, 60)) * 0.9 ** np.arange(60)[::-1]
    mean, axes = principal_plane(rows)
    _, _, expected = np.linalg.svd(rows - mean)
    np.testing.assert_allclose(np.abs((axes * expected[:2].T).sum(axis=0)), 1, atol=1e-12)


@pytest.mark.parametrize("key", ["autoencoder_tsne", "umap"])
def test_clusters_stay_apart_and_new_rows_land_in_theirs(key):
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=(20, 30)) + 20 * rng.normal(size=30) for _ in range(4)])
    found = fit(key, rows)
    apart = np.linalg.norm(found.coordinates[:, None] - found.coordinates, axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (apart.argmin(axis=1) // 20 == np.arange(80) // 20).all()
    far = rows.mean(axis=0) + 1e20 * (rows[:20].mean(axis=0) - rows.mean(axis=0))
    new = found.transform(np.concatenate([rows[::7] + 0.1, far[None]]))
    nearest = np.linalg.norm(new[:, None] - found.coordinates, axis=2).argmin(axis=1)
    assert (nearest // 20 == np.append(np.arange(80)[::7] // 20, 0)).all()


def test_umap_of_many_rows_searches_neighbours_and_gives_as_good_a_layout(paths, monkeypatch):
    from deep_learning_dynamics.projection import umap

    monkeypatch.setattr(umap, "FEW", 50)
    found = fit("umap", paths)
    lines = [np.arange(15) + 15 * path for path in range(8)]
    assert assess(paths, found.coordinates, lines).quality.trustworthiness > 0.85
    assert np.isfinite(found.transform(paths[:3] * 1.1)).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("key", KEYS)
def test_nothing_is_printed_or_warned_about(key, paths, capfd):
    rows = paths.copy()
    rows[:60] += 1e5  # a graph of two pieces
    fit(key, rows).transform(paths * 1.1)
    assert capfd.readouterr() == ("", "")


def test_rows_within_reach_are_not_touched_and_others_come_straight_nearer(paths):
    mean = paths.mean(axis=0)
    farthest = np.linalg.norm(paths - mean, axis=1).max()
    near = mean + 0.99 * REACH * (paths - mean)
    np.testing.assert_array_equal(within_reach(near, paths), near)
    moved = within_reach(mean + 1e300 * (paths[:3] - mean), paths) - mean
    towards = (paths[:3] - mean) / np.linalg.norm(paths[:3] - mean, axis=1, keepdims=True)
    np.testing.assert_allclose(moved, REACH * farthest * towards)


def test_different_rows_appear_in_their_order():
    rows = np.array([[1.0, 2], [0, 0], [1, 2], [-0.0, 0], [3, 3]])
    different, of_row = different_rows(rows)
    np.testing.assert_array_equal(different, rows[[0, 1, 4]])
    np.testing.assert_array_equal(of_row, [0, 1, 0, 1, 2])


def test_a_method_from_elsewhere_needs_no_more_than_its_fit():
    from deep_learning_dynamics.projection import Fitted

    class FirstComponents(Method):
        key, title, axes = "first", "First components", ("1", "2")

        @classmethod
        def fit_rows(cls, vectors, seed, settings):
            return Fitted(vectors[:, :2], lambda rows: rows[:, :2])

    found = FirstComponents.fit(np.eye(4))
    np.testing.assert_array_equal(found.coordinates, np.eye(4)[:, :2])
    np.testing.assert_array_equal(found.transform(2 * np.eye(4)), 2 * np.eye(4)[:, :2])
