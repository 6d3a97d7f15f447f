"""What a run says about itself from the start: parameters, code, data and environment."""

import getpass
import hashlib
import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deep_learning_dynamics.environment import Environment
from deep_learning_dynamics.files import read_json
from deep_learning_dynamics.registry import plugin_files
from deep_learning_dynamics.tracking.dvc_files import flattened, stage_names
from deep_learning_dynamics.workspace import SCRATCH, commit_of

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

NOTE = "DYNAMICS_NOTE"  # environment: what a person says about the run; no part of what it is
SWEEP = "DYNAMICS_SWEEP"  # environment: the sweep that the run belongs to
SOURCE_KINDS = (".py", ".html", ".css", ".js", ".j2")


@dataclass(frozen=True)
class RunIdentity:
    """What one execution is made of. The same again has the same fingerprint."""

    fingerprint: str
    execution: str  # of this working copy, and no other
    parameters: dict[str, str]  # dotted keys
    tags: dict[str, str]
    data: dict[str, dict[str, Any]]  # the provenance of each dataset, as ``data/NAME.json`` has it


def identity_of(
    root: Path, parameters: Mapping[str, Any], device: str = "cpu", arithmetic: str = ""
) -> RunIdentity:
    """The identity of an execution in the project at ``root``.

    Args:
        parameters: all settings, defaults included, so that equal ones are equal however
            ``params.yaml`` writes them.
        device: on which networks are trained.
        arithmetic: in which, as the store of snapshots says.

    Raises:
        ResultsError: a dataset's provenance cannot be read.
    """
    flat = flattened(parameters)
    data = {
        name: read_json(root / "data" / f"{name}.json", f"dvc repro fetch@{name}")
        for stage, _, name in sorted(stage.partition("@") for stage in stage_names(root))
        if stage == "fetch"
    }
    environment = Environment.current(device)
    # How many cores there are decides when, not what, is computed.
    surroundings = {k: v for k, v in environment.as_json().items() if k != "threads"}
    parts = {
        "parameters": _digest(flat),
        "code": code_digest(root, flat.get("plugins") or ()),
        "data": _digest({name: entry.get("sha256") for name, entry in data.items()}),
        "environment": _digest(surroundings),
    }
    fingerprint = _digest(parts)
    commit, state = commit_of(root)
    original = all(entry.get("original", True) for entry in data.values())
    tags = {
        "fingerprint": fingerprint,
        **{f"fingerprint.{name}": digest for name, digest in parts.items()},
        "code": state,
        "data": " · ".join(str(entry.get("label", name)) for name, entry in data.items()),
        **{f"data.{name}.sha256": str(entry.get("sha256", "")) for name, entry in data.items()},
        "stand_in": "no" if original else "yes",
        "environment": json.dumps(environment.as_json()),
        "processor": environment.processor,
        "device": device,
        "arithmetic": arithmetic,
        "note": os.environ.get(NOTE, ""),
        "sweep": os.environ.get(SWEEP, ""),
        "mlflow.source.name": "dvc.yaml",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": commit,
        "mlflow.user": _user(),
    }
    tags = {name: text for name, text in tags.items() if text}
    return RunIdentity(fingerprint, execution(root), written(parameters), tags, data)


def written(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Settings as runs keep them, by dotted key: text, or JSON."""
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in flattened(parameters).items()
    }


def code_digest(root: Path, plugins: Sequence[str] = ()) -> str:
    """Of the code that was imported, plug-ins included, of the stages' scripts and ``dvc.yaml``."""
    package = Path(__file__).resolve().parent.parent
    sources = [path for path in package.rglob("*") if path.suffix in SOURCE_KINDS]
    files = {f"src/{path.relative_to(package)}": path for path in sources}
    files |= {f"pipeline/{path.name}": path for path in (root / "pipeline").glob("*.py")}
    files["dvc.yaml"] = root / "dvc.yaml"
    for name in plugins:
        files |= {f"plugin {name}/{part}": path for part, path in plugin_files(name).items()}
    hashes = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    return _digest(hashes)


def execution(root: Path) -> str:
    """A name for this working copy, by which its interrupted run is known as its own.

    It stays when the copy is moved, and is another one in a copy of the copy.
    """
    path = root / SCRATCH / "execution"
    if path.exists():
        name, _, inode = path.read_text().partition(" ")
        if inode == str(path.stat().st_ino):
            return name
        path.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    name = uuid.uuid4().hex
    with path.open("w") as stream:
        stream.write(f"{name} {os.fstat(stream.fileno()).st_ino}")
    return name


def dataset_inputs(identity: RunIdentity) -> "list[DatasetInput]":
    """The datasets as MLflow's UI shows them beside a run."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = []
    for name, entry in identity.data.items():
        texts = {key: str(value) for key, value in entry.items() if isinstance(value, str)}
        dataset = Dataset(
            name=str(entry.get("label", name)),
            digest=str(entry.get("sha256", ""))[:12] or "unknown",  # MLflow takes 36; see the tag
            source_type="code",  # of MLflow's kinds the one for data that a program made
            source=json.dumps({"tags": {"mlflow.source.name": f"fetch@{name}", **texts}}),
            profile=json.dumps({key: entry[key] for key in entry if key not in texts}),
        )
        inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", name)]))
    return inputs


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
