"""Log settings, curves, page and figures as a run in MLflow."""

import os
from pathlib import Path

import mlflow
from ruamel.yaml import YAML

import deep_learning_dynamics as dld
from deep_learning_dynamics.inference import Comparisons
from deep_learning_dynamics.store import scores_table

os.environ.setdefault("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
scores = scores_table(dld.open("snapshots/runs.zarr"))
mlflow.set_experiment("own training")
with mlflow.start_run() as run:
    mlflow.set_tag("mlflow.note.content", Comparisons.load("comparisons").verdict.sentence)
    mlflow.log_params(YAML(typ="safe").load(Path("params.yaml")))
    medians = scores.groupby(["optimiser", "step"])["test_accuracy"].median()
    for (optimiser, step), accuracy in medians.items():
        mlflow.log_metric(f"test_accuracy/{optimiser}", accuracy, step=step)
    mlflow.log_artifact("report.html")
    mlflow.log_artifacts("figures", "figures")
print(f"run {run.info.run_name} in MLflow")
