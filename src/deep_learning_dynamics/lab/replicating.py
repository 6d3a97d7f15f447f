"""A run made again from its parameters, and its outputs compared with those that it had.

Nothing is checked out: the code, the data and the environment are today's, and what of them
differs is said.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.errors import DynamicsError
from deep_learning_dynamics.experiments import InterruptionError, StageError, environment
from deep_learning_dynamics.lab import settings
from deep_learning_dynamics.lab.likeness import SAME, Likeness, compare, is_picture
from deep_learning_dynamics.lab.locks import Causes, Lock, causes, read_lock
from deep_learning_dynamics.tracking.files import fetch, has
from deep_learning_dynamics.tracking.records import Record
from deep_learning_dynamics.tracking.store import Connection

LOCK = Path("dvc.lock")


class UncommittedError(DynamicsError):
    """params.yaml holds what would be lost."""


@dataclass(frozen=True)
class Output:
    """One output of the pipeline, then and now."""

    path: str
    likeness: Likeness | None  # None: one of the two is not at hand
    reason: str  # why not
    picture: bool

    @property
    def identical(self) -> bool:
        return self.likeness is not None and not self.likeness.where

    def __str__(self) -> str:
        return self.reason if self.likeness is None else str(self.likeness)


@dataclass(frozen=True)
class Replication:
    """What came of making a run again."""

    outputs: tuple[Output, ...]
    causes: Causes

    @property
    def off(self) -> list[Output]:
        """The outputs that differ by more than rounding.

        A picture counts only where the numbers are the same: where they differ by rounding, its
        bytes differ too.
        """
        numbers = [output for output in self.outputs if not output.picture]
        rounded = any(not output.identical for output in numbers)
        return [
            output
            for output in (numbers if rounded else self.outputs)
            if output.likeness is None or not output.likeness.within_rounding
        ]

    @property
    def replicated(self) -> bool:
        return not self.off

    @property
    def identical(self) -> bool:
        return all(output.identical for output in self.outputs)


def differing_parameters(root: Path, wanted: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Where params.yaml is not as ``wanted`` (dotted keys): the value there and the wanted one."""
    found = parameters.flattened(parameters.read(root / "params.yaml"))
    return {
        key: (found.get(key), value) for key, value in wanted.items() if found.get(key) != value
    }


def check_committed(root: Path, differing: Mapping[str, tuple[Any, Any]]) -> None:
    """Refuse to overwrite a params.yaml that differs and that git could not bring back.

    Raises:
        UncommittedError: which parameters differ, and how to go on.
    """
    if not differing or _is_committed(root):
        return
    shown = ", ".join(
        f"{key} is {now}, {then} in the run" for key, (now, then) in differing.items()
    )
    raise UncommittedError(
        f"params.yaml is not as in the run and not as committed ({shown}); replicating would "
        "overwrite it. Commit it, or give --force."
    )


def replicate(
    connection: Connection,
    record: Record,
    root: Path,
    wanted: Mapping[str, Any],
    scratch: Path,
) -> Replication:
    """Compute everything again with the parameters ``wanted`` (dotted keys), and compare.

    params.yaml has them afterwards. Where the pipeline does not get to its end, params.yaml,
    dvc.lock and the outputs that DVC has in its cache are as they were. Nothing is logged.

    Raises:
        StageError, InterruptionError: the pipeline did not get to its end.
        TrackingError: the run has no dvc.lock.
    """
    then = read_lock(fetch(connection, record, str(LOCK), scratch))
    path = root / "params.yaml"
    before, text = path.read_bytes(), settings.text_with(path, wanted)
    lock = root / LOCK
    locked = lock.read_bytes() if lock.exists() else None
    with settings.in_place(root, wanted) as changed:
        try:
            _repro(root, then.stages)
        except BaseException:
            if locked is not None:
                lock.write_bytes(locked)
            raise
    if changed and path.read_bytes() == before:
        path.write_text(text, encoding="utf-8")
    now = read_lock(lock)
    return Replication(
        tuple(_outputs(connection, record, root, then, now, scratch)), causes(then, now)
    )


def restore_outputs(root: Path) -> None:
    """Bring back from DVC's cache what dvc.lock names, as far as the cache has it."""
    subprocess.run(
        [sys.executable, "-m", "dvc", "checkout", "--quiet"],
        cwd=root,
        env=environment(),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def _repro(root: Path, stages: tuple[str, ...]) -> None:
    # Forced: taken from DVC's cache, outputs would be the same whatever the code does today. Not
    # tracked: the run's record is what is compared with, and must stay as it is.
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "--force", *stages],
        cwd=root,
        env=environment() | {"DYNAMICS_TRACKING": "off"},
    )
    try:
        status = process.wait()
    except KeyboardInterrupt:
        process.wait()  # the terminal told DVC and its stage too
        status = 130
    if status == 0:
        return
    if status in (130, 252):  # by the terminal; as DVC says it
        raise InterruptionError("interrupted; params.yaml is as it was")
    raise StageError("the pipeline stopped at the error above; params.yaml is as it was")


def _outputs(
    connection: Connection, record: Record, root: Path, then: Lock, now: Lock, scratch: Path
) -> Iterator[Output]:
    for path, md5 in then.outputs.items():
        picture = is_picture(root / path)
        if now.outputs.get(path) == md5:
            yield Output(path, SAME, "", picture)
            continue
        before = _before(connection, record, root, path, md5, scratch)
        if not (root / path).exists():
            yield Output(path, None, "different: it was not made again", picture)
        elif before is None:
            yield Output(path, None, "different; the run's own is not at hand", picture)
        else:
            yield Output(path, compare(before, root / path), "", picture)


def _before(
    connection: Connection, record: Record, root: Path, path: str, md5: str, scratch: Path
) -> Path | None:
    """An output as the run had it: from its artifacts, else from DVC's cache."""
    if has(connection, record, path):
        return fetch(connection, record, path, scratch)
    cached = root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    if not cached.is_file():
        return None
    named = scratch / path  # what it is, is told by its name
    named.parent.mkdir(parents=True, exist_ok=True)
    named.unlink(missing_ok=True)
    named.symlink_to(cached)
    return named


def _is_committed(root: Path) -> bool:
    def git(*arguments: str) -> str | None:
        try:
            result = subprocess.run(
                ["git", *arguments, "--", "params.yaml"],
                cwd=root,
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:  # git is not installed
            return None
        return result.stdout if result.returncode == 0 else None

    known = git("ls-files", "--error-unmatch") is not None
    return known and git("status", "--porcelain") == ""
