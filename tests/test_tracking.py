"""Runs in a real MLflow store (SQLite): complete, without duplicates, and honest about their end."""

import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import until
from project_folder import SCHEDULE, Project, finished_project, scores_at, write_figure

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics import tracking
from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.tracking import store_of
from deep_learning_dynamics.tracking.recorder import record
from deep_learning_dynamics.tracking.runs import find_run, networks_of
from deep_learning_dynamics.tracking.store import Connection, connect
from deep_learning_dynamics.trajectories import SCORES, Member

STEPS = SCHEDULE.steps.tolist()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory) -> Path:
    """An MLflow database without runs; making one takes seconds, copying it does not."""
    folder = tmp_path_factory.mktemp("empty")
    from mlflow import MlflowClient

    MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}").search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def project_folder(tmp_path, empty_database, monkeypatch) -> Callable[..., Project]:
    """Makes finished projects with an empty store each."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DYNAMICS_TRACKING", raising=False)

    def make(name: str = "project", **settings) -> Project:
        project = finished_project(tmp_path / name, **settings)
        (project.root / "mlruns").mkdir()
        shutil.copy(empty_database, project.root / "mlruns" / "mlflow.db")
        return project

    return make


@pytest.fixture
def project(project_folder) -> Project:
    return project_folder()


def connection_to(project: Project) -> Connection:
    return connect(store_of(project.root), 10)


def run_of(project: Project):
    return find_run(connection_to(project), tracking.fingerprint(project.root).whole)


def networks(project: Project) -> dict[Member, object]:
    return networks_of(connection_to(project), run_of(project).info.run_id)


def history(project: Project, member: Member, key: str) -> list[tuple[int, float]]:
    run = networks(project)[member]
    found = connection_to(project).client.get_metric_history(run.info.run_id, key)
    return sorted((metric.step, metric.value) for metric in found)


def expected(project: Project, phase: str, member: Member, score: str) -> list[tuple[int, float]]:
    members = project.members(phase)
    return [
        (step, float(getattr(scores_at(n, len(members)), score)[members.index(member)]))
        for n, step in enumerate(STEPS)
    ]


def artifacts_of(project: Project) -> set[str]:
    client, run_id = connection_to(project).client, run_of(project).info.run_id

    def files(folder: str) -> set[str]:
        found = client.list_artifacts(run_id, folder)
        return {f.path for f in found if not f.is_dir}.union(
            *(files(f.path) for f in found if f.is_dir)
        )

    return files("")


def lines(project: Project, phase: str, snapshots: int, status: str | None) -> list[str]:
    """What a training of ``snapshots`` snapshots tells its recorder."""
    members = project.members(phase)
    events = [
        {"root": str(project.root), "phase": phase, "members": [[m.arm, m.pair] for m in members]}
    ]
    for n, step in enumerate(STEPS[:snapshots]):
        scores = scores_at(n, len(members))
        events.append(
            {
                "step": step,
                "epoch": step / 4,
                "time": int(time.time() * 1000),
                "scores": {name: getattr(scores, name).tolist() for name in SCORES},
            }
        )
    if status is not None:
        events.append({"status": status})
    return [json.dumps(event) for event in events]


class TestFingerprint:
    def test_it_does_not_depend_on_how_settings_are_written(self, project):
        before = tracking.fingerprint(project.root)
        path = project.root / "params.yaml"
        text = path.read_text()
        assert "learning_rate: 0.1\n" in text
        path.write_text(
            "# a comment\n" + text.replace("learning_rate: 0.1\n", "learning_rate: 1e-1\n")
        )
        assert tracking.fingerprint(project.root) == before

    def test_a_parameter_changes_it(self, project_folder):
        one, other = project_folder("one"), project_folder("other", learning_rate=0.2)
        one, other = tracking.fingerprint(one.root), tracking.fingerprint(other.root)
        assert one.whole != other.whole
        assert one.parameters != other.parameters
        assert (one.code, one.data) == (other.code, other.data)

    def test_how_pictures_are_tested_changes_it(self, project):
        before = tracking.fingerprint(project.root)
        path = project.root / "params.yaml"
        nulls = project.params.trust.nulls
        path.write_text(path.read_text().replace(f"nulls: {nulls}", f"nulls: {nulls + 1}"))
        after = tracking.fingerprint(project.root)
        assert after.parameters != before.parameters
        assert (after.code, after.data) == (before.code, before.data)

    @pytest.mark.parametrize(
        "name",
        [
            "src/deep_learning_dynamics/training.py",
            "src/deep_learning_dynamics/page.js",
            "pipeline/train.py",
            "dvc.yaml",
        ],
    )
    def test_a_line_of_code_changes_it(self, project, name):
        (project.root / "src/deep_learning_dynamics/page.js").write_text("// code, too")
        before = tracking.fingerprint(project.root)
        with (project.root / name).open("a") as stream:
            stream.write("# another line\n")
        after = tracking.fingerprint(project.root)
        assert after.whole != before.whole
        assert after.code != before.code
        assert (after.parameters, after.data) == (before.parameters, before.data)

    def test_other_data_change_it_but_not_where_they_came_from(self, project):
        before = tracking.fingerprint(project.root)
        path = project.root / "data" / "mnist.json"
        entry = json.loads(path.read_text())
        path.write_text(json.dumps(entry | {"source": "download"}))
        assert tracking.fingerprint(project.root) == before
        path.write_text(json.dumps(entry | {"sha256": "0" * 64}))
        after = tracking.fingerprint(project.root)
        assert after.whole != before.whole
        assert after.data != before.data

    def test_what_is_not_part_of_an_experiment_leaves_it(self, project):
        before = tracking.fingerprint(project.root)
        (project.root / "README.md").write_text("words")
        write_figure(project.root / "figures" / "sheet" / "sheet.png", 9)
        assert tracking.fingerprint(project.root) == before

    def test_its_name_can_be_said(self):
        assert tracking.run_name("ab" * 32) == tracking.run_name("ab" * 32)
        assert tracking.run_name("ab" * 32) != tracking.run_name("ac" * 32)
        adjective, animal, number = tracking.run_name("ab" * 32).split("-")
        assert adjective.isalpha()
        assert animal.isalpha()
        assert len(number) == 3

    def test_data_that_are_not_there_yet_are_named(self, project):
        (project.root / "data" / "omniglot.json").unlink()
        with pytest.raises(
            TrackingError, match=r"omniglot\.json does not exist.*dvc repro fetch@omniglot"
        ):
            tracking.fingerprint(project.root)


class TestCompleteRun:
    def test_it_has_all_that_an_experiment_is_and_found(self, project):
        tracked = tracking.complete(project.root)
        run = run_of(project)
        assert run.info.run_id == tracked.run_id
        assert run.info.status == "FINISHED"
        assert (
            run.info.run_name
            == tracked.name
            == tracking.run_name(tracking.fingerprint(project.root).whole)
        )
        flat = parameters.flattened(project.params.model_dump(mode="json"))
        assert run.data.params.keys() == flat.keys()
        assert run.data.params["train.learning_rate"] == "0.1"
        assert run.data.params["network.hidden_layers"] == "[3, 3]"
        assert run.data.params["network.activation"] == "relu"
        assert run.data.params["track.biases"] == "false"
        metrics = run.data.metrics
        # scores_at: four networks, 0.3 at the last snapshot plus 0.01 for each network
        assert metrics["scratch.test_accuracy"] == pytest.approx(0.305)
        assert metrics["pretrained.test_accuracy"] == pytest.approx(0.325)
        assert metrics["scratch.test_accuracy_minimum"] == pytest.approx(0.30)
        assert metrics["pretrained.test_accuracy_maximum"] == pytest.approx(0.33)
        assert metrics["omniglot.chance"] == 0.033333
        assert metrics["pretrained.failed"] == 0
        assert metrics["pca.explained_variance"] == 0.75
        assert metrics["som.trustworthiness"] == 0.95
        assert (metrics["pca.rank"], metrics["som.rank"]) == (1, 2)
        assert (metrics["pca.score"], metrics["som.score"]) == (0.9, 0.8)
        assert run.data.tags["best_projector"] == tracked.findings.best_projector == "pca"
        assert run.data.params["trust.nulls"] == str(project.params.trust.nulls)
        assert metrics["seconds.train"] == 3.5
        assert "pca.rows" not in metrics
        tags = run.data.tags
        assert tags["data.omniglot"] == "OMNIGLOT"
        assert tags["stand_in"] == "false"
        assert tags["mlflow.source.git.commit"] == tags["code"] == "unknown"
        assert tags["version.torch"].startswith("2.")
        inputs = {i.dataset.name: i for i in run.inputs.dataset_inputs}
        assert inputs.keys() == {"MNIST", "OMNIGLOT"}
        assert tags["data.mnist.sha256"].startswith(inputs["MNIST"].dataset.digest)
        assert [tag.value for tag in inputs["OMNIGLOT"].tags] == ["pre-training"]

    def test_it_has_exactly_the_expected_files(self, project):
        tracking.complete(project.root)
        outputs = ["data", "metrics", "snapshots", "projections", "measures", "figures", "ranking"]
        outputs += ["report"]
        files = {
            p.relative_to(project.root).as_posix()
            for o in outputs
            for p in (project.root / o).rglob("*")
            if p.is_file()
        }
        assert len(files) > 50
        previews = {"preview/sheet.png", "preview/learning_curves.png"}
        assert artifacts_of(project) == files | previews | {"params.yaml", "dvc.yaml", "dvc.lock"}

    def test_what_an_earlier_experiment_left_behind_is_not_in_it(self, project):
        shutil.copytree(project.root / "projections" / "pca", project.root / "projections" / "umap")
        shutil.copytree(project.root / "figures" / "pca", project.root / "figures" / "umap")
        lock = project.root / "dvc.lock"
        with lock.open("a") as stream:
            for stage in ("track", "project@umap"):
                stream.write(f"  {stage}:\n    cmd: python pipeline/{stage}.py\n")
        (project.root / "timings" / "project-umap.json").write_text('{"seconds": 3}')
        tracked = tracking.complete(project.root)
        assert not [name for name in artifacts_of(project) if "umap" in name]
        assert not [name for name in run_of(project).data.metrics if "umap" in name]
        kept = (
            project.root / "mlruns" / "artifacts" / tracked.run_id / "artifacts" / "dvc.lock"
        ).read_text()
        assert "project@pca" in kept
        assert "fetch@mnist" in kept
        assert "track" not in kept
        assert "umap" not in kept

    def test_each_network_has_its_history(self, project):
        tracking.complete(project.root)
        runs = networks(project)
        assert set(runs) == set(project.members("train"))
        for member, run in runs.items():
            assert run.info.run_name == f"{member.arm} {member.pair}"
            assert run.info.status == "FINISHED"
            for score in SCORES:
                assert history(project, member, score) == expected(project, "train", member, score)
            assert history(project, member, "epoch") == [(step, step / 4) for step in STEPS]

    def test_pretraining_is_told_apart_in_the_same_networks(self, project):
        tracking.complete(project.root)
        for member in project.members("pretrain"):
            assert history(project, member, "omniglot_test_accuracy") == expected(
                project, "pretrain", member, "test_accuracy"
            )
        assert history(project, Member("scratch", 0), "omniglot_test_accuracy") == []

    def test_an_experiment_from_scratch_alone_needs_no_pretraining(self, project_folder):
        project = project_folder(arms=["scratch"])
        tracking.complete(project.root)
        assert set(networks(project)) == {Member("scratch", 0), Member("scratch", 1)}
        assert "omniglot.test_accuracy" not in run_of(project).data.metrics

    def test_a_failed_network_is_kept_and_flagged(self, project_folder):
        project = project_folder(failed="diverged")
        tracking.complete(project.root)
        last = networks(project)[project.members("train")[-1]]
        assert last.data.tags["failed"] == "diverged"
        assert last.info.status == "FINISHED"
        values = history(project, Member("pretrained", 1), "test_loss")
        assert [step for step, _ in values] == STEPS
        assert [math.isnan(value) for _, value in values] == [False, False, False, True]
        assert "failed" not in networks(project)[Member("scratch", 1)].data.tags

    def test_a_stand_in_is_not_hidden(self, project_folder):
        project = project_folder(stand_in=True)
        tracking.complete(project.root)
        tags = run_of(project).data.tags
        assert tags["stand_in"] == "true"
        assert tags["data.omniglot"] == "OMNIGLOT stand-in: glyphs"
        assert "OMNIGLOT stand-in: glyphs" in tags["mlflow.note.content"]

    def test_its_description_has_the_numbers_and_the_sheet(self, project):
        tracked = tracking.complete(project.root)
        text = run_of(project).data.tags["mlflow.note.content"]
        assert text.startswith(
            "Median test accuracy – MNIST, scratch: **30.5%** · MNIST, pretrained: **32.5%** · OMNIGLOT: **30.5%** (chance 3.3%)"
        )
        assert f"(get-artifact?run_uuid={tracked.run_id}&path=preview/sheet.png)" in text
        assert "| 1. pca | 0.90 | keeps distances (0.90) |\n| 2. som | 0.80 | keeps" in text
        assert "| pca | 0.900 | 0.950 | 0.800 | 0.750 |" in text
        assert "| som | 0.950 | 0.950 | 0.800 | – |" in text
        assert len(text) < 8000

    def test_the_pictures_in_its_description_are_no_wider_than_their_column(self, project):
        """MLflow's UI would cut off what is wider."""
        from PIL import Image

        wide = Image.new("RGB", (2400, 1200))
        wide.save(project.root / "figures" / "sheet" / "sheet.png")
        tracked = tracking.complete(project.root)
        preview = project.root / "mlruns/artifacts" / tracked.run_id / "artifacts/preview/sheet.png"
        with Image.open(preview) as picture:
            assert picture.size == (800, 400)

    def test_repeating_it_changes_nothing(self, project):
        tracking.complete(project.root)
        before = contents(project)
        tracking.complete(project.root)
        assert contents(project) == before

    def test_a_file_that_changed_is_replaced_and_no_other(self, project):
        tracked = tracking.complete(project.root)
        before = contents(project)[1]
        write_figure(project.root / "figures" / "sheet" / "sheet.png", 9)
        tracking.complete(project.root)
        after = contents(project)[1]
        changed = {name for name in after if after[name] != before[name]}
        assert {Path(name).name for name in changed} == {"sheet.png"}
        assert len(changed) == 2, "the sheet and its preview"
        copy = (
            project.root
            / "mlruns"
            / "artifacts"
            / tracked.run_id
            / "artifacts"
            / "figures"
            / "sheet"
            / "sheet.png"
        )
        assert copy.read_bytes() == (project.root / "figures" / "sheet" / "sheet.png").read_bytes()

    def test_a_file_lost_from_the_store_comes_back(self, project):
        tracked = tracking.complete(project.root)
        complete = artifacts_of(project)
        shutil.rmtree(
            project.root / "mlruns" / "artifacts" / tracked.run_id / "artifacts" / "figures" / "som"
        )
        assert artifacts_of(project) != complete
        tracking.complete(project.root)
        assert artifacts_of(project) == complete

    def test_two_experiments_are_two_runs(self, project_folder):
        one = project_folder("one")
        other = finished_project(one.root.parent / "other", learning_rate=0.2)
        shutil.move(one.root / "mlruns", other.root)
        tracking.complete(other.root)
        shutil.move(other.root / "mlruns", one.root)
        tracking.complete(one.root)
        found = connection_to(one).client.search_runs(["1"], "tags.fingerprint != ''")
        assert sorted(run.data.params["train.learning_rate"] for run in found) == ["0.1", "0.2"]

    @pytest.mark.parametrize(
        "name",
        [
            "figures/sheet",
            "metrics/train.json",
            "snapshots/train.zarr",
            "projections/som/quality.json",
            "ranking/ranking.json",
            "report",
        ],
    )
    def test_a_missing_output_is_named_and_the_run_does_not_look_finished(self, project, name):
        path = project.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        with pytest.raises(Exception, match=f"{Path(name).name} does not exist.*dvc repro"):
            tracking.complete(project.root)
        run = run_of(project)
        assert run is None or run.info.status == "RUNNING"


