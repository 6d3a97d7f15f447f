"""Projections are tested: other seeds, networks left out, null models, and what is not tested."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import procrustes
from scipy.spatial.distance import cdist

from deep_learning_dynamics import null_models
from deep_learning_dynamics.errors import ParamsError, ProjectionError
from deep_learning_dynamics.execution import LocalProcesses, run_tasks
from deep_learning_dynamics.projection import METHODS, Fitted, Method, Projection, refits
from deep_learning_dynamics.projection.quality import assess
from deep_learning_dynamics.projection.reduction import Reduction
from deep_learning_dynamics.projection.refits import (
    SPREAD,
    along_principal_axes,
    assess_robustness,
    folds_of,
    moved_onto,
    subset_of,
    superimpose,
)
from deep_learning_dynamics.projection.robustness import PRESETS, Robustness, RobustnessSettings
from deep_learning_dynamics.quantities import quantity

TURNED = np.array([[0.6, -0.8], [0.8, 0.6]]) @ np.diag([1, -1])  # and reflected
QUICK = {"seeds": 2, "folds": 3, "nulls": 3, "rows": None}


class Shadow(Method):
    """The first two components, turned by the seed as much as a setting says."""

    key, title, axes = "shadow", "Shadow", ("1", "2")
    reads = cautions = "Nothing."

    @dataclass(frozen=True)
    class Settings:
        chance: float = 0.0  # noise relative to the layout
        least: int = 3  # rows that a fit needs

    @classmethod
    def uses_chance(cls, settings):
        return True

    @classmethod
    def fit_rows(cls, vectors, seed, settings):
        if len(vectors) < settings.least:
            raise ProjectionError(f"{len(vectors)} rows are too few.")
        plane = vectors[:, :2]
        noise = np.random.default_rng(seed).normal(size=plane.shape) * plane.std(axis=0)
        turn = 2 * TURNED if seed % 2 else np.eye(2)
        return Fitted(
            plane @ turn + settings.chance * noise,
            lambda more: more[:, :2] @ turn,
            {"explained_variance": float((plane**2).sum() / (vectors**2).sum())},
        )


@pytest.fixture(autouse=True)
def shadow(monkeypatch):
    assert "shadow" not in METHODS  # and all others are loaded
    monkeypatch.setitem(METHODS._variants, "shadow", Shadow)


def made_of(weights, rows):
    """As ``reduce`` makes it: axes are those of the usable rows."""
    usable = rows["usable"].to_numpy(bool)
    centred = weights - weights[usable].mean(axis=0)
    _, values, axes = np.linalg.svd(centred[usable], full_matrices=False)
    known = values > 1e-9 * values[0]
    variance = values[known] ** 2 / usable.sum()
    return Reduction(
        centred @ axes[known].T, rows, weights.shape[1], variance, float(variance.sum()), 0.0, {}, "all"
    )  # fmt: skip


@pytest.fixture(scope="module")
def reduction():
    """Three pairs of straight paths of 12 snapshots in 300 dimensions; one network diverged."""
    rng, rows, weights = np.random.default_rng(0), [], []
    for pair in range(3):
        start = rng.normal(size=300)
        for condition in ("scratch", "pretrained"):
            path, end = len(rows) // 12, rng.normal(size=300)
            for at in range(12):
                name = f"{condition}-{pair}"
                usable = name != "scratch-1"
                rows.append((name, at, path, at, usable, pair))
                weights.append(start + at / 11 * end)
    columns = ["network", "snapshot", "path", "position", "usable", "pair"]
    return made_of(np.array(weights), pd.DataFrame(rows, columns=columns))


def drawn(reduction, fitted=None, **settings):
    """A projection as ``project`` makes it."""
    usable = reduction.rows["usable"].to_numpy(bool)
    fitted = usable if fitted is None else usable & fitted
    vectors = reduction.vectors
    found = Shadow.fit(vectors[fitted], 0, settings)
    points = np.empty((len(vectors), 2))
    points[fitted], points[~fitted] = found.coordinates, found.transform(vectors[~fitted])
    quality = assess(vectors[usable], points[usable], [], found.properties).quality
    table = reduction.rows.assign(fitted=fitted, x=points[:, 0], y=points[:, 1])
    return Projection("shadow", table, quality, None, None, settings, 300, {}, "all")


@pytest.fixture(scope="module")
def layout():
    return np.random.default_rng(0).normal(size=(40, 2))


def test_a_layout_that_was_shifted_turned_reflected_and_scaled_is_the_same(layout):
    found = superimpose(7 + 3 * layout @ TURNED, onto=layout)
    np.testing.assert_allclose(found.points, layout, atol=1e-12)
    assert found.disparity == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose((3 * layout @ TURNED) @ found.matrix, layout, atol=1e-12)


def test_the_disparity_is_scipys_and_that_of_a_shuffled_layout_is_near_one(layout):
    rng = np.random.default_rng(1)
    noisy, shuffled = layout + 0.3 * rng.normal(size=layout.shape), rng.permutation(layout)
    for other in (noisy, shuffled):
        assert superimpose(other, layout).disparity == pytest.approx(procrustes(layout, other)[2])
    assert superimpose(noisy, layout).disparity < 0.15
    assert superimpose(shuffled, layout).disparity > 0.8


def test_a_layout_of_which_all_points_are_one_has_nothing_in_common_with_any(layout):
    collapsed = superimpose(np.ones_like(layout), layout)
    assert collapsed.disparity == 1
    np.testing.assert_allclose(collapsed.points, np.tile(layout.mean(axis=0), (40, 1)))


def test_principal_axes_keep_distances_fall_in_variance_and_leave_equal_rows_equal():
    rng = np.random.default_rng(2)
    for shape in ((30, 80), (80, 30)):
        rows = 5 + rng.normal(size=shape) * np.linspace(1, 3, shape[1])
        rows[4] = rows[11]
        found = along_principal_axes(rows)
        np.testing.assert_allclose(cdist(found, found), cdist(rows, rows), atol=1e-5)
        np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-9)
        products = found.T @ found
        np.testing.assert_allclose(products, np.diag(np.diag(products)), atol=1e-6)
        assert (np.diff(np.diag(products)) < 1e-6).all()
        np.testing.assert_array_equal(found[4], found[11])
        assert found.shape[1] <= min(shape)


def table_of(pairs=5, snapshots=4, **columns):
    networks = [f"{c}-{pair}" for c in ("scratch", "pretrained") for pair in range(pairs)]
    table = pd.DataFrame(
        {
            "network": np.repeat(networks, snapshots),
            "path": np.repeat(np.arange(2 * pairs), snapshots),
            "position": np.tile(np.arange(snapshots), 2 * pairs),
            "pair": np.tile(np.repeat(np.arange(pairs), snapshots), 2),
            "fitted": True,
            "usable": True,
            "x": 0.0,
        }
    )
    return table.assign(**columns)


@pytest.mark.parametrize(("count", "groups"), [(10, 5), (5, 5), (2, 2), (1, 0), (0, 0)])
def test_each_network_is_left_out_once_with_its_partner(count, groups):
    table = table_of()
    found = folds_of(table, count)
    assert len(found) == groups
    for left_out, kept in found:
        assert set(table["network"][~kept]) == set(left_out)
        assert not set(table["network"][kept]) & set(left_out)
        assert not set(table["pair"][kept]) & set(table["pair"][~kept])
    if groups:
        np.testing.assert_array_equal(np.sum([~kept for _, kept in found], axis=0), 1)
        assert found[0][0][:2] == ("scratch-0", "pretrained-0") or groups < 5


def test_without_pairs_networks_are_left_out_one_by_one_with_all_of_their_paths():
    table = table_of(pairs=3).drop(columns="pair")
    assert [left_out for left_out, _ in folds_of(table, 10)][:2] == [("scratch-0",), ("scratch-1",)]
    # The two layers of each network have a path each.
    layers = pd.concat([table, table.assign(path=table["path"] + 6)], ignore_index=True)
    found = folds_of(layers, 10)
    assert len(found) == 6
    assert (~found[0][1]).sum() == 8
    unknown = folds_of(table_of(pairs=3, pair=np.nan), 10)
    assert [left_out for left_out, _ in unknown] == [left_out for left_out, _ in found]


def test_only_what_is_fitted_is_left_out_and_never_the_only_one():
    table = table_of(pairs=3)
    two = (table["pair"] < 2) & table["network"].str.startswith("scratch")
    found = folds_of(table.assign(fitted=two), 10)
    assert [left_out for left_out, _ in found] == [("scratch-0",), ("scratch-1",)]
    assert folds_of(table.assign(fitted=table["network"] == "scratch-0"), 10) == []


def test_a_subset_has_snapshots_from_the_whole_of_every_usable_path():
    table = table_of(pairs=2, snapshots=11)
    table["usable"] = table["network"] != "scratch-1"
    taken = table.iloc[subset_of(table, 18)]
    assert set(taken["network"]) == {"scratch-0", "pretrained-0", "pretrained-1"}
    assert taken["position"].tolist() == [0, 2, 4, 6, 8, 10] * 3
    assert len(subset_of(table, None)) == len(subset_of(table, 33)) == 33


def test_of_very_many_paths_some_whole_pairs_are_taken():
    table = table_of(pairs=50, snapshots=11)
    taken = table.iloc[subset_of(table, 100)]
    assert len(taken) == 100
    assert taken.groupby("path")["position"].nunique().unique().tolist() == [5]
    assert (taken.groupby("pair")["network"].nunique() == 2).all()
    assert {0, 49} <= set(taken["pair"])


def test_refits_of_a_method_that_only_turns_the_plane_agree_exactly(reduction):
    found = assess_robustness(drawn(reduction), reduction, QUICK)
    robustness = found.robustness
    assert robustness.seeds == pytest.approx((0, 0), abs=1e-12)
    assert len(robustness.folds) == 3
    assert robustness.rows == 60
    assert max(fold.disparity for fold in robustness.folds) > 1e-4  # other axes without a pair
    assert robustness.folds[1].left_out == ("pretrained-1",)  # its partner diverged
    only_seeds = assess_robustness(drawn(reduction), reduction, QUICK | {"folds": 0, "nulls": 0})
    spread = only_seeds.coordinates[list(SPREAD)].to_numpy()
    usable = reduction.rows["usable"].to_numpy(bool)
    np.testing.assert_array_equal(np.isfinite(spread).all(axis=1), usable)
    np.testing.assert_allclose(spread[usable], 0, atol=1e-12)
    assert only_seeds.robustness.refit_spread == pytest.approx(0, abs=1e-9)
    assert found.robustness.numbers()["seed_disparity"] == pytest.approx(0, abs=1e-12)


def test_refits_that_share_nothing_have_a_disparity_near_one(reduction):
    projection = drawn(reduction, chance=30.0)
    robustness = assess_robustness(projection, reduction, QUICK).robustness
    assert min(robustness.seeds) > 0.8
    assert robustness.refit_spread > 0.7
    assert robustness.numbers()["seed_disparity"] == np.median(robustness.seeds)
    for key in robustness.numbers():
        assert quantity(key).better == "lower"
        assert quantity(key).meaning.endswith(".")


def test_a_point_is_spread_as_far_as_refits_put_it_elsewhere():
    """Two points of a large symmetric ring move outwards and inwards along x by turns."""
    angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    ring = 10 * np.column_stack([np.cos(angles), np.sin(angles)])
    moved = []
    for sign in (1, -1):
        points = ring.copy()
        points[[0, 200], 0] += sign * np.array([0.5, -0.5])
        moved.append(moved_onto(ring, points)[1])
    moments = refits._moments(moved)
    np.testing.assert_allclose(moments[[0, 200]], [[0.25, 0, 0]] * 2, atol=0.01)
    assert np.abs(np.delete(moments, [0, 200], axis=0)).max() < 1e-4
    # In a drawing in which x leads to one right and two up.
    turned = refits._turned(moments, np.array([[1.0, 2.0], [0.0, 1.0]]))
    np.testing.assert_allclose(turned[[0, 200]], [[0.25, 0.5, 1]] * 2, atol=0.03)
    assert refits._relative(moved, ring) == pytest.approx(0.05 * (2 / 400) ** 0.5, rel=0.02)


def test_a_row_that_was_left_out_counts_where_it_was_not():
    moves = np.zeros((3, 4, 2))
    moves[1, 2] = [2, 1]
    moves[0, 2], moves[:, 3] = np.nan, np.nan
    moments = refits._moments(list(moves))
    np.testing.assert_array_equal(moments[2], [2, 1, 0.5])
    assert np.isnan(moments[3]).all()
    np.testing.assert_array_equal(moments[:2], 0)


def test_nulls_are_projected_as_the_real_rows_and_all_of_their_numbers_kept(reduction):
    settings = QUICK | {"nulls": 5, "null_models": ["random_walk", "shuffled_steps"]}
    projection = drawn(reduction)
    found = assess_robustness(projection, reduction, settings)
    robustness = found.robustness
    assert list(robustness.nulls) == ["random_walk", "shuffled_steps"]
    for model, numbers in robustness.nulls.items():
        assert set(numbers) == set(robustness.real)
        assert {"explained_variance", "path_trustworthiness"} <= set(numbers)
        assert all(len(values) == 5 for values in numbers.values())
        assert len(np.unique(numbers["distance_rank_correlation"])) == 5
        usable = reduction.rows["usable"]
        places = robustness.examples[model]
        np.testing.assert_array_equal(np.isfinite(places).all(axis=1), usable)
        # Paths of random steps are less straight than the real ones.
        real = robustness.real["path_distance_rank_correlation"]
        if model == "random_walk":
            assert numbers["path_distance_rank_correlation"].max() < real - 0.1
    # Steps that are all the same are the same in any order.
    assert robustness.nulls["shuffled_steps"]["explained_variance"] == pytest.approx(
        np.full(5, robustness.real["explained_variance"])
    )
    assert "momentum_walk" in robustness.not_tested
    # On all rows, what nulls are compared with is the projection itself.
    assert robustness.real["trustworthiness"] == pytest.approx(projection.quality.trustworthiness)
    assert robustness.real["explained_variance"] == pytest.approx(
        projection.quality.properties["explained_variance"], rel=1e-6
    )


def test_a_null_of_nulls_is_one_among_them(reduction):
    """Real paths that are a random walk themselves lie within their nulls."""
    walk = null_models.random_walk(
        reduction.vectors, refits.segments_of(reduction.rows), 300, np.random.default_rng(3)
    )
    nothing = made_of(walk, reduction.rows)
    settings = QUICK | {"seeds": 0, "folds": 0, "nulls": 39, "null_models": ["random_walk"]}
    robustness = assess_robustness(drawn(nothing), nothing, settings).robustness
    for key in ("path_distance_rank_correlation", "explained_variance", "trustworthiness"):
        nulls = robustness.nulls["random_walk"][key]
        assert nulls.min() <= robustness.real[key] <= nulls.max(), key


def test_real_paths_and_nulls_have_the_same_subset_of_snapshots(reduction):
    found = assess_robustness(drawn(reduction), reduction, QUICK | {"rows": 30})
    assert found.robustness.rows == 30
    spread = found.coordinates[list(SPREAD)].notna().all(axis=1)
    places = np.isfinite(found.robustness.examples["momentum_walk"]).all(axis=1)
    np.testing.assert_array_equal(spread, places)
    taken = found.coordinates[spread].groupby("path")["position"].apply(list)
    assert taken.tolist() == [[0, 2, 4, 7, 9, 11]] * 5


def test_a_projection_fitted_on_one_network_is_tested_without_leaving_that_out(reduction):
    first = (reduction.rows["network"] == "scratch-0").to_numpy()
    found = assess_robustness(drawn(reduction, first), reduction, QUICK).robustness
    assert found.folds == ()
    assert "alone" in found.not_tested["folds"]
    assert len(found.seeds) == 2
    assert found.nulls["momentum_walk"]["explained_variance"].shape == (3,)


def test_what_is_not_tested_says_why(reduction):
    found = assess_robustness(drawn(reduction), reduction, "none")
    assert found.robustness.not_tested["seeds"] == "robustness.seeds is 0"
    assert found.robustness.numbers() == {}
    assert found.coordinates["spread_xx"].isna().all()
    default = replace(PRESETS["default"], seeds=0, folds=0, no_nulls_for=("shadow",))
    reasons = assess_robustness(drawn(reduction), reduction, default).robustness.not_tested
    assert reasons["momentum_walk"] == "would take long for shadow; use robustness: full"
    assert "robustness: full" in reasons["random_walk"]


def test_a_fit_that_fails_is_counted_and_the_others_stay(reduction):
    projection = drawn(reduction, least=40)  # 60 rows less a whole pair are too few
    found = assess_robustness(projection, reduction, QUICK).robustness
    assert found.not_tested["folds"] == "2 fits failed: 35 rows are too few."
    assert len(found.folds) == 1
    assert len(found.seeds) == 2
    all_failed = assess_robustness(projection, reduction, QUICK | {"rows": 25}).robustness
    assert all_failed.seeds == ()
    assert {"seeds", "folds", "momentum_walk"} <= set(all_failed.not_tested)


def test_a_method_without_chance_is_not_refitted_with_other_seeds(reduction, monkeypatch):
    monkeypatch.setattr(Shadow, "uses_chance", classmethod(lambda cls, settings: False))
    done = []
    found = assess_robustness(
        drawn(reduction, chance=9.0), reduction, QUICK, progress=lambda *of: done.append(of)
    )
    assert found.robustness.seeds == (0.0, 0.0)
    assert done[-1] == (7, 7)  # itself, three folds, three nulls


def test_results_do_not_depend_on_the_number_of_processes(reduction, monkeypatch):
    projection = drawn(reduction, chance=0.1)
    here = assess_robustness(projection, reduction, QUICK)

    def elsewhere(*arguments, **options):
        return run_tasks(*arguments, **options, backend=LocalProcesses(2))

    monkeypatch.setattr(refits, "run_tasks", elsewhere)
    there = assess_robustness(projection, reduction, QUICK)
    pd.testing.assert_frame_equal(here.coordinates, there.coordinates, check_exact=True)
    for name, table in here.robustness.tables().items():
        pd.testing.assert_frame_equal(table, there.robustness.tables()[name], check_exact=True)


def test_what_is_written_is_read_again_and_the_same_gives_the_same_bytes(reduction, tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        found = assess_robustness(drawn(reduction, chance=0.1), reduction, QUICK).robustness
        found.save(tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files == ["null_examples.parquet", "nulls.parquet", "robustness.json"]
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()
    again = Robustness.load(tmp_path / "first")
    assert json.dumps(again.as_json()) == json.dumps(found.as_json())
    assert again.settings == found.settings
    for model, numbers in found.nulls.items():
        np.testing.assert_array_equal(again.examples[model], found.examples[model])
        for key, values in numbers.items():
            np.testing.assert_array_equal(again.nulls[model][key], values)
    assert Robustness.load(tmp_path) is None
    nothing = assess_robustness(drawn(reduction), reduction, "none").robustness
    nothing.save(tmp_path)
    assert Robustness.load(tmp_path).as_json() == nothing.as_json()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (True, PRESETS["default"]),
        (False, PRESETS["none"]),
        (None, PRESETS["none"]),
        ("full", PRESETS["full"]),
        ({"nulls": 99}, RobustnessSettings(nulls=99)),
        ({"no_nulls_for": ["umap"]}, RobustnessSettings(no_nulls_for=("umap",))),
        (RobustnessSettings(seeds=1), RobustnessSettings(seeds=1)),
    ],
)
def test_settings_come_from_presets_mappings_and_yes_or_no(given, expected):
    assert RobustnessSettings.of(given) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("ful", "expected default, full or none"),
        ({"sedes": 1}, "no setting 'sedes'; expected seeds"),
        ({"seeds": -1}, "robustness.seeds is -1"),
        ({"nulls": "many"}, "robustness.nulls is 'many'"),
        ({"null_models": ["walks"]}, "robustness.null_models: 'walks' is not a known null model"),
        ({"no_nulls_for": ["umapp"]}, "robustness.no_nulls_for: 'umapp'.*Did you mean umap"),
        (7, "robustness is 7"),
    ],
)
def test_wrong_settings_are_refused_with_what_was_expected(given, message):
    with pytest.raises(ParamsError, match=message):
        RobustnessSettings.of(given)


def test_the_full_preset_tests_every_method_against_39_nulls_of_each_model():
    full = PRESETS["full"]
    assert full.no_nulls_for == ()
    assert set(full.null_models) == set(null_models.NULL_MODELS)
    assert full.nulls >= 39
