"""Files that are whole or not there: atomic writing, and reading with one clear message."""

import fcntl
import glob
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from deep_learning_dynamics.errors import ResultsError, TooFewRowsError

NOTE = "README"  # the only file of a folder without results, which says why there are none
PARTIAL = ".partial"  # suffix of what is being written; .dvcignore excludes it


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; what was written there takes its place at the end.

    Works for files and folders. If the block raises, what was at ``path`` before stays.
    """
    with workspace(path) as folder:
        partial = folder / path.name
        yield partial
        if path.is_dir() and not path.is_symlink():
            path.rename(folder / "previous")
        partial.replace(path)


@contextmanager
def workspace(path: Path) -> Iterator[Path]:
    """A temporary folder beside ``path``, in which its new content is made; removed at the end.

    Folders that killed processes left are removed by the next writer of the same path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{PARTIAL}"):
        # Another process may have just removed it, or it is somebody else's.
        with suppress(OSError), locked(left) as abandoned:
            if abandoned:
                shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(PARTIAL, f".{path.name}.", path.parent))
    with ExitStack() as stack:
        with suppress(OSError):  # no locks of folders, as on NFS: then none is taken for abandoned
            stack.enter_context(locked(folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(path: Path, patience: float = 0.0) -> Iterator[bool]:
    """Hold a file or a folder for the block; whether it is held after ``patience`` seconds.

    It is free again when the process ends, however that ends.

    Raises:
        OSError: it cannot be opened, or its file system has no locks.
    """
    # NFS lets only those lock a file who may write it.
    mode = os.O_RDONLY if path.is_dir() else os.O_RDWR
    end, handle = time.monotonic() + patience, os.open(path, mode)
    try:
        while not (held := _try_lock(handle)) and time.monotonic() < end:
            time.sleep(0.05)
        yield held
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # held by another process
        return False
    return True


@contextmanager
def or_note(folder: Path) -> Iterator[None]:
    """Where there is too little to fill a folder with, leave a note in it that says so."""
    try:
        yield
    except TooFewRowsError as error:
        print(f"warning: {error}", flush=True)
        with replacing(folder) as partial:
            partial.mkdir()
            (partial / NOTE).write_text(f"{error}\n")


def write_json(path: Path, content: Any) -> None:
    """Write readable JSON; NaN is refused, so use ``None`` where a number is not known."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    with replacing(path) as partial:
        partial.write_text(f"{text}\n", encoding="utf-8")


def read_json(path: Path, made_by: str) -> Any:
    """Read what :func:`write_json` wrote.

    Args:
        made_by: the command that makes the file, for the message.

    Raises:
        ResultsError: the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ResultsError(f"{path} does not exist. Make it with: {made_by}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ResultsError(
            f"{path} cannot be read ({error}); expected JSON. Make it again with: {made_by}"
        ) from None
