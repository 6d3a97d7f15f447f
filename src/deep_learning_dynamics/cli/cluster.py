"""``dynamics cluster``: what is connected?"""

import os
from typing import Annotated

import typer

from deep_learning_dynamics.cli.terminal import print_table
from deep_learning_dynamics.errors import ExecutionError
from deep_learning_dynamics.execution import connected
from deep_learning_dynamics.formatting import count, size


def cluster(
    wait: Annotated[
        int, typer.Option(metavar="N", min=0, help="First wait until N workers are connected.")
    ] = 0,
) -> None:
    """Show the workers of the Dask cluster in DYNAMICS_CLUSTER, and check their versions.

    DYNAMICS_CLUSTER is the address of a running scheduler (tcp://HOST:PORT), or
    names a cluster that is started for each command that needs it and stopped
    after it: a file such as examples/slurm.yaml, or local:4 (four processes).

    Example: DYNAMICS_CLUSTER=tcp://10.0.0.1:8786 dynamics cluster --wait 16
    """
    there = connected()
    if there is None:
        raise ExecutionError(
            "DYNAMICS_CLUSTER is not set, so work runs on this machine; expected tcp://HOST:PORT "
            "of a Dask scheduler, a file such as slurm.yaml, or local:4."
        )
    if wait:
        there.wait_for(wait)
    workers = there.workers()
    print(f"{os.environ['DYNAMICS_CLUSTER']}, dashboard {there.dashboard}")
    if not workers:
        print("No worker is connected yet. Wait for one with: dynamics cluster --wait 1")
        return
    print_table(
        ("worker", "cores", "memory", "processor"),
        (
            (
                worker.address,
                str(worker.threads),
                size(float(worker.memory)) if worker.memory else "no limit",
                worker.processor,
            )
            for worker in workers
        ),
    )
    cores, memory = (sum(getattr(w, name) for w in workers) for name in ("threads", "memory"))
    print(f"{count(len(workers), 'worker')}, {count(cores, 'core')}, {size(float(memory))}")
    versions = ", ".join(f"{name} {version}" for name, version in workers[0].versions.items())
    print(f"The same versions as here: {versions}")
    if len({worker.processor for worker in workers}) > 1:
        print(
            "The workers have different processors: training gives the same bits on all of them, "
            "projections may differ in their last digits."
        )
