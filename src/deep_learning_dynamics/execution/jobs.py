"""The workers of a cluster that was started here: asked for, and replaced when they are lost."""

import time
from collections.abc import Hashable
from typing import Any

import dask
from dask.utils import parse_timedelta
from distributed import SpecCluster, Status
from distributed.deploy import Adaptive

PAUSE = 60.0  # seconds after which jobs that were refused are asked for again


class Jobs(Adaptive):
    """Keeps as many workers as were asked for.

    Dask's own rule looks at the tasks that its scheduler has, which are never more than a few for
    each thread, and ends the jobs that are too many for these before they have started. Nor does
    it replace a lost job that had several processes.
    """

    cluster: SpecCluster
    wanted = 0
    problem = ""  # why the last attempt to start some failed

    def __init__(self, cluster: SpecCluster, **settings: Any) -> None:
        super().__init__(cluster, **settings)
        self._not_before = 0.0
        self._seen: dict[Hashable, float] = {}  # when, by the name of a worker
        self._patience = parse_timedelta(dask.config.get("distributed.deploy.lost-worker-timeout"))

    async def adapt(self) -> None:
        """Ask for what is missing; called every second."""
        if time.monotonic() < self._not_before:
            return
        try:
            if lost := self._lost():
                await self.cluster.scale_down(lost)
            while len(self.plan) < self.wanted:
                self.cluster.worker_spec |= self.cluster.new_worker_spec()
            await self.cluster  # starts what is not there
            self.problem = ""
        except Exception as error:  # whatever the command of a batch system says
            self.problem = str(error).strip() or type(error).__name__
            self._not_before = time.monotonic() + PAUSE
            for name, job in list(self.cluster.workers.items()):
                if job.status == Status.created:  # asked for again later
                    job.status = Status.failed  # closing the cluster would wait for it
                    self.cluster.workers.pop(name)
                    self.cluster.worker_spec.pop(name, None)

    def _lost(self) -> list[str]:
        """Jobs of several processes that were there, and are not any more."""
        now = time.monotonic()
        self._seen |= dict.fromkeys(self.observed, now)
        lost = []
        for name, spec in self.cluster.worker_spec.items():
            workers = [f"{name}{suffix}" for suffix in spec.get("group", ())]
            seen = [self._seen[worker] for worker in workers if worker in self._seen]
            if seen and now - max(seen) > self._patience:
                lost.append(name)
                for worker in workers:  # another job may have its name
                    self._seen.pop(worker, None)
        return lost

    def names(self) -> list[str]:
        """The numbers that a batch system gave to jobs, if there is one."""
        found = (getattr(job, "job_id", None) for job in self.cluster.workers.values())
        return [str(each) for each in found if each is not None]
