"""A temporary copy of the project to compute in, so that the user's own files do not change.

DVC's own queue puts uncommitted edits into ``git stash`` while it makes such copies, where a
conflict or a kill leaves them; a clone touches nothing. DVC's cache is shared.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deep_learning_dynamics.cli import dvc
from deep_learning_dynamics.errors import DynamicsError
from deep_learning_dynamics.tracking import read_lock
from deep_learning_dynamics.workspace import SCRATCH, git

NOT_COPIED = (".git", ".venv", "mlruns", "datasets", ".dvc/cache", ".dvc/tmp")


@contextmanager
def copied(root: Path, name: str) -> Iterator[Path]:
    """A copy of the project's files as they are now, without outputs; it is removed at the end."""
    target = root / SCRATCH / name
    shutil.rmtree(target, ignore_errors=True)  # of a command that was killed
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if git(root, "cat-file", "-e", "HEAD:./dvc.yaml") is not None:
            top = Path(git(root, "rev-parse", "--show-toplevel") or root)
            copy = target / root.resolve().relative_to(top.resolve())
            _clone(top, target)
            if (root / "src").is_dir():  # with what numba compiled, which takes a minute
                shutil.copytree(root / "src", copy / "src", dirs_exist_ok=True)
        else:
            copy = target
            _copy_files(root, copy)
            git(copy, "init", "--quiet")  # or a repository around it, if any, would ignore it
        local = root / ".dvc" / "config.local"
        if local.exists():
            shutil.copy2(local, copy / ".dvc" / "config.local")
        dvc.prepare(copy)
        cache = dvc.call(root, "cache", "dir")
        dvc.call(copy, "cache", "dir", "--local", str((root / cache).resolve()))
        yield copy
    finally:
        shutil.rmtree(target, ignore_errors=True)


def variables(root: Path) -> dict[str, str]:
    """What stages in a copy need to find what lies in the project itself."""
    given = os.environ.get("DYNAMICS_DATASETS")
    folder = root / Path(given).expanduser() if given else root / "datasets"
    return {"DYNAMICS_DATASETS": str(folder.absolute())} if given or folder.is_dir() else {}


def _clone(top: Path, target: Path) -> None:
    if git(top, "clone", "--quiet", "--shared", str(top), str(target)) is None:
        raise DynamicsError(f"git cannot copy {top}; see: git clone {top} /tmp/copy")
    listed = git(top, "ls-files", "-z", "-m", "-o", "-d", "--exclude-standard") or ""
    for name in filter(None, listed.split("\0")):
        source, copy = top / name, target / name
        if source.is_symlink() or source.is_dir():  # mlruns on another disk; another repository
            continue
        if source.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)
        else:
            copy.unlink(missing_ok=True)
    git(target, "add", "--intent-to-add", ".")


def _copy_files(root: Path, target: Path) -> None:
    outputs = read_lock(root).outputs if (root / "dvc.lock").exists() else {}
    left = {root / name for name in (*NOT_COPIED, *outputs)}

    def ignored(folder: str, names: list[str]) -> list[str]:
        return [n for n in names if Path(folder) / n in left or n in NOT_COPIED]

    shutil.copytree(root, target, ignore=ignored, symlinks=True)
