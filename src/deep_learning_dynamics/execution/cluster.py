"""Tasks on the workers of a Dask cluster.

Workers may come late, end early or die: what they had is done by others. Results are given in the
order of the tasks, so that sums do not depend on who was fastest.
"""

import atexit
import ctypes
import logging
import os
import pickle
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from deep_learning_dynamics.environment import PACKAGES, Environment, package_digest
from deep_learning_dynamics.errors import ExecutionError, first_line
from deep_learning_dynamics.execution.local import on_one_thread
from deep_learning_dynamics.execution.starting import VARIABLE, Started, start
from deep_learning_dynamics.execution.waiting import Wait
from deep_learning_dynamics.formatting import count, size

if TYPE_CHECKING:
    from distributed import Client, Future

LOOK_AHEAD = 2  # tasks per worker thread that run, or wait for the results of earlier ones
ANSWER = 15.0  # seconds in which a scheduler answers
GLANCE = 1.0  # seconds between two looks at the workers
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt, in malloc.h
CLUSTER_PACKAGES = ("dask", "distributed", "cloudpickle")  # that must be the same, too

_in_task: ContextVar[bool] = ContextVar("in_task", default=False)
_connected: "Cluster | None" = None


def connected() -> "Cluster | None":
    """The cluster that ``DYNAMICS_CLUSTER`` names; None without one, and within its tasks.

    It is connected to, or started, at the first call, and left when the process ends.

    Raises:
        ExecutionError: there is none, or it cannot be reached or started.
    """
    global _connected
    wanted = os.environ.get(VARIABLE, "").strip()
    if not wanted or _in_task.get():
        return None
    known = _connected
    if known is None or known.wanted != wanted or known.client.status != "running":
        if known is not None:
            known.close()
        _connected = Cluster.connect(wanted)
    return _connected


@dataclass(frozen=True)
class Worker:
    """A process that runs tasks."""

    address: str
    threads: int
    memory: int  # bytes; 0: not limited
    versions: dict[str, str]
    processor: str


