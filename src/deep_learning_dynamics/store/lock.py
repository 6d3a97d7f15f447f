"""One writer per store: a lock that ends with the process that holds it, however it ends."""

import os
import socket
import warnings
from pathlib import Path
from typing import IO

from deep_learning_dynamics.errors import StoreError


class Lock:
    """Held from :meth:`acquire` to :meth:`release`, or until the process ends.

    The operating system keeps it, on shared file systems too, so that a killed process leaves none
    behind. The file says who holds it.
    """

    def __init__(self, path: Path, subject: Path) -> None:
        """
        Args:
            path: of the lock file.
            subject: what it protects, for the message.
        """
        self._path, self._subject = path, subject
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """
        Raises:
            StoreError: another process, or another writer of this process, holds it.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        while self._file is None:
            file = self._path.open("a+", encoding="utf-8")
            if not _lock(file, self._path):
                file.seek(0)
                holder = file.read().strip() or "another process"
                file.close()
                raise StoreError(
                    f"{self._subject} is being written by {holder}; expected one writer. "
                    "Wait for it, or give each run a store of its own: dld.open reads several."
                )
            try:  # whoever held it before may have removed the file since we opened it
                current = os.path.samestat(os.fstat(file.fileno()), self._path.stat())
            except FileNotFoundError:
                current = False
            if not current:
                file.close()
                continue
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
            self._file = file

    def release(self) -> None:
        """Remove the file, then the lock."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            self._file.close()
            self._file = None


def _lock(file: IO[str], path: Path) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # some cluster file systems are mounted without locks
        warnings.warn(
            f"{path} cannot be locked ({error}); nothing keeps a second process from writing "
            "the same store.",
            stacklevel=2,
        )
    return True
