"""The pipeline as ``dynamics`` runs it: stages that need nothing of each other run side by side."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deep_learning_dynamics.cli import dvc
from deep_learning_dynamics.cli.progress import FAILED, Heard, Progress, shown
from deep_learning_dynamics.errors import DynamicsError
from deep_learning_dynamics.execution.starting import VARIABLE as CLUSTER
from deep_learning_dynamics.files import write_json
from deep_learning_dynamics.formatting import listed
from deep_learning_dynamics.tracking import stage_names
from deep_learning_dynamics.workspace import SCRATCH

TIMINGS = SCRATCH / "timings.json"  # seconds that each stage took last, no output of the pipeline
# What ends a stage, and for how many seconds it may tidy up before the next.
SIGNALS = {signal.SIGINT: 20.0, signal.SIGTERM: 5.0, signal.SIGKILL: None}
CONTINUES = "interrupted; the same command continues"
WHOLE = ("repro",)  # arguments of DVC
# Stages that can run at the same time, after the one before them. `dvc repro` ends it all, so
# that what is computed does not depend on what stands here.
SIDE_BY_SIDE = {"reduce": ("project", "geometry"), "measure": ("figures", "report")}
WORTH = 90.0  # seconds that all stages take; for less, DVC itself takes too long to start
LAST = {"figures", "report", "log"}  # quick enough to run one after the other if they run alone


class StageError(DynamicsError):
    """A stage of the pipeline failed; it has said why."""


class InterruptionError(DynamicsError):
    """Ctrl-C, or a signal to end."""

    exit_status = 130


def repro(
    root: Path,
    arguments: Sequence[str] = WHOLE,
    *,
    variables: Mapping[str, str] | None = None,
    verbose: bool = False,
    title: str = "",
) -> list[str]:
    """Run the pipeline, showing a line for each stage; which stages ran.

    Args:
        arguments: of ``dvc``.
        variables: additional ones of the environment.
        verbose: show all that DVC and the stages say instead.
        title: before the stages' names.

    Raises:
        StageError: a stage failed.
        DvcError: DVC did, before or between stages.
        InterruptionError: Ctrl-C, SIGTERM or SIGHUP; the stages have tidied up and ended.
    """
    progress = Progress(stage_names(root), _timings(root), title)
    pipeline = Pipeline(root, progress, variables or {}, verbose)
    try:
        with shown(progress, verbose):
            for calls, at_once in _steps(root, arguments):
                pipeline.run(calls, at_once)
    finally:
        if progress.ran:
            ran = {name: round(seconds, 2) for name, seconds in progress.ran.items()}
            write_json(root / TIMINGS, _timings(root) | ran)
    lost = dvc.discard_damaged(root, progress.restored)
    if not lost:
        return list(progress.ran)
    print(f"note: DVC's cache had {listed(lost)} damaged; computed again", flush=True)
    again = repro(root, arguments, variables=variables, verbose=verbose, title=title)
    return list(dict.fromkeys([*progress.ran, *again]))


def _steps(root: Path, arguments: Sequence[str]) -> Iterator[tuple[list[Sequence[str]], int]]:
    """Calls of DVC, one list after the other, and how many of a list run at the same time."""
    from deep_learning_dynamics.study import params
    from deep_learning_dynamics.study.estimate import estimate

    names = stage_names(root)
    groups = {
        before: [name for name in names if name.partition("@")[0] in stages]
        for before, stages in SIDE_BY_SIDE.items()
        if before in names
    }
    if groups and arguments == WHOLE and _much_has_changed(root, names):
        expected = estimate(params.load(root / "params.yaml"))
        # Where a cluster does the work of a stage, one stage has all of it.
        many = expected.stages if expected.seconds > WORTH and not os.environ.get(CLUSTER) else 1
        for before, group in groups.items():
            if many > 1 and len(group) > 1:
                yield [("repro", before)], 1
                yield [("repro", "--single-item", name) for name in group], many
    yield [arguments], 1


def _much_has_changed(root: Path, names: Sequence[str]) -> bool:
    """Whether more will run than the last stages."""
    if not (root / "dvc.lock").exists():
        return True
    try:
        status = json.loads(dvc.call(root, "status", "--json") or "{}")
    except dvc.DvcError:
        return False  # `dvc repro` says what is wrong
    changed = {name for name in names if set(map(str, status.get(name, ()))) - {"always changed"}}
    return bool(changed - LAST)


class Pipeline:
    """Calls of DVC in a project, and what is heard of them."""

    def __init__(
        self, root: Path, progress: Progress, variables: Mapping[str, str], verbose: bool
    ) -> None:
        self._root, self._progress, self._verbose = root, progress, verbose
        self._variables = dvc.environment() | dict(variables)
        self._lines: queue.SimpleQueue[tuple[Call, str]] = queue.SimpleQueue()

    def run(self, calls: Sequence[Sequence[str]], at_once: int = 1) -> None:
        """Run calls of DVC; after one that fails no other one starts.

        Raises:
            StageError, DvcError, InterruptionError: as :func:`repro`.
        """
        waiting, shares = list(calls), _shares(min(at_once, len(calls)))
        working: list[Call] = []
        failed: list[Call] = []
        try:
            while working or (waiting and not failed):
                while waiting and shares and not failed:
                    with _interruptible():
                        working.append(self._start(waiting.pop(0), shares.pop(0)))
                call, line = self._lines.get()
                if line:
                    self._hear(call, line)
                    continue
                working.remove(call)
                shares.append(call.cores)
                self._progress.end(call.heard, failed=call.process.wait() != 0)
                failed += [call] if call.process.returncode else []
        except KeyboardInterrupt:
            raise InterruptionError(CONTINUES) from None
        finally:
            _stop(working)
        for call in failed:
            self._complain(call)

    def _hear(self, call: "Call", line: str) -> None:
        if self._verbose:
            print(line, end="", flush=True)
        self._progress.hear(line.rstrip(), call.heard)

    def _start(self, arguments: Sequence[str], cores: set[int]) -> "Call":
        process = subprocess.Popen(
            # Others hold DVC's lock for moments.
            [sys.executable, "-m", "dvc", "--wait-for-lock", *arguments],
            cwd=self._root,
            env=self._variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            process_group=0,  # Ctrl-C comes to us alone, and we end all of it
        )
        if cores:
            os.sched_setaffinity(process.pid, cores)  # and so of the stage, which is not there yet
        call = Call(process, cores)
        threading.Thread(target=self._listen, args=[call], daemon=True).start()
        return call

    def _listen(self, call: "Call") -> None:
        with call.process.stdout as said:
            for line in said:
                self._lines.put((call, line))
        self._lines.put((call, ""))

    def _complain(self, call: "Call") -> None:
        """Say why a call failed, in the words of the stage or of DVC."""
        heard = call.heard
        if any("exited with 130" in line for line in heard.words):
            raise InterruptionError(CONTINUES)
        if heard.stage is None:
            errors = [line for line in heard.words if line.startswith(FAILED)]
            reason = " ".join(line.removeprefix(FAILED) for line in errors)
            reason = reason or f"exit status {call.process.returncode}"
            advice = f" {dvc.mending(self._root)}" if "dvc.lock" in reason else ""
            raise dvc.DvcError(f"DVC failed: {reason}{advice}")
        if not self._verbose:
            print("\n".join(heard.reason()), file=sys.stderr)
        raise StageError(f"stage {heard.stage} failed, as said above; the rest was not computed")


@dataclass
class Call:
    """One DVC process."""

    process: "subprocess.Popen[str]"
    cores: set[int]  # on which it runs; on all if empty
    heard: Heard = field(default_factory=Heard)


def _shares(number: int) -> list[set[int]]:
    """The cores of this process in so many parts; empty ones where a process cannot be bound."""
    if number < 2 or not hasattr(os, "sched_setaffinity"):
        return [set() for _ in range(number)]
    cores = sorted(os.sched_getaffinity(0))
    return [set(cores[part::number]) for part in range(number)]


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let processes that are started here hear SIGINT, which scripts in the background ignore."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored:  # children would inherit that and never tidy up
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def _stop(calls: Sequence[Call]) -> None:
    """End DVC and its stages, which tidy up first."""
    alive = [call.process for call in calls]
    for number, patience in SIGNALS.items():
        alive = [process for process in alive if process.poll() is None]
        for process in alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
        end = time.monotonic() + patience if patience else None
        for process in alive:
            with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
                process.wait(max(0.0, end - time.monotonic()) if end else None)


def _timings(root: Path) -> dict[str, float]:
    try:
        found = json.loads((root / TIMINGS).read_text())
        return {str(name): float(seconds) for name, seconds in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}