def contents(project: Project) -> tuple[list, dict[str, int]]:
    """All rows of the database, and when each file of the store was written."""
    with sqlite3.connect(project.root / "mlruns" / "mlflow.db") as database:
        tables = [
            name
            for (name,) in database.execute("select name from sqlite_master where type='table'")
        ]
        rows = [(t, sorted(map(repr, database.execute(f"select * from {t}")))) for t in tables]
    files = (project.root / "mlruns" / "artifacts").rglob("*")
    return rows, {str(p): p.stat().st_mtime_ns for p in files if p.is_file()}


class TestLive:
    def test_what_was_logged_live_is_not_logged_again(self, project):
        record(lines(project, "pretrain", 4, "RUNNING"))
        record(lines(project, "train", 2, "RUNNING"))
        assert run_of(project).info.status == "RUNNING"
        assert len(history(project, Member("scratch", 1), "test_loss")) == 2
        tracking.complete(project.root)
        assert run_of(project).info.status == "FINISHED"
        for member in project.members("train"):
            assert history(project, member, "test_loss") == expected(
                project, "train", member, "test_loss"
            )
        for member in project.members("pretrain"):
            assert history(project, member, "omniglot_test_loss") == expected(
                project, "pretrain", member, "test_loss"
            )

    def test_it_opens_the_run_with_its_parameters(self, project):
        done = record(lines(project, "pretrain", 1, "RUNNING"))
        assert (done.logged, done.problem) == (1, "")
        run = run_of(project)
        assert run.data.params["train.learning_rate"] == "0.1"
        assert run.info.status == "RUNNING"
        assert set(networks(project)) == set(project.members("pretrain"))

    @pytest.mark.parametrize(
        ("status", "left"), [("FAILED", "FAILED"), ("KILLED", "KILLED"), (None, "KILLED")]
    )
    def test_a_training_that_breaks_off_leaves_no_run_that_looks_finished(
        self, project, status, left
    ):
        record(lines(project, "train", 2, status))
        assert run_of(project).info.status == left
        assert {run.info.status for run in networks(project).values()} == {left}

    def test_a_training_that_is_repeated_continues_the_same_run(self, project):
        record(lines(project, "train", 3, None))
        first = run_of(project)
        record(lines(project, "train", 4, "RUNNING"))
        again = run_of(project)
        assert again.info.run_id == first.info.run_id
        assert again.info.status == "RUNNING"
        assert {run.info.status for run in networks(project).values()} == {"RUNNING"}
        for member in project.members("train"):
            assert history(project, member, "test_accuracy") == expected(
                project, "train", member, "test_accuracy"
            )

    def test_a_finished_run_stays_finished_when_its_training_is_repeated(self, project):
        tracking.complete(project.root)
        before = contents(project)
        record(lines(project, "train", 4, "RUNNING"))
        assert contents(project) == before

    def test_a_pipeline_that_stopped_later_can_be_marked(self, project):
        record(lines(project, "train", 4, "RUNNING"))
        tracking.mark(project.root, "FAILED")
        assert run_of(project).info.status == "FAILED"
        tracking.complete(project.root)
        tracking.mark(project.root, "FAILED")
        assert run_of(project).info.status == "FINISHED"

    def test_scores_reach_the_store_while_networks_train(self, project, capsys):
        members = project.members("train")
        tracking.prepare()
        with tracking.live(project.root, members, "train") as log:
            start = time.perf_counter()
            for n, step in enumerate(STEPS[:2]):
                log(step, step / 4, scores_at(n, len(members)))
            assert time.perf_counter() - start < 0.5
            until(
                lambda: (
                    run_of(project) is not None and len(history_or_none(project, members[0])) == 2
                )
            )
            for n, step in enumerate(STEPS[2:], start=2):
                log(step, step / 4, scores_at(n, len(members)))
        assert run_of(project).info.status == "RUNNING"
        for member in members:
            assert history(project, member, "test_accuracy") == expected(
                project, "train", member, "test_accuracy"
            )
        assert capsys.readouterr() == ("", "")

    def test_a_killed_training_leaves_its_run_marked(self, project):
        script = (
            "import sys, time; sys.path.insert(0, sys.argv[1])\n"
            "from pathlib import Path\n"
            "from project_folder import scores_at\n"
            "from deep_learning_dynamics import tracking\n"
            "from deep_learning_dynamics.trajectories import Member\n"
            "with tracking.live(Path(sys.argv[2]), [Member('scratch', 0)], 'train') as log:\n"
            "    log(0, 0.0, scores_at(0, 1))\n"
            "    print('training', flush=True)\n"
            "    time.sleep(60)\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(Path(__file__).parent), str(project.root)],
            stdout=subprocess.PIPE,
        )
        assert process.stdout.readline() == b"training\n"
        process.kill()
        process.wait()
        until(lambda: run_of(project) is not None and run_of(project).info.status == "KILLED")
        assert history(project, Member("scratch", 0), "test_loss") == [(0, 3.0)]

    def test_an_error_in_the_training_marks_the_run_and_goes_on_its_way(self, project):
        with (
            pytest.raises(ZeroDivisionError),
            tracking.live(project.root, project.members("train"), "train"),
        ):
            1 / 0  # noqa: B018
        assert run_of(project).info.status == "FAILED"

    def test_it_can_be_switched_off(self, project, monkeypatch, capsys):
        monkeypatch.setenv("DYNAMICS_TRACKING", "off")
        tracking.prepare()
        with tracking.live(project.root, project.members("train"), "train") as log:
            log(0, 0.0, scores_at(0, 4))
        assert run_of(project) is None
        assert capsys.readouterr().out == "DYNAMICS_TRACKING=off: train is not logged to MLflow.\n"

    def test_without_networks_there_is_nothing_to_log(self, project_folder):
        project = project_folder(arms=["scratch"])
        with tracking.live(project.root, [], "pretrain"):
            pass
        assert run_of(project) is None


