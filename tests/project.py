"""One finished tiny project, built once in a test run with the real DVC and the real MLflow.

Tests copy it. pytest-xdist's processes share it: the first to come builds it, the others wait.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TINY = {  # small enough for a pipeline of a minute, with both phases and a failure-free training
    "network.hidden_layers": [4, 4],
    "pairs": 2,
    "twins": True,
    "pretrain.epochs": 1,
    "pretrain.snapshots": {"first_epoch": 2, "per_epoch": 1},
    "train.epochs": 1,
    "train.snapshots": {"first_epoch": 3, "per_epoch": 1},
    "train.scored_examples": 500,
    "train.probes": 10,
    "project.methods": ["pca"],
    "robustness": "none",
    "geometry.analyses": ["barriers", "regions"],  # a test of plug-ins has the others
    "figures.dpi": 50,
    "data.sources": ["embedded"],
}
FILES = ("src", "pipeline", "dvc.yaml", "params.yaml", "pyproject.toml", ".dvcignore", ".gitignore")


def new_project(folder: Path, settings: dict = TINY, git: bool = True) -> Path:
    """A project as it is in a fresh clone, with these settings, and with what numba compiled."""
    from deep_learning_dynamics.cli import settings as setting

    folder.mkdir(parents=True)
    compile_kernel()
    for name in FILES:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.pyc*", "*.tmp.*")
            )
        else:
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".dvc").mkdir()
    for name in ("config", ".gitignore"):
        shutil.copy(ROOT / ".dvc" / name, folder / ".dvc" / name)
    setting.write(folder, settings)
    if git:
        call(folder, "git", "init", "--quiet")
        commit(folder, "start")
    return folder


def compile_kernel() -> None:
    """Compile what training needs where it is copied from: half a minute, once for all projects."""
    source = os.open(ROOT / "src", os.O_RDONLY)
    try:
        fcntl.flock(source, fcntl.LOCK_EX)
        call(ROOT, sys.executable, "tests/study/kernel/short_trainings.py", "relu sgd")
    finally:
        os.close(source)


def commit(folder: Path, message: str) -> None:
    call(folder, "git", "add", "--all")
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    call(folder, "git", *identity, "commit", "--quiet", "--allow-empty", "-m", message)


def variables(**more: str) -> dict[str, str]:
    """An environment in which nothing of the person's own takes part."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "DYNAMICS_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{mine['PATH']}"
    return mine | {"PATH": path, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"} | more


def call(folder: Path, *words: str, status: int = 0, **more: str) -> str:
    """What a command prints, on both streams; it must end with that status."""
    result = subprocess.run(
        words,
        cwd=folder,
        env=variables(**more),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert result.returncode == status, f"{words}: {result.returncode}\n{result.stdout}"
    return result.stdout


def dynamics(folder: Path, *words: str, status: int = 0, **more: str) -> str:
    """What a ``dynamics`` command prints."""
    start = "from deep_learning_dynamics.cli import app; app()"
    if (folder / "src").is_dir():  # its own code, for which the command would start again
        more = {"PYTHONPATH": str(folder / "src")} | more
    return call(folder, sys.executable, "-c", start, *words, status=status, **more)


def in_process(folder: Path, *words: str, status: int = 0) -> str:
    """The same, of a command that this process runs: without its seconds of imports.

    With ROOT's code, and not for commands that change how a process takes signals.
    """
    from typer import Typer
    from typer.testing import CliRunner

    from deep_learning_dynamics.cli import COMMANDS, Commands

    app = Typer(cls=Commands)  # without what starts another process for the project's own code
    for name, function in COMMANDS.items():
        app.command(name)(function)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in os.environ.keys() - variables().keys():
            patch.delenv(name)
        result = CliRunner().invoke(app, words)
    if not isinstance(result.exception, SystemExit | None):
        raise result.exception
    assert result.exit_code == status, f"{words}: {result.exit_code}\n{result.output}"
    return result.output


def runs_of(folder: Path) -> list[dict]:
    """The runs that ``dynamics list`` knows."""
    text = in_process(folder, "list", "--json")
    # There may be a note beside it, that the store was copied.
    return json.JSONDecoder().raw_decode(text, text.index("[\n"))[0]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished project; do not change it."""
    shared = tmp_path_factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else None
    folder = (shared or tmp_path_factory.mktemp("shared")) / "finished"
    with (folder.parent / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "summary.txt").exists():
            shutil.rmtree(folder, ignore_errors=True)
            new_project(folder)
            text = dynamics(folder, "run")
            commit(folder, "finished")
            (folder / "summary.txt").write_text(text)
    return folder


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished project, as ``cp -a`` makes it."""
    return copied(finished, tmp_path / "project")


def copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, symlinks=True)
    (target / "summary.txt").unlink(missing_ok=True)
    return target
