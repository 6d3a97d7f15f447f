"""Runs read back from a real MLflow store: which one is meant, and what the list says of each."""

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from recorded_runs import recorded
from typer.testing import CliRunner

from deep_learning_dynamics.cli import app
from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.lab.defaults import defaults_of
from deep_learning_dynamics.tracking.records import Record, records, resolve


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield recorded(
            tmp_path_factory.mktemp("runs"),
            {},
            {"learning_rate": 0.03},
            {"methods": ("pca",), "arms": ("scratch",)},
            monkeypatch=patch,
        )


@pytest.fixture
def listed(runs, monkeypatch):
    """What ``dynamics list`` prints in the first project."""

    def run(*arguments: str) -> str:
        monkeypatch.chdir(runs.projects[0].root)
        result = CliRunner().invoke(app, ["list", *arguments])
        assert result.exit_code == 0, result.output
        return result.output

    return run


def a_record(run_id: str, name: str, **changes) -> Record:
    when = datetime(2026, 1, 2, tzinfo=UTC)
    return replace(Record(run_id, name, when, "FINISHED", {}, {}, {}, ""), **changes)


KNOWN = [
    a_record("abc111", "quiet-otter-042"),
    a_record("abd222", "brave-cat-001"),
    a_record("0aa333", "brave-cat-001"),
    a_record("deadbe", "abc"),
]


class TestResolve:
    @pytest.mark.parametrize(
        ("wanted", "run_id"),
        [
            ("abc111", "abc111"),
            ("abd", "abd222"),
            ("ABD", "abd222"),
            ("quiet-otter-042", "quiet-otter-042"),
            ("0", "0aa333"),
            ("latest", "abc111"),
            ("abc", "deadbe"),  # a whole name before the beginning of an id
        ],
    )
    def test_an_id_its_beginning_a_name_or_latest_is_understood(self, wanted, run_id):
        assert run_id in (resolve(KNOWN, wanted).run_id, resolve(KNOWN, wanted).name)

    def test_what_may_be_several_names_them(self):
        with pytest.raises(TrackingError, match=r"'ab' may be .*abc111.*abd222.*Give more of its"):
            resolve(KNOWN, "ab")
        with pytest.raises(TrackingError, match=r"'brave-cat-001' may be .*abd222.*0aa333"):
            resolve(KNOWN, "brave-cat-001")

    @pytest.mark.parametrize("wanted", ["nobody", "", "abc1112"])
    def test_what_is_none_says_so(self, wanted):
        with pytest.raises(TrackingError, match=r"There is no run .*dynamics list shows the 4"):
            resolve(KNOWN, wanted)

    def test_without_any_run_it_says_how_to_make_one(self):
        with pytest.raises(TrackingError, match=r"no runs .* yet.*dynamics run"):
            resolve([], "latest")


class TestRecords:
    def test_experiments_come_newest_first_without_their_networks(self, runs):
        rates = [record.parameters["train.learning_rate"] for record in runs.records]
        assert rates == ["0.1", "0.03", "0.1"]

    def test_one_search_is_enough(self, runs, monkeypatch):
        client, asked = runs.connection.client, []
        search = client.search_runs
        monkeypatch.setattr(
            client, "search_runs", lambda *a, **k: asked.append(1) or search(*a, **k)
        )
        for name in ("get_run", "list_artifacts", "get_metric_history"):
            monkeypatch.setattr(client, name, None)
        assert len(records(runs.connection)) == 3
        assert len(asked) == 1


class TestList:
    def test_each_run_has_a_line_with_what_it_changed_and_how_it_did(self, listed, runs):
        lines = listed().splitlines()
        newest = next(line for line in lines if runs.records[0].name in line)
        assert 'train.arms=["scratch"]' in newest
        assert "train.learning_rate" not in newest
        assert "30.5%" in newest  # see scores_at: the last of four snapshots, networks 0 and 1
        assert newest.rstrip().endswith("complete")
        assert runs.records[0].run_id[:8] in newest
        assert [line.split()[0] for line in lines[1:4]] == [
            record.run_id[:8] for record in runs.records
        ]

    def test_without_git_runs_are_compared_with_what_most_of_them_share(self, listed, runs):
        assert "changed: compared with what most runs have" in listed()
        found = json.loads(listed("--json"))
        assert [each["changed"] for each in found] == [
            {"project.methods": ["pca"], "train.arms": ["scratch"]},
            {"train.learning_rate": 0.03},
            {},
        ]

    def test_programs_get_numbers_and_what_is_missing_as_null(self, listed, runs):
        newest = json.loads(listed("--json"))[0]
        assert newest["id"] == runs.records[0].run_id
        assert newest["test_accuracy"] == {"scratch": pytest.approx(0.305), "pretrained": None}
        assert newest["best_projector"] == "pca"
        assert (newest["status"], newest["complete"]) == ("FINISHED", True)
        assert datetime.fromisoformat(newest["started"]).tzinfo is not None

    def test_a_run_at_work_is_not_called_complete(self, listed, runs):
        run_id = runs.records[1].run_id
        runs.connection.client.update_run(run_id, status="RUNNING")
        try:
            assert [each["complete"] for each in json.loads(listed("--json"))] == [
                True,
                False,
                True,
            ]
            assert " running" in listed()
        finally:
            runs.connection.client.set_terminated(run_id)

    def test_without_a_store_it_says_how_to_make_a_run_and_makes_none(
        self, runs, tmp_path, monkeypatch
    ):
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        (tmp_path / "dvc.yaml").touch()
        monkeypatch.chdir(tmp_path)
        result = CliRunner().invoke(app, ["list"])
        assert (result.exit_code, result.output) == (
            0,
            "There are no runs yet. Make one with: dynamics run\n",
        )
        assert CliRunner().invoke(app, ["list", "--json"]).output == "[]\n"
        assert not (tmp_path / "mlruns").exists()


