"""What happens in between: two commands at once, Ctrl-C, a server that is not there."""

import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from project import dynamics, in_process, runs_of, variables

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]
START = "from deep_learning_dynamics.cli import app; app()"


def states(folder):
    with sqlite3.connect(folder / "mlruns/mlflow.db", timeout=20) as database:
        return dict(database.execute("SELECT run_uuid, status FROM runs").fetchall())


def test_a_run_is_alone_interrupted_marked_and_continued(project):
    """And then the two runs are compared."""
    (first,) = states(project)
    process = subprocess.Popen(
        [sys.executable, "-c", START, "run", "-S", "seed=7", "-S", "train.learning_rate=0.05",
         "-S", "geometry.analyses=[]"],
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
    # The comments of params.yaml stay, and the file has what was set.
    assert "learning_rate: 0.05" in (project / "params.yaml").read_text()
    assert "# passes through the training set" in (project / "params.yaml").read_text()
    dynamics(project, "run")
    assert states(project) == {first: "FINISHED", second: "FINISHED"}
    with sqlite3.connect(project / "mlruns/mlflow.db") as database:
        points = database.execute(
            "SELECT key, step, count(*) FROM metrics WHERE run_uuid = ? GROUP BY key, step",
            [second],
        ).fetchall()
    assert points
    assert {count for *_, count in points} == {1}
    compare_puts_runs_side_by_side_and_in_one_plane(project)


def compare_puts_runs_side_by_side_and_in_one_plane(project):
    runs = runs_of(project)
    text = in_process(project, "compare", *(run["name"] for run in runs))
    assert re.search(r"train.learning_rate +0.05 +0.03", text)
    assert "path length, from scratch → " in text
    figure = Path(text.partition("figure: ")[2].strip())
    assert (project / figure).exists()
    outputs = yaml.safe_load((project / "dvc.yaml").read_text())["stages"]["measure"]["outs"]
    assert figure.parts[0] not in outputs  # what DVC keeps is not written into
    table = pd.read_parquet((project / figure).with_suffix(".parquet"))
    assert set(table["run"]) == {run["name"] for run in runs}
    # Runs are told apart by what differs between them.
    assert {"seed", "train.learning_rate"} <= set(runs[0]["differs"])
    assert "are one run" in in_process(project, "compare", "latest", runs[0]["id"][:8], status=1)


def test_without_a_server_the_work_is_done_and_logged_later(project):
    """Also where no network learns."""
    settings = ("network.activation=identity", "network.hidden_layers=[8, 8, 8, 8, 8]",
                "pretrain.learning_rate=1", "train.learning_rate=1")  # fmt: skip
    address = {"MLFLOW_TRACKING_URI": "http://me:secret@127.0.0.1:9"}
    text = dynamics(
        project, "run", *(word for each in settings for word in ("-S", each)), **address
    )
    assert "warning: not logged to MLflow: " in text
    assert "dynamics track" in text
    assert "secret" not in text
    assert len(states(project)) == 1
    assert "warning: There are 0 usable rows of weights" in text
    answer = "All 4 networks stopped learning or diverged"
    assert answer in text
    assert answer in (project / "report/index.html").read_text("utf-8")
    dynamics(project, "track")
    assert list(states(project).values()) == ["FINISHED", "FINISHED"]
    assert [run["complete"] for run in runs_of(project)] == [True, True]
