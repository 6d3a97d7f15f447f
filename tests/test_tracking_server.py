"""The same over HTTP: a real ``mlflow server`` with its own files, which goes away and comes back."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from project_folder import SCHEDULE, finished_project, scores_at

from deep_learning_dynamics import tracking
from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.tracking.runs import find_run, networks_of
from deep_learning_dynamics.tracking.store import connect, store_of
from deep_learning_dynamics.tracking.ui import free_port
from deep_learning_dynamics.trajectories import Member

STEPS = SCHEDULE.steps.tolist()


@contextmanager
def mlflow_server(folder: Path, port: int) -> Iterator[str]:
    """A shared server as people run one: it takes files over HTTP too."""
    folder.mkdir(exist_ok=True)
    environment = os.environ | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    environment = {
        k: v
        for k, v in environment.items()
        if k not in ("MLFLOW_TRACKING_URI", "PYTEST_CURRENT_TEST")
    }
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
                *("--host", "127.0.0.1", "--port", str(port)),
                *("--backend-store-uri", f"sqlite:///{folder / 'server.db'}"),
                *("--artifacts-destination", str(folder / "files")),
            ],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            process_group=0,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        end = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(f"{address}/health", timeout=5):
                    break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < end, "the server did not start"
                time.sleep(0.2)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_server_that_goes_away_costs_no_training_and_is_completed_later(
    tmp_path, monkeypatch, capsys
):
    project = finished_project(tmp_path / "project")
    members = project.members("train")
    port = free_port(None)
    monkeypatch.delenv("DYNAMICS_TRACKING", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    fingerprint = tracking.fingerprint(project.root).whole

    def runs():
        connection = connect(store_of(project.root), 10)
        run = find_run(connection, fingerprint)
        return connection, run, {} if run is None else networks_of(connection, run.info.run_id)

    with mlflow_server(tmp_path / "server", port):
        live = tracking.live(project.root, members, "train")
        log = live.__enter__()
        for n, step in enumerate(STEPS[:2]):
            log(step, step / 4, scores_at(n, len(members)))
        end = time.monotonic() + 60
        while True:
            _, run, networks = runs()
            if len(networks) == 4 and all(
                "test_loss" in each.data.metrics for each in networks.values()
            ):
                break
            assert time.monotonic() < end, "the scores did not reach the server"
            time.sleep(0.2)
        assert run.info.status == "RUNNING"

    for n, step in enumerate(STEPS[2:], start=2):  # the training goes on
        log(step, step / 4, scores_at(n, len(members)))
    start = time.monotonic()
    live.__exit__(None, None, None)
    assert time.monotonic() - start < 30
    warning = capsys.readouterr().err
    assert warning.startswith("warning: 2 of the 4 snapshots of train were not logged to MLflow. ")
    assert f"The MLflow store http://127.0.0.1:{port} cannot be used: nothing answers" in warning
    assert "the same command, or dynamics track, logs the rest" in warning
    assert warning.count("\n") == 2
    with pytest.raises(TrackingError, match="nothing answers at that address"):
        tracking.complete(project.root)

    with mlflow_server(tmp_path / "server", port):
        tracked = tracking.complete(project.root)
        connection, run, networks = runs()
        assert run.info.run_id == tracked.run_id
        assert run.info.status == "FINISHED"
        for index, member in enumerate(members):
            found = connection.client.get_metric_history(
                networks[member].info.run_id, "test_accuracy"
            )
            assert sorted((m.step, m.value) for m in found) == [
                (step, float(scores_at(n, 4).test_accuracy[index])) for n, step in enumerate(STEPS)
            ]
        assert networks[Member("scratch", 0)].data.metrics["test_loss"] == pytest.approx(2.7)
        assert run.inputs.dataset_inputs[0].dataset.name in ("MNIST", "OMNIGLOT")
        copies = tmp_path / "server" / "files" / "1" / tracked.run_id / "artifacts"
        sheet = Path("figures/sheet/sheet.png")
        assert (copies / sheet).read_bytes() == (project.root / sheet).read_bytes()
        assert (copies / "snapshots" / "train.zarr" / "zarr.json").exists()
        assert not (project.root / "mlruns").exists()
