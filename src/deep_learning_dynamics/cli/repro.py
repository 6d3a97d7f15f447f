"""The pipeline as ``dynamics`` runs it: one line for each stage, how far it is and how long yet."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from deep_learning_dynamics.cli.dvc import DvcError, discard_damaged, environment, mending
from deep_learning_dynamics.errors import DynamicsError
from deep_learning_dynamics.files import write_json
from deep_learning_dynamics.formatting import duration, listed
from deep_learning_dynamics.tracking import stage_names
from deep_learning_dynamics.workspace import SCRATCH

TIMINGS = SCRATCH / "timings.json"  # seconds that each stage took last, no output of the pipeline
RUNNING = re.compile(r"Running stage '(.+?)'")
SKIPPED = re.compile(r"Stage '(.+?)' (didn't change|is cached)")
COMMAND = "> "  # before a stage's command, in what DVC says
SAVED = ("Updating lock file", "Generating lock file")  # what DVC says when a stage is done
FAILED = "ERROR: "  # before what DVC says when it or a stage failed
NOTICES = ("warning:", "note:")  # before lines of stages that are shown at once
PATIENCE = (20.0, 5.0)  # seconds after SIGINT, and after SIGTERM, before the next signal


class StageError(DynamicsError):
    """A stage of the pipeline failed; it has said why."""


class InterruptionError(DynamicsError):
    """Ctrl-C, or a signal to end."""

    exit_status = 130


@dataclass
class Progress:
    """How far the pipeline is, from the lines that DVC and its stages print."""

    names: list[str]
    expected: dict[str, float]  # seconds that stages took before
    title: str = ""  # before a stage's name, as in a sweep
    say: Callable[[str], None] = print  # called with lines that stay
    seen: list[str] = field(default_factory=list)
    ran: dict[str, float] = field(default_factory=dict)  # seconds, of those that are done
    restored: list[str] = field(default_factory=list)  # from DVC's cache
    current: str | None = None
    started: float = 0.0
    words: deque[str] = field(default_factory=lambda: deque(maxlen=200))  # said since it began

    def line(self) -> str:
        """The current stage on one line, with the time that is left where that is known."""
        if self.current is None:
            return f"{self.title}looking at what has changed"
        seconds = time.monotonic() - self.started
        parts = [self._head(round(seconds))]
        if self.current in self.expected:
            later = [self.expected.get(name, 0.0) for name in self.names if name not in self.seen]
            left = round(max(0.0, self.expected[self.current] - seconds) + sum(later))
            parts += [f"about {duration(left)} left"] if left else []
        # A copy, because another thread adds to it.
        return "  ".join([*parts, *(line.strip() for line in list(self.words)[-1:])])

    def hear(self, line: str) -> None:
        """Learn from a line how far the pipeline is."""
        running, skipped = RUNNING.match(line), SKIPPED.match(line)
        if running or skipped:
            self.end()
            self.words.clear()
            name = (running or skipped)[1]
            self.seen.append(name)
            if running:
                self.current, self.started = name, time.monotonic()
            elif skipped[2] == "is cached":
                self.restored.append(name)
        elif line.startswith(SAVED):  # hashing and caching included
            self.end()
        elif line.strip() and not line.startswith(COMMAND):
            self.words.append(line)
            if self.current is not None and line.startswith(NOTICES):
                self.say(line)

    def end(self) -> None:
        """Say the line that stays of a stage that is done."""
        if self.current is not None:
            self.ran[self.current] = time.monotonic() - self.started
            self.say(self._head(self.ran[self.current]))
            self.current = None

    def reason(self) -> list[str]:
        """Why the current stage failed: what was said from its error on, or at the end."""
        words = [line for line in self.words if not line.startswith(f"{FAILED}failed to reproduce")]
        for number, line in enumerate(words):
            if line.startswith("error:"):
                return words[number:]
        return words[-25:]

    def _head(self, seconds: float) -> str:
        number = f"{len(self.seen)}/{max(len(self.names), len(self.seen))}"
        return f"{number:>5} {self.title}{self.current}  {duration(seconds)}"


def repro(
    root: Path,
    arguments: Sequence[str] = ("repro",),
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
        InterruptionError: Ctrl-C, SIGTERM or SIGHUP; the stage has tidied up and ended.
    """
    progress = Progress(stage_names(root), _timings(root), title)
    with _started(root, arguments, variables or {}) as process, _shown(progress, verbose):
        try:
            for line in process.stdout:
                if verbose:
                    print(line, end="", flush=True)
                progress.hear(line.rstrip())
            status, interrupted = process.wait(), False
        except KeyboardInterrupt:
            status, interrupted = _stop(process), True
        if status == 0:
            progress.end()
    if progress.ran:
        ran = {name: round(seconds, 2) for name, seconds in progress.ran.items()}
        write_json(root / TIMINGS, _timings(root) | ran)
    if status == 0:
        lost = discard_damaged(root, progress.restored)
        if not lost:
            return list(progress.ran)
        print(f"note: DVC's cache had {listed(lost)} damaged; computed again", flush=True)
        again = repro(root, arguments, variables=variables, verbose=verbose, title=title)
        return list(dict.fromkeys([*progress.ran, *again]))
    if interrupted or any("exited with 130" in line for line in progress.words):
        raise InterruptionError("interrupted; the same command continues")
    if progress.current is None:
        errors = [line for line in progress.words if line.startswith(FAILED)]
        reason = " ".join(line.removeprefix(FAILED) for line in errors) or f"exit status {status}"
        advice = f" {mending(root)}" if "dvc.lock" in reason else ""
        raise DvcError(f"DVC failed: {reason}{advice}")
    if not verbose:
        print("\n".join(progress.reason()), file=sys.stderr)
    raise StageError(f"stage {progress.current} failed, as said above; the rest was not computed")


@contextmanager
def _shown(progress: Progress, verbose: bool) -> Iterator[None]:
    """Print lines that stay; on a terminal one that changes is below them."""
    if verbose or not sys.stdout.isatty():
        progress.say = (lambda line: None) if verbose else partial(print, flush=True)
        yield
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(highlight=False)
    progress.say = lambda line: console.print(Text(line), soft_wrap=True)
    with Live(
        get_renderable=lambda: Text(progress.line(), no_wrap=True, overflow="ellipsis"),
        console=console,
        refresh_per_second=4,
        transient=True,
    ):
        yield


@contextmanager
def _started(
    root: Path, arguments: Sequence[str], variables: Mapping[str, str]
) -> Iterator["subprocess.Popen[str]"]:
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored:  # in the background of a script; children would inherit that and never tidy up
        signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root,
        env=environment() | dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        process_group=0,  # Ctrl-C comes to us alone, and we end all of it
    )
    if ignored:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield process
    finally:
        if process.poll() is None:
            _stop(process)
        process.stdout.close()


def _stop(process: "subprocess.Popen[str]") -> int:
    """End DVC and its stage, which tidy up first; DVC's exit status."""
    for number, patience in zip((signal.SIGINT, signal.SIGTERM), PATIENCE, strict=True):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.communicate(timeout=patience)  # what is still said must not fill the pipe
            return process.returncode
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _timings(root: Path) -> dict[str, float]:
    try:
        found = json.loads((root / TIMINGS).read_text())
        return {str(name): float(seconds) for name, seconds in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}
