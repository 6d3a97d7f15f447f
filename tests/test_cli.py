"""The command ``dynamics`` as people meet it: in a shell, with the real DVC and MLflow."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest
from project_folder import ROOT, finished_project
from typer.testing import CliRunner

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics import tracking
from deep_learning_dynamics.cli import app
from deep_learning_dynamics.tracking.runs import find_run
from deep_learning_dynamics.tracking.store import connect, store_of

COMMANDS = [
    "run",
    "check",
    "track",
    "ui",
    "list",
    "show",
    "compare",
    "replicate",
    "sweep",
    "import",
]
NEEDED = {"compare": ["a", "b"], "replicate": ["a"], "sweep": ["-S", "seed=1,2"]}


@pytest.fixture(autouse=True)
def _usual_environment(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DYNAMICS_TRACKING", raising=False)


@pytest.fixture
def project(tmp_path, monkeypatch):
    project = finished_project(tmp_path / "project")
    monkeypatch.chdir(project.root)
    return project


def dynamics(
    *arguments: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", "from deep_learning_dynamics.cli import app; app()", *arguments],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def run_of(root: Path):
    return find_run(connect(store_of(root), 10), tracking.fingerprint(root).whole)


class TestHelp:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_each_command_explains_itself_on_one_screen_with_an_example(self, command):
        result = CliRunner().invoke(app, [command, "--help"])
        assert result.exit_code == 0
        assert "Example:" in result.output
        assert f"dynamics {command}" in result.output
        assert result.output.count("\n") <= 24

    def test_it_answers_at_once(self):
        loaded = "import sys; from deep_learning_dynamics.cli import app; print(*sys.modules)"
        modules = subprocess.run(
            [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
        ).stdout.split()
        slow = {
            "numpy",
            "mlflow",
            "torch",
            "xarray",
            "zarr",
            "pandas",
            "pydantic",
            "dvc",
            "matplotlib",
        }
        assert not slow & set(modules)
        start = time.perf_counter()
        assert "Example: dynamics run" in dynamics("--help").stdout
        assert time.perf_counter() - start < 5  # 0.3 s; the rest is for busy machines

    def test_an_unknown_command_is_a_usage_error(self):
        assert CliRunner().invoke(app, ["walk"]).exit_code == 2


class TestExitStatus:
    """2 for what was typed, 1 for what went wrong; one clear line each."""

    @pytest.mark.parametrize("command", COMMANDS)
    def test_an_option_that_does_not_exist_is_a_mistake_of_usage(self, project, command):
        before = sorted(project.root.rglob("*"))
        result = CliRunner().invoke(app, [command, "--sideways"])
        assert result.exit_code == 2
        assert "No such option: --sideways" in result.stderr
        assert result.stdout == ""
        assert sorted(project.root.rglob("*")) == before

    @pytest.mark.parametrize("command", [name for name in COMMANDS if name != "import"])
    def test_outside_of_a_project_a_command_fails(self, tmp_path, monkeypatch, command):
        monkeypatch.chdir(tmp_path)
        result = CliRunner().invoke(app, [command, *NEEDED.get(command, [])])
        assert result.exit_code == 1
        assert result.stderr.startswith(
            f"error: There is no dvc.yaml in {tmp_path} nor in a folder"
        )
        assert result.stderr.count("\n") == 1
        assert result.stdout == ""

    @pytest.mark.parametrize("command", ["show", "compare", "replicate"])
    def test_a_run_that_does_not_exist_is_a_failure(self, project, command):
        tracking.complete(project.root)
        arguments = ["nobody", "nothing"] if command == "compare" else ["nobody"]
        result = CliRunner().invoke(app, [command, *arguments])
        assert result.exit_code == 1
        assert result.stderr.startswith("error: There is no run 'nobody'; expected an id")
        assert result.stderr.count("\n") == 1

    def test_an_address_that_is_none_is_a_failure(self, project, monkeypatch):
        for address in ("http://[::1", "http://localhost:abc"):
            monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
            for command in ("list", "ui"):
                result = CliRunner().invoke(app, [command])
                assert result.exit_code == 1
                assert result.stderr.startswith("error: MLFLOW_TRACKING_URI is no address: ")
                assert result.stderr.count("\n") == 1

    @pytest.mark.parametrize("port", ["70000", "-1", "0"])
    def test_a_port_that_does_not_exist_is_a_mistake_of_usage(self, project, port):
        result = CliRunner().invoke(app, ["ui", "--port", port])
        assert result.exit_code == 2
        assert "--port" in result.stderr

    @pytest.mark.parametrize("setting", ["train={[1]: 2}", "train={2024-01-01: 2}", "seed=&a [*a]"])
    def test_values_that_no_file_could_have_are_mistakes_of_usage(self, project, setting):
        result = CliRunner().invoke(app, ["run", "-S", setting])
        assert result.exit_code == 2, result.output
        assert result.stderr.startswith("error: params.yaml with -S: ")

    def test_layers_that_are_no_numbers_are_said_beside_an_option_of_2020(self, project):
        path = project.root / "params.yaml"
        raw = parameters.read(path)
        raw["network"]["hidden_layers"] = [[8]]
        path.write_text(json.dumps(raw))  # which is YAML too
        result = CliRunner().invoke(app, ["run", "--depth", "3"])
        assert result.exit_code == 2, result.output
        assert "network.hidden_layers is []; expected --width beside it" in result.stderr


class TestCheck:
    def test_a_valid_file_is_said_to_be_valid_from_any_folder_of_the_project(
        self, project, monkeypatch
    ):
        monkeypatch.chdir(project.root / "figures" / "pca")
        result = CliRunner().invoke(app, ["check"])
        assert (result.exit_code, result.output) == (0, "params.yaml is valid.\n")

    @pytest.mark.parametrize("command", ["check", "run"])
    def test_a_mistake_ends_with_2_before_anything_is_started(self, project, command):
        path = project.root / "params.yaml"
        path.write_text(path.read_text().replace("epochs: 10", "epoch: 10"))
        before = sorted(project.root.rglob("*"))
        result = dynamics(command)
        assert result.returncode == 2
        assert "error: params.yaml: " in result.stderr
        assert "Did you mean train.epochs?" in result.stderr
        assert "Traceback" not in result.stderr
        assert result.stdout == ""
        assert sorted(project.root.rglob("*")) == before

    def test_the_stage_refuses_it_too_and_keeps_no_time(self, project):
        def check() -> subprocess.CompletedProcess:
            script = ROOT / "pipeline" / "check.py"
            return subprocess.run(
                [sys.executable, script],
                cwd=project.root,
                capture_output=True,
                text=True,
                check=False,
            )

        before = sorted(project.root.rglob("*"))
        assert check().returncode == 0
        assert sorted(project.root.rglob("*")) == before
        path = project.root / "params.yaml"
        path.write_text(path.read_text().replace("seed: 0", "seed: -1"))
        assert check().returncode == 2
        assert "seed is -1; expected a whole number from 0" in check().stderr

    def test_outside_of_a_project_it_says_so(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        result = dynamics("check")
        assert result.returncode == 1
        assert f"There is no dvc.yaml in {tmp_path} nor in a folder above it" in result.stderr


SMALL_PIPELINE = """
stages:
  work:
    cmd: python work.py
    deps: [work.py]
    outs: [result.txt]
  track:
    cmd: python track.py
    deps: [params.yaml, result.txt, track.py]
