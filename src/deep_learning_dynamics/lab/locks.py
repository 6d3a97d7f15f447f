"""What a ``dvc.lock`` says: of which code, data and parameters each output was made."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.errors import TrackingError

SECONDS = "timings/"  # outputs that say how long something took: never the same twice


@dataclass(frozen=True)
class Lock:
    """Hashes (MD5, ``.dir`` behind that of a folder) by path relative to the project."""

    stages: tuple[str, ...]
    outputs: dict[str, str]  # in the order of the stages, without how long they took
    code: dict[str, str]  # what stages read and no stage wrote, without params.yaml
    parameters: dict[str, Any]  # dotted keys, of all stages together


@dataclass(frozen=True)
class Causes:
    """Why two experiments may differ: what stages read that was not the same."""

    parameters: dict[str, tuple[Any, Any]]  # a value for each lock
    code: tuple[str, ...]  # files and folders
    data: tuple[str, ...]  # outputs of the fetch stages

    def __bool__(self) -> bool:
        return bool(self.parameters or self.code or self.data)


def read_lock(path: Path) -> Lock:
    """Read a ``dvc.lock``, of a project or of a run; stage ``track`` is left out.

    Raises:
        TrackingError: it is missing or not what DVC writes.
    """
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        stages = {name: stage for name, stage in content["stages"].items() if name != "track"}
    except (FileNotFoundError, YAMLError, TypeError, KeyError):
        raise TrackingError(
            f"{path} is missing or damaged; expected what DVC keeps of the last run. "
            "Make it with: dvc repro"
        ) from None
    outputs, code, settings = {}, {}, {}
    for stage in stages.values():
        outputs |= {each["path"]: each.get("md5", "") for each in stage.get("outs", ())}
    written = tuple(outputs)
    for stage in stages.values():
        for each in stage.get("deps", ()):
            path_read = each["path"]
            if path_read != "params.yaml" and not _of(path_read, written):
                code[path_read] = each.get("md5", "")
        settings |= parameters.flattened(stage.get("params", {}).get("params.yaml", {}))
    kept = {path: md5 for path, md5 in outputs.items() if not path.startswith(SECONDS)}
    return Lock(tuple(stages), kept, code, settings)


def causes(one: Lock, other: Lock) -> Causes:
    """What differs between what two experiments were made of."""
    keys = dict.fromkeys([*one.parameters, *other.parameters])
    return Causes(
        {
            key: (one.parameters.get(key), other.parameters.get(key))
            for key in keys
            if one.parameters.get(key) != other.parameters.get(key)
        },
        tuple(sorted(_different(one.code, other.code))),
        tuple(
            path
            for path in _different(one.outputs, other.outputs)
            if path.startswith("data/") and path.endswith(".npz")
        ),
    )


def _different(one: dict[str, str], other: dict[str, str]) -> Iterator[str]:
    for path in dict.fromkeys([*one, *other]):
        if one.get(path) != other.get(path):
            yield path


def _of(path: str, outputs: tuple[str, ...]) -> bool:
    """Whether stages wrote this, or what lies in this folder."""
    return any(path == out or out.startswith(f"{path}/") for out in outputs)
