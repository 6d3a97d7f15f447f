"""A run is one execution: opened, continued, finished, never written by another one."""

import dataclasses
import importlib
import shutil

import pytest
from small_projects import identity, small_project

from deep_learning_dynamics import tracking
from deep_learning_dynamics.cli.opening import meant
from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.files import write_json
from deep_learning_dynamics.tracking import connect, records, resolve, store_of
from deep_learning_dynamics.tracking.runs import finish, log_curves, open_run, running


@pytest.fixture(scope="module")
def project(tmp_path_factory, empty_store):
    folder = small_project(tmp_path_factory.mktemp("runs") / "project")
    shutil.copytree(empty_store, folder / "mlruns")
    return folder


@pytest.fixture(scope="module")
def connection(project):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield connect(store_of(project))


def test_identity_follows_parameters_code_data_and_environment(project, monkeypatch):
    before = identity(project)
    assert identity(project) == before
    others = [identity(project, seed=1)]
    (project / "pipeline/train.py").write_text("# changed")
    others.append(identity(project))
    (project / "pipeline/train.py").unlink()
    text = (project / "data/mnist.json").read_text()
    (project / "data/mnist.json").write_text(text.replace("aaa", "bbb"))
    others.append(identity(project))
    (project / "data/mnist.json").write_text(text)
    monkeypatch.setattr("deep_learning_dynamics.environment._processor", lambda: "Z80")
    others.append(identity(project))
    assert len({each.fingerprint for each in [before, *others]}) == 5


def test_identity_follows_every_file_of_a_plug_in(project, tmp_path, monkeypatch):
    package = tmp_path / "of_a_lab"
    package.mkdir()
    (package / "__init__.py").write_text("from of_a_lab import method\n")
    (package / "method.py").write_text("WIDTH = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("of_a_lab")
    before = identity(project, plugins=["of_a_lab"])
    (package / "method.py").write_text("WIDTH = 4\n")
    assert identity(project, plugins=["of_a_lab"]).fingerprint != before.fingerprint


def test_the_number_of_cores_is_not_part_of_what_is_computed(project, monkeypatch):
    before = identity(project)
    monkeypatch.setattr("deep_learning_dynamics.environment.cores", lambda: 63)
    assert identity(project).fingerprint == before.fingerprint


def test_an_execution_is_this_working_copy_wherever_it_is_moved(tmp_path):
    one = small_project(tmp_path / "one")
    before = identity(one).execution
    copy = shutil.copytree(one, tmp_path / "copy")
    assert identity(copy).execution != before
    moved = one.rename(tmp_path / "moved")
    assert identity(moved).execution == before


def test_an_interrupted_run_is_continued_by_its_own_execution_alone(project, connection):
    mine = identity(project, seed=10)
    run = open_run(connection, mine)
    log_curves(connection, run.info.run_id, {"accuracy/scratch": {0: 0.1, 5: 0.5}})
    connection.client.set_terminated(run.info.run_id, status="KILLED")
    again = open_run(connection, mine)
    assert (again.info.run_id, again.info.status) == (run.info.run_id, "RUNNING")
    other = open_run(connection, dataclasses.replace(mine, execution="other"))
    assert other.info.run_id != run.info.run_id
    assert [each.info.run_id for each in running(connection, "other")] == [other.info.run_id]


def test_points_that_are_there_are_not_logged_again(project, connection):
    run_id = open_run(connection, identity(project, seed=11)).info.run_id
    log_curves(connection, run_id, {"accuracy/scratch": {0: 0.1, 5: 0.5}})
    log_curves(connection, run_id, {"accuracy/scratch": {0: 0.1, 5: 0.5, 10: 0.75}})
    history = connection.client.get_metric_history(run_id, "accuracy/scratch")
    assert [(point.step, point.value) for point in history] == [(0, 0.1), (5, 0.5), (10, 0.75)]


def test_of_two_that_finish_at_once_the_first_stays(project, connection):
    mine = identity(project, seed=12)
    theirs = dataclasses.replace(mine, execution="other")
    runs = [open_run(connection, each).info.run_id for each in (mine, theirs)]
    assert len(set(runs)) == 2
    kept = [finish(connection, run_id, mine.fingerprint).info.run_id for run_id in runs]
    assert kept == [runs[0], runs[0]]
    assert open_run(connection, theirs).info.run_id == runs[0]
    known = [each for each in records(connection) if each.tags["fingerprint"] == mine.fingerprint]
    assert [each.run_id for each in known] == [runs[0]]


def test_a_run_is_named_by_its_id_its_name_or_the_beginning_of_either(project, connection):
    first = open_run(connection, identity(project, seed=13))
    finish(connection, first.info.run_id, first.data.tags["fingerprint"])
    newest = open_run(connection, identity(project, seed=14))
    known = records(connection)
    assert known[0].run_id == newest.info.run_id
    for wanted in (first.info.run_id, first.info.run_id[:12], first.info.run_name,
                   first.info.run_name[:-1]):  # fmt: skip
        assert resolve(known, wanted).run_id == first.info.run_id
    assert resolve(known, "latest").run_id == first.info.run_id  # the newest is not finished
    with pytest.raises(TrackingError, match="There is no run 'zzz'"):
        resolve(known, "zzz")
    twice = [known[0], dataclasses.replace(known[0], run_id="other")]
    with pytest.raises(TrackingError, match="may be"):
        resolve(twice, known[0].name[:4])


def test_the_latest_is_the_run_of_the_outputs_at_hand(project, connection):
    ours, last = (open_run(connection, identity(project, seed=seed)).info for seed in (11, 12))
    for run in (ours, last):
        connection.client.set_terminated(run.run_id)
    known = records(connection)
    assert resolve(known, "latest").run_id == last.run_id
    assert resolve(known, "latest", "of another store").run_id == last.run_id
    assert resolve(known, "latest", ours.run_id).run_id == ours.run_id
    assert tracking.logged_last(project) is None
    made = {"run_id": ours.run_id, "name": ours.run_name, "fingerprint": "of other settings"}
    logged = project / ".dvc/tmp/dynamics/logged.json"
    write_json(logged, made | {"store": str(store_of(project))})
    assert meant(project, known, "latest").run_id == ours.run_id
    write_json(logged, made | {"store": "elsewhere"})
    assert meant(project, known, "latest").run_id == last.run_id


def test_a_run_has_its_parameters_data_and_environment(project, connection):
    run = open_run(connection, identity(project, seed=15))
    record = next(each for each in records(connection) if each.run_id == run.info.run_id)
    assert record.parameters == {"seed": "15", "train.epochs": "3", "train.dataset": "mnist"}
    assert record.tags["data.mnist.sha256"] == "a" * 64
    assert record.tags["processor"] in record.tags["environment"]
    assert [each.dataset.name for each in run.inputs.dataset_inputs] == ["MNIST"]


def test_tracking_can_be_off(project, monkeypatch, capsys):
    monkeypatch.setenv("DYNAMICS_TRACKING", "off")
    assert tracking.attempt(project, {}) is None
    assert "dynamics track" in capsys.readouterr().out
