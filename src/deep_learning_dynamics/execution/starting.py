"""Which cluster ``DYNAMICS_CLUSTER`` names, and starting those that are started for one process."""

import logging
import pkgutil
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deep_learning_dynamics.errors import ExecutionError

if TYPE_CHECKING:
    from distributed.deploy import Cluster as Deployment

VARIABLE = "DYNAMICS_CLUSTER"
LOCAL = re.compile(r"local:([1-9][0-9]{0,3})")
KEYS = {"cluster", "settings", "workers", "dask"}
DASHBOARD = "127.0.0.1:8787"


def start(wanted: str) -> "Deployment | None":
    """The cluster that is started for this process; None for a scheduler that runs already."""
    if "://" in wanted:
        return None
    local = LOCAL.fullmatch(wanted)
    if local:
        return start_local(int(local[1]))
    if wanted.endswith((".yaml", ".yml")):
        return _start_from(Path(wanted))
    raise ExecutionError(
        f"{VARIABLE} is {wanted!r}; expected the address of a Dask scheduler such as "
        "tcp://10.0.0.1:8786, a file such as slurm.yaml, or local:4 for four processes on this "
        f"machine. Without a cluster: unset {VARIABLE}"
    )


def start_local(workers: int) -> "Deployment":
    """Worker processes of one thread each on this machine, which nobody else can reach."""
    from distributed import LocalCluster

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*Port .* is already in use")  # it takes another
        try:
            return LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=DASHBOARD,
                worker_dashboard_address=None,
                silence_logs=logging.CRITICAL,
            )
        except RuntimeError as error:
            raise ExecutionError(
                f"Worker processes cannot be started ({error}). They import the script that starts "
                'them: what it does must be below a line if __name__ == "__main__".'
            ) from None


def _start_from(path: Path) -> "Deployment":
    """The cluster that a file describes, as examples/slurm.yaml does."""
    import dask
    from distributed.deploy import Cluster as Deployment

    content = _read(path)
    workers = content.get("workers")  # None: the class starts its own
    settings = dict(content.get("settings") or {})
    name = str(content["cluster"])
    dask.config.update(dask.config.config, content.get("dask") or {})
    try:
        made = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ExecutionError(
            f"{path}: cluster is {name}, which cannot be imported ({error}); expected a class of "
            "Dask such as dask_jobqueue.SLURMCluster. Install its package, or correct the name."
        ) from None
    # Jobs must reach the scheduler, and nobody else should: the network is not guessed.
    if name.startswith("dask_jobqueue") and not {"interface", "host"} & {
        *settings, *(settings.get("scheduler_options") or {})
    }:  # fmt: skip
        raise ExecutionError(
            f"{path} does not say on which network the scheduler listens, and on all of them "
            "anybody could run code in it; expected settings.interface, such as ib0 (ip address "
            "lists them)."
        )
    try:
        cluster = made(**settings)
        if not isinstance(cluster, Deployment):
            raise TypeError("it is no Dask cluster")
        if isinstance(workers, dict):
            cluster.adapt(**workers)
        elif workers is not None:
            cluster.scale(workers)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ExecutionError(
            f"{path}: {name} cannot be started ({reason}). Correct its settings."
        ) from error
    return cluster


def _read(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        content = YAML(typ="safe").load(path)
    except FileNotFoundError:
        raise ExecutionError(
            f"{VARIABLE} is {path}, which does not exist; expected the description of a cluster, "
            "as in examples/slurm.yaml."
        ) from None
    except YAMLError as error:
        raise ExecutionError(f"{path} is no YAML ({' '.join(str(error).split())}).") from None
    if not isinstance(content, dict) or "cluster" not in content or not content.keys() <= KEYS:
        found = ", ".join(map(str, content)) if isinstance(content, dict) else repr(content)
        raise ExecutionError(
            f"{path} holds {found or 'nothing'}; expected cluster, and perhaps settings, "
            "workers and dask. examples/slurm.yaml has all of them."
        )
    workers = content.get("workers")
    limits = [0 if workers is None else workers]
    if isinstance(workers, dict):
        limits = [workers.get("minimum"), workers.get("maximum")]
    if not all(type(each) is int and each >= 0 for each in limits):
        raise ExecutionError(
            f"{path}: workers is {workers}; expected how many processes, such as 16, or "
            "{minimum: 0, maximum: 64}."
        )
    return content
