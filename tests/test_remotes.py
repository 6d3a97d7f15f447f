"""Results on another machine: through a DVC remote, and through a server that goes away."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from project_copy import SMALL, ProjectCopy
from test_tracking_server import mlflow_server

from deep_learning_dynamics.tracking import EXPERIMENT
from deep_learning_dynamics.tracking.ui import free_port

pytestmark = pytest.mark.pipeline

QUICK = SMALL | {"data.sources": ["embedded"], "project.methods": ["pca"], "train.epochs": 1}


def project_in(folder) -> ProjectCopy:
    copy = ProjectCopy.make(folder)
    copy.change(QUICK)
    copy.commit("small")
    return copy


def runs_of(uri):
    """The experiments' runs and those of their networks, by name."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    found = client.search_runs([experiment.experiment_id])
    return client, {run.info.run_name: run for run in found}


def embedded(project: ProjectCopy) -> str:
    return f"sqlite:///{project.folder}/mlruns/mlflow.db"


def test_a_clone_elsewhere_pulls_everything_and_fills_an_empty_server(tmp_path):
    one = project_in(tmp_path / "one")
    assert (
        one.run("dvc", "remote", "add", "--default", "shared", str(tmp_path / "remote")).status == 0
    )
    assert one.repro().status == 0
    one.commit("what came out")
    pushed = one.run("dvc", "push")
    assert pushed.status == 0, pushed.output

    cloned = one.run("git", "clone", "--quiet", str(one.folder), str(tmp_path / "two"))
    assert cloned.status == 0, cloned.output
    two = ProjectCopy(tmp_path / "two")
    assert not (two.folder / "figures").exists()
    pulled = two.run("dvc", "pull")
    assert pulled.status == 0, pulled.output
    again = two.repro()
    assert again.status == 0
    assert again.stages == []

    port = free_port(None)
    with mlflow_server(tmp_path / "server", port) as address:
        here = {"MLFLOW_TRACKING_URI": address}
        tracked = two.run("dynamics", "track", **here)
        assert tracked.status == 0, tracked.output
        _, original = runs_of(embedded(one))
        _, copied = runs_of(address)
        assert copied.keys() == original.keys()
        for name, run in copied.items():
            assert run.info.status == "FINISHED"
            assert run.data.metrics == original[name].data.metrics
            assert run.data.params == original[name].data.params
        shown = two.run(
            "dynamics", "show", "latest", DISPLAY="", WAYLAND_DISPLAY="", BROWSER="", **here
        )
        assert shown.status == 0, shown.output
        report = (one.folder / "report" / "index.html").read_bytes()
        assert Path(shown.output.strip()).read_bytes() == report
        [listed] = [
            line
            for line in two.run("dynamics", "list", **here).output.splitlines()
            if "complete" in line
        ]
        assert any(name in listed for name in original)


def test_a_server_that_goes_away_in_the_middle_costs_no_work(tmp_path):
    project = project_in(tmp_path / "project")
    port = free_port(None)
    here = {
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    }
    with (tmp_path / "said").open("w") as said, mlflow_server(tmp_path / "server", port):
        process = subprocess.Popen(
            ["dynamics", "run"],
            cwd=project.folder,
            env=project.environment(**here),
            stdout=said,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        end = time.monotonic() + 200
        while not (project.folder / "snapshots" / "train.zarr").exists():
            assert process.poll() is None, (tmp_path / "said").read_text()
            if time.monotonic() > end:
                os.killpg(process.pid, signal.SIGKILL)
                pytest.fail("training took too long")
            time.sleep(0.1)
    assert process.wait(timeout=300) == 1
    text = (tmp_path / "said").read_text()
    assert f"The MLflow store http://127.0.0.1:{port} cannot be used: nothing answers" in text
    assert "Traceback" not in text
    # Every stage but the last has done its work.
    assert (project.folder / "figures" / "sheet" / "sheet.png").exists()
    assert not (project.folder / "mlruns" / "mlflow.db").exists()

    with mlflow_server(tmp_path / "server", port) as address:
        completed = project.run("dynamics", "track", **here)
        assert completed.status == 0, completed.output
        client, runs = runs_of(address)
        assert {run.info.status for run in runs.values()} == {"FINISHED"}
        assert len(runs) == 5  # and 2 pairs of networks
        for run in runs.values():
            if "arm" in run.data.tags:
                history = client.get_metric_history(run.info.run_id, "test_accuracy")
                assert len(history) == 7
