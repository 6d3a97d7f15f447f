"""Workers as jobs of a batch system: asked for, replaced, waited for and ended.

SLURM's commands are played by two scripts; where SLURM is installed, also by itself (slow).
"""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from test_cluster import SOURCE, noted, notes

from deep_learning_dynamics.errors import ExecutionError
from deep_learning_dynamics.execution import cluster, connected, run_tasks, waiting
from deep_learning_dynamics.execution.starting import VARIABLE

if find_spec("dask_jobqueue") is None:  # importing it changes what Ctrl-C does
    pytest.skip("dask-jobqueue is not installed", allow_module_level=True)
HERE = Path(__file__).parent

FILE = """\
cluster: dask_jobqueue.SLURMCluster
workers: {workers}
settings:
  {{cores: 2, processes: 2, memory: 2GB, queue: {queue}, interface: lo, walltime: "00:10:00",
   scheduler_options: {{dashboard_address: "127.0.0.1:0"}}, log_directory: jobs}}
dask:
  distributed: {{deploy: {{lost-worker-timeout: 1s}}}}
"""
SBATCH = """\
#!/bin/sh
if grep -q "SBATCH -p none" "$1"; then
    echo "sbatch: error: Batch job submission failed: Invalid partition name specified" >&2
    exit 1
fi
grep -q "SBATCH -p down" "$1" && { echo "Submitted batch job 7"; exit 0; }
cp "$1" job.sh
setsid sh job.sh >job.log 2>&1 &
echo "Submitted batch job $!" | tee -a submitted
"""
SLURM = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
SlurmdPort={node}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket={folder}/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000
PartitionName=cpu Nodes=ALL Default=YES OverSubscribe=FORCE:2
PartitionName=down Nodes=ALL State=DOWN
"""
SCANCEL = """\
#!/bin/bash
[ "$1" = 7 ] || kill -9 -- "-$1"
"""


class Scripts:
    """A batch system that starts every job at once."""

    def __init__(self, folder):
        for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
            script = folder / "bin" / name
            script.parent.mkdir(exist_ok=True)
            script.write_text(text)
            script.chmod(0o755)
        self.path = folder / "bin"

    @contextmanager
    def started(self):
        yield

    def running(self):
        """The numbers of jobs that have not ended."""
        if not Path("submitted").exists():
            return []
        found = map(int, re.findall(r"[0-9]+", Path("submitted").read_text()))
        return [
            each
            for each in found
            if psutil.pid_exists(each) and psutil.Process(each).status() != psutil.STATUS_ZOMBIE
        ]


class Slurm:
    """SLURM itself, on this machine alone."""

    def __init__(self, folder):
        self.folder, self.path = folder, ""

    @contextmanager
    def started(self):
        host, user = os.uname().nodename, pwd.getpwuid(os.getuid()).pw_name
        (self.folder / "key").write_bytes(os.urandom(128))
        (self.folder / "key").chmod(0o400)
        control, node = free_ports(2)
        (self.folder / "slurm.conf").write_text(
            SLURM.format(folder=self.folder, host=host, user=user, control=control, node=node)
        )
        munged = ["munged", "--foreground", "--force", "--key-file=key", "--socket=munge",
                  "--pid-file=munged.pid", "--log-file=munged.log", "--seed-file=seed"]  # fmt: skip
        processes = []
        with (self.folder / "slurm.log").open("w") as log:
            for command in (munged, ["slurmctld", "-D"], ["slurmd", "-D"]):
                processes.append(subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log))
                time.sleep(0.5)
        try:
            until(lambda: "idle" in said("sinfo", "-h", "-p", "cpu"))
            yield
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait()

    def running(self):
        return list(map(int, said("squeue", "-h", "-o", "%i").split()))


@pytest.fixture(params=["scripts", pytest.param("slurm", marks=pytest.mark.slow)])
def batch(request, tmp_path, monkeypatch):
    """A batch system, and a folder to be in."""
    real = request.param == "slurm"
    if real and not all(map(shutil.which, ("slurmctld", "slurmd", "munged"))):
        pytest.skip("SLURM is not installed (Debian: apt-get install slurmctld slurmd munge)")
    monkeypatch.chdir(tmp_path)
    system = Slurm(tmp_path) if real else Scripts(tmp_path)
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    monkeypatch.setenv("PATH", f"{system.path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(SOURCE)]))
    monkeypatch.setattr(waiting, "PATIENCE", 1.0)
    with system.started():
        yield system
        if cluster._connected is not None:
            cluster._connected.close()


def said(*command):
    """What a command prints; nothing where it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def free_ports(number):
    with ExitStack() as sockets:
        bound = [sockets.enter_context(socket.socket()) for _ in range(number)]
        for each in bound:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in bound]


