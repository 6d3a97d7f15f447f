"""What happens in between: two commands at once, Ctrl-C, a server that is not there."""

import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from project import dynamics, variables

pytestmark = [pytest.mark.pipeline, pytest.mark.xdist_group("finished")]
START = "from deep_learning_dynamics.cli import app; app()"


def states(folder):
    with sqlite3.connect(folder / "mlruns/mlflow.db", timeout=20) as database:
        return dict(database.execute("SELECT run_uuid, status FROM runs").fetchall())


def test_a_run_is_alone_interrupted_marked_and_continued(project):
    (first,) = states(project)
    process = subprocess.Popen(
        [sys.executable, "-c", START, "run", "-S", "seed=7"],
        cwd=project, env=variables(), stdout=subprocess.DEVNULL, process_group=0,
    )  # fmt: skip
    end = time.monotonic() + 300
    while set(states(project).values()) != {"FINISHED", "RUNNING"}:
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.1)
    (second,) = states(project).keys() - {first}
    before = (project / "params.yaml").read_bytes()
    text = dynamics(project, "run", "-S", "figures.dpi=66", status=1)
    assert "expected to be alone" in text
    assert (project / "params.yaml").read_bytes() == before
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert states(project) == {first: "FINISHED", second: "KILLED"}
    assert "seed: 7" in (project / "params.yaml").read_text()
    dynamics(project, "run")
    assert states(project) == {first: "FINISHED", second: "FINISHED"}
    with sqlite3.connect(project / "mlruns/mlflow.db") as database:
        points = database.execute(
            "SELECT key, step, count(*) FROM metrics WHERE run_uuid = ? GROUP BY key, step",
            [second],
        ).fetchall()
    assert points
    assert {count for *_, count in points} == {1}


def test_without_a_server_the_work_is_done_and_logged_later(project):
    address = {"MLFLOW_TRACKING_URI": "http://me:secret@127.0.0.1:9"}
    text = dynamics(project, "run", "-S", "figures.dpi=52", **address)
    assert "warning: not logged to MLflow: " in text
    assert "dynamics track" in text
    assert "secret" not in text
    assert "report/index.html" in text
    assert len(states(project)) == 1
    dynamics(project, "track")
    assert list(states(project).values()) == ["FINISHED", "FINISHED"]