def test_in_a_repository_runs_are_compared_with_the_committed_parameters(tmp_path, runs):
    source = runs.projects[1].root / "params.yaml"
    (tmp_path / "params.yaml").write_bytes(source.read_bytes())
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run(["git", *identity, *command], cwd=tmp_path, check=True)
    (tmp_path / "params.yaml").write_text("not: committed\n")
    found = defaults_of(tmp_path, runs.records)
    assert found.origin == "params.yaml of the last commit"
    assert [found.differences(record) for record in runs.records[1:]] == [
        {},
        {"train.learning_rate": "0.1"},
    ]


@pytest.mark.parametrize("text", ["", "- a list\n", "<<<<<<< HEAD\nseed: 0\n=======\n"])
def test_a_damaged_committed_file_is_no_pattern(tmp_path, runs, text):
    (tmp_path / "params.yaml").write_text(text)
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run(["git", *identity, *command], cwd=tmp_path, check=True)
    assert defaults_of(tmp_path, runs.records).origin == "what most runs have"


class TestShow:
    @pytest.fixture
    def shown(self, runs, monkeypatch):
        """What ``dynamics show`` does on a machine without a screen."""
        monkeypatch.chdir(runs.projects[0].root)
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
            monkeypatch.delenv(name, raising=False)
        return lambda *arguments: CliRunner().invoke(app, ["show", *arguments])

    def test_the_report_is_found_by_any_name_of_the_run(self, runs, shown):
        run, original = runs.records[1], runs.projects[1].root / "report" / "index.html"
        for name in (run.name, run.run_id, run.run_id[:10]):
            result = shown(name)
            assert result.exit_code == 0, result.output
            path = Path(result.stdout.strip())
            assert path.name == "index.html"
            assert path.read_bytes() == original.read_bytes()
        assert runs.records[0].run_id in shown().stdout  # latest

    def test_with_a_browser_it_is_opened(self, runs, shown, tmp_path, monkeypatch):
        told = tmp_path / "told"
        browser = tmp_path / "browser"
        browser.write_text(f'#!/bin/sh\necho "$1" > {told}\n')
        browser.chmod(0o755)
        monkeypatch.setenv("BROWSER", str(browser))
        result = shown(runs.records[1].name)
        assert result.exit_code == 0, result.output
        assert told.read_text().strip() == Path(result.stdout.strip()).as_uri()

    def test_a_methods_figure(self, runs, shown):
        result = shown(runs.records[1].name, "--method", "som")
        path = Path(result.stdout.strip())
        original = runs.projects[1].root / "figures" / "som" / "som.png"
        assert path.read_bytes() == original.read_bytes()

    def test_a_folder_that_is_a_file_is_said_and_left_alone(self, runs, shown, tmp_path):
        (tmp_path / "file").write_text("mine")
        for folder in (tmp_path / "file", tmp_path / "file" / "below"):
            result = shown(runs.records[1].name, "--save", str(folder))
            assert result.exit_code == 1
            assert "cannot be written: " in result.stderr
            assert result.stderr.count("\n") == 1
        assert (tmp_path / "file").read_text() == "mine"

    def test_report_and_figures_are_saved(self, runs, shown, tmp_path):
        root = runs.projects[1].root
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "note.txt").write_text("stays")
        result = shown(runs.records[1].name, "--save", str(tmp_path / "mine"))
        assert result.exit_code == 0, result.output
        assert str(tmp_path / "mine") in result.stdout
        saved = {p.relative_to(tmp_path / "mine") for p in (tmp_path / "mine").rglob("*.*")}
        of_run = {
            p.relative_to(root)
            for name in ("report", "figures")
            for p in (root / name).rglob("*.*")
        }
        assert len(of_run) > 8
        assert saved == of_run | {Path("note.txt")}
        one = shown(runs.records[1].name, "--method", "pca", "--save", str(tmp_path / "one"))
        assert one.exit_code == 0
        saved = {
            p.relative_to(tmp_path / "one").as_posix() for p in (tmp_path / "one").rglob("*.*")
        }
        assert saved == {"figures/pca/pca.png", "figures/pca/pca.svg"}

    def test_a_run_without_a_report_shows_its_sheet_and_says_so(self, runs, shown):
        run = runs.records[1]
        folder = Path(run.artifacts.removeprefix("file://")) / "report"
        folder.rename(folder.with_name("elsewhere"))
        try:
            result = shown(run.name)
        finally:
            folder.with_name("elsewhere").rename(folder)
        assert result.exit_code == 0, result.output
        assert "has no report; this is its sheet" in result.stderr
        assert result.stdout.strip().endswith("figures/sheet/sheet.png")

    @pytest.mark.parametrize("more", [(), ("--save", "mine")])
    def test_a_figure_that_it_does_not_have_is_one_clear_line(self, shown, more):
        result = shown("latest", "--method", "som", *more)
        assert result.exit_code == 1
        assert "has no figure of som; expected one of pca, learning_curves, sheet." in result.output
