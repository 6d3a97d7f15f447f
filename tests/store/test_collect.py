"""Folders and patterns of checkpoints become one store; an audit finds what is wrong with them."""

import json
from pathlib import Path

import numpy as np
import pytest
from project import in_process

from deep_learning_dynamics.errors import CheckpointError, StoreError
from deep_learning_dynamics.execution import connected
from deep_learning_dynamics.store import Recorder, StoreWriter
from deep_learning_dynamics.store import open as open_store
from deep_learning_dynamics.store.auditing import audit
from deep_learning_dynamics.store.collecting import collect


def weights(step, seed=0):
    """A run that moves a little in each step, from a start of its own."""
    rng = np.random.default_rng(seed)
    start, direction = rng.normal(size=(2, 6))
    return start + np.sqrt(step) * direction


def save(path, at, seed=0, **changes):
    vector = weights(at, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"a.weight": vector[:4].reshape(2, 2), "a.bias": vector[4:]} | changes
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})


@pytest.fixture
def runs(tmp_path):
    """Two groups of two seeds; one run is shorter and has other steps."""
    for group in ("adam", "sgd"):
        for seed in (0, 1):
            steps = [0, 10, 100] if (group, seed) != ("sgd", 1) else [0, 20]
            folder = tmp_path / "runs" / f"{group}-{seed}"
            for step in steps:
                save(folder / f"step_{step}.npz", step, seed=10 * seed + len(group))
            log = [{"step": step, "test_accuracy": step / 100} for step in steps]
            (folder / "log.json").write_text(json.dumps(log))
    return tmp_path / "runs"


def test_braces_name_coordinates_and_scores_come_from_the_log(runs, tmp_path):
    found = collect(
        f"{runs}/{{group}}-{{seed}}/step_{{step}}.npz",
        tmp_path / "runs.zarr",
        scores=f"{runs}/{{group}}-{{seed}}/log.json",
    )
    assert sorted(found["network"].values.tolist()) == ["adam-0", "adam-1", "sgd-0", "sgd-1"]
    one = found.sel(network="adam-1")
    assert one["group"].item() == "adam"
    assert one["step"].values.tolist() == [0, 10, 100]
    np.testing.assert_array_equal(
        one["test_accuracy"], np.array([0, 0.1, 1], one["test_accuracy"].dtype)
    )
    expected = np.stack([weights(step, seed=14) for step in (0, 10, 100)])
    np.testing.assert_array_equal(one["weights"], expected.astype(np.float32))
    assert found["parameter"].values.tolist() == ["a.weight", "a.bias"]


def test_on_a_cluster_the_store_has_the_same_bytes(runs, tmp_path, monkeypatch):
    parts, insert = [], StoreWriter.insert
    monkeypatch.setattr(StoreWriter, "insert", lambda *args: parts.append(args[1]) or insert(*args))

    def collected(name):
        pattern, scores = "runs/{group}-{seed}/step_{step}.npz", "runs/{group}-{seed}/log.json"
        seen = []
        collect(pattern, name, scores=scores, progress=lambda *done: seen.append(done))
        files = {
            path.relative_to(name).as_posix(): path.read_bytes()
            for path in Path(name).rglob("*")
            if path.is_file()
        }
        return files, seen[-1]

    pytest.importorskip("distributed")
    monkeypatch.chdir(tmp_path)
    here = collected("here.zarr")
    monkeypatch.setenv("DYNAMICS_CLUSTER", "local:2")
    try:
        assert collected("there.zarr") == here
    finally:
        connected().close()
    assert len(parts) == 4
    assert not list(tmp_path.glob(".*"))
    monkeypatch.delenv("DYNAMICS_CLUSTER")
    parts[0].mkdir(parents=True)  # as one that is killed leaves it
    assert collected("there.zarr") == here
    assert not list(tmp_path.glob(".*"))


def test_runs_may_have_other_steps_and_lengths(runs, tmp_path):
    found = collect(f"{runs}/{{run}}/step_{{step}}.npz", tmp_path / "runs.zarr")
    short = found.sel(network="sgd-1")
    assert short["step"].values.tolist() == [0, 20, -1]
    assert np.isnan(short["weights"].values[2]).all()


def test_a_folder_is_recognised_by_itself(runs, tmp_path):
    found = collect(runs, tmp_path / "runs.zarr")
    assert found["run"].values.tolist() == ["adam-0", "adam-1", "sgd-0", "sgd-1"]
    assert found["step"].values[0].tolist() == [0, 10, 100]


def test_the_last_number_is_the_step_where_no_name_says_step(tmp_path):
    for step in (2, 10):
        save(tmp_path / "run" / f"model-v2-{step:04d}.npz", step)
    found = collect(tmp_path / "run", tmp_path / "runs.zarr")
    assert found["step"].values.tolist() == [[2, 10]]


