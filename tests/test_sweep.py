"""Sweeps: every combination once, through DVC's real queue, into the project's own MLflow store."""

import os
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import ROOT, until
from project_copy import SMALL, ProjectCopy
from typer.testing import CliRunner

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.cli import app
from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.lab import experiment_queue, sweep_plan, sweeping
from deep_learning_dynamics.lab.experiment_queue import (
    ExperimentQueue,
    QueueError,
    worker_environment,
)
from deep_learning_dynamics.tracking.records import Record, records
from deep_learning_dynamics.tracking.store import connect, store_of

PATH = ROOT / "params.yaml"
TINY = SMALL | {
    "data.sources": ["embedded"],
    "project.methods": ["pca"],
    "train.arms": ["scratch"],
    "train.networks": 1,
    "train.epochs": 1,
}


@pytest.fixture(autouse=True)
def _usual_environment(monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "DYNAMICS_TRACKING", "DYNAMICS_DATASETS"):
        monkeypatch.delenv(name, raising=False)


def record(name="quiet-otter-042", status="FINISHED", metrics=None, **tags):
    tags = {f"fingerprint.{key}": value for key, value in tags.items()}
    return Record(
        "0" * 32, name, datetime(2026, 1, 2, tzinfo=UTC), status, {}, metrics or {}, tags, ""
    )


class TestPlan:
    def test_every_combination_is_there_once_and_the_last_key_changes_fastest(self):
        found = sweep_plan.combinations(PATH, {"train.learning_rate": [0.01, 0.1], "seed": [1, 2]})
        assert [str(each) for each in found] == [
            "train.learning_rate=0.01, seed=1",
            "train.learning_rate=0.01, seed=2",
            "train.learning_rate=0.1, seed=1",
            "train.learning_rate=0.1, seed=2",
        ]

    def test_values_that_mean_the_same_are_one_experiment(self):
        found = sweep_plan.combinations(PATH, {"train.learning_rate": [1, 1.0, 0.5]})
        assert len(found) == 2

    def test_each_mistake_is_told_once_in_the_words_of_the_file(self):
        with pytest.raises(ParamsError) as error:
            sweep_plan.combinations(PATH, {"train.epochs": [0, 1, -3], "seed": [1, 2]})
        assert str(error.value).splitlines() == [
            f"params.yaml with -S: train.epochs is {found}; expected a whole number from 1 to 10,000."
            for found in (0, -3)
        ]

    def test_the_same_sweep_has_the_same_name_in_any_order_and_with_other_code_another(
        self, tmp_path
    ):
        one = sweep_plan.combinations(PATH, {"plot.dpi": [100, 200], "seed": [1, 2]})
        other = sweep_plan.combinations(PATH, {"seed": [2, 1], "plot.dpi": [200, 100]})
        more = sweep_plan.combinations(PATH, {"seed": [2, 1, 3], "plot.dpi": [200, 100]})
        name = sweep_plan.plan(tmp_path, one, None).name
        assert sweep_plan.plan(tmp_path, other, None).name == name
        assert sweep_plan.plan(tmp_path, more, None).name != name
        (tmp_path / "dvc.yaml").write_text("stages: {}\n")
        assert sweep_plan.plan(tmp_path, one, None).name != name

    def test_a_run_counts_if_it_is_complete_and_of_these_parameters_code_and_data(self, tmp_path):
        [experiment] = sweep_plan.combinations(PATH, {"seed": [1]})
        sweep = sweep_plan.plan(tmp_path, (experiment,), "data")
        right = {"parameters": experiment.fingerprint, "code": sweep.code, "data": "data"}
        assert sweep.record_of(experiment, [record(**right)]) is not None
        for key in right:
            assert sweep.record_of(experiment, [record(**right | {key: "other"})]) is None
        assert sweep.record_of(experiment, [record(status="KILLED", **right)]) is None
        # Where the data is swept too, it is known only afterwards.
        unknown = sweep_plan.plan(tmp_path, (experiment,), None)
        assert unknown.record_of(experiment, [record(**right | {"data": "other"})]) is not None

    def test_the_table_has_a_line_for_each_experiment(self, tmp_path):
        first, second, third = sweep_plan.combinations(PATH, {"seed": [1, 2, 3]})
        progress = sweeping.Progress(sweep_plan.plan(tmp_path, (first, second, third), None))
        metrics = {"scratch.test_accuracy": 0.875, "pca.trustworthiness": 0.9}
        progress.records[first] = record(metrics=metrics)
        progress.failed[second] = "sweep-a-b-1-123456"
        assert [line.split("  ") for line in _squeezed(sweeping.table(progress))] == [
            ["seed", "run", "scratch", "pretrained", "best projection", "state"],
            ["1", "quiet-otter-042", "87.5%", "–", "pca", "complete"],
            ["2", "–", "–", "–", "–", "failed"],
            ["3", "–", "–", "–", "–", "not run"],
        ]


