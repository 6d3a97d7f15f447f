"""What ``dvc.yaml`` and ``dvc.lock`` say: which stages there are, and of what outputs are made."""

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.files import PARTIAL


@dataclass(frozen=True)
class DvcLock:
    """Hashes (MD5, ``.dir`` behind that of a folder) by path relative to the project."""

    stages: tuple[str, ...]  # those with outputs, in the order of dvc.yaml
    outputs: dict[str, str]
    inputs: dict[str, str]  # what stages read and no stage wrote: code, mostly
    parameters: dict[str, Any]  # dotted keys, of all stages together
    content: dict[str, Any]  # as DVC wrote it, without other stages

    def differences(self, other: "DvcLock") -> list[str]:
        """Parameters and inputs that are not the same, in words."""
        keys = dict.fromkeys([*self.parameters, *other.parameters])
        pairs = [(key, self.parameters.get(key), other.parameters.get(key)) for key in keys]
        found = [f"{key} is {now}, was {then}" for key, then, now in pairs if then != now]
        files = dict.fromkeys([*self.inputs, *other.inputs])
        changed = [path for path in files if self.inputs.get(path) != other.inputs.get(path)]
        return found + [f"{path} has changed" for path in changed]


def stage_names(root: Path) -> list[str]:
    """Every stage of the project's ``dvc.yaml``, one for each item of those that repeat."""
    names: list[str] = []
    values = flattened(_read(root / "params.yaml"))

    def resolved(item: Any) -> Any:
        match = re.fullmatch(r"\$\{(.+)\}", item) if isinstance(item, str) else None
        return values.get(match[1], []) if match else item

    for name, stage in _read(root / "dvc.yaml").get("stages", {}).items():
        items = stage.get("foreach")
        names += [name] if items is None else [f"{name}@{resolved(i)}" for i in resolved(items)]
    return list(dict.fromkeys(names))


def read_lock(root: Path, path: Path | None = None) -> DvcLock:
    """The ``dvc.lock`` of a project, or one that a run has.

    Args:
        root: the project; stages that its ``dvc.yaml`` does not have any more are left out, unless
            a ``path`` is given.

    Raises:
        TrackingError: it is missing or not what DVC writes.
    """
    content = _read(path or root / "dvc.lock")
    try:
        known = content["stages"]
        wanted = stage_names(root) if path is None else list(known)
        stages = {name: known[name] for name in wanted if known.get(name, {}).get("outs")}
        outputs = {
            out["path"]: out.get("md5", "") for stage in stages.values() for out in stage["outs"]
        }
        inputs = {
            dep["path"]: dep.get("md5", "")
            for stage in stages.values()
            for dep in stage.get("deps", ())
            if not _made_by_stages(dep["path"], outputs)
        }
        settings: dict[str, Any] = {}
        for stage in stages.values():
            for values in stage.get("params", {}).values():
                settings |= flattened(values)
    except (TypeError, KeyError, AttributeError) as error:
        raise TrackingError(
            f"{path or root / 'dvc.lock'} is damaged ({error!r}); expected what DVC keeps of the "
            "last run. Make it with: dvc repro"
        ) from None
    settings = {key: value for key, value in settings.items() if key != "params.yaml"}
    return DvcLock(tuple(stages), outputs, inputs, settings, content | {"stages": stages})


def remove_leftovers(root: Path) -> list[Path]:
    """Remove outputs of stages that ``dvc.yaml`` does not have any more; which they were.

    Methods or datasets that are no longer asked for are such stages, and later ones read folders as
    a whole. DVC's cache keeps what is removed, so that it comes back when it is asked for again.
    """
    try:
        known, wanted = _read(root / "dvc.lock")["stages"], set(stage_names(root))
        outputs = {
            name: {str(out["path"]) for out in stage.get("outs", ())}
            for name, stage in known.items()
        }
    except (TrackingError, TypeError, KeyError, AttributeError):
        return []  # a first run, or DVC says what is wrong
    used = set().union(*(paths for name, paths in outputs.items() if name in wanted))
    left = set().union(*(paths for name, paths in outputs.items() if name not in wanted)) - used
    inside = (
        path for path in sorted(left) if (root / path).resolve().is_relative_to(root.resolve())
    )
    found = [root / path for path in inside if (root / path).exists()]
    for path in found:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    return found


def damaged(root: Path, outputs: Mapping[str, str]) -> list[str]:
    """Outputs that are there but are not what ``dvc.lock`` says, by their contents.

    DVC takes files in its cache for what they were, so that a damage there comes back unseen.
    """
    there = {path: md5 for path, md5 in outputs.items() if (root / path).exists()}
    return [path for path, md5 in there.items() if md5_of(root / path) != md5]


def md5_of(path: Path) -> str:
    """The hash of a file's or a folder's contents, as DVC makes it: without what a killed process
    left half written, which .dvcignore names."""
    if not path.is_dir():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "md5").hexdigest()
    files = {}
    for each in path.rglob("*"):
        inner = each.relative_to(path)
        left = any(part.startswith(".") and part.endswith(PARTIAL) for part in inner.parts)
        if each.is_file() and not left:
            files[inner.as_posix()] = each
    listed = [{"md5": md5_of(files[name]), "relpath": name} for name in sorted(files)]
    return f"{hashlib.md5(json.dumps(listed, sort_keys=True).encode()).hexdigest()}.dir"


def flattened(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by dotted key: ``{"train": {"epochs": 3}}`` is ``{"train.epochs": 3}``."""
    flat: dict[str, Any] = {}
    for key, value in parameters.items():
        if isinstance(value, Mapping) and value:
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return flat


def dumped(content: Mapping[str, Any]) -> str:
    """Plain contents as YAML."""
    import io

    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    stream = io.StringIO()
    yaml.dump(dict(content), stream)
    return stream.getvalue()


def _read(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise TrackingError(
            f"{path} cannot be read ({reason}); expected YAML. See: git diff {path.name}"
        ) from None
    if not isinstance(content, dict):
        raise TrackingError(f"{path} holds no keys; expected YAML. See: git diff {path.name}")
    return content


def _made_by_stages(path: str, outputs: Mapping[str, str]) -> bool:
    """Whether stages wrote this, or what lies in this folder."""
    return path == "params.yaml" or any(
        path == out or out.startswith(f"{path}/") or path.startswith(f"{out}/") for out in outputs
    )