def history_or_none(project: Project, member: Member) -> list:
    return history(project, member, "test_accuracy") if member in networks(project) else []


class TestStore:
    def test_it_lies_in_the_project_wherever_a_command_starts(self, project, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        tracking.complete(project.root)
        assert sorted(p.name for p in (project.root / "mlruns").iterdir()) == [
            ".lock",
            "artifacts",
            "mlflow.db",
        ]
        assert sorted(p.name for p in tmp_path.iterdir()) == ["project"]

    def test_a_name_that_needs_escaping_is_no_obstacle(self, project_folder):
        project = project_folder("a project, 100% #1")
        tracked = tracking.complete(project.root)
        assert (project.root / "mlruns" / "artifacts" / tracked.run_id).is_dir()
        assert "figures/sheet/sheet.png" in artifacts_of(project)

    def test_queued_experiments_of_dvc_use_the_projects_own(self, tmp_path, monkeypatch):
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store = store_of(tmp_path)
        assert store.uri == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
        assert store_of(tmp_path / ".dvc" / "tmp" / "exps" / "standalone" / "tmpx") == store
        assert store_of(tmp_path / "exps") != store

    def test_the_environment_chooses_another_and_passwords_are_not_shown(
        self, tmp_path, monkeypatch
    ):
        monkeypatch.setenv(
            "MLFLOW_TRACKING_URI", "postgresql://ada:secret@db.example.org:5432/runs"
        )
        store = store_of(tmp_path)
        assert not store.embedded
        assert str(store) == "postgresql://ada:***@db.example.org:5432/runs"
        assert store.artifacts == (tmp_path / "mlruns" / "artifacts").as_uri()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
        assert store_of(tmp_path).artifacts is None

    def test_a_store_out_of_reach_is_one_clear_error(self, project, monkeypatch, capfd):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        with pytest.raises(
            TrackingError,
            match=r"The MLflow store http://127\.0\.0\.1:9 cannot be used: nothing answers at that address",
        ):
            tracking.complete(project.root)
        done = record(lines(project, "train", 3, "RUNNING"))
        assert done.logged == 0
        assert done.received == 3
        assert "nothing answers" in done.problem
        assert capfd.readouterr().err == ""

    def test_a_broken_database_is_one_clear_error(self, project, capfd):
        (project.root / "mlruns" / "mlflow.db").write_bytes(b"not a database" * 1000)
        with pytest.raises(
            TrackingError, match=r"mlflow\.db cannot be used: .*file is not a database"
        ):
            tracking.complete(project.root)

    def test_a_deleted_experiment_says_how_to_restore_it(self, project):
        connection = connection_to(project)
        connection.client.delete_experiment(connection.experiment_id)
        with pytest.raises(
            TrackingError, match=r"is deleted.*mlflow experiments restore --experiment-id 1"
        ):
            connection_to(project)

    def test_pipelines_that_start_together_share_a_new_store(self, tmp_path):
        """Two of DVC's temporary copies; one database, one experiment, both runs complete."""
        script = (
            "import sys; from pathlib import Path; from deep_learning_dynamics import tracking\n"
            "tracking.complete(Path(sys.argv[1]))"
        )
        rates = {"one": 0.1, "two": 0.2}
        copies = [
            finished_project(tmp_path / ".dvc" / "tmp" / "exps" / name, learning_rate=rate)
            for name, rate in rates.items()
        ]
        environment = {
            k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "DYNAMICS_"))
        }
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", script, str(copy.root)],
                env=environment,
                stderr=subprocess.PIPE,
                text=True,
            )
            for copy in copies
        ]
        assert [(process.communicate()[1], process.returncode) for process in processes] == [
            ("", 0),
            ("", 0),
        ]
        for copy in copies:
            assert run_of(copy).info.status == "FINISHED"
            assert len(networks(copy)) == 4
        assert (
            len(connection_to(copies[0]).client.search_experiments()) == 2
        )  # ours and MLflow's Default