def _squeezed(text):
    lines = text.splitlines()
    while any("   " in line for line in lines):
        lines = [line.replace("   ", "  ") for line in lines]
    return lines


class TestEnvironmentOfWorkers:
    def test_stages_use_the_code_of_their_copy(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PYTHONPATH", "/elsewhere")
        assert worker_environment(tmp_path)["PYTHONPATH"] == f"src{os.pathsep}/elsewhere"

    def test_the_folder_of_datasets_is_named_absolutely(self, tmp_path, monkeypatch):
        root = tmp_path / "project"
        root.mkdir()
        assert "DYNAMICS_DATASETS" not in worker_environment(root)
        (root / "datasets").mkdir()  # with neither dataset a run in the project passes it over
        assert "DYNAMICS_DATASETS" not in worker_environment(root)
        (root / "datasets" / "mnist").mkdir()
        assert worker_environment(root)["DYNAMICS_DATASETS"] == str(root / "datasets")
        monkeypatch.setenv("DYNAMICS_DATASETS", "../mine")
        assert Path(worker_environment(root)["DYNAMICS_DATASETS"]).resolve() == tmp_path / "mine"

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("sqlite:////var/runs.db", "sqlite:////var/runs.db"),
            ("sqlite:///runs.db", "sqlite:///{root}/runs.db"),
            ("runs", "{root}/runs"),
            ("postgresql://user@host/runs", "postgresql://user@host/runs"),
        ],
    )
    def test_a_store_is_the_same_from_everywhere(self, tmp_path, monkeypatch, given, expected):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
        found = worker_environment(tmp_path)["MLFLOW_TRACKING_URI"]
        assert found == expected.format(root=tmp_path)


class TestRefused:
    @pytest.fixture
    def copy(self, tmp_path, monkeypatch):
        copy = ProjectCopy.make(tmp_path / "project", git=False)
        monkeypatch.chdir(copy.folder)
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
        return copy

    @staticmethod
    def sweep(*arguments):
        return CliRunner().invoke(app, ["sweep", *arguments])

    def test_without_git_or_a_commit_it_says_what_to_do(self, copy):
        assert "is in no git commit; expected one" in self.sweep("-S", "seed=1,2").stderr
        copy.run("git", "init", "--quiet")
        result = self.sweep("-S", "seed=1,2")
        assert result.exit_code == 1
        assert "git init && git add . && git commit" in result.stderr

    def test_code_that_git_does_not_know_would_be_missing_in_the_copies(self, copy):
        copy.run("git", "init", "--quiet")
        copy.commit("the project")
        (copy.folder / "src" / "deep_learning_dynamics" / "new.py").write_text("\n")
        result = self.sweep("-S", "seed=1,2")
        assert result.exit_code == 1
        assert "git add src/deep_learning_dynamics/new.py" in result.stderr

    def test_dvc_is_told_when_git_came_after_it(self, copy):
        copy.run("dvc", "config", "--local", "core.no_scm", "true")
        copy.run("git", "init", "--quiet")
        copy.commit("the project")
        (copy.folder / "pipeline" / "new.py").write_text("\n")  # ends it before it fetches
        result = self.sweep("-S", "seed=1,2")
        assert "git is here now" in result.stdout
        assert copy.run("dvc", "config", "core.no_scm").output.strip() != "true"

    def test_switched_off_tracking_is_told(self, copy, monkeypatch):
        monkeypatch.setenv("DYNAMICS_TRACKING", "off")
        assert "DYNAMICS_TRACKING is off" in self.sweep("-S", "seed=1,2").stderr

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "Missing option"),
            (["-S", "seed=1,-2"], "seed is -2; expected a whole number from 0"),
            (["-S", "seeds=1,2"], "seeds = 1 is not a known key. Did you mean seed?"),
            (["-S", "seed"], "expected KEY=VALUE"),
            (["-S", "seed=1", "--jobs", "0"], "--jobs"),
        ],
    )
    def test_a_mistake_ends_with_2_before_anything_changes(self, copy, arguments, message):
        before = sorted(copy.folder.rglob("*"))
        result = self.sweep(*arguments)
        assert (result.exit_code, message in result.stderr) == (2, True), result.stderr
        assert sorted(copy.folder.rglob("*")) == before


