"""Writing stores: what was added comes back, whatever happens to the writer."""

import filecmp
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from small_stores import until

from deep_learning_dynamics import store
from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.store import group

PARAMETERS = store.Parameters.of({"hidden.weight": (4, 6), "hidden.bias": (4,), "out": (2, 4)})
NETWORKS = pd.DataFrame({"condition": ["scratch", "pretrained"], "pair": [0, 0]}, index=["a", "b"])


def snapshots(count, networks=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, networks, PARAMETERS.size)).astype(np.float32)


def write(path, taken, **choices):
    choices = {"snapshots": len(taken), "probes": 2, "classes": 3} | choices
    with store.StoreWriter(path, NETWORKS, PARAMETERS, {"dataset": "test"}, **choices) as writer:
        for number, weights in enumerate(taken):
            writer.add(
                np.array([10, 10]) * number,
                weights,
                {"loss": weights.mean(axis=1), "epoch": np.array([0.1, 0.2]) * number},
                np.full((2, 2, 3), number, np.float32),
            )
        writer.label("outcome", ["", "dead"])


@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize("block", [1, 3, 100])
def test_what_was_added_comes_back_whatever_the_size_of_chunks(
    tmp_path, monkeypatch, block, replace
):
    monkeypatch.setattr(group, "CHUNK_BYTES", 4 * PARAMETERS.size * block)
    monkeypatch.setattr(group, "CHUNK_WEIGHTS", 7)  # several chunks in a file
    taken = snapshots(10)
    write(tmp_path / "s.zarr", taken, replace=replace)
    for stored in (
        store.open(tmp_path / "s.zarr"),
        xr.open_zarr(tmp_path / "s.zarr", consolidated=False),
    ):
        np.testing.assert_array_equal(stored["weights"].values.swapaxes(0, 1), taken)
        np.testing.assert_array_equal(stored["loss"].values.T, taken.mean(axis=2))
        assert stored["step"].values.tolist() == [list(range(0, 100, 10))] * 2
        np.testing.assert_allclose(stored["epoch"].values[1], 0.2 * np.arange(10))
        assert (stored["outputs"].values[:, 4] == 4).all()
        assert stored["outcome"].values.tolist() == ["", "dead"]
        assert stored["condition"].values.tolist() == ["scratch", "pretrained"]
        assert stored["parameter"].values.tolist() == ["hidden.weight", "hidden.bias", "out"]
        assert stored["kind"].values.tolist() == ["weight", "bias", "weight"]
        assert stored.attrs["dataset"] == "test"


def test_a_store_of_unknown_length_ends_where_its_longest_network_ends(tmp_path):
    taken = snapshots(70)
    with store.StoreWriter(tmp_path / "s.zarr", NETWORKS, PARAMETERS) as writer:
        for number, weights in enumerate(taken):
            writer.add_to("b", number, weights[1])
        for number, weights in enumerate(taken[:5]):
            writer.add_to("a", 2 * number, weights[0], {"loss": 0.5})
        writer.add_to("b", 99, taken[0, 1])  # back to a block that was begun before
    stored = store.open(tmp_path / "s.zarr")
    assert stored.sizes["snapshot"] == 71
    np.testing.assert_array_equal(stored["weights"][1, :70], taken[:, 1])
    np.testing.assert_array_equal(stored["weights"][1, 70], taken[0, 1])
    np.testing.assert_array_equal(stored["weights"][0, :5], taken[:5, 0])
    assert np.isnan(stored["weights"][0, 5:]).all()
    assert stored["step"].values[0].tolist() == [0, 2, 4, 6, 8] + [-1] * 66
    assert np.isfinite(stored["loss"].values).sum() == 5
    assert len(store.scores_table(stored)) == 76


def test_a_score_that_comes_late_is_not_known_before(tmp_path):
    with store.StoreWriter(tmp_path / "s.zarr", NETWORKS, PARAMETERS) as writer:
        for number, weights in enumerate(snapshots(4)):
            writer.add(np.array([number] * 2), weights, {"loss": np.ones(2)} if number % 2 else {})
    loss = store.open(tmp_path / "s.zarr")["loss"].values
    np.testing.assert_array_equal(loss, [[np.nan, 1, np.nan, 1]] * 2)


def test_a_continued_store_is_as_one_written_at_once(tmp_path):
    taken = snapshots(10)
    for name, parts in (("once", [taken]), ("twice", [taken[:3], taken[3:]])):
        number = 0
        for part in parts:
            with store.StoreWriter(tmp_path / name, NETWORKS, PARAMETERS) as writer:
                for weights in part:
                    writer.add(np.array([number] * 2), weights, {"loss": weights[:, 0]})
                    number += 1
    once, twice = store.open(tmp_path / "once"), store.open(tmp_path / "twice")
    xr.testing.assert_equal(once.load(), twice.load())


