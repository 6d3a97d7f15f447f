"""Independent tasks, one call for all places where they can run."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, Protocol, TypeVar, runtime_checkable

from deep_learning_dynamics.execution.cluster import connected
from deep_learning_dynamics.execution.local import LocalProcesses, ThisProcess, on_one_thread

Task = TypeVar("Task")
Result = TypeVar("Result")

# Seconds of work below which no other process is worth its start: it must first import all that
# the work needs (UMAP with its compiled functions takes about three seconds).
WORTH_PROCESSES = 6.0
LONG = 2.0  # seconds; a first task that takes longer does more than import


@runtime_checkable
class Backend(Protocol):
    """A place where tasks can run."""

    def run(
        self, function: Callable[[Any], Any], tasks: Sequence[Any], label: str
    ) -> Iterator[Any]:
        """``function`` of each task, in the order of the tasks, on one thread each."""
        ...


def run_tasks(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    label: str = "",
    progress: Callable[[int, int], None] | None = None,
    backend: Backend | None = None,
) -> Iterator[Result]:
    """``function(task)`` for each task, in the order of the tasks.

    Args:
        function: a function of a module, or a ``functools.partial`` of one, that can be pickled.
            Arrays in it are not to be changed: processes share the large ones.
        tasks: what it is called with.
        label: what the tasks are, for backends that show them: "refits of umap".
        progress: called with the number of tasks done and of all tasks, after each.
        backend: where they run. By default the first two tasks (the first may import and compile)
            run in this process, and the shorter time decides whether other processes are worth
            their start for the rest: those of the cluster in ``DYNAMICS_CLUSTER``, or one for each
            core of this machine.

    An error in a task is raised as soon as it is known, and the other tasks are given up; so they
    are if the iterator is closed, and on Ctrl-C and SIGTERM.
    """
    tasks = list(tasks)
    results = _chosen(function, tasks, label, backend)
    with closing(results), _terminable():
        for done, result in enumerate(results, 1):
            if progress is not None:
                progress(done, len(tasks))
            yield result


def _chosen(
    function: Callable[[Any], Any],
    tasks: list[Any],
    label: str,
    backend: Backend | None,
) -> Iterator[Any]:
    if backend is None:
        shortest = float("inf")
        for task in tasks[:2]:
            start = time.perf_counter()
            result = on_one_thread(function, task)
            took = time.perf_counter() - start
            shortest = min(took, shortest)
            tasks = tasks[1:]
            yield result
            if took > LONG:
                break
        few = len(tasks) < 2 or shortest * len(tasks) < WORTH_PROCESSES
        backend = ThisProcess() if few else connected() or LocalProcesses()
    yield from backend.run(function, tasks, label)


@contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM, which would leave workers behind, into an exception that ends them."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield  # whoever handles it will raise
        return

    def leave(number: int, _frame: Any) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
