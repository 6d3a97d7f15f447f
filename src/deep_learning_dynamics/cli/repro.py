"""The pipeline as ``dynamics`` runs it: independent stages run side by side."""

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
from typing import NoReturn

from deep_learning_dynamics import environment, tracking
from deep_learning_dynamics.cli import dvc
from deep_learning_dynamics.cli.progress import FAILED, Heard, Progress, shown
from deep_learning_dynamics.errors import DynamicsError
from deep_learning_dynamics.execution.starting import VARIABLE as CLUSTER
from deep_learning_dynamics.files import write_json
from deep_learning_dynamics.formatting import listed
from deep_learning_dynamics.workspace import SCRATCH

TIMINGS = SCRATCH / "timings.json"  # seconds that each stage took last, no output of the pipeline
# Signals that end a stage, each with the seconds it has to tidy up before the next signal.
SIGNALS = {signal.SIGINT: 20.0, signal.SIGTERM: 5.0, signal.SIGKILL: 1.0}
CONTINUES = "interrupted; the same command continues"
WHOLE = ("repro",)  # arguments of DVC
# Stages that can run side by side once FIRST is done, and which of the others each depends on. At
# the end, `dvc repro` runs whatever is missing: this table decides on speed, not on results.
FIRST = "train"
SIDE_BY_SIDE = {
    "reduce": set[str](),
    "geometry": set[str](),
    "project": {"reduce"},
    "measure": {"geometry"},
    "figures": {"reduce", "geometry", "project", "measure"},
    "report": {"reduce", "geometry", "project", "measure"},
}
WORTH = 90.0  # seconds; a shorter pipeline gains less than the starts of more DVCs cost
LAST = {"figures", "report", "log"}  # if only these are to run, they run one after the other


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
    progress = Progress(tracking.stage_names(root), _timings(root), title)
    pipeline = Pipeline(root, progress, variables or {}, verbose)
    lock = root / "dvc.lock"
    before = lock.read_bytes() if lock.exists() else None
    try:
        with shown(progress, verbose):
            stages, at_once = _stages_side_by_side(root) if arguments == WHOLE else ([], 1)
            if at_once > 1:
                with _compiling(root):
                    pipeline.run([("repro", FIRST)])
                pipeline.run([("repro", "--single-item", name) for name in stages], at_once)
            pipeline.run([arguments])
    except InterruptionError:
        dvc.restore_if_cut(root, before)
        raise
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


@contextmanager
def marked(root: Path) -> Iterator[None]:
    """Mark the run of a working copy in MLflow as FAILED or KILLED if the block ends with an error.

    Otherwise it stays RUNNING, as its stages leave it for those that follow.
    """
    try:
        yield
    except (DynamicsError, KeyboardInterrupt) as error:
        interrupted = isinstance(error, InterruptionError | KeyboardInterrupt)
        try:
            tracking.mark(root, "KILLED" if interrupted else "FAILED")
        except DynamicsError as problem:  # what stopped it matters more
            print(f"warning: {problem}", file=sys.stderr)
        raise


def _stages_side_by_side(root: Path) -> tuple[list[str], int]:
    """Stages that may run side by side, the longest first, and how many of them at once."""
    from deep_learning_dynamics.study import params
    from deep_learning_dynamics.study.estimate import estimate

    names = tracking.stage_names(root)
    if FIRST not in names or os.environ.get(CLUSTER) or not _much_has_changed(root, names):
        return [], 1  # with a cluster, one stage has all of it
    expected = estimate(params.load(root / "params.yaml"))
    at_once = expected.at_once if expected.seconds > WORTH else 1
    took = expected.stages | _timings(root)
    stages = [name for name in names if _kind(name) in SIDE_BY_SIDE]
    return sorted(stages, key=lambda name: -took.get(name, 0.0)), at_once


def _kind(name: str) -> str:
    return name.partition("@")[0]


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


