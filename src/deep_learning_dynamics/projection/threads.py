"""How many threads linear algebra may use."""

import os
from contextlib import AbstractContextManager
from typing import Any

FEW = 2e10  # multiplications, about half a second on one core


def threads_for(rows: int, weights: int) -> AbstractContextManager[Any]:
    """One thread for BLAS and LAPACK while matrices are small, all that there are otherwise.

    Threads that wait for each other spin. On a machine with other work an ``eigh`` of 455 rows
    took 4.8 s on two threads and 0.03 s on one, and one thread's sums do not depend on the machine.
    """
    from threadpoolctl import threadpool_limits

    few = rows**2 * (rows + weights) < FEW
    return threadpool_limits(1 if few else None, user_api="blas")


def processors() -> int:
    """The processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # macOS has none
    return len(affinity(0)) if affinity else os.cpu_count() or 1
