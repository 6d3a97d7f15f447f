"""The analysis of function space: networks that learn, fail, have partners and twins."""

import numpy as np
import pandas as pd
import pytest

from deep_learning_dynamics.geometry import analyse
from deep_learning_dynamics.geometry import function_space as module
from deep_learning_dynamics.store import Parameters, StoreWriter, open

LABELS = np.array([0, 1, 2, 0])


def store_of(path, ends, with_outputs=True, **coordinates):
    """A store of networks whose predictions go straight from ignorance to their ends."""
    networks = pd.DataFrame(coordinates, index=[f"n{number}" for number in range(len(ends))])
    sizes = {"probes": 4, "classes": 3, "probe_labels": LABELS.tolist()} if with_outputs else {}
    with StoreWriter(path, networks, Parameters.of({"w": (2, 2)}), **sizes) as writer:
        for step in range(3):
            outputs = np.stack([end * step / 2 + (1 - step / 2) / 3 for end in ends])
            weights = np.full((len(ends), 4), step, np.float32)
            outputs = outputs.astype(np.float32) if with_outputs else None
            writer.add(np.full(len(ends), step), weights, {}, outputs)
    return open(path)


TRUTH, IGNORANCE = np.eye(3)[LABELS], np.full((4, 3), 1 / 3)
NEARLY = 0.9 * TRUTH + 0.1 / 3


def found_in(runs):
    return analyse(runs, by=None, analyses=["function_space"]).get("function_space")


def test_a_network_that_learns_goes_to_the_truth_and_one_that_does_not_stays(tmp_path):
    found = found_in(store_of(tmp_path / "runs.zarr", [TRUTH, IGNORANCE], group=["a", "b"]))
    rows = found.tables["rows"]
    learnt = rows[rows["network"] == "n0"]["progress"].to_numpy()
    assert learnt[0] == 0
    assert 0 < learnt[1] < 1
    assert learnt[2] == 1
    assert (rows[rows["network"] == "n1"]["progress"] == 0).all()
    assert rows["group"].tolist() == ["a"] * 3 + ["b"] * 3
    final = found.measures.set_index(["measure", "network"])["value"]["final_progress"]
    assert final.to_dict() == {"n0": 1, "n1": 0}


def test_signed_squared_lengths_are_the_distances(tmp_path):
    """Snapshots on one line in probability space: three components hold nearly all there is."""
    found = found_in(store_of(tmp_path / "runs.zarr", [TRUTH, IGNORANCE], group=["a", "b"]))
    places = found.tables["rows"][["c1", "c2", "c3"]].to_numpy()
    squared = (np.array(found.numbers["signs"]) * (places[2] - places[5]) ** 2).sum()
    assert squared == pytest.approx(np.log(3) / 2, rel=1e-6)  # truth and ignorance: −log √(1/3)
    assert found.numbers["explained_stress"][2] == pytest.approx(1, abs=1e-6)


def test_distances_of_partners_twins_and_others_at_the_end(tmp_path):
    ends = [TRUTH, NEARLY, IGNORANCE, TRUTH, NEARLY]
    runs = store_of(
        tmp_path / "runs.zarr",
        ends,
        condition=["a", "b", "a", "b", "a"],
        pair=[0, 0, 1, 1, 0],
        twin=[False, False, False, False, True],
    )
    found = found_in(runs)
    table = found.tables["ends"].set_index(["network", "other"])
    near = -np.log(np.sqrt(0.9 + 0.1 / 3))
    assert table.loc[("n0", "n1")].tolist() == ["pair", pytest.approx(near, abs=1e-6)]
    assert table.loc[("n2", "n3")].tolist() == ["pair", pytest.approx(np.log(3) / 2, abs=1e-6)]
    assert table.loc[("n0", "n4")].tolist() == ["twin", pytest.approx(near, abs=1e-6)]
    assert table.loc[("n0", "n3")].tolist() == ["", pytest.approx(0, abs=1e-6)]
    assert ("n1", "n4") not in table.index, "a twin is compared with its original alone"
    assert set(found.tables["rows"]["network"]) == {"n0", "n1", "n2", "n3"}
    to_twin = found.measures[found.measures["measure"] == "twin_function_distance"]
    assert to_twin["network"].tolist() == ["n0"]


def test_of_too_many_snapshots_some_of_each_network_are_embedded(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", 4)
    found = found_in(store_of(tmp_path / "runs.zarr", [TRUTH, IGNORANCE], group=["a", "b"]))
    assert found.tables["rows"]["snapshot"].tolist() == [0, 2, 0, 2]
    assert (found.numbers["snapshots"], found.numbers["of_snapshots"]) == (4, 6)


def test_without_predictions_there_is_nothing_to_find(tmp_path):
    runs = store_of(tmp_path / "r.zarr", [TRUTH, IGNORANCE], with_outputs=False, group=["a", "b"])
    assert found_in(runs) is None


def test_a_twin_that_was_stored_first_is_the_other_of_its_network(tmp_path):
    runs = store_of(tmp_path / "r.zarr", [NEARLY, TRUTH], pair=[0, 0], twin=[True, False])
    found = found_in(runs)
    ends = found.tables["ends"]
    assert ends[["network", "other", "relation"]].to_numpy().tolist() == [["n1", "n0", "twin"]]
    to_twin = found.measures[found.measures["measure"] == "twin_function_distance"]
    assert to_twin["network"].tolist() == ["n1"]
