"""From a store to tables: whatever is in it, each network has its measures once."""

import numpy as np
import pytest
from hand_made_stores import NAMES, SIZES, dataset, walks
from scipy.spatial.distance import cdist

from deep_learning_dynamics.geometry import MEASURES, Measure, Measures, measure, measuring
from deep_learning_dynamics.inference import compare
from deep_learning_dynamics.quantities import quantity

PARTS = dict(zip(NAMES, np.split(np.arange(sum(SIZES)), np.cumsum(SIZES)[:-1]), strict=True))
PARTS[""] = np.arange(sum(SIZES))
PATH_MEASURES = ("path_length", "displacement", "straightness", "turning_angle",
                 "effective_dimension")  # fmt: skip


def pairs_and_twins(snapshots=7):
    """Three pairs of two conditions, each network with a twin nearby."""
    weights = walks(6, snapshots)
    weights = np.concatenate([weights, weights + 1e-3])
    accuracy = np.linspace(0.1, 0.95, snapshots) * np.ones((12, 1))
    return dataset(
        weights,
        scores={"test_accuracy": accuracy, "train_loss": 1 - accuracy},
        condition=[*"aaabbb"] * 2,
        pair=[0, 1, 2] * 4,
        twin=[False] * 6 + [True] * 6,
        outcome=[""] * 12,
    )


def curve(measures, network, name, parameter=""):
    table = measures.over_time
    rows = (table["network"] == network) & (table["parameter"] == parameter)
    return table[rows][name].to_numpy()


@pytest.mark.parametrize("parameter", [*NAMES, ""])
def test_distances_over_time_are_those_of_the_weights_of_each_parameter_and_of_all(parameter):
    runs = pairs_and_twins()
    measures, part = measure(runs), PARTS[parameter]
    paths = runs["weights"].values[:, :, part].astype(float)
    for number in range(3):
        name, apart = f"network-{number}", cdist(paths[number], paths[number])
        expected = {
            "distance_to_start": apart[0],
            "distance_to_end": apart[-1],
            "speed": np.concatenate([[np.nan], np.diag(apart, 1) / 10]),
        }
        others = [np.linalg.norm(paths[number] - paths[o], axis=1) for o in range(3) if o != number]
        expected["distance_within_group"] = np.median(others, axis=0)
        for key, distance in expected.items():
            found = curve(measures, name, key, parameter)
            np.testing.assert_allclose(found, distance, rtol=1e-9, atol=1e-9, err_msg=key)
        table = measures.distances[measures.distances["parameter"] == parameter]
        table = table[table["network"] == name].set_index("relation")
        for relation, other in (("pair", number + 3), ("twin", number + 6)):
            found = table.loc[relation]
            assert set(found["other"]) == {f"network-{other}"}
            distance = np.linalg.norm(paths[number] - paths[other], axis=1)
            np.testing.assert_allclose(found["distance"], distance, rtol=1e-6)
            np.testing.assert_array_equal(found["step"], 10 * np.arange(7))


def test_every_network_has_every_measure_once_and_path_measures_of_each_parameter():
    measures = measure(pairs_and_twins())
    assert not measures.table.duplicated(["network", "parameter", "measure"]).any()
    counts = measures.table.groupby(["network", "parameter"], sort=False)["measure"].agg(set)
    for network in measures.networks["network"]:
        for name in NAMES:
            assert counts[network, name] == set(PATH_MEASURES)
        learning = {"steps_to_50", "steps_to_80", "steps_to_90", "mean_accuracy",
                    "final_accuracy", "final_loss", "failed"}  # fmt: skip
        assert counts[network, ""] == {*PATH_MEASURES, *learning, "twin_distance"}
    lengths = measures.values("path_length")
    paths = pairs_and_twins()["weights"].values.astype(float)
    expected = np.linalg.norm(np.diff(paths, axis=1), axis=2).sum(axis=1)
    np.testing.assert_allclose(lengths, expected)
    assert measures.values("final_loss")["network-0"] == pytest.approx(0.05)
    assert len(measures.networks) == 12


def test_the_distance_to_a_twin_is_relative_to_the_displacement():
    runs = pairs_and_twins()
    paths = runs["weights"].values.astype(float)
    found = measure(runs).values("twin_distance")
    apart = np.linalg.norm(paths[0, -1] - paths[6, -1])
    assert found["network-0"] == pytest.approx(apart / np.linalg.norm(paths[0, -1] - paths[0, 0]))
    assert np.isnan(found["network-6"])  # only of the network, not of its twin


def test_ends_are_compared_between_all_networks_but_twins():
    runs = pairs_and_twins()
    paths = runs["weights"].values[:6].astype(float)
    ends = measure(runs).ends.set_index(["network", "other"])
    assert len(ends) == 15
    moved = paths[:, -1] - paths[:, 0]
    cosine = moved[1] @ moved[4] / np.linalg.norm(moved[1]) / np.linalg.norm(moved[4])
    found = ends.loc[("network-1", "network-4")]
    assert found["distance"] == pytest.approx(np.linalg.norm(paths[1, -1] - paths[4, -1]))
    assert found["angle"] == pytest.approx(np.degrees(np.arccos(cosine)))


