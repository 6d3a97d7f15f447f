"""Projections are put to the test: refits, networks left out, and trajectories of nothing."""

import os
from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import procrustes
from scipy.spatial.distance import cdist
from small_stores import Stores, settings

from deep_learning_dynamics.nulls import random_walks
from deep_learning_dynamics.projection import parallel, project, put_to_test
from deep_learning_dynamics.projection.against_nulls import KINDS, numbers, standings
from deep_learning_dynamics.projection.alignment import align
from deep_learning_dynamics.projection.faithfulness import faithfulness, trustworthiness_of_rows
from deep_learning_dynamics.projection.refits import Refit, folds, stability
from deep_learning_dynamics.views import view

TURNED = np.array([[0.6, -0.8], [0.8, 0.6]]) @ np.diag([1, -1])  # and reflected


@pytest.fixture(scope="module")
def layout():
    return np.random.default_rng(0).normal(size=(40, 2))


def test_a_layout_that_was_shifted_turned_reflected_and_scaled_is_the_same(layout):
    found = align(7 + 3 * layout @ TURNED, onto=layout)
    np.testing.assert_allclose(found.points, layout, atol=1e-12)
    assert found.disparity == pytest.approx(0, abs=1e-12)


def test_the_disparity_is_scipys_and_that_of_a_shuffled_layout_is_near_one(layout):
    rng = np.random.default_rng(1)
    noisy = layout + 0.3 * rng.normal(size=layout.shape)
    shuffled = rng.permutation(layout)
    for other in (noisy, shuffled):
        assert align(other, layout).disparity == pytest.approx(procrustes(layout, other)[2])
    assert align(noisy, layout).disparity < 0.15
    assert align(shuffled, layout).disparity > 0.8


def test_a_layout_of_which_all_points_are_one_has_nothing_in_common_with_any(layout):
    collapsed = align(np.ones_like(layout), layout)
    assert collapsed.disparity == 1
    np.testing.assert_allclose(collapsed.points, np.tile(layout.mean(axis=0), (40, 1)))


def table_of(networks, snapshots=5):
    return pd.DataFrame(
        [
            {"phase": "train", "arm": arm, "pair": pair, "layer": 0}
            for arm in ("scratch", "pretrained")
            for pair in range(networks)
            for _ in range(snapshots)
        ]
    )


@pytest.mark.parametrize(("count", "groups"), [(10, 6), (6, 6), (4, 4), (2, 2)])
def test_each_network_is_left_out_once(count, groups):
    table = table_of(3)
    found = folds(table, np.ones(len(table), bool), count)
    assert len(found) == groups
    left_out = np.sum([~kept for kept in found], axis=0)
    np.testing.assert_array_equal(left_out, 1)
    for kept in found:
        for _, network in table.assign(kept=kept).groupby(["arm", "pair"]):
            assert network["kept"].nunique() == 1


def test_only_networks_that_are_fitted_are_left_out_and_never_the_only_one():
    table = table_of(3)
    two = ((table["arm"] == "scratch") & (table["pair"] < 2)).to_numpy()
    found = folds(table, two, 10)
    np.testing.assert_array_equal(np.sum([~kept for kept in found], axis=0), two)
    one = ((table["arm"] == "scratch") & (table["pair"] < 1)).to_numpy()
    assert folds(table, one, 10) == []
    assert folds(table, two, 0) == []


def test_refits_that_only_turned_the_plane_do_not_wobble(layout):
    everything = np.ones(40, bool)
    some = np.arange(40) >= 8
    kept_alone = np.where(some[:, None], layout @ TURNED, np.nan)
    refits = [Refit(everything, 1), Refit(some, 0)]
    found, wobble = stability(layout, refits, [5 - layout @ TURNED, kept_alone])
    assert found.seeds.disparity == pytest.approx(0, abs=1e-12)
    assert found.folds.disparity == pytest.approx(0, abs=1e-12)
    assert (found.seeds.refits, found.folds.refits) == (1, 1)
    assert found.wobble == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(wobble, 0, atol=1e-12)