def test_revisions_in_stages_are_counted_on_and_said(tmp_path):
    names = ["stage1-step0", "stage1-step1000-tokens5B", "stage2-step500-tokens1B"]
    for position, name in enumerate(names):
        save(tmp_path / "olmo" / f"{name}.npz", position)
    with pytest.warns(UserWarning, match="stage 2 starts again at step 500"):
        found = collect(tmp_path / "olmo", tmp_path / "runs.zarr")
    assert found["step"].values.tolist() == [[0, 1000, 1500]]


def test_a_difference_names_the_file_and_the_parameter(runs, tmp_path):
    save(runs / "sgd-0" / "step_10.npz", 10, **{"a.bias": np.zeros(3)})
    with pytest.raises(CheckpointError, match=r"sgd-0/step_10\.npz: a\.bias has shape \[3\]"):
        collect(runs, tmp_path / "runs.zarr")
    save(runs / "sgd-0" / "step_10.npz", 10, **{"a.bias": None})
    with pytest.raises(CheckpointError, match=r"step_10\.npz has no parameter a\.bias"):
        collect(runs, tmp_path / "runs.zarr")


def test_what_was_collected_before_stays_if_collecting_fails(runs, tmp_path):
    collect(runs, tmp_path / "runs.zarr")
    (runs / "sgd-0" / "step_10.npz").write_bytes(b"PK")
    with pytest.raises(CheckpointError, match="step_10"):
        collect(runs, tmp_path / "runs.zarr")
    assert open_store(tmp_path / "runs.zarr").sizes["network"] == 4
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "runs.zarr"}


def test_two_checkpoints_of_one_step_are_refused(runs, tmp_path):
    save(runs / "sgd-0" / "again_step_10.npz", 10)
    with pytest.raises(CheckpointError, match="both step 10"):
        collect(runs, tmp_path / "runs.zarr")


def test_parameters_can_be_chosen_and_statistics_of_normalisation_are_left_out(tmp_path):
    save(tmp_path / "run" / "step_0.npz", 0, **{"n.running_mean": np.zeros(2)})
    found = collect(tmp_path / "run", tmp_path / "all.zarr")
    assert found["parameter"].values.tolist() == ["a.weight", "a.bias"]
    found = collect(tmp_path / "run", tmp_path / "some.zarr", parameters="*.weight")
    assert found["parameter"].values.tolist() == ["a.weight"]


def test_nothing_to_collect(tmp_path):
    with pytest.raises(CheckpointError, match="names no checkpoints"):
        collect(tmp_path, tmp_path / "runs.zarr")


# Audit


def problems(source, **options):
    return {(each.problem, each.run, each.step) for each in audit(source, **options).findings}


def smooth_run(folder, steps=range(0, 80, 10)):
    for step in steps:
        save(folder / f"step_{step}.npz", step + 1)


def test_a_healthy_run_passes(tmp_path):
    smooth_run(tmp_path / "run")
    assert audit(tmp_path / "run").findings == ()
    collect(tmp_path / "run", tmp_path / "runs.zarr")
    found = audit(tmp_path / "runs.zarr")
    assert (found.passed, found.runs, found.snapshots) == (True, 1, 8)


def test_identical_snapshots_under_different_names_are_found(tmp_path):
    smooth_run(tmp_path / "run")
    (tmp_path / "run" / "step_60.npz").write_bytes((tmp_path / "run" / "step_20.npz").read_bytes())
    assert ("identical", "run", 60) in problems(tmp_path / "run")
    assert not audit(tmp_path / "run").passed


def test_runs_that_share_their_start_are_worth_knowing_and_not_wrong(tmp_path):
    for run in ("a", "b"):
        save(tmp_path / run / "step_0.npz", 0)
        save(tmp_path / run / "step_1.npz", 1, **{"a.bias": np.full(2, float(ord(run)))})
    found = audit(tmp_path)
    assert found.passed
    assert [(each.problem, each.run, each.step) for each in found.findings] == [
        ("identical", "b", 0)
    ]


def test_a_jump_is_found(tmp_path):
    smooth_run(tmp_path / "run")
    save(tmp_path / "run" / "step_40.npz", 41, **{"a.bias": np.array([100.0, 100.0])})
    assert {step for problem, _, step in problems(tmp_path / "run") if problem == "jump"} == {
        40,
        50,
    }


def test_nan_truncation_and_a_wrong_step_are_found(tmp_path):
    smooth_run(tmp_path / "run")
    save(tmp_path / "run" / "step_30.npz", 30, **{"a.bias": np.array([np.nan, 1])})
    whole = (tmp_path / "run" / "step_50.npz").read_bytes()
    (tmp_path / "run" / "step_50.npz").write_bytes(whole[:-30])
    save(tmp_path / "run" / "step_70.npz", 71, step=np.int64(60))
    found = problems(tmp_path / "run")
    assert {("not finite", "run", 30), ("unreadable", "run", 50), ("step", "run", 70)} <= found