@contextmanager
def _compiling(root: Path) -> Iterator[None]:
    """Compile the training meanwhile: the first stages leave a core idle."""
    command = [sys.executable, "-m", "deep_learning_dynamics.study.precompile"]
    quiet = subprocess.DEVNULL  # what is wrong, the stages say
    process = subprocess.Popen(command, cwd=root, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        yield
    finally:
        process.kill()
        process.wait()


class Pipeline:
    """The DVC processes in a project, and their output."""

    def __init__(
        self, root: Path, progress: Progress, variables: Mapping[str, str], verbose: bool
    ) -> None:
        self._root, self._progress, self._verbose = root, progress, verbose
        self._variables = dvc.environment() | dict(variables)
        self._lines: queue.SimpleQueue[tuple[Call, str]] = queue.SimpleQueue()

    def run(self, calls: Sequence[Sequence[str]], at_once: int = 1) -> None:
        """Run DVC commands, each once those it depends on are done; none after a failure.

        Raises:
            StageError, DvcError, InterruptionError: as :func:`repro`.
        """
        waiting, shares = list(calls), _shares(min(at_once, len(calls)))
        working: list[Call] = []
        failed: list[Call] = []
        try:
            while working or (waiting and not failed):
                for arguments in _ready(waiting, working)[: 0 if failed else len(shares)]:
                    waiting.remove(arguments)
                    with _interruptible():
                        working.append(self._start(arguments, shares.pop(0)))
                call, line = self._lines.get()
                if line:
                    self._hear(call, line)
                    continue
                working.remove(call)
                shares.append(call.cores)
                self._progress.end(call.heard, failed=call.process.wait() != 0)
                if call.process.returncode:
                    failed.append(call)
                    if others := [each.heard.stage for each in working if each.heard.stage]:
                        name = call.heard.stage or "DVC"
                        self._progress.say(f"{name} failed; waiting for {listed(others)}")
        except KeyboardInterrupt:
            if not failed:
                raise InterruptionError(CONTINUES) from None
        finally:
            _stop(working)
        if failed:
            self._complain(failed)

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
        return Call(arguments, process, cores, self._lines)

    def _complain(self, failed: Sequence["Call"]) -> NoReturn:
        """Say why calls failed, in the words of their stages or of DVC."""
        said = [line for call in failed for line in call.heard.words]
        stages = [call for call in failed if call.heard.stage is not None]
        if any("exited with 130" in line for line in said):
            raise InterruptionError(CONTINUES)
        if not stages:
            errors = [line.removeprefix(FAILED) for line in said if line.startswith(FAILED)]
            last = " ".join(line.strip() for line in said[-3:])  # some errors have no such mark
            reason = " ".join(errors) or last or f"exit status {failed[0].process.returncode}"
            advice = f" {dvc.hint(self._root)}" if "dvc.lock" in reason else ""
            raise dvc.DvcError(f"DVC failed: {reason}{advice}")
        if not self._verbose:
            for call in stages:
                print("\n".join(call.heard.reason()), file=sys.stderr)
        names = listed([call.heard.stage for call in stages])
        raise StageError(
            f"{'stage' if len(stages) == 1 else 'stages'} {names} failed, as said above; the rest "
            "was not computed"
        )


@dataclass(eq=False)
class Call:
    """One DVC process; each line that it prints goes into ``lines``, and "" at its end."""

    arguments: Sequence[str]
    process: "subprocess.Popen[str]"
    cores: set[int]  # on which it runs; on all if empty
    lines: "queue.SimpleQueue[tuple[Call, str]]"
    heard: Heard = field(default_factory=Heard)

    def __post_init__(self) -> None:
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()

    def _listen(self) -> None:
        with self.process.stdout as said:  # type: ignore[union-attr]
            for line in said:
                self.lines.put((self, line))
        self.lines.put((self, ""))


def _ready(waiting: Sequence[Sequence[str]], working: Sequence[Call]) -> list[Sequence[str]]:
    """The calls whose dependencies are done."""
    unfinished = {_kind(arguments[-1]) for arguments in [*waiting, *(c.arguments for c in working)]}
    return [
        arguments
        for arguments in waiting
        if not SIDE_BY_SIDE.get(_kind(arguments[-1]), set()) & unfinished
    ]


def _shares(number: int) -> list[set[int]]:
    """The cores of this process, dealt to so many parts; empty sets where the system cannot."""
    if number < 2 or not hasattr(os, "sched_setaffinity"):
        return [set() for _ in range(number)]
    cores = sorted(os.sched_getaffinity(0))
    each = max(1, environment.cores() // number)  # a container may have less than its machine
    return [set(cores[part::number][:each]) for part in range(number)]


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let child processes receive SIGINT, even where a background script has it ignored."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored:  # children would inherit that and never tidy up
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def _stop(calls: Sequence[Call]) -> None:
    """End DVC and its stages, which tidy up first; DVC may end before them."""
    for number, patience in SIGNALS.items():
        alive = [call for call in calls if call.listener.is_alive()]
        for call in alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(call.process.pid, number)
        end = time.monotonic() + patience
        with contextlib.suppress(KeyboardInterrupt):  # again: the next signal
            for call in alive:
                call.listener.join(max(0.0, end - time.monotonic()))
    for call in calls:
        call.process.wait()


def _timings(root: Path) -> dict[str, float]:
    try:
        found = json.loads((root / TIMINGS).read_text())
        return {str(name): float(seconds) for name, seconds in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}