@pytest.fixture(scope="module")
def queued(tmp_path_factory):
    """A small project in git with an uncommitted change, and its queue."""
    copy = ProjectCopy.make(tmp_path_factory.mktemp("queue") / "project")
    copy.change({"seed": 7})
    return copy, ExperimentQueue(copy.folder)


class TestQueue:
    """DVC itself, with nothing run."""

    def test_what_is_added_waits_with_its_values_and_the_workspace_stays(self, queued):
        copy, queue = queued
        before = copy.run("git", "status", "--porcelain").output
        text = (copy.folder / "params.yaml").read_text()
        wanted = {
            "one": {"train.learning_rate": "1e-05", "network.hidden_layers": "[4, 4]"},
            "two": {"track.layers": "[2, 3]", "data.omniglot": "{target: character}"},
        }
        assert list(queue.add(wanted)) == ["one", "two"]
        assert queue.states() == {"one": "Queued", "two": "Queued"}
        assert queue.taken() == {"one", "two"}
        assert (copy.folder / "params.yaml").read_text() == text
        assert copy.run("git", "status", "--porcelain").output == before
        entries = {e.name: e.stash_rev for e in queue._repo.experiments.celery_queue.iter_queued()}
        found = {}
        for name, revision in entries.items():
            path = copy.folder.parent / f"{name}.yaml"
            path.write_text(copy.run("git", "show", f"{revision}:params.yaml").output)
            found[name] = parameters.load(path)
        assert {params.seed for params in found.values()} == {7}
        assert found["one"].train.learning_rate == 1e-05
        assert found["one"].network.hidden_layers == (4, 4)
        assert found["two"].track.layers == (2, 3)
        assert found["two"].data.omniglot.target == "character"

    def test_what_is_taken_back_is_gone(self, queued):
        _, queue = queued
        list(queue.add({"three": {"seed": "1"}}))
        queue.remove(["three"])
        assert "three" not in queue.states()
        assert queue.workers() == []

    def test_what_dvc_refuses_is_told_in_its_words(self, queued):
        _, queue = queued
        with pytest.raises(QueueError, match=r"dvc exp run --queue --name a b .* failed: ERROR"):
            list(queue.add({"a b": {"seed": "1"}}))

    def test_an_interrupted_queueing_ends_with_the_experiment_that_it_is_at(self, queued):
        copy, queue = queued
        text = (copy.folder / "params.yaml").read_text()
        adding = queue.add({f"many-{n}": {"seed": str(n)} for n in range(50)})
        next(adding)
        with pytest.raises(KeyboardInterrupt):
            adding.throw(KeyboardInterrupt)
        assert (copy.folder / "params.yaml").read_text() == text
        assert 1 <= len([name for name in queue.states() if name.startswith("many")]) <= 2
        assert copy.run("git", "stash", "list").output == ""