def asked(monkeypatch, workers=2, queue="cpu"):
    """The cluster of a file, to which nothing was given to do yet."""
    Path("jobs.yaml").write_text(FILE.format(workers=workers, queue=queue))
    monkeypatch.setenv(VARIABLE, "jobs.yaml")
    return connected()


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_jobs_come_with_work_are_replaced_when_lost_and_end_with_the_cluster(
    batch, monkeypatch, tmp_path
):
    folder = tmp_path / "notes"
    folder.mkdir()
    there = asked(monkeypatch)
    assert batch.running() == []
    results = run_tasks(partial(noted, folder, 0.3), range(30), backend=there)
    found = [next(results) for _ in range(3)]
    (first,) = batch.running()
    address = there.client.scheduler.address
    workers = [
        each
        for each in psutil.process_iter(["cmdline"])  # which leaves out zombies
        if address in (each.info["cmdline"] or ())
    ]
    nested = [child for each in workers for child in each.children(recursive=True)]
    processes = [psutil.Process(), *workers, *nested]
    assert len(workers) == 1
    listening = {
        connection.laddr.ip
        for process in processes
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}, "workers, scheduler and their dashboards"
    subprocess.run(["scancel", str(first)], check=True)
    found += results
    assert found == list(range(0, 300, 10))
    assert {task for task, _ in notes(folder)} == set(range(30))
    (second,) = batch.running()
    assert second != first
    there.close()
    until(lambda: not batch.running())


def test_as_many_processes_are_asked_for_as_there_are_tasks(batch, monkeypatch):
    there = asked(monkeypatch, workers=64)
    assert list(run_tasks(abs, [-1], backend=there)) == [1]
    assert len(batch.running()) == 1
    assert there.ask_for(3) == 3
    until(lambda: len(there.workers()) == 4)
    assert len(batch.running()) == 2, "jobs of two processes"
    with pytest.raises(ExecutionError, match=r"jobs\.yaml has 64 as workers.* never 65; expected"):
        there.wait_for(65)


def test_a_job_that_does_not_start_is_waited_for_by_its_number(batch, monkeypatch, capsys):
    monkeypatch.setattr(waiting, "REMINDER", 2.0)
    there = asked(monkeypatch, queue="down")
    monkeypatch.setattr(cluster, "GLANCE", 0.2)
    results = run_tasks(abs, [-1], backend=there)
    threading.Timer(5.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        next(results)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note")]
    assert re.fullmatch(r"note: waiting for 1 worker of jobs\.yaml \(job \d\)", lines[0])
    assert re.fullmatch(
        re.escape(lines[0]) + r" for [2-4]\.\d s; if the queue has no such job, .* says why",
        lines[1],
    )
    assert len(lines) <= 3, "each time it is silent for twice as long"


def test_what_the_batch_system_refuses_is_one_message(batch, monkeypatch, capfd):
    there = asked(monkeypatch, queue="none")
    with pytest.raises(ExecutionError) as caught:
        there.wait_for(1)
    assert str(caught.value) == (
        "jobs.yaml: no worker can be started (sbatch: error: Batch job submission failed: Invalid "
        "partition name specified). Correct its settings."
    )
    start = time.monotonic()
    there.close()
    there.close()
    assert time.monotonic() - start < 5
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("numbers", [[], ["17", "18"]])
def test_jobs_in_the_queue_are_waited_for_although_others_were_refused(numbers):
    wait = waiting.Wait("slurm.yaml", None)
    problem = "sbatch: error\nJob violates accounting policy"
    wait.started = SimpleNamespace(jobs=SimpleNamespace(problem=problem, names=lambda: numbers))
    with nullcontext() if numbers else pytest.raises(ExecutionError, match="accounting policy"):
        wait.say()
