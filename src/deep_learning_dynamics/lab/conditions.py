"""The conditions of a run, then and now: commit, data and environment."""

import importlib.metadata
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.lab.locks import Causes
from deep_learning_dynamics.tracking.fingerprints import DATASETS, provenance
from deep_learning_dynamics.tracking.identity import PACKAGES, commit_of
from deep_learning_dynamics.tracking.records import Record

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Condition:
    """One thing that results depend on."""

    name: str
    then: str
    now: str

    @property
    def same(self) -> bool:
        return self.then == self.now


def commits(record: Record, root: Path) -> Condition:
    """Of which code the run was, and what lies here now."""
    commit, code = commit_of(root)
    tags = record.tags
    then = _commit(tags.get("mlflow.source.git.commit", UNKNOWN), tags.get("code", UNKNOWN))
    return Condition("commit", then, _commit(commit, code))


def data(record: Record, root: Path) -> list[Condition]:
    """The datasets of the run, and those that were fetched here last."""
    found = []
    for name in DATASETS:
        then = _dataset(
            record.tags.get(f"data.{name}", UNKNOWN), record.tags.get(f"data.{name}.sha256", "")
        )
        try:
            entry = provenance(root, name)
            now = _dataset(entry.label, entry.sha256)
        except TrackingError:
            now = "not fetched yet"
        found.append(Condition(name, then, now))
    return found


def surroundings(record: Record) -> list[Condition]:
    """Python, the packages that compute, and the platform."""
    now = {"platform": platform.platform(), "version.python": platform.python_version()}
    for package in PACKAGES:
        now[f"version.{package}"] = importlib.metadata.version(package)
    return [
        Condition(key.removeprefix("version."), record.tags.get(key, UNKNOWN), value)
        for key, value in now.items()
    ]


def reasons(found: Causes, record: Record, root: Path) -> list[str]:
    """What may be why results differ, the most telling first: each a few words."""
    named = [
        f"parameter {key}: {then} then, {now} now" for key, (then, now) in found.parameters.items()
    ]
    named += [f"code: {_with_lines(path, record, root)}" for path in found.code]
    for path in found.data:
        condition = next(each for each in data(record, root) if each.name == Path(path).stem)
        named.append(f"data: {path}, {condition.then} then, {condition.now} now")
    named += [
        f"environment: {each.name} {each.then} then, {each.now} now"
        for each in surroundings(record)
        if not each.same
    ]
    return named


def _with_lines(path: str, record: Record, root: Path) -> str:
    """A file of code, and how many of its lines are not those of the run's commit."""
    commit = record.tags.get("mlflow.source.git.commit", UNKNOWN)
    if commit == UNKNOWN or record.tags.get("code") != "as committed":
        return path
    try:
        result = subprocess.run(
            ["git", "diff", "--numstat", commit, "--", path],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:  # git is not installed
        return path
    files = []
    for line in result.stdout.splitlines():
        added, removed, name = line.split("\t")
        count = max(int(added), int(removed)) if added.isdigit() else 0
        files.append(f"{name} ({count} line{'' if count == 1 else 's'} since {commit[:10]})")
    return ", ".join(files) if files else path


def _commit(commit: str, code: str) -> str:
    return UNKNOWN if commit == UNKNOWN else f"{commit[:10]} ({code})"


def _dataset(label: str, digest: str) -> str:
    return f"{label} ({digest[:8]})" if digest else label
