"""Watching a training: one live line on a terminal, a line per epoch elsewhere, curves in MLflow.

Whatever watches changes no output of a stage.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deep_learning_dynamics import formatting
from deep_learning_dynamics.study.training import Moment, Training

INTERVAL = 0.2  # seconds between two drawings of the live line


@contextmanager
def watching(training: Training, continued: bool = False) -> Iterator[Callable[[Moment], None]]:
    """What :meth:`Training.run` calls at every snapshot.

    Args:
        continued: whether other networks go on from the ends of these.
    """
    from deep_learning_dynamics import tracking
    from deep_learning_dynamics.study import params

    line = Line(f"{training.title}, {formatting.count(len(training.networks), 'network')}")
    with ExitStack() as stack:
        log = stack.enter_context(
            tracking.Live(
                Path(),
                params.load().as_json(),
                training.networks,
                continued=continued,
                device=device_of(training),
            )
        )
        stack.callback(line.end)

        def observe(moment: Moment) -> None:
            log(moment.step, moment.scores)
            line.show(moment.epoch, training.settings.epochs, moment.scores["test_accuracy"])

        yield observe


def device_of(training: Training) -> str:
    """On what networks train."""
    if training.attributes["arithmetic"] == "portable":
        return "cpu"
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


class Line:
    """How far it is: count, test accuracy, time and time left."""

    def __init__(self, title: str) -> None:
        self._title, self._start, self._last = title, time.monotonic(), -1
        self._live, self._drawn = sys.stderr.isatty(), 0.0

    def show(self, epoch: float, epochs: int, accuracy: np.ndarray) -> None:
        """Draw the state anew: often on a terminal, at whole epochs elsewhere."""
        now = time.monotonic()
        if not self._live and int(epoch) == self._last:
            return
        if self._live and epoch < epochs and now - self._drawn < INTERVAL:
            return
        self._last, self._drawn = int(epoch), now
        parts = [f"{self._title}: epoch {epoch:.1f}/{epochs}" if self._live else
                 f"{self._title}: epoch {int(epoch)}/{epochs}"]  # fmt: skip
        if np.isfinite(accuracy).any():
            parts.append(f"test accuracy {formatting.percent(float(np.nanmedian(accuracy)))}")
        elapsed = now - self._start
        if 0 < epoch < epochs:
            parts.append(f"{formatting.duration(elapsed * (epochs - epoch) / epoch)} left")
        text = ", ".join(parts)
        print(f"\r\033[K{text}" if self._live else text, end="" if self._live else "\n",
              file=sys.stderr, flush=True)  # fmt: skip

    def end(self) -> None:
        """Leave the terminal as it was."""
        if self._live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


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