def test_a_point_wobbles_as_far_as_refits_put_it_elsewhere():
    """Two points of a large symmetric ring move outwards and inwards along x by turns."""
    angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    ring = 10 * np.column_stack([np.cos(angles), np.sin(angles)])
    moved = ring.copy()
    moved[[0, 200], 0] += [0.5, -0.5]
    back = ring.copy()
    back[[0, 200], 0] -= [0.5, -0.5]
    refits = [Refit(np.ones(400, bool), seed) for seed in (1, 2)]
    _, wobble = stability(ring, refits, [moved, back])
    np.testing.assert_allclose(wobble[[0, 200]], [[0.25, 0, 0]] * 2, atol=0.01)
    assert np.abs(np.delete(wobble, [0, 200], axis=0)).max() < 1e-4


def test_the_wobble_of_a_shuffled_layout_is_as_large_as_the_layout(layout):
    refits = [Refit(np.ones(40, bool), seed) for seed in range(20)]
    rng = np.random.default_rng(0)
    found, _ = stability(layout, refits, [rng.permutation(layout) for _ in refits])
    assert found.wobble == pytest.approx(1, abs=0.1)
    assert found.seeds.disparity > 0.85


def test_refits_that_could_not_be_made_count_for_nothing(layout):
    refits = [Refit(np.ones(40, bool), 1)]
    found, wobble = stability(layout, refits, [None])
    assert found is None
    assert np.isnan(wobble).all()


def test_a_row_that_lies_in_a_wrong_place_is_not_trusted_and_the_others_are():
    """The last row is drawn amid others, far from its neighbours in weight space."""
    rows = np.random.default_rng(0).normal(size=(200, 2))
    plane = rows.copy()
    rows[-1] = [9, 9]
    plane[-1] = [0, 0]
    high, low = cdist(rows, rows), cdist(plane, plane)
    trusted = trustworthiness_of_rows(low, high)  # continuity: its neighbours are elsewhere
    assert trusted[-1] < 0.3
    assert trusted[:-1].min() > 0.8
    found = faithfulness(high, low, [np.arange(100), np.arange(100, 199)])
    np.testing.assert_array_equal(found.of_rows[:, 1], trusted)
    assert found.continuity == pytest.approx(trusted.mean())


def test_each_path_is_judged_by_its_own_rows_wherever_the_others_are_drawn():
    """Two straight paths of different size, drawn with their sizes exchanged; then one shuffled."""
    line = np.sort(np.random.default_rng(0).uniform(size=(30, 1)), axis=0)
    rows = np.concatenate([line * [1, 0], [[5, 0]] + 0.1 * line * [0, 1]])
    plane = np.concatenate([[[9, 9]] - 0.1 * line * [1, 0], line * [0, 3]])
    paths = [np.arange(30), np.arange(30, 60)]
    found = faithfulness(cdist(rows, rows), cdist(plane, plane), paths)
    assert found.along_paths["distance_correlation"].minimum == pytest.approx(1)
    assert found.along_paths["trustworthiness"].minimum == 1
    shuffled = np.random.default_rng(0).permutation(plane[:30])
    along = faithfulness(cdist(rows, rows)[:30, :30], cdist(shuffled, shuffled), [paths[0]])
    assert along.along_paths["distance_correlation"].median == pytest.approx(0, abs=0.2)
    assert along.along_paths["trustworthiness"].median == pytest.approx(0.5, abs=0.15)