@pytest.mark.parametrize("block_bytes", [1, 4_000, 20_000])
def test_small_blocks_give_the_same_as_all_at_once(block_bytes, monkeypatch):
    whole = measure(pairs_and_twins())
    monkeypatch.setattr(measuring, "BLOCK_BYTES", block_bytes)
    runs = pairs_and_twins()
    runs["weights"].encoding["chunks"] = (1, 1, 7)
    done = []
    pieces = measure(runs, progress=lambda now, of: done.append((now, of)))
    for name in ("table", "over_time", "distances", "ends"):
        one, other = getattr(whole, name), getattr(pieces, name)
        for column in one.select_dtypes("number"):
            np.testing.assert_allclose(one[column], other[column], rtol=1e-9)
    assert done[-1] == (60, 60)
    assert len(done) > 1


def test_networks_of_different_steps_and_lengths_are_measured_on_their_own_snapshots():
    weights = walks(3, 6)
    step = np.array([[0, 1, 2, 3, 4, 5], [0, 2, 4, 8, -1, -1], [0, 2, 5, -1, -1, -1]])
    weights[1, 4:], weights[2, 3:] = np.nan, np.nan
    runs = dataset(weights, step=step, condition=[*"abb"], pair=[0, 0, 1])
    measures = measure(runs)
    lengths = np.linalg.norm(np.diff(weights.astype(float), axis=1), axis=2)
    expected = [lengths[0].sum(), lengths[1, :3].sum(), lengths[2, :2].sum()]
    np.testing.assert_allclose(measures.values("path_length"), expected)
    apart = measures.distances[measures.distances["parameter"] == ""]
    assert apart["step"].tolist() == [0, 2, 4]  # that both have
    distance = np.linalg.norm(weights[0, [0, 2, 4]].astype(float) - weights[1, :3], axis=1)
    np.testing.assert_allclose(apart["distance"], distance)
    # Snapshots at different steps are not compared within a group.
    np.testing.assert_array_equal(
        np.isfinite(curve(measures, "network-1", "distance_within_group")), [1, 1, 0, 0]
    )


def test_without_groups_pairs_and_scores_paths_are_measured():
    measures = measure(dataset(walks(2, 4)))
    assert measures.by is None
    assert set(measures.table["measure"]) == {*PATH_MEASURES, "failed"}
    assert measures.distances.empty
    assert len(measures.ends) == 1


def test_one_network_alone_and_a_single_snapshot_are_measured():
    assert measure(dataset(walks(1, 4))).ends.empty
    table = measure(dataset(walks(1, 1))).table
    assert table[table["measure"] == "path_length"]["value"].eq(0).all()


def test_a_network_that_diverged_has_no_path_and_leaves_the_others_theirs():
    weights = walks(4, 5)
    weights[1, 3:] = np.nan
    accuracy = np.full((4, 5), 0.5)
    accuracy[1, 3:] = np.nan
    runs = dataset(
        weights,
        scores={"test_accuracy": accuracy},
        condition=[*"aaaa"],
        outcome=["", "diverged", "", "dead"],
    )
    measures = measure(runs)
    lengths = measures.values("path_length")
    assert np.isnan(lengths["network-1"])
    assert np.isfinite(lengths.drop("network-1")).all()
    assert measures.values("failed").tolist() == [0, 1, 0, 1]
    paths = weights.astype(float)
    others = [np.linalg.norm(paths[0] - paths[o], axis=1) for o in (2, 3)]
    found = curve(measures, "network-0", "distance_within_group")
    np.testing.assert_allclose(found, np.median(others, axis=0))
    ends = measures.ends.set_index(["network", "other"])["distance"]
    assert np.isnan(ends["network-0", "network-1"])
    assert np.isfinite(ends["network-0", "network-2"])


def test_one_network_that_jumped_far_off_does_not_take_the_others_apart():
    weights = walks(5, 4)
    weights[2] += 1e10
    measures = measure(dataset(weights, condition=[*"aaaaa"]))
    apart = np.linalg.norm(weights[:, None].astype(float) - weights, axis=-1)
    for network in (0, 2, 4):
        others = np.median(np.delete(apart[network], network, axis=0), axis=0)
        found = curve(measures, f"network-{network}", "distance_within_group")
        np.testing.assert_allclose(found, others, rtol=1e-9)


def test_what_was_written_comes_back_and_the_same_bytes_are_written_every_time(tmp_path):
    for name in ("one", "two"):
        measure(pairs_and_twins()).save(tmp_path / name)
    files = [sorted(path.iterdir()) for path in (tmp_path / "one", tmp_path / "two")]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
    found, expected = Measures.load(tmp_path / "one"), measure(pairs_and_twins())
    for name in ("table", "over_time", "distances", "ends"):
        assert getattr(found, name).equals(getattr(expected, name))
    assert (found.by, found.titles, found.attributes) == ("condition", {}, {"schema": 1})


def test_a_measure_from_elsewhere_flows_through_tables_comparisons_and_titles():
    class LargeWeights(Measure):
        key, title, unit, better = "large_weights", "large weights", "%", "neither"
        per_parameter = True

        def of(self, data):
            return float((np.abs(data.read()[-1]) > 2).mean())

    MEASURES.register(LargeWeights)
    try:
        runs = pairs_and_twins()
        measures = measure(runs)
        last = runs["weights"].values[4, -1]
        expected = (np.abs(last[PARTS["output.weight"]]) > 2).mean()
        assert measures.values("large_weights", "output.weight")["network-4"] == expected
        found = compare(measures).of("large_weights")
        assert found.pairs == 3
        assert quantity("large_weights").title == "large weights"
    finally:
        del MEASURES._variants["large_weights"]
