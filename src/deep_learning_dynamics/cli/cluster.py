"""``dynamics cluster``: what is connected?"""

import os
from typing import Annotated

import typer

EPILOG = "Example: DYNAMICS_CLUSTER=tcp://10.0.0.1:8786 dynamics cluster --wait 16"


def command(
    wait: Annotated[
        int, typer.Option(metavar="N", min=0, help="First wait until N workers are connected.")
    ] = 0,
) -> None:
    """Show the workers of the Dask cluster in DYNAMICS_CLUSTER, and check their versions.

    DYNAMICS_CLUSTER is the address of a running scheduler (tcp://HOST:PORT), or
    names a cluster that is started for each command that needs it and stopped
    after it: a file such as examples/slurm.yaml, or local:4 (four processes).
    """
    from rich.console import Console
    from rich.table import Table

    from deep_learning_dynamics.errors import ExecutionError
    from deep_learning_dynamics.execution import connected
    from deep_learning_dynamics.formatting import count, size

    cluster = connected()
    if cluster is None:
        raise ExecutionError(
            "DYNAMICS_CLUSTER is not set, so work runs on this machine; expected tcp://HOST:PORT "
            "of a Dask scheduler, a file such as slurm.yaml, or local:4."
        )
    cluster.wait_for(wait)
    workers = cluster.workers()
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=200)
    console.print(f"{os.environ['DYNAMICS_CLUSTER']}, dashboard {cluster.dashboard}")
    if not workers:
        console.print("No worker is connected yet. Wait for one with: dynamics cluster --wait 1")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("worker", "cores", "memory", "processor"):
        table.add_column(heading, overflow="fold")
    for worker in workers:
        memory = size(float(worker.memory)) if worker.memory else "no limit"
        table.add_row(worker.address, str(worker.threads), memory, worker.processor)
    console.print(table)
    cores, memory = (sum(getattr(w, name) for w in workers) for name in ("threads", "memory"))
    console.print(f"{count(len(workers), 'worker')}, {count(cores, 'core')}, {size(float(memory))}")
    versions = ", ".join(f"{name} {version}" for name, version in workers[0].versions.items())
    console.print(f"The same versions as here: {versions}", overflow="fold")
    if len({worker.processor for worker in workers}) > 1:
        console.print(
            "The workers have different processors: training gives the same bits on all of them, "
            "projections may differ in their last digits."
        )
