"""Does many independent pieces of work on all processors; this process is one of the workers."""

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

from deep_learning_dynamics.projection.threads import processors

# Seconds of work below which no other process is worth its start: it must first import all that
# the work needs.
WORTH_PROCESSES = 4.0

_work: Callable[[Any], Any] | None = None  # what this process does, if it is a worker


def in_order(work: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[Any]:
    """``work(task)`` for each task, in their order.

    ``work`` must be picklable (a ``functools.partial`` of a module's function); it goes to each
    worker once. Every piece is done on one thread, wherever it is done, so that the number of
    processors changes no result.
    """
    if not tasks:
        return
    start = time.perf_counter()
    first = _alone(work, tasks[0])
    seconds = time.perf_counter() - start
    yield first
    rest = tasks[1:]
    workers = min(processors() - 1, len(rest) - 1)
    if workers < 1 or seconds * len(rest) < WORTH_PROCESSES:
        for task in rest:
            yield _alone(work, task)
    else:
        yield from _shared(work, rest, workers)


def _shared(work: Callable[[Any], Any], tasks: Sequence[Any], workers: int) -> Iterator[Any]:
    # New processes, not copies of this one: a copy of a process with threads may hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_become_worker, initargs=(work,))
    waiting = deque(range(len(tasks)))
    futures: dict[int, Future] = {}
    results: dict[int, Any] = {}
    try:
        while waiting:
            # This process takes the first and gives the others the last ones, one ahead of need.
            busy = sum(not future.done() for future in futures.values())
            for _ in range(min(2 * workers - busy, len(waiting) - 1)):
                number = waiting.pop()
                futures[number] = pool.submit(_at_work, tasks[number])
            number = waiting.popleft()
            results[number] = _alone(work, tasks[number])
        for number in range(len(tasks)):
            yield results[number] if number in results else futures[number].result()
    finally:
        pool.shutdown(cancel_futures=True)


def _alone(work: Callable[[Any], Any], task: Any) -> Any:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return work(task)


def _become_worker(work: Callable[[Any], Any]) -> None:
    global _work
    _work = work
    # Ctrl-C reaches all processes; the first one says so, and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _at_work(task: Any) -> Any:
    assert _work is not None
    return _alone(_work, task)
