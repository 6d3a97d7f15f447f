"""How training shows how far it is: a bar on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from deep_learning_dynamics.trajectories import Observer, Scores


@contextmanager
def training_progress(title: str, networks: int, epochs: int) -> Iterator[Observer]:
    """An observer of training that shows epoch, median test accuracy and time left."""
    if not sys.stderr.isatty():
        yield _lines(title, networks, epochs)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("epoch {task.completed:.1f}/{task.total}"),
        TextColumn("{task.fields[accuracy]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(f"{title}, {networks} networks", total=epochs, accuracy="")

        def observe(step: int, epoch: float, scores: Scores) -> None:
            bar.update(task, completed=epoch, accuracy="".join(_accuracy(scores)))

        yield observe


def _lines(title: str, networks: int, epochs: int) -> Observer:
    last = -1

    def observe(step: int, epoch: float, scores: Scores) -> None:
        nonlocal last
        if int(epoch) > last:
            last = int(epoch)
            print(
                ", ".join(
                    (f"{title}, {networks} networks: epoch {last}/{epochs}", *_accuracy(scores))
                ),
                file=sys.stderr,
                flush=True,
            )

    return observe


def _accuracy(scores: Scores) -> tuple[str, ...]:
    """The median over the networks that have an accuracy; nothing where none has."""
    if not np.isfinite(scores.test_accuracy).any():
        return ()
    return (f"test accuracy {np.nanmedian(scores.test_accuracy):.1%}",)
