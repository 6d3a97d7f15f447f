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


class TestShow:
    def test_figures_are_found_named_and_saved(self, runs, tmp_path, monkeypatch):
        monkeypatch.chdir(runs.projects[0].root)
        monkeypatch.delenv("DISPLAY", raising=False)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        monkeypatch.delenv("BROWSER", raising=False)
        run = runs.records[1]

        def shown(*arguments: str):
            return CliRunner().invoke(app, ["show", *arguments])

        original = runs.projects[1].root / "figures"
        for arguments, name in (
            ((run.name,), "sheet"),
            ((run.run_id[:10], "--method", "som"), "som"),
        ):
            result = shown(*arguments)
            assert result.exit_code == 0, result.output
            path = Path(result.output.strip())
            assert path.read_bytes() == (original / name / f"{name}.png").read_bytes()
        assert shown(run.name, "--save", str(tmp_path / "mine")).exit_code == 0
        saved = {p.relative_to(tmp_path / "mine") for p in (tmp_path / "mine").rglob("*.*")}
        assert saved == {p.relative_to(original) for p in original.rglob("*.*")}

    def test_a_figure_that_it_does_not_have_is_one_clear_line(self, runs, monkeypatch):
        monkeypatch.chdir(runs.projects[0].root)
        result = CliRunner().invoke(app, ["show", "latest", "--method", "som"])
        assert result.exit_code == 1
        assert "has no figure of som; expected one of pca, learning_curves, sheet." in result.output