class TestGit:
    def test_a_commit_is_named_and_changes_since_then_are_told(self, project):
        def git(*arguments: str) -> str:
            identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
            return subprocess.run(
                ["git", *identity, *arguments],
                cwd=project.root,
                check=True,
                capture_output=True,
                text=True,
            ).stdout.strip()

        from deep_learning_dynamics.tracking.identity import commit_of

        git("init", "--quiet")
        assert commit_of(project.root) == ("unknown", "unknown")
        git("add", "dvc.yaml", "pipeline", "src")
        git("commit", "--quiet", "--message", "First")
        commit = git("rev-parse", "HEAD")
        assert commit_of(project.root) == (commit, "as committed")
        (project.root / "pipeline" / "train.py").write_text("x = 1\n")
        assert commit_of(project.root) == (commit, "differs from the commit")

    def test_another_repository_around_an_archive_is_not_its_commit(self, project):
        from deep_learning_dynamics.tracking.identity import commit_of

        subprocess.run(["git", "init", "--quiet"], cwd=project.root.parent, check=True)
        assert commit_of(project.root) == ("unknown", "unknown")


def test_scores_that_the_fixture_promises_are_in_its_store(project):
    """The tests above compare against scores_at: it must be what lies on disk."""
    from deep_learning_dynamics.trajectories import open_snapshots

    stored = open_snapshots(project.root / "snapshots" / "train.zarr")
    np.testing.assert_array_equal(
        stored["test_accuracy"].values[:, 2], scores_at(2, 4).test_accuracy
    )
    assert stored["step"].values.tolist() == STEPS == [0, 2, 4, 8]
