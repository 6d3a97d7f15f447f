"""How a sweep shows how far it is: a bar on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from deep_learning_dynamics.lab.sweep_plan import Experiment
from deep_learning_dynamics.tracking.records import Record

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@runtime_checkable
class Show(Protocol):
    """What is told about a sweep while it goes on."""

    def settled(self, experiment: Experiment, record: Record | None) -> None:
        """An experiment is complete, or (None) failed."""

    def running(self, count: int) -> None:
        """So many are being run at this moment."""


@contextmanager
def shown(name: str, total: int) -> Iterator[Show]:
    """Show a sweep of ``total`` experiments on standard error."""
    if not sys.stderr.isatty():
        yield _Lines(total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[now]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        yield _Bar(bar, bar.add_task(name, total=total, now="starting"))


class _Lines:
    """A line for each experiment that ends."""

    def __init__(self, total: int) -> None:
        self._done, self._total = 0, total

    def settled(self, experiment: Experiment, record: Record | None) -> None:
        self._done += 1
        line = f"{self._done}/{self._total} {_line(experiment, record)}"
        print(line, file=sys.stderr, flush=True)

    def running(self, count: int) -> None:
        pass


class _Bar:
    """A bar, with such lines above it."""

    def __init__(self, bar: "Progress", task: "TaskID") -> None:
        self._bar, self._task = bar, task

    def settled(self, experiment: Experiment, record: Record | None) -> None:
        self._bar.console.print(_line(experiment, record), highlight=False, markup=False)
        self._bar.advance(self._task)

    def running(self, count: int) -> None:
        self._bar.update(self._task, now=f"{count} running")


def _line(experiment: Experiment, record: Record | None) -> str:
    return f"{experiment}: {'failed' if record is None else record.name}"