@dataclass
class Cluster:
    """A scheduler and its workers, as a place where tasks run."""

    wanted: str  # the value of DYNAMICS_CLUSTER
    client: "Client"
    started: Started | None = None  # for this process

    @classmethod
    def connect(cls, wanted: str) -> "Cluster":
        """Connect to a scheduler, or start a cluster."""
        try:
            from distributed import Client
        except ImportError:
            raise ExecutionError(
                f"{VARIABLE} is {wanted}, but Dask is not installed. Install it with: "
                "pip install 'deep-learning-dynamics[cluster]'"
            ) from None
        # What goes wrong is said once, by the errors below.
        for name in ("distributed", "distributed.client"):  # the second has a level of its own
            logging.getLogger(name).setLevel(logging.CRITICAL)
        started = start(wanted)
        place = wanted if started is None else started.deployment
        try:
            client = Client(place, timeout=ANSWER, set_as_default=False)
        except (OSError, ValueError, RuntimeError) as error:
            if started is not None:
                started.deployment.close()
            raise ExecutionError(
                f"No Dask scheduler answers at {wanted} ({first_line(error)}). Start one with: "
                "dask scheduler --host ADDRESS; see its workers with: dynamics cluster; or unset "
                f"{VARIABLE}"
            ) from None
        cluster = cls(wanted, client, started)
        atexit.register(cluster.close)
        if started is not None:
            print(f"Dask: {wanted}, dashboard {cluster.dashboard}", file=sys.stderr, flush=True)
        return cluster

    @property
    def dashboard(self) -> str:
        """Where to watch it."""
        return str(self.client.dashboard_link)

    def close(self) -> None:
        """Leave the cluster, and end it if it was started for this process."""
        atexit.unregister(self.close)
        with suppress(Exception):  # it may be gone already
            self.client.close(timeout=2)
        with suppress(Exception):
            if self.client.cluster is not None:
                self.client.cluster.close()

    def ask_for(self, workers: int) -> int:
        """Start so many workers, if this process starts them; returns how many there will be."""
        if self.started is None or self.started.most is None:
            return len(self._threads())
        self.started.ask_for(workers)
        return self.started.asked

    def wait_for(self, workers: int) -> None:
        """Wait until so many are connected.

        Raises:
            ExecutionError: the scheduler is gone, or there will not be so many.
        """
        most = None if self.started is None else self.started.most
        if most is not None and most < workers:
            raise ExecutionError(
                f"{self.wanted} has {most} as workers, so that there are never {workers}; expected "
                "at least as many. Change it there, or wait for fewer."
            )
        self.ask_for(workers)
        wait = Wait(self.wanted, self.started)
        while len(self._threads()) < workers:
            wait.say(workers)
            time.sleep(GLANCE)

    def _threads(self) -> dict[str, int]:
        """How many threads each worker has."""
        try:
            return self.client.nthreads()
        except (OSError, AttributeError):  # the second where it was gone before
            raise self._gone() from None

    def workers(self) -> list[Worker]:
        """Those that are connected.

        Raises:
            ExecutionError: a package of a worker is missing, or has another version than here.
        """
        try:
            found = self.client.run(_describe)
        except ImportError as error:
            raise self._lacks(error) from None
        workers = []
        for address, known in sorted(self.client.scheduler_info(n_workers=-1)["workers"].items()):
            if address in found:
                versions, processor = found[address]
                _check_versions(_versions(), versions, address)
                memory = int(known["memory_limit"] or 0)
                workers.append(Worker(address, known["nthreads"], memory, versions, processor))
        return workers

    def run(
        self, function: Callable[[Any], Any], tasks: Sequence[Any], label: str = ""
    ) -> Iterator[Any]:
        """``function`` of each task, in the order of the tasks, on one thread each.

        Raises:
            ExecutionError: workers died of a task again and again, or the scheduler is gone.
        """
        import cloudpickle
        from distributed import CancelledError, wait

        self.ask_for(len(tasks))
        # A task of its own: each worker gets it once, and if one dies with it, Dask makes it again.
        # As bytes: an error in reading it is then the task's, and does not end the worker.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "(?s)Sending large graph")
            shared = self.client.submit(_itself, cloudpickle.dumps(function), pure=False)
        name = f"{label.replace(' ', '-') or 'task'}-{os.urandom(8).hex()}"
        waiting: dict[int, Future] = {}  # for their results, or for those of tasks before them
        upcoming, for_worker = iter(enumerate(tasks)), None
        try:
            while True:
                threads = sum(self._threads().values())
                for_worker = None if threads else for_worker or Wait(self.wanted, self.started)
                most = LOOK_AHEAD * max(1, threads)
                for number, task in islice(upcoming, max(0, most - len(waiting))):
                    waiting[number] = self.client.submit(
                        _call, shared, task, _versions(),
                        key=f"{name}-{number}", pure=False, priority=-number,
                    )  # fmt: skip
                if not waiting:
                    return
                for number, future in waiting.items():
                    if future.status in ("error", "cancelled"):
                        self._result(future, number, label)  # raises
                first, future = next(iter(waiting.items()))
                if future.status == "finished":
                    yield self._result(waiting.pop(first), first, label)
                    continue
                pending = [each for each in waiting.values() if each.status != "finished"]
                # Why a task was cancelled is said above.
                with self.client.as_current(), suppress(TimeoutError, CancelledError):
                    wait(pending, timeout=GLANCE, return_when="FIRST_COMPLETED")
                if for_worker is not None:
                    for_worker.say()
        finally:
            with suppress(Exception):
                self.client.cancel(list(waiting.values()), force=True)

    def _result(self, future: "Future", number: int, label: str) -> Any:
        """The result of a task that has ended, or why there is none."""
        from distributed import CancelledError, KilledWorker

        name = f"Task {number + 1} of {label or 'the run'}"
        try:
            return future.result()
        except KilledWorker as error:
            last = error.last_worker
            limit = size(float(last.memory_limit)) if last.memory_limit else "no limit of memory"
            raise ExecutionError(
                f"{name} ended {count(error.allowed_failures + 1, 'worker')}, which likely ran out "
                f"of memory (the last was {last.address}, with {limit}). Give each worker more "
                "memory, or see its log."
            ) from None
        except MemoryError:
            raise ExecutionError(
                f"{name} ran out of memory on a worker of {self.wanted}. Give each worker more."
            ) from None
        except ImportError as error:
            raise self._lacks(error) from None
        except CancelledError:
            raise self._gone() from None

    def _gone(self) -> ExecutionError:
        return ExecutionError(
            f"The Dask scheduler at {self.wanted} is gone, or the connection to it. Start it and "
            "its workers again if they ended, then repeat the command: what is done stays."
        )

    def _lacks(self, error: ImportError) -> ExecutionError:
        return ExecutionError(
            f"A worker of {self.wanted} cannot import {error.name or error}; expected what is "
            "in requirements.lock. Install it there, and start the workers again."
        )


def _itself(function: bytes) -> bytes:
    return function


@lru_cache(1)
def _read(function: bytes) -> Callable[[Any], Any]:
    return pickle.loads(function)


def _call(function: bytes, task: Any, versions: dict[str, str]) -> Any:
    """What a worker does."""
    from threadpoolctl import threadpool_limits

    _check_versions(versions, _versions(), "a worker")
    # For good: other threads of this process, if it has any, do tasks as well.
    threadpool_limits(1)
    _keep_memory()
    token = _in_task.set(True)
    try:
        return on_one_thread(_read(function), task)
    finally:
        _in_task.reset(token)


@cache
def _keep_memory() -> None:
    """Have the C library keep memory that arrays no longer need for the next ones.

    Dask's workers return it at once (MALLOC_TRIM_THRESHOLD_), and all arrays of over 128 kB are
    then made of new pages: fits of methods took 1.4 times as long.
    """
    with suppress(AttributeError, OSError, TypeError):  # not glibc
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_THRESHOLD, 32 * 1024**2)  # the most that it takes
        library.mallopt(M_TRIM_THRESHOLD, 128 * 1024**2)


def _describe() -> tuple[dict[str, str], str]:
    return _versions(), Environment.current().processor


@cache
def _versions() -> dict[str, str]:
    """Versions of all that can change a number, and a digest of the program itself."""
    from importlib import metadata

    found = {"Python": ".".join(map(str, sys.version_info[:2]))}
    for package in (*PACKAGES, *CLUSTER_PACKAGES):
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found | {"the code of deep-learning-dynamics": package_digest()}


def _check_versions(here: dict[str, str], there: dict[str, str], worker: str) -> None:
    """Refuse a worker with other versions; a package that it lacks fails where it is used."""
    for package in here.keys() & there.keys():
        if here[package] != there[package]:
            raise ExecutionError(
                f"{package} is {there[package]} on {worker} and {here[package]} here; expected the "
                "same. Install requirements.lock on both, and start the workers again."
            )
