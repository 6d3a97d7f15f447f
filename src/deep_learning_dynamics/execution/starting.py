"""Which cluster ``DYNAMICS_CLUSTER`` names, and starting those that are started for one process."""

import logging
import pkgutil
import re
import signal
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deep_learning_dynamics.errors import ExecutionError, first_line

if TYPE_CHECKING:
    from distributed import SpecCluster
    from distributed.deploy import Cluster as Deployment

    from deep_learning_dynamics.execution.jobs import Jobs

VARIABLE = "DYNAMICS_CLUSTER"
LOCAL = re.compile(r"local:([1-9][0-9]{0,3})")
KEYS = {"cluster", "settings", "workers", "dask"}
DASHBOARD = "127.0.0.1:8787"
NOBODY = "127.0.0.1:0"  # where dashboards of workers listen, which nobody needs


@dataclass
class Started:
    """A cluster that was started for this process."""

    deployment: "Deployment"
    most: int | None = None  # processes that may be asked for; None: those that it starts itself
    jobs: "Jobs | None" = None  # None where the class asks for them and replaces them
    asked: int = 0

    def ask_for(self, workers: int) -> None:
        """Start so many processes, at most as many as the file allows."""
        if self.most is None or min(workers, self.most) <= self.asked:
            return
        self.asked = min(workers, self.most)
        if self.jobs is not None:
            self.jobs.wanted = self.asked
        else:
            self.deployment.scale(self.asked)


def start(wanted: str) -> Started | None:
    """The cluster that is started for this process; None for a scheduler that runs already."""
    if "://" in wanted:
        _check_certificates(wanted)
        return None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*Port .* is already in use")  # it takes another
        if local := LOCAL.fullmatch(wanted):
            deployment = start_local(int(local[1]))
            return Started(deployment, jobs=_keeper(deployment))
        if wanted.endswith((".yaml", ".yml")):
            return _start_from(Path(wanted))
    raise ExecutionError(
        f"{VARIABLE} is {wanted!r}; expected the address of a Dask scheduler such as "
        "tcp://10.0.0.1:8786, a file such as slurm.yaml, or local:4 for four processes on this "
        f"machine. Without a cluster: unset {VARIABLE}"
    )


def start_local(workers: int) -> "SpecCluster":
    """Worker processes of one thread each on this machine, which nobody else can reach."""
    from distributed import LocalCluster

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


def _start_from(path: Path) -> Started:
    """The cluster that a file describes, as examples/slurm.yaml does."""
    import dask
    from distributed import SpecCluster
    from distributed.deploy import Cluster as Deployment

    content = _read(path)
    settings = dict(content.get("settings") or {})
    name = str(content["cluster"])
    dask.config.update(dask.config.config, content.get("dask") or {})
    _check_certificates(str(path))
    ctrl_c = signal.getsignal(signal.SIGINT)
    try:
        made = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ExecutionError(
            f"{path}: cluster is {name}, which cannot be imported ({error}); expected a class of "
            "Dask such as dask_jobqueue.SLURMCluster. Install its package, or correct the name."
        ) from None
    finally:
        # Importing dask_jobqueue makes Ctrl-C end the process as if all was well.
        if signal.getsignal(signal.SIGINT) is not ctrl_c:
            signal.signal(signal.SIGINT, ctrl_c)
    try:
        cluster = made(**_private(path, name, made, settings))
        if not isinstance(cluster, Deployment):
            raise TypeError("it is no Dask cluster")
    except ExecutionError:
        raise
    except Exception as error:
        raise ExecutionError(
            f"{path}: {name} cannot be started ({first_line(error)}). Correct its settings."
        ) from error
    workers = content.get("workers")
    jobs = _keeper(cluster) if isinstance(cluster, SpecCluster) else None
    return Started(cluster, workers, jobs)


def _keeper(deployment: "SpecCluster") -> "Jobs":
    """What replaces workers that are lost, of a cluster on this machine, too.

    Dask's Nanny gives up where a process is killed just after its start.
    """
    from deep_learning_dynamics.execution.jobs import Jobs

    return deployment.adapt(Adaptive=Jobs)


