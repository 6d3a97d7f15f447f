"""DVC as the commands call it: with this Python, on files that it can read.

DVC writes some of its files in place, so that a kill can leave them empty; these are repaired.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from deep_learning_dynamics.errors import DynamicsError
from deep_learning_dynamics.execution.starting import VARIABLE
from deep_learning_dynamics.files import replacing
from deep_learning_dynamics.tracking.dvc_files import damaged, md5_of, read_lock
from deep_learning_dynamics.workspace import PARENT, git

CONFLICT = ("<<<<<<<", "=======", ">>>>>>>")


class DvcError(DynamicsError):
    """DVC did not do what was asked of it."""


def prepare(root: Path) -> None:
    """Set DVC up if the project lacks it, and repair what killed commands left behind.

    Call it while no other DVC works in the project.

    Raises:
        DvcError: ``dvc.lock`` is damaged and may hold what a person wants to keep.
    """
    in_git = git(root, "rev-parse", "--show-toplevel") is not None
    configs = [root / ".dvc" / name for name in ("config", "config.local")]
    if not (root / ".dvc").is_dir():
        print("There is no .dvc here: setting DVC up with dvc init", flush=True)
        call(root, "init", "--quiet", "--subdir" if in_git else "--no-scm")
    elif not in_git and not any("no_scm" in path.read_text() for path in configs if path.exists()):
        print("No git here: telling DVC so with dvc config --local core.no_scm true")
        call(root, "config", "--local", "core.no_scm", "true")
    repair(root)


def repair(root: Path) -> None:
    """Remove empty files of DVC that make it fail; they hold nothing that is lost."""
    rwlock, path = root / ".dvc" / "tmp" / "rwlock", root / "dvc.lock"
    if rwlock.exists() and _is_stale(rwlock):
        _remove(root, rwlock, "the lock of a command that was killed")
    for entry in (root / ".dvc" / "cache" / "runs").glob("*/*"):
        if entry.is_dir() and not any(entry.iterdir()):
            _remove(root, entry, "an empty entry of a command that was killed")
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    if not text.strip():
        _remove(root, path, "it was empty; DVC finds what was computed in its cache")
    elif any(line.startswith(CONFLICT) for line in lines):
        raise DvcError(f"dvc.lock has conflict markers of a merge. {hint(root)}")
    elif not any(line.startswith("stages:") for line in lines) or "\0" in text:
        raise DvcError(f"dvc.lock is cut or not what DVC writes. {hint(root)}")


def restore_if_cut(root: Path, before: bytes | None) -> None:
    """Restore ``dvc.lock`` if DVC was interrupted while it wrote the file.

    DVC finds in its cache what was computed since.
    """
    path = root / "dvc.lock"
    if not path.exists() or _is_whole(path):
        return
    if before is None:
        path.unlink()
        return
    with replacing(path) as partial:
        partial.write_bytes(before)


def _is_whole(lock: Path) -> bool:
    """Whether the file ends with a line break, and every stage has the keys that DVC needs."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        text = lock.read_text("utf-8")
        stages = YAML(typ="safe").load(text)["stages"]
        return text.endswith("\n") and all(
            stage["cmd"]
            and all(
                each.keys() >= {"path", "md5", "size"}
                for each in [*stage.get("deps", ()), *stage.get("outs", ())]
            )
            and all(values is not None for values in stage.get("params", {}).values())
            for stage in stages.values()
        )
    except (OSError, ValueError, YAMLError, TypeError, KeyError, AttributeError):
        return False


def hint(root: Path) -> str:
    """What to do about a damaged ``dvc.lock``."""
    restore = "git checkout HEAD -- dvc.lock" if git(root, "ls-files", "dvc.lock") else ""
    return (
        f"{f'Restore it: {restore}, or remove' if restore else 'Remove'} it: rm dvc.lock "
        "(DVC finds what was computed in its cache)."
    )


def discard_damaged(root: Path, stages: Collection[str]) -> list[str]:
    """Remove outputs of stages that DVC restored damaged, from its cache too; returns their paths.

    The same pipeline then computes them again.
    """
    lock = read_lock(root)
    known = {
        out["path"]: out.get("md5", "")
        for name in stages
        for out in lock.content["stages"].get(name, {}).get("outs", ())
    }
    found = damaged(root, known)
    if found:
        cache = Path(call(root, "cache", "dir"), "files", "md5")
        for path in found:
            _discard(cache, known[path])
            target = root / path
            shutil.rmtree(target) if target.is_dir() else target.unlink()
    return found


def _discard(cache: Path, md5: str) -> None:
    """Remove the damaged files of a cache entry: a file, or a folder's list and what it names."""
    entry = cache / md5[:2] / md5[2:]
    if not entry.exists():
        return
    if md5.endswith(".dir"):
        with contextlib.suppress(ValueError, TypeError, KeyError):  # the list itself is damaged
            for file in json.loads(entry.read_text()):
                _discard(cache, file["md5"])
    if md5_of(entry) != md5.removesuffix(".dir"):
        entry.unlink()


def environment() -> dict[str, str]:
    """The environment of a DVC process, with which it and its stages run this Python."""
    # Not resolved: a virtual environment's python is a link to one outside of it.
    here = str(Path(sys.executable).parent)
    variables = os.environ | {
        "PATH": f"{here}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        PARENT: str(os.getpid()),
    }
    cluster = os.environ.get(VARIABLE, "")
    if cluster.endswith((".yaml", ".yml")):  # stages may work in another folder, a copy's
        variables[VARIABLE] = str(Path(cluster).absolute())
    # A checkout of another user, as in a container, is what the person works in all the same.
    number = int(os.environ.get("GIT_CONFIG_COUNT", "0") or 0)
    return variables | {
        "GIT_CONFIG_COUNT": str(number + 1),
        f"GIT_CONFIG_KEY_{number}": "safe.directory",
        f"GIT_CONFIG_VALUE_{number}": "*",
    }


def call(root: Path, *arguments: str) -> str:
    """What a DVC command prints."""
    result = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        lines = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
        reason = lines[0].removeprefix("ERROR: ") if lines else result.stderr.strip()
        raise DvcError(f"dvc {' '.join(arguments)} failed: {reason}")
    return result.stdout.strip()


def _remove(root: Path, path: Path, why: str) -> None:
    path.rmdir() if path.is_dir() else path.unlink()
    print(f"note: removed {path.relative_to(root)} ({why})", flush=True)


def _is_stale(lock: Path) -> bool:
    """Whether a lock of DVC is cut off, or none of its holders is a DVC process any more.

    DVC itself compares process ids alone, which a container soon gives to other processes.
    """
    import psutil

    text = lock.read_text(errors="replace")
    try:
        json.loads(text)
    except ValueError:
        return True
    holders = re.findall(r'"pid": (\d+)', text)
    for holder in holders:
        with contextlib.suppress(psutil.Error):
            if "dvc" in [Path(word).name for word in psutil.Process(int(holder)).cmdline()[:4]]:
                return False
    return bool(holders)
