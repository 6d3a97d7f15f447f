"""From stores of snapshots to tables, comparisons and sentences."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from small_stores import Stores, write

from deep_learning_dynamics import measures
from deep_learning_dynamics.errors import SnapshotsError
from deep_learning_dynamics.measures import statistics
from deep_learning_dynamics.measures.contrast import WORST, Contrast
from deep_learning_dynamics.measures.distances import distances
from deep_learning_dynamics.measures.statistics import ALPHA, adjusted, compare
from deep_learning_dynamics.measures.tables import CURVES, LEARNING_MEASURES, PATH_MEASURES
from deep_learning_dynamics.measures.words import WORDS
from deep_learning_dynamics.trajectories import Member, open_snapshots

ROOT = Path(__file__).parents[1]
HIDDEN = (20, 6, 5)


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 199)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    return Stores(tmp_path_factory.mktemp("stores"), pairs=3, hidden=HIDDEN)


@pytest.fixture(scope="module")
def measured(stores):
    return measures.measure(stores.pretrain, stores.train)


def layer_slices(stores):
    """All weights under 0, then each layer's, biases included."""
    layers = stores.after.layers
    return [slice(None), *(slice(layer.weights.start, layer.biases.stop) for layer in layers)]


def curve(measured, arm, pair, layer, name, phase="train"):
    table = measured.over_time
    mine = table[
        (table["phase"] == phase)
        & (table["arm"] == arm)
        & (table["pair"] == pair)
        & (table["layer"] == layer)
    ]
    return mine[name].to_numpy()


def value(measured, arm, pair, name, layer=0, phase="train"):
    table = measured.networks.set_index(["phase", "arm", "pair", "layer", "measure"])
    return table.loc[(phase, arm, pair, layer, name), "value"]


