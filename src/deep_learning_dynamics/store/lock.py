"""One writer per store: a lock that ends with the process that holds it, however it ends."""

import fcntl
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from deep_learning_dynamics.errors import StoreError


@contextmanager
def locked(path: Path, subject: Path) -> Iterator[None]:
    """Hold a lock for the block, or until the process ends.

    The operating system keeps it, on shared file systems too, so that a killed process leaves none
    behind. The file says who holds it.

    Args:
        path: of the lock file.
        subject: what it protects, for the message.

    Raises:
        StoreError: another process, or another writer of this process, holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _locked_file(path, subject)
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is still locked
        file.close()


def _locked_file(path: Path, subject: Path) -> IO[str]:
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with file:
                file.seek(0)
                holder = file.read().strip() or "another process"
            raise StoreError(
                f"{subject} is being written by {holder}; expected one writer. "
                "Wait for it, or give each run a store of its own: dld.open reads several."
            ) from None
        except OSError as error:  # some cluster file systems are mounted without locks
            warnings.warn(
                f"{path} cannot be locked ({error}); nothing keeps a second process from writing "
                "the same store.",
                stacklevel=2,
            )
        try:  # whoever held it before may have removed the file since it was opened
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except FileNotFoundError:
            pass
        file.close()
