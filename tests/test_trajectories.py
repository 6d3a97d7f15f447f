"""Snapshots on disk: what was taken comes back, labelled, and nothing is lost on the way."""

import numpy as np
import pytest

from deep_learning_dynamics import trajectories
from deep_learning_dynamics.errors import SnapshotsError
from deep_learning_dynamics.networks import Architecture
from deep_learning_dynamics.trajectories import Member, Schedule, Scores, SnapshotWriter

ARCHITECTURE = Architecture((6, 4, 3), "relu")
MEMBERS = [Member("scratch", 0), Member("pretrained", 0)]
SCHEDULE = Schedule.regular(steps_per_epoch=10, epochs=3, first_epoch=5, per_epoch=2)


def snapshots(rng):
    for _ in SCHEDULE.steps:
        scores = rng.random((4, 2), np.float32)
        yield (
            rng.random((2, ARCHITECTURE.size), np.float32),
            Scores(*scores, probabilities=rng.random((2, 7, 3), np.float32)),
        )


def write(path, taken):
    with SnapshotWriter(path, MEMBERS, ARCHITECTURE, SCHEDULE, 7, {"dataset": "test"}) as writer:
        for weights, scores in taken:
            writer.add(weights, scores)
        writer.mark_failed(["", "dead"])


def test_the_first_epoch_is_dense_and_the_rest_regular():
    assert SCHEDULE.steps.tolist() == [0, 2, 4, 6, 8, 10, 15, 20, 25, 30]
    assert SCHEDULE.epochs.tolist() == [0, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 2.5, 3]


def test_more_snapshots_than_steps_means_one_at_every_step():
    assert Schedule.regular(3, 2, 100, 100).steps.tolist() == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("block", [1, 3, 100])
def test_what_was_taken_comes_back_whatever_the_size_of_blocks(tmp_path, monkeypatch, block):
    monkeypatch.setattr(trajectories, "CHUNK_BYTES", 4 * ARCHITECTURE.size * block)
    taken = list(snapshots(np.random.default_rng(0)))
    write(tmp_path / "s.zarr", taken)
    stored = trajectories.open_snapshots(tmp_path / "s.zarr")
    for index, (weights, scores) in enumerate(taken):
        at = stored.isel(snapshot=index)
        np.testing.assert_array_equal(at["weights"], weights)
        np.testing.assert_array_equal(at["test_loss"], scores.test_loss)
        np.testing.assert_array_equal(at["probabilities"], scores.probabilities)


def test_a_store_explains_itself(tmp_path):
    write(tmp_path / "s.zarr", snapshots(np.random.default_rng(0)))
    stored = trajectories.open_snapshots(tmp_path / "s.zarr")
    assert stored["weights"].dims == ("network", "snapshot", "weight")
    assert stored["probabilities"].dims == ("network", "snapshot", "probe", "class")
    assert stored["arm"].values.tolist() == ["scratch", "pretrained"]
    assert stored["failed"].values.tolist() == ["", "dead"]
    assert stored["step"].values.tolist() == SCHEDULE.steps.tolist()
    # 6·4 matrix and 4 biases in layer 1, then 4·3 and 3 in layer 2.
    assert stored["layer"].values.tolist() == [1] * 28 + [2] * 15
    assert (stored["kind"].values == "bias").nonzero()[0].tolist() == [
        *range(24, 28),
        *range(40, 43),
    ]
    assert trajectories.architecture_of(stored) == ARCHITECTURE
    assert trajectories.members_of(stored) == MEMBERS


def test_a_reader_loads_only_what_is_asked_for(tmp_path):
    """A chunk that nobody asks for may even be damaged."""
    write(tmp_path / "s.zarr", snapshots(np.random.default_rng(0)))
    (tmp_path / "s.zarr/weights/c/1/0/0").write_bytes(b"not a chunk")
    stored = trajectories.open_snapshots(tmp_path / "s.zarr")
    assert np.isfinite(stored["weights"].isel(network=0)).all()
    with pytest.raises(Exception, match=r"."):
        stored["weights"].isel(network=1).load()


def test_the_same_snapshots_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / name / "s.zarr", snapshots(np.random.default_rng(0)))
    files = {
        name: {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("a", "b")
    }
    assert files["a"] == files["b"]


def test_an_interrupted_training_leaves_what_was_there(tmp_path):
    path = tmp_path / "s.zarr"
    write(path, snapshots(np.random.default_rng(0)))
    before = trajectories.open_snapshots(path)["weights"].values
    taken = list(snapshots(np.random.default_rng(1)))

    def stops():
        yield from taken[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(path, stops())
    np.testing.assert_array_equal(trajectories.open_snapshots(path)["weights"], before)
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.zarr"]


def test_fewer_snapshots_than_the_schedule_are_an_error(tmp_path):
    taken = list(snapshots(np.random.default_rng(0)))[:-1]
    with pytest.raises(SnapshotsError, match="9 snapshots were taken; the schedule has 10"):
        write(tmp_path / "s.zarr", taken)
    assert not (tmp_path / "s.zarr").exists()


def test_a_missing_store_is_named(tmp_path):
    with pytest.raises(SnapshotsError, match=r"none\.zarr does not exist"):
        trajectories.open_snapshots(tmp_path / "none.zarr")
