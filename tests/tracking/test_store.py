"""Where runs are kept: addresses, passwords, stores that are made, moved and copied."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_projects import identity, small_project, wait_for

from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.tracking import connect, records, store_of
from deep_learning_dynamics.tracking.runs import finish, open_run
from deep_learning_dynamics.tracking.store import unusable

CONNECT = (
    "import sys; from pathlib import Path; from deep_learning_dynamics.tracking import *;"
    "connect(store_of(Path(sys.argv[1])))"
)


@pytest.fixture(autouse=True)
def no_address(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def folder(tmp_path):
    return small_project(tmp_path / "project")


def test_a_copy_in_which_dvc_computes_uses_the_projects_own_store(folder):
    copy = folder / ".dvc/tmp/exps/tmp123"
    assert store_of(copy) == store_of(folder)
    assert store_of(folder).database == folder / "mlruns/mlflow.db"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("sqlite:///my.db", "sqlite:///{root}/my.db"),
        ("sqlite:////elsewhere/my.db", "sqlite:////elsewhere/my.db"),
        ("runs", "file://{root}/runs"),
        ("file:runs", "file://{root}/runs"),
        ("http://host:5000", "http://host:5000"),
        ("http://me:secret@host:5000/path", "http://host:5000/path"),
    ],
)
def test_an_address_is_relative_to_the_project_and_without_password(
    folder, monkeypatch, given, expected
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    monkeypatch.chdir(folder / "data")
    assert store_of(folder).uri == expected.format(root=folder)


def test_no_password_is_shown(folder, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:se%40cret@host/runs")
    store = store_of(folder)
    error = unusable(store, f"cannot connect to {store.uri}; tried the password se@cret")
    assert "cret" not in f"{error} {store}"
    assert "me:***@host" in str(store)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@nowhere.invalid:1")
    with pytest.raises(TrackingError) as error:
        connect(store_of(folder))
    assert "secret" not in str(error.value)


def test_what_is_no_address_is_refused_without_repeating_it(folder, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@host:port")
    with pytest.raises(TrackingError, match="no address") as error:
        store_of(folder)
    assert "secret" not in str(error.value)


def test_no_store_is_made_by_looking(folder):
    assert connect(store_of(folder), create=False) is None
    assert not (folder / "mlruns").exists()


def test_a_kill_while_the_store_is_made_leaves_none_or_a_whole_one(folder):
    process = subprocess.Popen([sys.executable, "-c", CONNECT, str(folder)])
    wait_for(lambda: any((folder / "mlruns").glob(".mlflow.db.*")))
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "mlruns/mlflow.db").exists()
    assert records(connect(store_of(folder))) == []
    assert not list((folder / "mlruns").glob(".mlflow.db.*"))


def test_projects_that_make_one_store_at_once_all_get_it(tmp_path):
    projects = [small_project(tmp_path / name) for name in ("one", "two")]
    address = f"sqlite:///{tmp_path}/shared.db"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CONNECT, str(project)],
            env=os.environ | {"MLFLOW_TRACKING_URI": address},
        )
        for project in projects
    ]
    assert [process.wait() for process in processes] == [0, 0]


@pytest.fixture
def with_store(folder, empty_store):
    """A project with a store."""
    shutil.copytree(empty_store, folder / "mlruns")
    return folder


@pytest.fixture
def with_run(with_store):
    """A project with a run that has a file."""
    folder = with_store
    connection = connect(store_of(folder))
    run = open_run(connection, identity(folder))
    connection.client.log_text(run.info.run_id, "first", "words.txt")
    finish(connection, run.info.run_id, run.data.tags["fingerprint"])
    return folder


def test_a_copied_project_has_its_own_files(with_run, tmp_path):
    copy = Path(shutil.copytree(with_run, tmp_path / "copy"))
    # In a process of its own, as MLflow remembers by their ids where runs have their files.
    write = (
        "import sys; from pathlib import Path; from deep_learning_dynamics.tracking import *;"
        "connection = connect(store_of(Path(sys.argv[1]))); (record,) = records(connection);"
        "connection.client.log_text(record.run_id, 'second', 'words.txt')"
    )
    done = subprocess.run([sys.executable, "-c", write, str(copy)], capture_output=True, text=True)
    assert (done.returncode, "moved or copied" in done.stderr) == (0, True)
    words = [next(each.glob("mlruns/artifacts/*/artifacts/words.txt")).read_text()
             for each in (with_run, copy)]  # fmt: skip
    assert words == ["first", "second"]
    (original,) = records(connect(store_of(with_run)))
    assert original.artifacts.startswith(with_run.as_uri())


def test_a_moved_project_finds_its_files_and_leaves_nothing_where_it_was(with_run, tmp_path):
    moved = Path(shutil.move(with_run, tmp_path / "moved"))
    connection = connect(store_of(moved))
    (record,) = records(connection)
    path = connection.client.download_artifacts(record.run_id, "words.txt")
    assert Path(path).read_text() == "first"
    open_run(connection, identity(moved, seed=1))
    assert not with_run.exists()


def test_a_place_that_somebody_chose_stays(with_store):
    folder = with_store
    connection = connect(store_of(folder))
    database = folder / "mlruns/mlflow.db"
    with sqlite3.connect(database) as raw:
        raw.execute("UPDATE experiments SET artifact_location = 's3://bucket/runs'")
    connect(store_of(folder))
    with sqlite3.connect(database) as raw:
        found = raw.execute("SELECT artifact_location FROM experiments WHERE experiment_id = ?",
                            (connection.experiment_id,))  # fmt: skip
        assert found.fetchone() == ("s3://bucket/runs",)


def test_a_slow_server_is_given_more_time_and_a_slow_database_is_no_server(monkeypatch, tmp_path):
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)  # as before MLflow's import
    for address, slow in (("http://somewhere:5000", True), ("postgresql://somewhere/runs", False)):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        message = str(unusable(store_of(tmp_path), "the proxy: connection timed out"))
        assert ("MLFLOW_HTTP_REQUEST_TIMEOUT=60" in message) == slow
