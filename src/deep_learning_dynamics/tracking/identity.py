"""What a run says about itself from the start: parameters, code, data and environment."""

import getpass
import importlib.metadata
import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.datasets.provenance import Provenance
from deep_learning_dynamics.tracking.fingerprints import DATASETS, fingerprint, provenance
from deep_learning_dynamics.tracking.names import run_name

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

PACKAGES = ("torch", "numpy", "scikit-learn", "minisom", "umap-learn", "openTSNE", "mlflow", "dvc")
NOTE = "DYNAMICS_NOTE"  # environment: what a person says about the run; no part of what it is
DIGEST_LENGTH = 12  # enough to tell datasets apart (MLflow takes 36); the whole is in a tag


@dataclass(frozen=True)
class Identity:
    """What an experiment's run starts with."""

    fingerprint: str
    name: str
    parameters: dict[str, str]  # dotted keys
    tags: dict[str, str]
    datasets: dict[str, Provenance]  # by name


def identity_of(root: Path) -> Identity:
    """Gather the identity of the experiment at ``root``."""
    parts = fingerprint(root)
    settings = parameters.flattened(parameters.load(root / "params.yaml").model_dump(mode="json"))
    datasets = {name: provenance(root, name) for name in DATASETS}
    commit, code = commit_of(root)
    tags = {
        "fingerprint": parts.whole,
        "fingerprint.parameters": parts.parameters,
        "fingerprint.code": parts.code,
        "fingerprint.data": parts.data,
        "stand_in": str(not all(entry.original for entry in datasets.values())).lower(),
        "code": code,
        "platform": platform.platform(),
        "version.python": platform.python_version(),
        "mlflow.source.name": "dvc.yaml",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": commit,
    }
    if os.environ.get(NOTE):
        tags["note"] = os.environ[NOTE]
    for name, entry in datasets.items():
        tags[f"data.{name}"] = entry.label
        tags[f"data.{name}.sha256"] = entry.sha256
    for package in PACKAGES:
        tags[f"version.{package}"] = importlib.metadata.version(package)
    try:
        tags["mlflow.user"] = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        tags["mlflow.user"] = "unknown"
    shown = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in settings.items()
    }
    return Identity(parts.whole, run_name(parts.whole), shown, tags, datasets)


def commit_of(root: Path) -> tuple[str, str]:
    """The git commit at ``root``, and whether the code there is the commit's."""
    # An archive unpacked somewhere inside another repository is not of that repository's commit.
    if _git(root, "ls-files", "--error-unmatch", "dvc.yaml") is None:
        return "unknown", "unknown"
    commit = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    if commit is None:
        return "unknown", "unknown"
    changes = _git(root, "status", "--porcelain", "--", "src", "pipeline", "dvc.yaml")
    return commit, "differs from the commit" if changes else "as committed"


def dataset_inputs(identity: Identity) -> "list[DatasetInput]":
    """The datasets as MLflow's UI shows them beside a run."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = []
    for name, entry in identity.datasets.items():
        source = {
            "mlflow.source.name": f"pipeline/fetch.py {name}",
            "source": entry.source,
            "licence": entry.licence,
            "citation": entry.citation,
            "description": entry.description,
        }
        profile = {
            "examples": asdict(entry.counts),
            "classes": entry.classes,
            "target": entry.target,
            "sha256": entry.sha256,
        }
        dataset = Dataset(
            name=entry.label,
            digest=entry.sha256[:DIGEST_LENGTH],
            source_type="code",  # of MLflow's kinds the one for data that a program made
            source=json.dumps({"tags": source}),
            profile=json.dumps(profile),
        )
        context = "training" if name == "mnist" else "pre-training"
        inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", context)]))
    return inputs


def _git(root: Path, *arguments: str) -> str | None:
    try:
        result = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:  # git is not installed
        return None
    return result.stdout.strip() if result.returncode == 0 else None