def test_a_layer_that_never_moves_is_worth_knowing(tmp_path):
    for step in range(4):
        save(tmp_path / "run" / f"step_{step}.npz", step, **{"a.bias": np.ones(2)})
    found = audit(tmp_path / "run")
    assert found.passed
    assert [each.detail for each in found.findings] == ["never move: a.bias"]


def test_half_precision_is_worth_knowing(tmp_path):
    torch = pytest.importorskip("torch")
    for step in range(3):
        torch.save({"w": torch.tensor(weights(step)).bfloat16()}, tmp_path / f"step_{step}.pt")
    found = audit(str(tmp_path / "step_{step}.pt"))
    assert found.passed
    assert [each.problem for each in found.findings] == ["resolution"]


def test_nothing_to_audit(tmp_path):
    with pytest.raises(StoreError, match="names no checkpoints"):
        audit(tmp_path)
    with pytest.raises(StoreError, match="nothing does not exist; expected a folder with"):
        audit(tmp_path / "nothing")
    with pytest.raises(StoreError, match=r"test_collect\.py is not a folder"):
        audit(__file__)


def test_a_recorded_training_is_not_replaced_by_checkpoints(runs, tmp_path):
    pattern, store = f"{runs}/{{group}}-{{seed}}/step_{{step}}.npz", tmp_path / "runs.zarr"
    collect(pattern, store)
    collect(pattern, store)  # again
    recorded = tmp_path / "recorded.zarr"
    with Recorder(recorded, {"a": np.zeros(2)}) as record:
        record(0, {"a": np.ones(2)})
    with pytest.raises(StoreError, match=r"recorded\.zarr is there and holds no collected"):
        collect(pattern, recorded)
    assert open_store(recorded)["weights"].values.tolist() == [[[1, 1]]]
    (recorded / "zarr.json").write_text("{")
    for place in (recorded, tmp_path, Path(__file__)):  # damaged, a folder of stores, a file
        with pytest.raises(StoreError, match="holds no collected checkpoints"):
            collect(pattern, place)
    (tmp_path / "empty").mkdir()
    collect(pattern, tmp_path / "empty")


def test_stores_are_no_checkpoints_but_can_be_audited_together(tmp_path):
    for seed in range(3):
        with Recorder(tmp_path / "all" / f"adam-{seed}.zarr", {"a": np.zeros(2)}) as record:
            for step in range(4):
                record(step, {"a": np.array([seed, step], float)})
    for pattern in (tmp_path / "all", f"{tmp_path}/all/{{run}}.zarr"):
        with pytest.raises(CheckpointError, match="names stores of trajectories, which need not"):
            collect(pattern, tmp_path / "collected.zarr")
    for source in (tmp_path / "all", f"{tmp_path}/all/*.zarr"):
        found = audit(source)
        assert (found.runs, found.snapshots) == (3, 12)


def test_a_damaged_chunk_of_a_store_is_one_finding_with_its_steps(tmp_path):
    for name in ("a", "b"):
        with Recorder(
            tmp_path / f"{name}.zarr", {"w": np.zeros(2)}, schedule=1, run=name
        ) as record:
            for step in range(24):
                record(step, {"w": np.array([ord(name), step], float)})
    chunk = tmp_path / "b.zarr/weights/c/0/0/0"
    chunk.write_bytes(bytes(8) + chunk.read_bytes()[8:])
    found = audit(f"{tmp_path}/*.zarr")
    (problem,) = (each for each in found.findings if each.wrong)
    assert (problem.problem, problem.run) == ("unreadable", "b")
    assert (problem.step, problem.last_step) == (0, 23)
    assert "weights/c/0/0/0 is damaged" in problem.detail
    text = in_process(tmp_path, "audit", f"{tmp_path}/*.zarr", status=1)
    assert "0–23" in text
    assert "1 problem in 2 runs, 48 snapshots." in text


def test_scores_in_percent_are_refused_with_their_file(runs, tmp_path):
    log = [{"step": step, "test_accuracy": 50.0 + step} for step in (0, 10)]
    (runs / "adam-0" / "log.json").write_text(json.dumps(log))
    with pytest.raises(CheckpointError, match=r"log\.json: test_accuracy goes up to .*Divide by"):
        collect(
            f"{runs}/{{group}}-{{seed}}/step_{{step}}.npz",
            tmp_path / "runs.zarr",
            scores=f"{runs}/{{group}}-{{seed}}/log.json",
        )


@pytest.mark.parametrize("place", [".", "./", "..", "nothing", "[a"])
def test_where_no_checkpoint_is_one_message_says_so(tmp_path, monkeypatch, place):
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    with pytest.raises(CheckpointError, match=r"names no checkpoints|does not exist"):
        collect(place, "runs.zarr")