"""


class TestRun:
    """An unpacked archive without git, whose stages were replaced by two small ones."""

    @pytest.fixture
    def archive(self, project):
        (project.root / "dvc.yaml").write_text(SMALL_PIPELINE)
        (project.root / "dvc.lock").unlink()
        (project.root / "work.py").write_text("open('result.txt', 'w').write('done')\n")
        shutil.copy(ROOT / "pipeline" / "track.py", project.root)
        (project.root / ".dvc").mkdir()
        shutil.copy(ROOT / ".dvc" / "config", project.root / ".dvc")
        return project.root

    def test_it_runs_what_changed_tells_what_was_found_and_marks_what_failed(self, archive):
        first = dynamics("run")
        assert first.returncode == 0, first.stderr
        assert (
            "No git here: telling DVC so with dvc config --local core.no_scm true" in first.stdout
        )
        run = run_of(archive)
        assert run.info.status == "FINISHED"
        kept = archive / "mlruns" / "artifacts" / run.info.run_id / "artifacts" / "dvc.lock"
        assert "python work.py" in kept.read_text()
        summary = first.stdout[first.stdout.index(f"Run {run.info.run_name} ({run.info.run_id})") :]
        assert "MNIST, scratch       30.5% median test accuracy (30.0% to 31.0%)" in summary
        assert "MNIST, pretrained    32.5% median test accuracy (32.0% to 33.0%)" in summary
        assert (
            "OMNIGLOT             30.5% median test accuracy (30.0% to 31.0%), chance 3.3%"
            in summary
        )
        assert "best projection      pca (score 0.90 of 1)" in summary
        assert "data                 MNIST · OMNIGLOT\n" in summary
        assert (
            f"report               report/index.html (dynamics show {run.info.run_name} opens it)\n"
            in summary
        )
        assert "figures              figures/\n" in summary
        assert "make ui, or dynamics ui" in summary
        assert first.stdout.count("best projection") == 1

        again = dynamics("run", cwd=archive / "figures")
        assert again.returncode == 0, again.stderr
        assert "No git here" not in again.stdout
        assert "Running stage" not in again.stdout
        assert again.stdout.count("best projection") == 1
        assert "figures              ./\n" in again.stdout

        assert "error: The outputs of" not in dynamics("track").stderr
        (archive / "work.py").write_text("raise SystemExit('the work failed')\n")
        refused = dynamics("track")
        assert refused.returncode == 1
        assert "error: The outputs of work are missing, or were made with other" in refused.stderr
        failed = dynamics("run")
        assert failed.returncode == 1
        assert "the work failed" in failed.stderr
        assert failed.stderr.strip().endswith(
            "error: the pipeline stopped at the error above; the rest was not computed"
        )
        assert run_of(archive).info.status == "FINISHED"  # of the same fingerprint, and complete

    def test_switched_off_it_logs_nothing_and_says_so(self, archive):
        result = dynamics("run", DYNAMICS_TRACKING="off")
        assert result.returncode == 0, result.stderr
        assert result.stdout.count("DYNAMICS_TRACKING=off: nothing is logged to MLflow") == 1
        assert not (archive / "mlruns").exists()


class TestUi:
    def test_without_runs_it_says_how_to_make_one(self, project):
        result = dynamics("ui")
        assert result.returncode == 1
        assert (
            "mlflow.db does not exist; expected the runs of an experiment. Make one with: dynamics run"
            in result.stderr
        )

    def test_it_serves_until_it_is_interrupted_and_leaves_nothing_running(self, project):
        tracking.complete(project.root)
        process = subprocess.Popen(
            [sys.executable, "-c", "from deep_learning_dynamics.cli import app; app()", "ui"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline().startswith("Starting MLflow's UI")
        address = process.stdout.readline().strip()
        assert address.endswith(
            "/#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=dynamics"
        )
        server = address.partition("/#")[0]
        with urllib.request.urlopen(server) as page:
            assert b"MLflow" in page.read()
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "Ctrl-C ends it.\nThe UI is closed.\n"
        assert process.wait(30) == 0
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(server)

    def test_it_says_so_when_the_server_ends_by_itself(self, project):
        tracking.complete(project.root)
        process = subprocess.Popen(
            [sys.executable, "-c", "from deep_learning_dynamics.cli import app; app()", "ui"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3):
            assert process.stdout.readline()
        [server] = psutil.Process(process.pid).children()
        server.kill()
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1
        assert errors.startswith("error: MLflow's server ended with status -9. See ")

    def test_a_taken_port_is_one_clear_line(self, project):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            result = dynamics("ui", "--port", str(port))
        assert result.returncode == 1
        assert result.stderr == (
            f"error: Port {port} is taken by another program; choose another with --port, or leave --port out to get the next free one.\n"
        )

    def test_a_shared_server_is_named_instead_of_starting_one(self, project):
        result = dynamics("ui", MLFLOW_TRACKING_URI="http://127.0.0.1:9/")
        assert (result.returncode, result.stdout) == (0, "http://127.0.0.1:9\n")
