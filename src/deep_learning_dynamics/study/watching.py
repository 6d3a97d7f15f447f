"""Watching a training: one live line on a terminal, a line per epoch elsewhere, curves in MLflow.

Whatever watches changes no output of a stage.
"""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from deep_learning_dynamics import store
from deep_learning_dynamics.formatting import count, duration, percent
from deep_learning_dynamics.study.training import Observer, Training

LIVE_INTERVAL, INTERVAL = 0.2, 3.0  # seconds between two drawings of the line
CLEAR = "\r\033[K"  # the terminal's current line
Show = Callable[..., None]  # (done, of), and words instead of a percentage


@contextmanager
def watching(training: Training, continued: bool = False) -> Iterator[tuple[Observer, Show]]:
    """What a training calls while it lasts: at every snapshot, and after every part of it.

    Args:
        continued: whether other networks go on from the ends of these.
    """
    from deep_learning_dynamics import tracking
    from deep_learning_dynamics.study import params

    settings, networks = params.load().as_json(), training.networks
    device = training.attributes["environment"]["device"]
    live = tracking.log_live(Path(), settings, networks, continued=continued, device=device)
    epochs = training.settings.epochs
    with live as log, line(f"{training.title}, {count(len(networks), 'network')}") as show:

        def observe(step: int, epoch: float, scores: dict[str, np.ndarray]) -> None:
            log(step, scores)
            words, accuracy = f"epoch {epoch:.1f}/{epochs}", scores["test_accuracy"]
            if np.isfinite(accuracy).any():
                words += f", test accuracy {percent(float(np.nanmedian(accuracy)))}"
            show(epoch, epochs, words)

        yield observe, show


@contextmanager
def line(title: str) -> Iterator[Show]:
    """Report progress: on one changing line of a terminal, with a line now and then elsewhere.

    Yields a function that is called with what is done and the total.
    """
    live, start, drawn = sys.stderr.isatty(), time.monotonic(), -math.inf
    interval = LIVE_INTERVAL if live else INTERVAL

    def show(done: float, of: float, words: str = "") -> None:
        nonlocal drawn
        share, now = done / of if of else 1.0, time.monotonic()
        if now - drawn < interval and share < 1:
            return
        drawn, elapsed = now, now - start
        text = f"{title}: {words or percent(share, 0)}"
        if 0 < share < 1 and elapsed > 1:
            text += f", {duration(elapsed * (1 - share) / share)} left"
        if live:
            print(f"{CLEAR}{text}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        if live:
            print(CLEAR, end="", file=sys.stderr, flush=True)


def headlines(training: Training) -> list[str]:
    """A line for each condition: the test accuracy that its networks reached."""
    scores, _ = store.read_scores(training.path)
    networks = scores.drop_duplicates("network", keep="last")
    titles: dict[str, Any] = training.attributes["titles"]["condition"]
    before = training.attributes["task"] != training.title  # what was learnt before it
    lines = []
    for key, group in networks[~networks["twin"]].groupby("condition", sort=False):
        what = titles[key] if before else f"{training.title}, {titles[key]}"
        accuracy = group["test_accuracy"].dropna().astype(float)
        if accuracy.empty:
            lines.append(f"{what}: no network has an accuracy")
            continue
        median, low, high = (
            percent(value) for value in (accuracy.median(), accuracy.min(), accuracy.max())
        )
        those = f" of the {len(accuracy)} that have one" if len(accuracy) < len(group) else ""
        failed = int((group["outcome"] != "").sum())
        and_failed = f", {failed} failed" if failed else ""
        lines.append(f"{what}: median test accuracy {median}{those} ({low} to {high}{and_failed})")
    return lines