def runs_of(root: Path) -> list[Record]:
    return records(connect(store_of(root), 10))


def is_complete(root: Path, run: Record) -> bool:
    """With every network, each with its whole learning curve, and with every kind of file."""
    connection = connect(store_of(root), 10)
    client = connection.client
    children = client.search_runs(
        [connection.experiment_id], f"tags.`mlflow.parentRunId` = '{run.run_id}'"
    )
    networks = int(run.parameters["train.networks"])
    steps = 6 + 4 * (int(run.parameters["train.epochs"]) - 1) + 1
    histories = [client.get_metric_history(c.info.run_id, "test_accuracy") for c in children]
    files = {entry.path for entry in client.list_artifacts(run.run_id)}
    return (
        run.complete
        and len(children) == networks
        and all(child.info.status == "FINISHED" for child in children)
        and all(len({p.step for p in h}) == len(h) == steps for h in histories)
        and {"scratch.test_accuracy", "pca.trustworthiness"} <= run.metrics.keys()
        and {"params.yaml", "dvc.lock", "snapshots", "projections", "figures", "metrics"} <= files
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    copy = ProjectCopy.make(tmp_path_factory.mktemp("sweep") / "project")
    copy.change(TINY)
    copy.commit("small")
    copy.change({"train.probes": 12})  # not committed, and part of the experiments all the same
    return copy


@pytest.mark.pipeline
@pytest.mark.timeout(1800)
class TestSweep:
    """The whole of it; the tests go on where the one before them left the project."""

    def test_four_at_once_lose_nothing_and_change_nothing_here(self, project):
        text = (project.folder / "params.yaml").read_text()
        outcome = project.run(
            "dynamics", "sweep", "-S", "train.learning_rate=0.01,0.1", "-S", "seed=1,2", "-j", "4",
            timeout=900,
        )  # fmt: skip
        assert outcome.status == 0, outcome.output
        runs = runs_of(project.folder)
        assert len(runs) == 4
        assert all(is_complete(project.folder, run) for run in runs)
        swept = {(run.parameters["train.learning_rate"], run.parameters["seed"]) for run in runs}
        assert swept == {("0.01", "1"), ("0.01", "2"), ("0.1", "1"), ("0.1", "2")}
        assert {run.parameters["train.probes"] for run in runs} == {"12"}
        [name] = {run.tags["sweep"] for run in runs}
        assert f"{name}: 4 experiments, 4 to run" in outcome.output
        for run in runs:
            assert run.name in outcome.output
        commit = project.run("git", "rev-parse", "HEAD").output.strip()
        assert {run.tags["mlflow.source.git.commit"] for run in runs} == {commit}
        assert {run.tags["code"] for run in runs} == {"as committed"}
        assert (project.folder / "params.yaml").read_text() == text
        assert project.run("git", "stash", "list").output == ""
        assert not (project.folder / "snapshots").exists()

    def test_asked_for_again_nothing_runs_and_the_table_is_the_same(self, project):
        outcome = project.run(
            "dynamics", "sweep", "-S", "seed=2,1", "-S", "train.learning_rate=0.1,0.01"
        )
        assert outcome.status == 0, outcome.output
        assert "4 experiments, 0 to run" in outcome.output
        assert outcome.output.count("complete") == 4
        assert len(runs_of(project.folder)) == 4

    def test_their_results_are_in_the_projects_own_cache(self, project):
        project.change({"seed": 2, "train.learning_rate": 0.1})
        outcome = project.repro()
        assert outcome.status == 0, outcome.output
        # The report shows the text of params.yaml, which DVC writes a little otherwise than we do.
        assert set(outcome.stages) <= {"check", "report", "track"}
        assert (project.folder / "snapshots" / "train.zarr").exists()
        assert len(runs_of(project.folder)) == 4

    def test_interrupted_it_stops_what_runs_and_continues_when_asked_for_again(self, project):
        before = len(runs_of(project.folder))
        command = ("dynamics", "sweep", "-S", "train.epochs=1,120", "-S", "seed=3,4", "-j", "2")
        process = subprocess.Popen(
            command,
            cwd=project.folder,
            env=project.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        lines = []
        while "1/4" not in "".join(lines):  # one is complete, and another runs
            lines.append(process.stdout.readline())
            assert lines[-1], "".join(lines)
        time.sleep(1)
        os.killpg(process.pid, signal.SIGINT)
        output = "".join(lines) + process.communicate(timeout=180)[0]
        assert process.returncode == 130, output
        assert "error: interrupted; the same command continues" in output
        queue = ExperimentQueue(project.folder)
        assert queue.workers() == []
        assert not set(queue.states().values()) & set(experiment_queue.PENDING)
        statuses = [run.status for run in runs_of(project.folder)]
        assert set(statuses) <= {"FINISHED", "KILLED"}
        complete = statuses.count("FINISHED") - before
        assert 1 <= complete < 4
        assert project.run("git", "stash", "list").output == ""

        outcome = project.run(*command, timeout=900)
        assert outcome.status == 0, outcome.output
        assert f"4 experiments, {4 - complete} to run" in outcome.output
        runs = runs_of(project.folder)
        assert len(runs) == before + 4
        assert all(is_complete(project.folder, run) for run in runs)

    def test_workers_that_an_earlier_sweep_left_are_ended_before_the_next(self, project):
        queue = ExperimentQueue(project.folder)
        queue.end_idle()
        queue.start(2)
        until(lambda: len(queue.workers()) == 2, 60)
        queue.states = lambda: {"one": "Success", "two": "Running"}
        queue.end_idle()
        assert len(queue.workers()) == 2  # one of them has something to do
        queue.states = lambda: {"one": "Success", "two": "Failed"}
        queue.end_idle()
        assert queue.workers() == []

    def test_a_killed_worker_costs_what_it_was_at_and_a_second_call_makes_up_for_it(self, project):
        before = len(runs_of(project.folder))
        command = ("dynamics", "sweep", "-S", "seed=7,8", "-S", "train.epochs=1", "-j", "1")
        process = subprocess.Popen(
            command,
            cwd=project.folder,
            env=project.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        queue = ExperimentQueue(project.folder)
        until(lambda: "Running" in queue.states().values() and queue.workers(), 180)
        time.sleep(3)  # into its stages
        [worker] = queue.workers()
        for pid in [*experiment_queue._group(worker), worker]:
            experiment_queue._send(pid, signal.SIGKILL)
        output = process.communicate(timeout=600)[0]
        assert process.returncode == 1, output
        assert "1 of 2 experiments failed; see what one said with: dvc queue logs" in output
        assert len([run for run in runs_of(project.folder) if run.complete]) == before + 1

        outcome = project.run(*command, timeout=900)
        assert outcome.status == 0, outcome.output
        assert "2 experiments, 1 to run" in outcome.output
        runs = [run for run in runs_of(project.folder) if run.parameters["seed"] in "78"]
        assert sorted(run.parameters["seed"] for run in runs) == ["7", "8"]
        assert all(is_complete(project.folder, run) for run in runs)

    def test_a_failed_one_is_named_and_the_others_are_kept(self, project):
        # Uncommitted code: what runs is the code of the copy.
        stage = project.folder / "pipeline" / "curves.py"
        stage.write_text(
            stage.read_text().replace(
                "def main(params: Params) -> None:\n",
                "def main(params: Params) -> None:\n    assert params.seed != 6, 'six fails'\n",
            )
        )
        outcome = project.run("dynamics", "sweep", "-S", "seed=5,6", "-j", "2", timeout=900)
        assert outcome.status == 1, outcome.output
        assert "1 of 2 experiments failed" in outcome.output
        name = outcome.output.rsplit("dvc queue logs ", 1)[1].split()[0]
        assert "six fails" in project.run("dvc", "queue", "logs", name).output
        assert any(
            run.complete and run.parameters["seed"] == "5" for run in runs_of(project.folder)
        )
