"""Curves grow in MLflow while networks train, and training never waits for them."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_projects import PARAMETERS, small_project, wait_for

from deep_learning_dynamics import tracking
from deep_learning_dynamics.tracking import connect, log_live, mark, records, store_of
from deep_learning_dynamics.tracking.live import curves_locked

NETWORKS = pd.DataFrame(
    {
        "condition": ["scratch", "scratch", "scratch", "pretrained", "pretrained"],
        "dataset": "mnist",
        "twin": [False, False, True, False, False],
    }
)
SCORES = {"test_accuracy": np.zeros(5), "train_loss": np.full(5, np.nan)}
TRAINING = """
import sys, time, numpy as np
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_live import NETWORKS, PARAMETERS, SCORES, log_live
with log_live(Path(sys.argv[1]), PARAMETERS, NETWORKS) as log:
    for step in range(3):
        log(step, SCORES | {"test_accuracy": np.full(5, step / 10)})
    print("three", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def project(tmp_path, monkeypatch, empty_store):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DYNAMICS_TRACKING", raising=False)
    folder = small_project(tmp_path / "project")
    shutil.copytree(empty_store, folder / "mlruns")
    return folder


def only(project):
    with curves_locked(project):  # until the process beside the training has ended
        connection = connect(store_of(project))
    (record,) = records(connection)
    curves = {
        name: [(point.step, point.value)
               for point in connection.client.get_metric_history(record.run_id, name)]
        for name in record.metrics
    }  # fmt: skip
    return record, curves


def started(project):
    """Whether the process beside the training is at work, so that it can be waited for."""
    return records(connect(store_of(project)))


def test_a_curve_is_the_median_of_a_condition_without_twins(project):
    accuracy, nothing = np.array([0.1, 0.3, 0.9, 0.5, np.nan]), np.full(5, np.nan)
    with log_live(project, PARAMETERS, NETWORKS) as log:
        log(0, {"test_accuracy": accuracy, "train_loss": nothing, "epoch": accuracy})
        log(7, {"test_accuracy": accuracy + 0.1, "train_loss": nothing, "epoch": accuracy})
    wait_for(lambda: started(project))
    record, curves = only(project)
    assert curves == {
        "accuracy/scratch": [(0, 0.2), (7, pytest.approx(0.3))],
        "accuracy/pretrained": [(0, 0.5), (7, pytest.approx(0.6))],
    }
    assert record.status == "RUNNING"  # later stages belong to it


@pytest.mark.parametrize(("how", "status"), [(signal.SIGKILL, "KILLED"), (signal.SIGINT, "KILLED")])
def test_a_killed_training_leaves_its_whole_curve_and_a_mark(project, how, status):
    process = subprocess.Popen(
        [sys.executable, "-c", TRAINING, str(project), str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout.readline() == "three\n"
    process.send_signal(how)
    process.wait()
    process.stdout.close()
    wait_for(lambda: started(project))
    wait_for(lambda: only(project)[0].status == status)
    assert only(project)[1]["accuracy/scratch"] == [(0, 0.0), (1, 0.1), (2, 0.2)]


def test_a_server_that_is_not_there_costs_the_training_nothing(project, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    start = time.monotonic()
    with log_live(project, PARAMETERS, NETWORKS) as log:
        for step in range(1000):
            log(step, SCORES)
    assert time.monotonic() - start < 2


def test_what_a_working_copy_was_at_is_marked(project):
    with log_live(project, PARAMETERS, NETWORKS) as log:
        log(0, SCORES)
    wait_for(lambda: started(project))
    mark(project, "FAILED")
    assert only(project)[0].status == "FAILED"


def test_tracking_that_is_off_starts_nothing(project, monkeypatch):
    monkeypatch.setenv("DYNAMICS_TRACKING", "off")
    with log_live(project, PARAMETERS, NETWORKS) as log:
        log(0, SCORES)
    assert not (project / ".dvc").exists()
    assert tracking.is_off()
