"""Watching a training: one live line on a terminal, a line per epoch elsewhere, curves in MLflow.

Whatever watches changes no output of a stage.
"""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deep_learning_dynamics import formatting
from deep_learning_dynamics.study.training import Moment, Training

LIVE_INTERVAL, INTERVAL = 0.2, 3.0  # seconds between two drawings of the line


@contextmanager
def watching(training: Training, continued: bool = False) -> Iterator["Watch"]:
    """Watch a training while it lasts.

    Args:
        continued: whether other networks go on from the ends of these.
    """
    from deep_learning_dynamics import tracking
    from deep_learning_dynamics.study import params

    live = tracking.Live(
        Path(),
        params.load().as_json(),
        training.networks,
        continued=continued,
        device=device_of(training),
    )
    title = f"{training.title}, {formatting.count(len(training.networks), 'network')}"
    with live as log, line(title) as progress:
        yield Watch(training.settings.epochs, log, progress)


@dataclass(frozen=True)
class Watch:
    """What a training calls."""

    epochs: int
    log: Callable[[int, dict[str, np.ndarray]], None]
    line: "Line"

    def __call__(self, moment: Moment) -> None:
        """At every snapshot."""
        self.log(moment.step, moment.scores)
        self.line.show(moment.epoch, self.epochs, moment.scores["test_accuracy"])

    def count(self, done: int, of: int) -> None:
        """After every part, where it has some."""
        self.line.count(done, of)


def device_of(training: Training) -> str:
    """On what networks train."""
    if training.attributes["arithmetic"] == "portable":
        return "cpu"
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


class Line:
    """How far it is: one line that changes on a terminal, lines now and then elsewhere."""

    def __init__(self, title: str) -> None:
        self._title, self._start, self._drawn = title, time.monotonic(), -math.inf
        self._live = sys.stderr.isatty()
        self._interval = LIVE_INTERVAL if self._live else INTERVAL

    def show(self, epoch: float, epochs: int, accuracy: np.ndarray) -> None:
        """How far a training is."""
        words = f"epoch {epoch:.1f}/{epochs}"
        if np.isfinite(accuracy).any():
            median = formatting.percent(float(np.nanmedian(accuracy)))
            words = f"{words}, test accuracy {median}"
        self._draw(epoch / epochs, words)

    def count(self, done: float, of: float) -> None:
        """How many things are done."""
        self.share(done / of if of else 1.0)

    def share(self, share: float) -> None:
        """How much is done, from 0 to 1."""
        self._draw(share, formatting.percent(share, 0))

    def _draw(self, share: float, words: str) -> None:
        now = time.monotonic()
        if now - self._drawn < self._interval and share < 1:
            return
        self._drawn, elapsed = now, now - self._start
        text = f"{self._title}: {words}"
        if 0 < share < 1 and elapsed > 1:
            text += f", {formatting.duration(elapsed * (1 - share) / share)} left"
        if self._live:
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the terminal as it was."""
        if self._live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


@contextmanager
def line(title: str) -> Iterator[Line]:
    """A line that says how far something is while it lasts."""
    shown = Line(title)
    try:
        yield shown
    finally:
        shown.end()


def headlines(training: Training, networks: pd.DataFrame) -> list[str]:
    """A line for each condition: the test accuracy that its networks reached."""
    titles: dict[str, Any] = training.attributes["titles"]["condition"]
    lines = []
    apart = networks[~networks["twin"].to_numpy(bool)]
    for key, group in apart.groupby("condition", sort=False):
        before = training.attributes["task"] != training.title  # what was learnt before it
        what = titles[key] if before else f"{training.title}, {titles[key]}"
        accuracy = group["test_accuracy"].to_numpy(float)
        accuracy = accuracy[np.isfinite(accuracy)]
        if not len(accuracy):
            lines.append(f"{what}: no network has an accuracy")
            continue
        median, low, high = (
            formatting.percent(float(value))
            for value in (np.median(accuracy), accuracy.min(), accuracy.max())
        )
        failed = int((group["outcome"] != "").sum())
        and_failed = f", {failed} failed" if failed else ""
        lines.append(f"{what}: median test accuracy {median} ({low} to {high}{and_failed})")
    return lines