@pytest.mark.parametrize("layer", range(4))
def test_distances_over_time_are_those_of_the_weights_of_all_layers_and_of_each(
    stores, measured, layer
):
    part = layer_slices(stores)[layer]
    trained = [path[:, part].astype(float) for path in stores.trained]
    for pair in range(3):
        mine, partner = trained[pair], trained[3 + pair]
        apart = cdist(mine, mine)
        expected = {
            "distance_to_start": apart[0],
            "distance_to_end": apart[-1],
            "speed": np.concatenate([[np.nan], np.diag(apart, 1) / 10]),
            "distance_to_partner": np.linalg.norm(mine - partner, axis=1),
        }
        others = [path for index, path in enumerate(trained[:3]) if index != pair]
        to_others = [np.linalg.norm(mine - other, axis=1) for other in others]
        expected["distance_within_arm"] = np.median(to_others, axis=0)
        for name, distance in expected.items():
            found = curve(measured, "scratch", pair, layer, name)
            np.testing.assert_allclose(found, distance, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("piece_bytes", [2_000, 5_000, 100_000])
def test_small_pieces_give_the_same_as_all_at_once(stores, piece_bytes):
    snapshots = open_snapshots(stores.train)
    whole, pieces = distances(snapshots), distances(snapshots, piece_bytes)
    for name in ("products", "to_partner", "within_arm"):
        np.testing.assert_allclose(getattr(pieces, name), getattr(whole, name), rtol=1e-9)


def test_in_a_large_arm_distances_are_to_the_first_of_it(stores, monkeypatch):
    monkeypatch.setattr("deep_learning_dynamics.measures.distances.FELLOWS", 2)
    first, second, third = (path.astype(float) for path in stores.trained[:3])
    found = distances(open_snapshots(stores.train)).within_arm[0]
    np.testing.assert_allclose(found[0], np.linalg.norm(first - second, axis=1))
    both = [np.linalg.norm(third - other, axis=1) for other in (first, second)]
    np.testing.assert_allclose(found[2], np.median(both, axis=0))


def test_one_network_that_jumped_far_off_does_not_take_the_others_apart(tmp_path):
    """As networks that die after a jump of their loss do."""
    rng = np.random.default_rng(0)
    paths = rng.normal(size=(5, 4, 20 * 6 + 6 + 6 * 10 + 10)).astype(np.float32)
    paths[2] += 1e10
    members = [Member("scratch", pair) for pair in range(5)]
    write(tmp_path / "train.zarr", members, (20, 6, 10), paths)
    found = distances(open_snapshots(tmp_path / "train.zarr")).within_arm[0]
    apart = np.linalg.norm(paths[:, None].astype(float) - paths, axis=-1)
    to_others = [np.median(np.delete(apart[n], n, axis=0), axis=0) for n in range(5)]
    np.testing.assert_allclose(found, to_others, rtol=1e-6)


def test_every_network_has_every_measure_once(measured):
    keys = ["phase", "arm", "pair", "layer", "measure"]
    table = measured.networks
    assert not table.duplicated(keys).any()
    counts = table[table["phase"] == "train"].groupby(["arm", "pair", "layer"]).size().unstack()
    assert (counts[0] == len(PATH_MEASURES) + len(LEARNING_MEASURES)).all()
    assert (counts[[1, 2, 3]] == len(PATH_MEASURES)).all(axis=None)
    assert list(measured.over_time.columns[-len(CURVES) :]) == list(CURVES)


def test_the_hidden_layers_of_a_pair_start_together_before_pre_training_and_apart_after(
    stores, measured
):
    """The output layer is the same in both arms; pre-training moved the others."""
    apart = [curve(measured, "scratch", 0, layer, "distance_to_partner")[0] for layer in range(4)]
    assert apart[3] == 0
    moved = [
        value(measured, "pretrained", 0, "displacement", layer, "pretrain") for layer in (1, 2)
    ]
    np.testing.assert_allclose(apart[1:3], moved)


def test_a_network_that_diverged_has_no_path_and_leaves_the_others_theirs(tmp_path):
    stores = Stores(tmp_path, pairs=3, diverged=1, hidden=HIDDEN)
    measured = measures.measure(stores.pretrain, stores.train)
    assert np.isnan([value(measured, "scratch", 1, name) for name in PATH_MEASURES]).all()
    assert np.isnan(value(measured, "scratch", 1, "final_accuracy"))
    assert value(measured, "scratch", 1, "failed") == 1
    one, other = stores.trained[0].astype(float), stores.trained[2].astype(float)
    np.testing.assert_allclose(
        curve(measured, "scratch", 0, 0, "distance_within_arm"),
        np.linalg.norm(one - other, axis=1),
    )
    found = measures.contrast(measured, seed=0).networks
    assert (found["path_length"].pairs, found["path_length"].only_second) == (2, 1)
    assert (found["failed"].pairs, found["failed"].first) == (3, pytest.approx(1 / 3))
    for name in ("final_accuracy", "area_under_curve"):  # it counts as worse than its partner
        assert (found[name].pairs, found[name].tested, found[name].effect_size) == (2, 3, 1)


def test_a_dead_network_keeps_its_path_and_one_whose_loss_diverged_has_none(tmp_path):
    rng = np.random.default_rng(0)
    paths = rng.normal(size=(3, 5, 20 * 6 + 6 + 6 * 10 + 10)).astype(np.float32)
    members = [Member("scratch", pair) for pair in range(3)]
    failed = ["", "dead", "diverged"]  # the weights of the last one are finite
    write(tmp_path / "train.zarr", members, (20, 6, 10), paths, failed)
    write(tmp_path / "pretrain.zarr", [], (20, 6, 30), [])
    measured = measures.measure(tmp_path / "pretrain.zarr", tmp_path / "train.zarr")
    lengths = [value(measured, "scratch", pair, "path_length") for pair in range(3)]
    expected = np.linalg.norm(np.diff(paths.astype(float), axis=1), axis=2).sum(axis=1)
    np.testing.assert_allclose(lengths, [*expected[:2], np.nan])
    for name in ("final_accuracy", "area_under_curve"):
        found = [value(measured, "scratch", pair, name) for pair in range(3)]
        assert np.isfinite(found).tolist() == [True, True, False]
    failures = [value(measured, "scratch", pair, "failed") for pair in range(3)]
    assert failures == [0, 1, 1]


def test_an_accuracy_of_exactly_90_percent_is_reached_though_stored_in_single_precision(tmp_path):
    import zarr

    rng = np.random.default_rng(0)
    paths = rng.normal(size=(1, 5, 20 * 6 + 6 + 6 * 10 + 10)).astype(np.float32)
    write(tmp_path / "train.zarr", [Member("scratch", 0)], (20, 6, 10), paths)
    write(tmp_path / "pretrain.zarr", [], (20, 6, 30), [])
    store = zarr.open_group(tmp_path / "train.zarr", mode="r+")
    store["test_accuracy"][0] = np.array([0.1, 0.5, 0.9, 0.8, 0.7], np.float32)
    measured = measures.measure(tmp_path / "pretrain.zarr", tmp_path / "train.zarr")
    steps = open_snapshots(tmp_path / "train.zarr")["step"].values
    assert value(measured, "scratch", 0, "steps_to_90") == steps[2]


def test_one_arm_alone_is_measured_and_not_compared(tmp_path):
    rng = np.random.default_rng(0)
    paths = rng.normal(size=(2, 5, 20 * 6 + 6 + 6 * 10 + 10)).astype(np.float32)
    members = [Member("scratch", pair) for pair in range(2)]
    write(tmp_path / "train.zarr", members, (20, 6, 10), paths)
    write(tmp_path / "pretrain.zarr", [], (20, 6, 30), [])
    measured = measures.measure(tmp_path / "pretrain.zarr", tmp_path / "train.zarr")
    assert np.isnan(measured.over_time["distance_to_partner"]).all()
    assert np.isfinite(measured.over_time["distance_within_arm"]).all()
    contrast = measures.contrast(measured, seed=0)
    assert contrast is None
    assert "nothing to compare" in measures.conclusion(contrast)
    nulls = measures.against_nulls(measured, seed=0, nulls=5)
    measures.write(measured, contrast, nulls, tmp_path / "measures", tmp_path / "measures.json")
    assert pd.read_parquet(tmp_path / "measures" / "comparison.parquet").empty


def test_without_snapshots_it_says_what_is_missing(tmp_path):
    with pytest.raises(SnapshotsError, match=r"pretrain\.zarr does not exist"):
        measures.measure(tmp_path / "pretrain.zarr", tmp_path / "train.zarr")


def test_a_comparison_is_of_the_pairs_of_the_table(measured):
    found = measures.contrast(measured, seed=0)
    for layer, name in [(0, "path_length"), (2, "straightness")]:
        test = found.networks[name] if layer == 0 else found.layers[layer, name]
        differences = [
            value(measured, "pretrained", pair, name, layer)
            - value(measured, "scratch", pair, name, layer)
            for pair in range(3)
        ]
        assert test.difference == pytest.approx(np.median(differences))
    assert len(found.networks) == 11
    assert len(found.layers) == 3 * 5


def test_the_tables_and_the_summary_are_the_same_bytes_every_time(tmp_path, stores):
    written = []
    for name in ("one", "two"):
        measured = measures.measure(stores.pretrain, stores.train)
        contrast = measures.contrast(measured, seed=0)
        folder = tmp_path / name
        nulls = measures.against_nulls(measured, seed=0, nulls=5)
        measures.write(measured, contrast, nulls, folder / "measures", folder / "measures.json")
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        written.append({str(path.relative_to(folder)): path.read_bytes() for path in files})
    assert written[0] == written[1]
    assert set(written[0]) == {
        "measures.json",
        "measures/measures.parquet",
        "measures/over_time.parquet",
        "measures/comparison.parquet",
    }
    content = json.loads(written[0]["measures.json"])
    assert content["pairs"] == 3
    assert content["can_conclude"] is False
    lengths = [value(measured, "scratch", pair, "path_length") for pair in range(3)]
    assert content["arms"]["scratch"]["path_length"] == {
        "median": pytest.approx(np.median(lengths)),
        "minimum": pytest.approx(min(lengths)),
        "maximum": pytest.approx(max(lengths)),
        "missing": 0,
    }
    assert content["conclusion"] == measures.conclusion(contrast)
    walks = content["nulls"]["straightness"]["random_walk"]
    assert walks.keys() == {"scratch", "pretrained"}
    assert walks["scratch"]["value"] == content["arms"]["scratch"]["straightness"]["median"]
    # What shuffling cannot change is not compared with it.
    assert content["nulls"]["displacement"].keys() == {"random_walk"}
    assert content["nulls"]["turning_angle"].keys() == {"random_walk", "shuffled_steps"}


def test_the_stage_writes_what_it_measured_and_prints_the_conclusion(tmp_path, stores):
    (tmp_path / "snapshots").symlink_to(stores.train.parent)
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    script = ROOT / "pipeline" / "measure.py"
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert "With 3 pairs nothing can be concluded" in done.stdout
    assert done.stderr == ""
    assert {path.name for path in (tmp_path / "measures").iterdir()} == {
        "measures.parquet",
        "over_time.parquet",
        "comparison.parquet",
    }
    assert (tmp_path / "metrics" / "measures.json").exists()
    assert (tmp_path / "timings" / "measure.json").exists()


def made_up(pairs, shift=0.0, unreached=0, failed=(0, 0), seed=0):
    """A contrast of made-up networks whose every measure differs by ``shift`` deviations."""
    rng = np.random.default_rng(seed)
    tests = []
    for name in WORDS:
        first = rng.normal(10, 1, pairs)
        second = first + rng.normal(shift, 1, pairs)
        if name == "steps_to_90":
            first[:unreached] = np.nan
        if name == "failed":
            first, second = (np.repeat([1.0, 0.0], [n, pairs - n]) for n in failed)
        centre = "mean" if name == "failed" else "median"
        tests.append(compare(first, second, rng, WORST.get(name), centre))
    return Contrast(pairs, dict(zip(WORDS, adjusted(tests), strict=True)), {})


@pytest.mark.parametrize("pairs", [1, 2, 4])
def test_with_fewer_than_five_pairs_nothing_can_be_concluded(pairs):
    found = made_up(pairs, shift=100)
    assert not found.can_conclude
    said = measures.conclusion(found).split(". ")[-1]
    counted = "1 pair" if pairs == 1 else f"{pairs} pairs"
    assert said == (
        f"With {counted} nothing can be concluded: at least 9 pairs are needed (train.networks)."
    )


def test_with_five_pairs_it_says_why_no_test_can_be_significant():
    said = measures.conclusion(made_up(5, shift=100))
    assert (
        "With 5 pairs nothing can be concluded, whatever the intervals suggest: no test can give "
        "less than p = 0.062, or 0.69 after correction for 11 measures"
    ) in said


@pytest.mark.parametrize(("pairs", "enough"), [(8, False), (9, True)])
def test_pairs_needed_are_as_few_as_can_be_significant_after_correction(pairs, enough):
    found = made_up(pairs, shift=100)
    assert found.pairs_needed == 9
    assert found.can_conclude is enough
    assert (found.networks["path_length"].adjusted_p <= ALPHA) is enough


def test_with_a_difference_it_says_which_measures_differ():
    said = measures.conclusion(made_up(20, shift=3))
    assert "Over 20 pairs 10 of 11 measures differ at 0.05 after Holm's correction" in said
    assert "path length (p = " in said
    assert "the other 1 are undecided" not in said
    assert "failures is undecided" in said


def test_without_a_difference_it_does_not_say_that_the_arms_are_alike():
    said = measures.conclusion(made_up(20, seed=4))
    assert "none of 11 measures differs at 0.05" in said
    assert "does not show that the arms are alike" in said


def test_pairs_that_never_reached_an_accuracy_and_failures_are_told():
    found = made_up(20, shift=3, unreached=20, failed=(2, 0))
    said = measures.conclusion(found)
    assert "(failed networks are counted in: 2 from scratch, 0 pre-trained)" in said
    assert "steps to 80 % test accuracy" in said
    some = measures.conclusion(made_up(20, shift=3, unreached=4))
    assert "steps to 80 %" in some  # which all pairs reached
    assert measures.conclusion(found).count(". ") == 2  # three sentences


def test_the_pre_trained_come_first_in_a_sentence_and_the_difference_is_theirs():
    rng = np.random.default_rng(0)
    first, second = np.linspace(10, 20, 9), np.linspace(110, 120, 9)
    found = made_up(9).networks | {"path_length": compare(first, second, rng)}
    said = measures.conclusion(Contrast(9, found, {}))
    assert "path length 115 against 15 (difference +100, no interval)" in said
    shares = found | {"final_accuracy": compare(first / 200, second / 200, rng)}
    said = measures.conclusion(Contrast(9, shares, {}))
    assert "final test accuracy 57.5 % against 7.5 % (difference +50 points" in said


def test_every_measure_has_words():
    assert list(WORDS) == [*PATH_MEASURES, *LEARNING_MEASURES]
