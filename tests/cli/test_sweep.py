"""Experiments of a sweep that do not come to their end, with the real DVC and MLflow."""

import pytest

from deep_learning_dynamics.cli.repro import InterruptionError
from deep_learning_dynamics.cli.sweep import _here
from deep_learning_dynamics.tracking import connect, records, store_of

TRAINING = """
import sys
from pathlib import Path
from deep_learning_dynamics.tracking import connect, store_of
from deep_learning_dynamics.tracking.identity import identity_of
from deep_learning_dynamics.tracking.runs import open_run
open_run(connect(store_of(Path.cwd())), identity_of(Path.cwd(), {"seed": 1}))
sys.exit(int(sys.argv[1]))
"""


@pytest.mark.parametrize(("exit_status", "mark"), [(1, "FAILED"), (130, "KILLED")])
def test_the_run_of_an_experiment_that_ends_early_is_marked(
    tmp_path, monkeypatch, exit_status, mark
):
    for name in ("MLFLOW_TRACKING_URI", "DYNAMICS_TRACKING"):
        monkeypatch.delenv(name, raising=False)
    project = tmp_path / "project"
    project.mkdir()
    (project / "dvc.yaml").write_text(
        f"stages:\n  train: {{cmd: python train.py {exit_status}, params: [seed], outs: [x]}}\n"
    )
    (project / "params.yaml").write_text("seed: 0\n")
    (project / "train.py").write_text(TRAINING)
    (project / ".dvc").mkdir()
    (project / ".dvc/config").write_text("[core]\n    no_scm = True\n")
    ran = []
    try:
        ran += _here(project, {0: {"seed": 1}}, verbose=False)
    except InterruptionError:
        assert mark == "KILLED"
    assert [number for number, problem in ran if problem] == ([0] if mark == "FAILED" else [])
    (record,) = records(connect(store_of(project)))
    assert record.status == mark