def _check_certificates(wanted: str) -> None:
    """Refuse files of TLS that are missing, and ``tls://`` without any: Dask does not name them."""
    import dask

    found = dask.config.get("distributed.comm.tls")
    files = {"ca-file": found["ca-file"]}
    for role in ("client",) if "://" in wanted else ("client", "scheduler", "worker"):
        files |= {f"{role}.{each}": found[role][each] for each in ("cert", "key")}
    for name, file in files.items():
        if file and "\n" not in file and not Path(file).is_file():  # or what would be in the file
            raise ExecutionError(
                f"{wanted}: distributed.comm.tls.{name} of Dask's configuration is {file}; "
                "expected a file that exists, by its whole path."
            )
    if wanted.startswith("tls://") and not (files["ca-file"] and files["client.cert"]):
        raise ExecutionError(
            f"{wanted} has TLS, and Dask's configuration here names no certificate; expected "
            "distributed.comm.tls.ca-file, and cert and key in distributed.comm.tls.client, in "
            "~/.config/dask/ (docs/cluster.md shows them)."
        )


def _private(path: Path, name: str, made: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with which nothing listens on a network that the file does not name.

    Scheduler and workers run code for whoever reaches them; of Dask's dashboards, some listen on
    all networks unless they have an address.
    """
    import dask

    if name.startswith("dask_jobqueue"):
        return _of_jobs(path, settings, made.job_cls.config_name)
    if name.endswith("SSHCluster"):
        scheduler, workers = (
            dict(settings.get(each) or {}) for each in ("scheduler_options", "worker_options")
        )
        if "host" not in scheduler or not {"host", "interface"} & workers.keys():
            raise ExecutionError(
                f"{path} does not say on which network scheduler and workers listen, and on all "
                "of them anybody could run code in them; expected the first host's address as "
                "settings.scheduler_options.host, and settings.worker_options.interface, such as "
                "eth0 (ip address lists them)."
            )
        scheduler.setdefault("dashboard_address", f"{scheduler['host']}:8787")
        workers.setdefault("dashboard_address", NOBODY)
        if dask.config.get("distributed.comm.tls.ca-file"):
            scheduler.setdefault("protocol", "tls://")
            workers.setdefault("protocol", "tls://")
        return settings | {"scheduler_options": scheduler, "worker_options": workers}
    if name.endswith("LocalCluster"):
        return {"dashboard_address": DASHBOARD} | settings
    return settings


def _of_jobs(path: Path, settings: dict[str, Any], config: str) -> dict[str, Any]:
    """The same for a class of dask-jobqueue, which has further settings in a file of its own."""
    import dask
    from distributed import Security
    from distributed.utils import get_ip_interface

    def given(key: str) -> Any:
        return settings.get(key) or dask.config.get(f"jobqueue.{config}.{key.replace('_', '-')}")

    scheduler, interface = dict(given("scheduler_options")), given("interface")
    if interface is None:
        raise ExecutionError(
            f"{path} does not say on which network scheduler and workers listen, and on all of "
            "them anybody could run code in them; expected settings.interface, such as ib0 "
            "(ip address lists them)."
        )
    host = scheduler.get("host") or get_ip_interface(scheduler.get("interface", interface))
    scheduler.setdefault("dashboard_address", f"{host}:8787")
    arguments = [*given("worker_extra_args"), "--no-dashboard", "--dashboard-address", NOBODY]
    private = settings | {"scheduler_options": scheduler, "worker_extra_args": arguments}
    # The command of a job names the certificates: it does not read the section dask.
    if dask.config.get("distributed.comm.tls.ca-file"):
        private.setdefault("security", Security())
    return private


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
    if workers is not None and (type(workers) is not int or workers < 1):
        raise ExecutionError(
            f"{path}: workers is {workers}; expected how many processes it may have at most, such "
            "as 16."
        )
    return content
