"""A copy of the project in a folder of its own, small enough to run whole in a test."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from deep_learning_dynamics.lab import settings

ROOT = Path(__file__).parents[1]
SMALL = {
    "network.hidden_layers": [6, 6],
    "pretrain.epochs": 1,
    "pretrain.snapshots.first_epoch": 4,
    "train.epochs": 2,
    "train.networks": 2,
    "train.scored_examples": 500,
    "train.probes": 10,
    "train.snapshots.first_epoch": 6,
    "train.snapshots.per_epoch": 4,
    "project.som.rows": 6,
    "project.som.columns": 6,
    "project.som.updates": 500,
    "project.som.radius": 3,
    "project.autoencoder.iterations": 60,
    "project.autoencoder.restarts": 1,
    "project.autoencoder_som.rows": 6,
    "project.autoencoder_som.columns": 6,
    "project.autoencoder_som.updates": 500,
    "project.autoencoder_som.radius": 3,
    "project.autoencoder_tsne.perplexity": 10,
    "project.autoencoder_tsne.iterations": 250,
    "trust.seeds": 1,
    "trust.folds": 2,
    "trust.nulls": 2,
    "plot.dpi": 60,
}


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int
    output: str  # standard output and error together

    @property
    def stages(self) -> list[str]:
        """The stages that DVC ran, in order; not those that it took from its cache."""
        ran = re.findall(r"Running stage '(.+)':", self.output)
        return [name for name in ran if f"Stage '{name}' is cached" not in self.output]


@dataclass(frozen=True)
class ProjectCopy:
    """The project's code and parameters in ``folder``; what runs in it is its own code."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, git: bool = True) -> "ProjectCopy":
        ignored = shutil.ignore_patterns(
            "__pycache__", "*.egg-info", "tmp", "cache", "config.local"
        )
        for name in (".dvc", "pipeline", "src", "mlruns"):
            only = shutil.ignore_patterns("*.db*", "artifacts") if name == "mlruns" else ignored
            shutil.copytree(ROOT / name, folder / name, ignore=only)
        for name in ("dvc.yaml", "params.yaml", ".dvcignore", ".gitignore"):
            shutil.copy(ROOT / name, folder / name)
        copy = cls(folder)
        if git:
            copy.run("git", "init", "--quiet")
            copy.commit("the project")
        return copy

    def run(self, *command: str, timeout: float = 300, **environment: str) -> Outcome:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Outcome(done.returncode, done.stdout)

    def environment(self, **changes: str) -> dict[str, str]:
        """An environment in which ``python`` and ``dvc`` are ours and the datasets are embedded."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MLFLOW_", "DYNAMICS_", "GIT_"))
        }
        folder = Path(sys.executable).parent
        return inherited | {
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder / "src"),
            "GIT_AUTHOR_NAME": "Test",
            "GIT_AUTHOR_EMAIL": "test@example.com",
            "GIT_COMMITTER_NAME": "Test",
            "GIT_COMMITTER_EMAIL": "test@example.com",
            **changes,
        }

    def repro(self, *arguments: str, **environment: str) -> Outcome:
        return self.run("dvc", "repro", *arguments, **environment)

    def commit(self, message: str) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)

    def change(self, values: dict) -> None:
        """Set dotted keys of params.yaml, keeping its comments."""
        path = self.folder / "params.yaml"
        path.write_text(settings.text_with(path, values), encoding="utf-8")