def test_another_network_joins_a_store(tmp_path):
    for name in ("a", "b"):
        networks = NETWORKS.loc[[name]].assign(**{f"only_{name}": 1})
        with store.StoreWriter(tmp_path / "s.zarr", networks, PARAMETERS) as writer:
            for number, weights in enumerate(snapshots(3 if name == "a" else 40)):
                writer.add_to(name, number, weights[0])
    stored = store.open(tmp_path / "s.zarr")
    assert stored["network"].values.tolist() == ["a", "b"]
    assert stored["condition"].values.tolist() == ["scratch", "pretrained"]
    np.testing.assert_array_equal(stored["only_b"].values, [np.nan, 1])
    assert (stored["step"].values >= 0).sum(axis=1).tolist() == [3, 40]
    np.testing.assert_array_equal(stored["weights"][0, :3], snapshots(3)[:, 0])


def test_rewound_snapshots_are_replaced(tmp_path):
    taken = snapshots(6)
    with store.StoreWriter(tmp_path / "s.zarr", NETWORKS, PARAMETERS) as writer:
        for number, weights in enumerate(taken):
            writer.add_to("a", number, weights[0])
        assert writer.rewind("a", 4) == 2
        writer.add_to("a", 5, taken[0, 1])
    stored = store.open(tmp_path / "s.zarr")
    assert stored["step"].values[0].tolist() == [0, 1, 2, 3, 5]
    np.testing.assert_array_equal(stored["weights"][0, 4], taken[0, 1])


def test_what_was_dropped_beside_a_longer_network_is_neither_read_nor_missed(tmp_path):
    taken = snapshots(9)
    with store.StoreWriter(tmp_path / "s.zarr", NETWORKS, PARAMETERS) as writer:
        for number, weights in enumerate(taken):
            writer.add_to("a", number, weights[0], {"loss": 1.0})
        for number, weights in enumerate(taken[:6]):
            writer.add_to("b", number, weights[1], {"loss": 1.0})
        writer.rewind("b", 3)
        writer.add_to("b", 9, taken[8, 1])
    stored = store.open(tmp_path / "s.zarr")
    np.testing.assert_array_equal(stored["weights"][1, :4], taken[[0, 1, 2, 8], 1])
    assert np.isnan(stored["weights"][1, 4:]).all()
    assert np.isfinite(stored["loss"].values).sum(axis=1).tolist() == [9, 3]


def test_the_same_snapshots_give_the_same_bytes(tmp_path):
    for folder in ("x", "y"):
        write(tmp_path / folder / "s.zarr", snapshots(10), replace=True)
    files = sorted(
        path.relative_to(tmp_path / "x") for path in (tmp_path / "x").rglob("*") if path.is_file()
    )
    same, different, errors = filecmp.cmpfiles(tmp_path / "x", tmp_path / "y", files, shallow=False)
    assert files
    assert len(same) == len(files)
    assert not different
    assert not errors


def test_what_was_there_stays_if_its_replacement_fails(tmp_path):
    write(tmp_path / "s.zarr", snapshots(3), replace=True)
    with pytest.raises(StoreError, match="more than the 2 snapshots"):
        write(tmp_path / "s.zarr", snapshots(4), replace=True, snapshots=2)
    assert store.open(tmp_path / "s.zarr").sizes["snapshot"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]


@pytest.mark.parametrize(
    "file", ["weights/c/1/0/0", "outputs/c/0/0/0/0", "step/c/0/0", "loss/c/0/0"]
)
@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_store_that_lacks_a_file_is_not_taken_over(tmp_path, file, damage):
    write(tmp_path / "part.zarr", snapshots(3))
    path = tmp_path / "part.zarr" / file
    path.unlink() if damage == "missing" else path.write_bytes(path.read_bytes()[:-9])
    named = rf"part\.zarr/{file if damage == 'missing' else file.split('/')[0]} is damaged"
    with (
        pytest.raises(StoreError, match=named),
        store.StoreWriter(tmp_path / "s.zarr", NETWORKS, PARAMETERS, probes=2, classes=3) as writer,
    ):
        writer.insert(tmp_path / "part.zarr")


def test_a_store_whose_score_came_late_is_taken_over(tmp_path, monkeypatch):
    monkeypatch.setattr(group, "SCORES_CHUNK", (2, 2))
    for path in ("part.zarr", "s.zarr"):
        with store.StoreWriter(tmp_path / path, NETWORKS, PARAMETERS) as writer:
            if path == "s.zarr":
                writer.insert(tmp_path / "part.zarr")
                continue
            for number, weights in enumerate(snapshots(5)):
                scores = {"loss": np.ones(2)} if number > 3 else {}
                writer.add(np.array([number] * 2), weights, scores)
                writer.flush()
    assert not (tmp_path / "part.zarr/loss/c/0/0").exists()
    xr.testing.assert_equal(*(store.open(tmp_path / f"{name}.zarr") for name in ("part", "s")))


