"""DVC's queue of experiments: what is in it, what is put into it, and the workers that empty it.

DVC runs each queued experiment in a copy of the project under ``.dvc/tmp/exps``, made of the last
commit and the uncommitted changes of tracked files; ``dvc queue`` shows and controls the same.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deep_learning_dynamics.datasets import local
from deep_learning_dynamics.errors import DynamicsError
from deep_learning_dynamics.experiments import environment

if TYPE_CHECKING:
    from dvc.repo import Repo

WORKERS = Path(".dvc/tmp/exps/celery")
PENDING = ("Queued", "Running")
# Of several entries of one name, the state that counts.
PRECEDENCE = ("Failed", "Success", "Queued", "Running")
PATIENCE = 60.0  # seconds that interrupted experiments have to end


class QueueError(DynamicsError):
    """DVC's queue did not do what was asked of it."""


class ExperimentQueue:
    """The queue of the project at ``root``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def _repo(self) -> "Repo":
        from dvc.repo import Repo  # takes a second, which a complete sweep can do without

        return Repo(str(self._root))

    def states(self) -> dict[str, str]:
        """``Queued``, ``Running``, ``Success`` or ``Failed`` of each experiment, by name.

        Raises:
            QueueError: DVC has none here, as it has without git.
        """
        from dvc.exceptions import DvcException

        try:
            entries = self._repo.experiments.celery_queue.status()
        except DvcException as error:
            raise QueueError(f"DVC's queue of experiments cannot be used: {error}") from None
        found: dict[str, str] = {}
        for entry in entries:
            name, state = entry["name"] or "", entry["status"]
            if state in PRECEDENCE and (
                name not in found or PRECEDENCE.index(state) > PRECEDENCE.index(found[name])
            ):
                found[name] = state
        return found

    def taken(self) -> set[str]:
        """Names that experiments have, in the queue or among the results that DVC keeps."""
        refs = subprocess.run(
            ["git", "for-each-ref", "--format=%(refname:lstrip=4)", "refs/exps/"],
            cwd=self._root,
            capture_output=True,
            text=True,
            check=False,
        )
        return set(self.states()) | set(refs.stdout.split())

    def add(self, wanted: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
        """Queue experiments: the values to set, written, by name. Yields each name when it is in.

        DVC puts uncommitted changes aside for a moment while it queues. So Ctrl-C does not reach
        it: it ends with the experiment that it is at.

        Raises:
            QueueError: with what DVC says.
        """
        with tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "deep_learning_dynamics.lab.experiment_queue"],
                cwd=self._root,
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                process_group=0,
            )
            try:
                for name, values in wanted.items():
                    changes = [part for item in values.items() for part in ("-S", "=".join(item))]
                    command = ["exp", "run", "--queue", "--name", name, *changes]
                    process.stdin.write(f"{json.dumps(command)}\n")
                    process.stdin.flush()
                    if process.stdout.readline().strip() != "0":
                        _undisturbed(process)
                        errors.seek(0)
                        raise QueueError(f"dvc {' '.join(command)} failed: {_last(errors.read())}")
                    yield name
            finally:
                _undisturbed(process)

    def remove(self, names: Sequence[str]) -> None:
        """Take experiments that have not begun out of the queue."""
        if names:
            self._dvc("queue", "remove", *names)

    def start(self, jobs: int) -> None:
        """See to it that so many workers are there; they end themselves when the queue is empty."""
        self._dvc("queue", "start", "--jobs", str(jobs))

    def workers(self) -> list[int]:
        """The process ids of the workers that are alive."""
        import psutil

        found = []
        for path in sorted((self._root / WORKERS).glob("*.pid")):
            try:
                process = psutil.Process(int(path.read_text()))
                if "queue-worker" in process.cmdline() and process.status() != "zombie":
                    found.append(process.pid)
            except (psutil.Error, ValueError, OSError):
                continue  # a process id that is no longer theirs
        return found

    def end_idle(self) -> None:
        """End workers of an earlier sweep that wait in vain, or there would be more than asked for.

        They would end themselves, but only seconds later, and could take new experiments before.
        """
        if not set(self.states().values()) & set(PENDING):
            self.interrupt()

    def interrupt(self) -> None:
        """As Ctrl-C does: stages tidy up and end, and so do the workers."""
        told: set[int] = set()
        end = time.monotonic() + PATIENCE
        while (workers := self.workers()) and time.monotonic() < end:
            # Once each: a second signal would keep a stage from tidying up.
            new = {part for worker in workers for part in _group(worker)} - told
            for pid in new:
                _send(pid, signal.SIGINT)
            told |= new
            time.sleep(0.5)
        for pid in [part for worker in self.workers() for part in _group(worker)]:
            _send(pid, signal.SIGKILL)

    def give_up(self, names: Sequence[str]) -> None:
        """Note as failed what a worker was at when it was killed."""
        if names:
            self._dvc("queue", "kill", *names)

    def _dvc(self, *arguments: str) -> None:
        # Files: workers inherit them, and a pipe would be open for as long as they live.
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "dvc", *arguments],
                cwd=self._root,
                env=worker_environment(self._root),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
            )
            if _undisturbed(process) != 0:
                output.seek(0)
                raise QueueError(f"dvc {' '.join(arguments)} failed: {_last(output.read())}")


def worker_environment(root: Path) -> dict[str, str]:
    """What experiments in copies of the project need to find what lies outside of the copies."""
    found = environment()
    # The copy's own code, wherever the package is installed from: relative to where a stage runs.
    found["PYTHONPATH"] = os.pathsep.join(["src", *filter(None, [found.get("PYTHONPATH")])])
    folder = datasets_folder(root, found.get(local.VARIABLE))
    if folder is not None:
        found[local.VARIABLE] = str(folder)
    uri = found.get("MLFLOW_TRACKING_URI")
    if uri:
        found["MLFLOW_TRACKING_URI"] = _absolute(root, uri)
    return found


def datasets_folder(root: Path, given: str | None) -> Path | None:
    """The folder of datasets that a run in the project itself uses, as an absolute path."""
    if given:
        return (root / Path(given).expanduser()).absolute()
    folder = next((root / folder for folder in local.DEFAULTS if (root / folder).is_dir()), None)
    places = [place for places in local.FOLDERS.values() for place in places]
    # One that holds neither dataset is passed over there, but would be an error where it is named.
    if folder is None or not any((folder / place).is_dir() for place in places):
        return None
    return folder.absolute()


def _absolute(root: Path, uri: str) -> str:
    """An address of a store that holds wherever it is used."""
    scheme = urlsplit(uri).scheme
    if scheme == "":
        return str((root / uri).absolute())
    if scheme.startswith("sqlite") and uri.startswith(f"{scheme}:///"):
        path = uri.removeprefix(f"{scheme}:///")
        return uri if path.startswith(("/", ":")) else f"{scheme}:///{(root / path).absolute()}"
    return uri


def _undisturbed(process: subprocess.Popen) -> int:
    """Wait for a process that Ctrl-C does not reach, then let Ctrl-C take effect."""
    interrupted = False
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()  # no more commands
    while True:
        try:
            status = process.wait()
            break
        except KeyboardInterrupt:
            interrupted = True
    if process.stdout is not None:
        process.stdout.close()
    if interrupted:
        raise KeyboardInterrupt
    return status


def _group(worker: int) -> list[int]:
    """A worker and what it runs, without what is to outlive Ctrl-C and so has its own group."""
    import psutil

    found = []
    with contextlib.suppress(psutil.Error, ProcessLookupError):
        group = os.getpgid(worker)
        process = psutil.Process(worker)
        for part in (process, *process.children(recursive=True)):
            with contextlib.suppress(ProcessLookupError):
                if os.getpgid(part.pid) == group:
                    found.append(part.pid)
    return found


def _send(pid: int, what: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, what)


def _last(output: str) -> str:
    lines = [line for line in output.strip().splitlines() if line.strip()]
    return next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else "")


def _obey(lines: Iterator[str]) -> None:
    """Give DVC one command after the other, and say how each ended.

    One process for all of them, because starting DVC takes longer than queueing.
    """
    from dvc.cli import main

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what DVC prints is no answer
    for line in lines:
        answers.write(f"{main(json.loads(line))}\n")
        answers.flush()


if __name__ == "__main__":
    _obey(iter(sys.stdin))
