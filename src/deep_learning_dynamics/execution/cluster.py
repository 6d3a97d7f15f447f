"""Tasks on the workers of a Dask cluster.

Workers may come late, end early or die: what they had is done by others. Results are given in the
order of the tasks, so that sums do not depend on who was fastest.
"""

import atexit
import logging
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from deep_learning_dynamics.environment import PACKAGES, Environment, code_digest
from deep_learning_dynamics.errors import ExecutionError
from deep_learning_dynamics.execution.local import SHARED_BYTES, on_one_thread
from deep_learning_dynamics.execution.starting import VARIABLE, start
from deep_learning_dynamics.formatting import count, size

if TYPE_CHECKING:
    from distributed import Client, Future
    from distributed.deploy import Cluster as Deployment

LOOK_AHEAD = 2  # tasks for each thread of the workers whose results may wait for earlier ones
REPEATS = 5  # of tasks whose results or data were lost with a connection or a worker
ANSWER = 15.0  # seconds in which a scheduler answers
TURN = 0.5  # seconds after which late workers and lost connections are noticed
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
    if known is not None and known.wanted == wanted and known.alive:
        return known
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
    deployment: "Deployment | None"  # what was started for this process
    process: int = field(default_factory=os.getpid)

    @classmethod
    def connect(cls, wanted: str) -> "Cluster":
        """
        Raises:
            ExecutionError: it cannot be reached or started.
        """
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
        deployment = start(wanted)
        try:
            client = Client(deployment or wanted, timeout=ANSWER, set_as_default=False)
        except (OSError, ValueError, RuntimeError) as error:
            if deployment is not None:
                deployment.close()
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ExecutionError(
                f"No Dask scheduler answers at {wanted} ({reason}). Start one with: dask scheduler "
                f"--host ADDRESS; see its workers with: dynamics cluster; or unset {VARIABLE}"
            ) from None
        cluster = cls(wanted, client, deployment)
        atexit.register(cluster.close)
        if deployment is not None:
            print(f"Dask: {wanted}, dashboard {cluster.dashboard}", file=sys.stderr, flush=True)
        return cluster

    @property
    def alive(self) -> bool:
        """Whether it can be used by this process."""
        return self.process == os.getpid() and self.client.status == "running"

    @property
    def dashboard(self) -> str:
        """Where to watch it."""
        return str(self.client.dashboard_link)

    def close(self) -> None:
        """Leave the cluster, and end it if it was started for this process."""
        if self.process != os.getpid():
            return
        atexit.unregister(self.close)
        with suppress(Exception):  # what is gone need not be closed
            self.client.close(timeout=2)
        if self.deployment is not None:
            with suppress(Exception):
                self.deployment.close()

    def wait_for(self, workers: int) -> None:
        """Wait until so many are connected.

        Raises:
            ExecutionError: the scheduler is gone.
        """
        while True:
            try:
                there = len(self.client.nthreads())
            except Exception:
                self._await_scheduler(1, "")
                there = 0
            if there >= workers:
                return
            time.sleep(TURN)

    def workers(self) -> list[Worker]:
        """Those that are connected.

        Raises:
            ExecutionError: a package of a worker has another version than here.
        """
        try:
            found = self.client.run(_describe)
        except ImportError as error:
            raise ExecutionError(
                f"A worker of {self.wanted} cannot import {error.name}; expected what is in "
                "requirements.lock. Install it there, and start the workers again."
            ) from None
        known = self.client.scheduler_info(n_workers=-1)["workers"]
        workers = [
            Worker(
                address,
                known[address]["nthreads"],
                int(known[address]["memory_limit"] or 0),
                versions,
                processor,
            )
            for address, (versions, processor) in sorted(found.items())
            if address in known
        ]
        for worker in workers:
            _check_versions(_versions(), worker.versions, worker.address)
        return workers

    def run(
        self, function: Callable[[Any], Any], tasks: Sequence[Any], label: str = ""
    ) -> Iterator[Any]:
        """``function`` of each task, in the order of the tasks, on one thread each.

        Raises:
            ExecutionError: workers died of a task again and again, or the scheduler is gone.
        """
        from distributed import wait

        remaining = deque(enumerate(tasks))
        waiting: deque[tuple[int, Any, Future]] = deque()
        shared, repeats = None, 0
        try:
            while remaining or waiting:
                room = self._room()
                if shared is None:
                    shared = self._shared(function)
                while remaining and len(waiting) < room:
                    number, task = remaining.popleft()
                    waiting.append((number, task, self._submit(shared, task, number, label)))
                pending = [future for _, _, future in waiting if not future.done()]
                if pending and not waiting[0][2].done():
                    with suppress(Exception):  # time is up, or a state changed: see below
                        wait(pending, timeout=TURN, return_when="FIRST_COMPLETED")
                for number, _, future in waiting:
                    if future.status == "error":
                        raise self._explained(future.exception(), number, label)
                if self.client.status != "running" or any(
                    future.status in ("cancelled", "lost") for _, _, future in waiting
                ):
                    # Their data or their scheduler was lost: they are done again.
                    repeats += 1
                    self._await_scheduler(repeats, label)
                    remaining.extendleft((number, task) for number, task, _ in reversed(waiting))
                    waiting.clear()
                    shared = None
                    continue
                while waiting and waiting[0][2].status == "finished":
                    try:
                        result = waiting[0][2].result()
                    except Exception:  # lost since; the states say how
                        if waiting[0][2].status == "finished":
                            raise
                        break
                    waiting.popleft()
                    yield result
        finally:
            if waiting:
                with suppress(Exception):
                    self.client.cancel([future for _, _, future in waiting], force=True)

    def _room(self) -> int:
        """How many tasks may be under way, once there is a worker."""
        since, said = time.monotonic(), False
        while True:
            try:
                threads = sum(self.client.nthreads().values())
            except Exception:
                self._await_scheduler(1, "")
                continue
            if threads:
                return LOOK_AHEAD * threads
            if not said and time.monotonic() - since > 5:
                print(f"Waiting for a worker of {self.wanted}", file=sys.stderr, flush=True)
                said = True
            time.sleep(TURN)

    def _shared(self, function: Callable[[Any], Any]) -> Any:
        """The function itself, or where it is with its arrays: sent to each worker once."""
        import cloudpickle

        buffers: list[Any] = []
        packed = cloudpickle.dumps(function, protocol=5, buffer_callback=buffers.append)
        large = len(packed) + sum(each.raw().nbytes for each in buffers) > SHARED_BYTES
        if not large:
            return function
        return self.client.scatter([function], broadcast=True, hash=False)[0]

    def _submit(self, shared: Any, task: Any, number: int, label: str) -> "Future":
        key = f"{label.replace(' ', '-') or 'task'}-{os.urandom(8).hex()}-{number}"
        # An older task first: its result is the one that is waited for.
        return self.client.submit(
            _call, shared, task, _versions(), key=key, pure=False, priority=-number
        )

    def _await_scheduler(self, repeats: int, label: str) -> None:
        """Wait while the client tries to connect again; it gives up after a time."""
        while self.client.status == "connecting":
            time.sleep(TURN)
        if self.client.status != "running":
            raise ExecutionError(
                f"The Dask scheduler at {self.wanted} is gone. Start it and its workers again, "
                "then do what was interrupted again: what is done stays."
            )
        if repeats > REPEATS:
            raise ExecutionError(
                f"{label or 'Tasks'} were lost {repeats} times by the cluster at {self.wanted}. "
                "See the logs of its workers; more memory for each, or a longer --lifetime."
            )

    def _explained(self, error: BaseException | None, number: int, label: str) -> BaseException:
        from distributed.scheduler import KilledWorker

        name = f"Task {number + 1} of {label or 'the run'}"
        if isinstance(error, KilledWorker):
            last = error.last_worker
            limit = size(float(last.memory_limit)) if last.memory_limit else "no limit of memory"
            return ExecutionError(
                f"{name} ended {count(error.allowed_failures + 1, 'worker')}, which likely ran out "
                f"of memory (the last was {last.address}, with {limit}). Give each worker more "
                "memory, or see its log."
            )
        if isinstance(error, MemoryError):
            return ExecutionError(
                f"{name} ran out of memory on a worker of {self.wanted}. Give each worker more."
            )
        if isinstance(error, ImportError):
            return ExecutionError(
                f"A worker of {self.wanted} cannot import {error.name or error}; expected what is "
                "in requirements.lock. Install it there, and start the workers again."
            )
        assert error is not None
        return error


def _call(function: Callable[[Any], Any], task: Any, versions: dict[str, str]) -> Any:
    """What a worker does."""
    from threadpoolctl import threadpool_limits

    _check_versions(versions, _versions(), "a worker")
    # For good: other threads of this process, if it has any, do tasks as well.
    threadpool_limits(1)
    token = _in_task.set(True)
    try:
        return on_one_thread(function, task)
    finally:
        _in_task.reset(token)


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
    return found | {"the code of deep-learning-dynamics": code_digest()}


def _check_versions(here: dict[str, str], there: dict[str, str], worker: str) -> None:
    """Refuse a worker with other versions; packages that it lacks are missed when they are used."""
    for package in here.keys() & there.keys():
        if here[package] != there[package]:
            raise ExecutionError(
                f"{package} is {there[package]} on {worker} and {here[package]} here; expected the "
                "same. Install requirements.lock on both, and start the workers again."
            )