def test_weights_that_are_not_finite_are_noted(tmp_path):
    taken = snapshots(3)
    taken[2, 0, 5], taken[1, 1, 0] = np.nan, -np.inf
    write(tmp_path / "s.zarr", taken)
    stored = store.open(tmp_path / "s.zarr")
    assert stored["finite"].values.tolist() == [[True, True, False], [True, False, True]]
    np.testing.assert_array_equal(stored["weights"].values.swapaxes(0, 1), taken)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"weights": snapshots(1)[0][:, :-1]},
            r"weights of a snapshot has shape \(2, 35\); expected \(2, 36\)",
        ),
        ({"steps": np.array([5, 9])}, "step 5 came after one of step 9"),
        ({"scores": {"loss": np.ones(3)}}, r"loss of a snapshot has shape \(3,\); expected \(2,\)"),
        ({"scores": {"weights": np.ones(2)}}, "'weights' cannot be the name of a score"),
        (
            {"outputs": np.ones((2, 1, 1), np.float32)},
            r"outputs of a snapshot has shape \(2, 1, 1\)",
        ),
    ],
)
def test_a_snapshot_that_does_not_fit_is_refused(tmp_path, change, message):
    snapshot = {"steps": np.array([10, 10]), "weights": snapshots(1)[0]} | change
    with store.StoreWriter(tmp_path / "s.zarr", NETWORKS, PARAMETERS) as writer:
        writer.add(np.array([9, 9]), snapshots(1)[0])
        with pytest.raises(StoreError, match=message):
            writer.add(**snapshot)


def test_a_store_is_not_continued_with_other_parameters(tmp_path):
    write(tmp_path / "s.zarr", snapshots(2))
    other = store.Parameters.of({"hidden.weight": (4, 6), "hidden.bias": (4,), "out": (3, 4)})
    with (
        pytest.raises(StoreError, match=r"out is 2 × 4 in .*s\.zarr and 3 × 4 in the network"),
        store.StoreWriter(tmp_path / "s.zarr", NETWORKS, other),
    ):
        pass


def test_two_writers_of_one_store_are_refused(tmp_path):
    with store.StoreWriter(tmp_path / "s.zarr", NETWORKS, PARAMETERS) as writer:
        writer.add(np.array([0, 0]), snapshots(1)[0])
        with (
            pytest.raises(StoreError, match=f"being written by process {os.getpid()} on"),
            store.StoreWriter(tmp_path / "s.zarr", NETWORKS, PARAMETERS),
        ):
            pass
    with store.StoreWriter(tmp_path / "s.zarr", NETWORKS, PARAMETERS) as writer:
        writer.add(np.array([1, 1]), snapshots(1)[0])
    assert store.open(tmp_path / "s.zarr").sizes["snapshot"] == 2


ENDLESS = """
    import sys
    import numpy as np, pandas as pd
    from deep_learning_dynamics import store
    from deep_learning_dynamics.store import group, writer

    size, chunk = int(sys.argv[2]), int(sys.argv[3])
    group.CHUNK_BYTES, group.CHUNK_WEIGHTS, writer.FLUSH_SECONDS = chunk, 50, 0.002
    networks = pd.DataFrame({"seed": [0, 1]}, index=["a", "b"])
    parameters = store.Parameters.of({"w": (size,)})
    with store.StoreWriter(sys.argv[1], networks, parameters) as writer:
        step = len(writer.steps("a"))
        while True:
            weights = np.full((2, size), step, np.float32)
            writer.add(np.array([step, step]), weights, {"loss": weights[:, 0]})
            step += 1
"""


@pytest.mark.parametrize(("size", "chunk", "seconds"), [(400, 200, 0.05), (9, 1000, 0.3)])
def test_a_killed_writer_leaves_whole_snapshots_that_can_be_continued(
    tmp_path, size, chunk, seconds
):
    path = tmp_path / "s.zarr"
    steps = path / "step" / "c" / "0"
    script = tmp_path / "write.py"
    script.write_text(textwrap.dedent(ENDLESS))
    for _ in range(2):  # the second one continues what the first one left
        before = modified(steps)
        process = subprocess.Popen([sys.executable, script, path, str(size), str(chunk)])
        until(lambda before=before: modified(steps) > before)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        stored = store.open(path)
        count = stored.sizes["snapshot"]
        assert count > 0
        assert stored["step"].values.tolist() == [list(range(count))] * 2
        expected = np.broadcast_to(np.arange(count)[:, None], (2, count, size))
        np.testing.assert_array_equal(stored["weights"].values, expected)
        np.testing.assert_array_equal(stored["loss"].values, expected[:, :, 0])


def modified(folder):
    return max((path.stat().st_mtime_ns for path in folder.glob("[0-9]")), default=0)


def test_a_writer_killed_while_it_made_the_store_leaves_nothing_in_the_way(tmp_path):
    write(tmp_path / "s.zarr", snapshots(2))
    (tmp_path / "s.zarr" / "step" / "zarr.json").unlink()
    with pytest.raises(StoreError, match="lacks step"):
        store.open(tmp_path / "s.zarr")
    write(tmp_path / "s.zarr", snapshots(3))
    assert store.open(tmp_path / "s.zarr").sizes["snapshot"] == 3


def test_somebody_elses_zarr_group_is_not_written_into(tmp_path):
    xr.Dataset({"rain": ("day", [1.0])}).to_zarr(tmp_path / "s.zarr", consolidated=False)
    with pytest.raises(StoreError, match="lacks weights"):
        write(tmp_path / "s.zarr", snapshots(3))
