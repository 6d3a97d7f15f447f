"""Messages while a command waits for the workers of a cluster."""

import sys
import time
from dataclasses import dataclass, field

from deep_learning_dynamics.errors import ExecutionError
from deep_learning_dynamics.execution.starting import Started
from deep_learning_dynamics.formatting import count, duration, listed

PATIENCE = 5.0  # seconds before the first message
REMINDER = 60.0  # seconds before the second; each further one waits twice as long
NAMED = 3  # jobs in a message


@dataclass
class Wait:
    """A wait for workers of a cluster."""

    wanted: str  # the value of DYNAMICS_CLUSTER
    started: Started | None
    since: float = field(default_factory=time.monotonic)
    silent_for: float = field(default_factory=lambda: PATIENCE)  # seconds

    def say(self, workers: int = 1) -> None:
        """Print what is being waited for, unless that was done a short while ago.

        Raises:
            ExecutionError: no worker can be started.
        """
        jobs = None if self.started is None else self.started.jobs
        if jobs is not None and jobs.problem and not jobs.names():  # others may only be queued
            raise ExecutionError(
                f"{self.wanted}: no worker can be started ({jobs.problem.splitlines()[-1]}). "
                "Correct its settings."
            )
        waited = time.monotonic() - self.since
        if waited < self.silent_for:
            return
        self.silent_for = max(REMINDER, 2 * waited)
        text = f"note: waiting for {count(workers, 'worker')} of {self.wanted}"
        names = [] if jobs is None else jobs.names()
        if names:
            others = len(names) - NAMED
            shown = [*names[:NAMED], f"{others} more"] if others > 0 else names
            text += f" ({'jobs' if len(names) > 1 else 'job'} {listed(shown)})"
        if waited >= REMINDER:
            text += f" for {duration(waited)}"
            if names:
                text += "; if the queue has no such job, the job's output says why"
            elif self.started is None:
                text += f"; start one with: dask worker {self.wanted}"
        print(text, file=sys.stderr, flush=True)