def test_straight_paths_stand_out_from_random_walks_and_a_random_walk_does_not():
    rng = np.random.default_rng(0)
    ends = rng.normal(size=(6, 300))
    straight = np.concatenate([np.linspace(0, 1, 25)[:, None] * end for end in ends])
    chains = [[np.arange(25 * n, 25 * n + 25)] for n in range(6)]
    paths = [chain[0] for chain in chains]

    def of(rows):
        centred = rows - rows.mean(axis=0)
        axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
        plane = centred @ axes.T
        share = (plane**2).sum() / (centred**2).sum()
        return numbers(rows, plane, paths) | {"explained_variance": share}

    walks = [of(random_walks(straight, chains, 300, rng)) for _ in range(39)]
    real = standings(of(straight), walks)["path_distance_correlation"]
    assert real.value > real.high
    assert real.p_value <= 0.05
    another = standings(of(random_walks(straight, chains, 300, rng)), walks)
    assert another["path_distance_correlation"].p_value > 0.05
    assert another["explained_variance"].p_value > 0.05


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Three pairs, of which the second scratch network diverges."""
    stores = Stores(tmp_path_factory.mktemp("snapshots"), diverged=1)
    return view(stores.pretrain, stores.train, settings().track)


def evidence(rows, first_only=False, **trust):
    params = settings(
        trust={"seeds": 2, "folds": 3, "nulls": 4, **trust},
        project={"fit_on_first_network_only": first_only},
    )
    projection = project("pca", rows, params.project, params.seed)
    return put_to_test(projection, rows, params.project, params.trust, params.seed)


def test_a_tested_projection_says_how_stable_it_is_and_where_it_lies_among_nulls(rows, tmp_path):
    found = evidence(rows)
    quality = found.quality.as_json()
    assert quality["stability"]["seeds"]["refits"] == 2
    # No chance enters a principal component analysis.
    assert quality["stability"]["seeds"]["maximum"] == pytest.approx(0, abs=1e-9)
    assert quality["stability"]["folds"]["refits"] == 3
    assert quality["stability"]["folds"]["disparity"] > 1e-6
    assert set(quality["nulls"]) == set(KINDS)
    for of_kind in quality["nulls"].values():
        assert of_kind["trustworthiness"]["value"] <= 1
        assert of_kind["explained_variance"]["value"] == pytest.approx(
            quality["explained_variance"]
        )
        assert of_kind["explained_variance"]["nulls"] == 4
    wobble = found.coordinates[["wobble_xx", "wobble_xy", "wobble_yy"]].to_numpy()
    np.testing.assert_array_equal(np.isfinite(wobble).all(axis=1), rows.usable)
    for places in found.nulls.values():
        np.testing.assert_array_equal(np.isfinite(places).all(axis=1), rows.usable)
    found.save(tmp_path / "first")
    evidence(rows).save(tmp_path / "second")
    assert "nulls.npz" in {file.name for file in (tmp_path / "first").iterdir()}
    for file in (tmp_path / "first").iterdir():
        assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes(), file.name


def test_a_projector_of_the_first_network_only_is_tested_without_leaving_that_out(rows):
    found = evidence(rows, first_only=True)
    assert found.quality.stability.folds is None
    assert found.quality.stability.seeds.refits == 2
    assert found.quality.fitted_rows == 9
    assert found.quality.nulls["random_walk"]["explained_variance"].value < 0.9
    for places in found.nulls.values():
        np.testing.assert_array_equal(np.isfinite(places).all(axis=1), rows.usable)


def test_tests_that_are_left_out_leave_nothing_behind(rows, tmp_path):
    found = evidence(rows, seeds=0, folds=0, nulls=0)
    quality = found.quality.as_json()
    assert "stability" not in quality
    assert "nulls" not in quality
    assert found.coordinates["wobble_xx"].isna().all()
    found.save(tmp_path / "projection")
    assert not (tmp_path / "projection" / "nulls.npz").exists()


def test_work_is_done_by_several_processes_and_comes_back_in_order(monkeypatch):
    monkeypatch.setattr(parallel, "WORTH_PROCESSES", 0.0)
    monkeypatch.setattr(parallel, "processors", lambda: 3)
    found = list(parallel.in_order(partial(worker, 10), list(range(60))))
    assert [value for value, _ in found] == [10 * n for n in range(60)]
    assert len({process for _, process in found}) > 1
    assert list(parallel.in_order(partial(worker, 1), [])) == []


def test_a_mistake_in_another_process_is_told(monkeypatch):
    monkeypatch.setattr(parallel, "WORTH_PROCESSES", 0.0)
    monkeypatch.setattr(parallel, "processors", lambda: 2)
    with pytest.raises(ZeroDivisionError):
        list(parallel.in_order(partial(divided, 1), [1, 2, 3, 4, 5, 0]))


def worker(factor, task):
    import time

    time.sleep(0.05)
    return factor * task, os.getpid()


def divided(number, task):
    return number / task
