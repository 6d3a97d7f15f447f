"""Where independent work runs: in this process, in local processes, or on a Dask cluster.

Every part of the program that has many independent pieces of work hands them to
:func:`run_tasks`. Each piece runs on one thread wherever it runs, and results come in the order of
the tasks, so the number of cores or machines changes no result. A backend is anything with
:class:`Backend`'s method.
"""

from deep_learning_dynamics.execution.cluster import Cluster, connected
from deep_learning_dynamics.execution.local import LocalProcesses, ThisProcess, one_thread
from deep_learning_dynamics.execution.tasks import Backend, run_tasks

__all__ = [
    "Backend",
    "Cluster",
    "LocalProcesses",
    "ThisProcess",
    "connected",
    "one_thread",
    "run_tasks",
]
