"""Tasks on this machine: in this process, or in processes that live on for later calls."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from deep_learning_dynamics import environment

SHARED_BYTES = 100_000  # larger arrays are written once and mapped by all processes


class ThisProcess:
    """One task after the other, in this process."""

    def run(
        self, function: Callable[[Any], Any], tasks: Sequence[Any], label: str = ""
    ) -> Iterator[Any]:
        for task in tasks:
            yield on_one_thread(function, task)


class LocalProcesses:
    """Processes on this machine, which live on for later calls (joblib's loky)."""

    def __init__(self, workers: int | None = None) -> None:
        """
        Args:
            workers: how many processes; otherwise one for each core.
        """
        self.workers = environment.cores() if workers is None else workers

    def run(
        self, function: Callable[[Any], Any], tasks: Sequence[Any], label: str = ""
    ) -> Iterator[Any]:
        from joblib import Parallel, delayed, parallel_config

        # The settings hold while the work is handed out, and the loop below only waits.
        with parallel_config("loky", inner_max_num_threads=1):
            parallel = Parallel(
                n_jobs=max(1, min(self.workers, len(tasks))),
                return_as="generator",
                pre_dispatch="2 * n_jobs",
                max_nbytes=SHARED_BYTES,
            )
        yield from parallel(delayed(on_one_thread)(function, task) for task in tasks)


def on_one_thread(function: Callable[[Any], Any], task: Any) -> Any:
    """``function(task)`` under :func:`one_thread`."""
    with one_thread():
        return function(task)


@contextmanager
def one_thread() -> Iterator[None]:
    """Have libraries of linear algebra, and numba, use one thread; also a decorator.

    Sums of one thread do not depend on the number of cores. Most matrices here are small, too:
    threads would wait for each other, on a busy machine ten times as long as they compute.
    """
    import scipy.linalg  # noqa: F401 – its BLAS, loaded later, would not be limited
    from threadpoolctl import threadpool_limits

    numba = sys.modules.get("numba")  # not imported for those who do without it
    threads = numba.get_num_threads() if numba else 1
    try:
        if numba:
            numba.set_num_threads(1)
        with threadpool_limits(1):
            yield
    finally:
        if numba:
            numba.set_num_threads(threads)
