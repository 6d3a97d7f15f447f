"""How far the pipeline is: a line for each stage, from what DVC and the stages print."""

import re
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from deep_learning_dynamics.formatting import duration

RUNNING = re.compile(r"Running stage '(.+?)'")
SKIPPED = re.compile(r"Stage '(.+?)' (didn't change|is cached)")
COMMAND = "> "  # before a stage's command, in what DVC says
SAVED = ("Updating lock file", "Generating lock file")  # what DVC says when a stage is done
FAILED = "ERROR: "  # before what DVC says when it or a stage failed
NOTICES = ("warning:", "note:")  # before lines of stages that are shown at once


@dataclass
class Heard:
    """What one DVC process says: it runs one stage at a time."""

    stage: str | None = None  # that runs
    started: float = 0.0
    words: deque[str] = field(default_factory=lambda: deque(maxlen=200))  # said since it began

    def reason(self) -> list[str]:
        """Why the stage failed: what was said from its error on, or at the end."""
        words = [line for line in self.words if not line.startswith(f"{FAILED}failed to reproduce")]
        for number, line in enumerate(words):
            if line.startswith("error:"):
                return words[number:]
        return words[-25:]


@dataclass
class Progress:
    """How far the pipeline is; several stages can run at a time."""

    names: list[str]
    expected: dict[str, float]  # seconds that stages took before
    title: str = ""  # before a stage's name, as in a sweep
    say: Callable[[str], None] = print  # called with lines that stay
    seen: dict[str, None] = field(default_factory=dict)
    ran: dict[str, float] = field(default_factory=dict)  # seconds, of those that are done
    restored: list[str] = field(default_factory=list)  # from DVC's cache
    running: list[Heard] = field(default_factory=list)

    def hear(self, line: str, heard: Heard) -> None:
        """Update the progress from a line that a DVC process printed."""
        running, skipped = RUNNING.match(line), SKIPPED.match(line)
        if running or skipped:
            self.end(heard)
            heard.words.clear()
            name = (running or skipped)[1]
            self.seen[name] = None
            if running:
                heard.stage, heard.started = name, time.monotonic()
                self.running.append(heard)
            elif skipped[2] == "is cached":
                self.restored.append(name)
        elif line.startswith(SAVED):  # hashing and caching included
            self.end(heard)
        elif line.strip() and not line.startswith(COMMAND):
            heard.words.append(line)
            if heard.stage is not None and line.startswith(NOTICES):
                self.say(line)

    def end(self, heard: Heard, failed: bool = False) -> None:
        """Print the final line of a stage that has ended."""
        if heard.stage is None:
            return
        self.running.remove(heard)
        if failed:
            return
        name, heard.stage = heard.stage, None
        if name not in self.ran:  # some run each time that DVC looks
            self.ran[name] = time.monotonic() - heard.started
            done = len(self.seen) - len(self.running)
            self.say(f"{self._place(done)}{name}  {duration(self.ran[name])}")

    def line(self) -> str:
        """What runs now on one line, with the time that is left where that is known."""
        running = [heard for heard in list(self.running) if heard.stage is not None]
        if not running:
            return f"{self.title}looking at what has changed"
        now = time.monotonic()
        seconds = {heard.stage: now - heard.started for heard in running}
        stages = " · ".join(f"{name}  {duration(round(took))}" for name, took in seconds.items())
        parts = [f"{self._place(len(self.seen))}{stages}"]
        if all(name in self.expected for name in seconds):
            later = [self.expected.get(name, 0.0) for name in self.names if name not in self.seen]
            now_left = [max(0.0, self.expected[name] - took) for name, took in seconds.items()]
            left = round(max(*now_left, (sum(now_left) + sum(later)) / len(running)))
            parts += [f"about {duration(left)} left"] if left else []
        # Copies, because another thread adds to them.
        said = [line for heard in running for line in list(heard.words)[-1:]]
        return "  ".join([*parts, *(line.strip() for line in said)])

    def _place(self, number: int) -> str:
        place = f"{number}/{max(len(self.names), number)}"
        return f"{place:>5} {self.title}"


@contextmanager
def shown(progress: Progress, verbose: bool) -> Iterator[None]:
    """Print a line for each finished stage; on a terminal, with a live line below them."""
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
