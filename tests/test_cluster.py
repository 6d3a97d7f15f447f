"""Work on a Dask cluster: the same bits, whatever becomes of workers; real processes on 127.0.0.1."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import deep_learning_dynamics
from deep_learning_dynamics import store
from deep_learning_dynamics.errors import ExecutionError
from deep_learning_dynamics.execution import ThisProcess, cluster, connected, run_tasks
from deep_learning_dynamics.execution.starting import VARIABLE

pytest.importorskip("distributed")
dask = pytest.importorskip("dask")
HERE, SOURCE = Path(__file__).parent, Path(deep_learning_dynamics.__file__).parents[1]


# What workers do


def noted(folder, seconds, task):
    """Leave a note of who did it."""
    time.sleep(seconds)
    (folder / f"{task}-{os.getpid()}").touch()
    return 10 * task


def product(matrix, seed):
    """A sum whose rounding depends on the number of threads, if there are several."""
    return float((matrix @ np.random.default_rng(seed).normal(size=matrix.shape)).sum())


def threads(_):
    np.ones((200, 200)) @ np.ones((200, 200))
    return max(pool["num_threads"] for pool in threadpool_info()), connected() is None


def total(runs, task):
    time.sleep(0.1)
    return float(runs["weights"].values.sum()) + task[1], Path.cwd()


def divided(folder, task):
    (folder / str(task)).touch()
    time.sleep(0.05)
    return 12 / task


def hungry(_):
    held = []
    while True:
        held.append(np.ones(2_000_000))
        time.sleep(0.01)


class Unreadable:
    """Can be sent, but not be read."""

    def __reduce__(self):
        return divided, (None, 0)


def short_of_memory(task):
    if task == 3:
        raise MemoryError
    return task


# Clusters


@pytest.fixture(scope="module")
def two():
    """Two worker processes on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "local:2")
        yield connected()
        cluster._connected.close()


@pytest.fixture
def hosts(tmp_path, monkeypatch):
    """A scheduler and workers as on several machines: ``hosts.worker(...)`` starts one."""
    with Hosts(tmp_path).running() as started:
        monkeypatch.setenv(VARIABLE, started.address)
        monkeypatch.setattr(cluster, "ANSWER", 2.0)
        yield started
        if cluster._connected is not None:
            cluster._connected.close()


class Hosts:
    def __init__(self, folder):
        self.folder, self.processes = folder, []
        self.environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(HERE), str(SOURCE)]),
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
            "DASK_TEMPORARY_DIRECTORY": str(folder),
        }
        self.environment.pop(VARIABLE, None)

    def start(self, module, *arguments, **environment):
        command = [sys.executable, "-m", f"distributed.cli.{module}", "--host", "127.0.0.1",
                   "--no-dashboard", *arguments]  # fmt: skip
        with (self.folder / f"{module}-{len(self.processes)}.log").open("w") as log:
            process = subprocess.Popen(
                command, env=self.environment | environment, stdout=log, stderr=log
            )
        self.processes.append(process)
        return process

    def worker(self, *arguments, **environment):
        return self.start("dask_worker", self.address, "--nthreads", "1", *arguments, **environment)

    @contextmanager
    def running(self):
        file = self.folder / "scheduler.json"
        self.scheduler = self.start("dask_scheduler", "--port", "0", "--scheduler-file", str(file))
        try:
            while not file.exists() or not file.read_text().strip():
                time.sleep(0.05)
            self.address = json.loads(file.read_text())["address"]
            yield self
        finally:
            for process in self.processes:
                process.kill()  # workers, which its nanny watches, end with it


def notes(folder):
    """Who did each task: pairs of its number and a process."""
    return [tuple(map(int, path.name.split("-"))) for path in folder.iterdir()]


@pytest.fixture
def notebook(tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


def test_results_are_the_same_as_here_and_in_order(two):
    matrix = np.random.default_rng(0).normal(size=(300, 300))  # large enough to be sent once
    here = list(run_tasks(partial(product, matrix), range(12), backend=ThisProcess()))
    seen = []
    there = run_tasks(
        partial(product, matrix), range(12), label="products", backend=two,
        progress=lambda *done: seen.append(done),
    )  # fmt: skip
    assert list(there) == here
    assert seen == [(number, 12) for number in range(1, 13)]


def test_a_task_has_one_thread_and_starts_no_cluster_of_its_own(two):
    assert list(run_tasks(threads, range(4), backend=two)) == [(1, True)] * 4


def test_work_that_is_long_goes_to_the_cluster_without_being_asked(two, notebook, monkeypatch):
    from deep_learning_dynamics.execution import tasks

    monkeypatch.setattr(tasks, "WORTH_PROCESSES", 0.0)
    assert list(run_tasks(partial(noted, notebook, 0.01), range(6))) == list(range(0, 60, 10))
    processes = [process for _, process in sorted(notes(notebook))]
    assert set(processes[:2]) == {os.getpid()}
    assert os.getpid() not in processes[2:]


def test_workers_do_not_run_far_ahead_of_whoever_takes_their_results(two, notebook):
    results = two.run(partial(noted, notebook, 0.0), range(40))
    assert next(results) is not None
    time.sleep(2)
    assert len(notes(notebook)) <= 2 * 2 * cluster.LOOK_AHEAD
    assert len(list(results)) == 39


def test_an_error_ends_the_work_and_the_next_call_works(two, tmp_path):
    tasks = [1, 2, 0, *range(3, 200)]
    with pytest.raises(ZeroDivisionError):
        list(run_tasks(partial(divided, tmp_path), tasks, backend=two))
    assert len(list(tmp_path.iterdir())) < 20, "no more than a few are handed out ahead"
    assert list(run_tasks(partial(divided, tmp_path), [1, 2], backend=two)) == [12, 6]


def test_work_that_a_worker_cannot_read_is_an_error_of_the_task(two):
    before = two.workers()
    with pytest.raises(TypeError):
        list(run_tasks(partial(_with, Unreadable()), range(3), backend=two))
    assert two.workers() == before, "none of them died of it"


def test_a_task_short_of_memory_is_said_in_one_message(two):
    with pytest.raises(ExecutionError, match=r"^Task 4 of fits ran out of memory on a worker"):
        list(run_tasks(short_of_memory, range(5), label="fits", backend=two))


@pytest.mark.parametrize("large", [False, True])
def test_what_a_killed_worker_had_is_done_by_others(two, notebook, large):
    """Also where it held the only copies of large arrays, as each of them does in turn."""
    function = partial(noted, notebook, 0.1)
    if large:
        function = partial(_with, np.zeros(10**6), function)
    results = run_tasks(function, range(24), backend=two)
    found = [next(results) for _ in range(3)]
    for process in (
        {process for _, process in notes(notebook)} if large else [notes(notebook)[0][1]]
    ):
        os.kill(process, signal.SIGKILL)
    assert [*found, *results] == list(range(0, 240, 10))
    assert {task for task, _ in notes(notebook)} == set(range(24))


def test_a_worker_that_is_not_started_again_is_replaced(notebook):
    """Dask gives up a process that dies just after its start."""
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "100ms"}):
        alone = cluster.Cluster.connect("local:1")
        results = run_tasks(partial(noted, notebook, 0.1), range(8), backend=alone)
        found = [next(results)]
        deployment = alone.started.deployment
        deployment.sync(deployment.workers[0].close)
        assert [*found, *results] == list(range(0, 80, 10))
        assert len({process for _, process in notes(notebook)}) == 2
        alone.close()


def _with(array, function, task):
    assert array.sum() == 0
    return function(task)


def test_workers_may_be_in_other_folders(hosts, tmp_path, monkeypatch, study_stores):
    """As those that ssh starts: what one of them has opened, another opens, too."""
    study_stores(pairs=2)
    monkeypatch.chdir(tmp_path)
    runs = store.open("train.zarr")
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        hosts.worker()
    monkeypatch.chdir(tmp_path)
    there = connected()
    there.wait_for(2)
    tasks = [(tmp_path / name, number) for number in range(8) for name in ("here", "there")]
    found = list(run_tasks(partial(total, runs), tasks, backend=there))
    assert [value for value, _ in found] == [total(runs, task)[0] for task in tasks]
    assert {folder for _, folder in found} == {tmp_path / "here", tmp_path / "there"}


def test_a_worker_that_comes_late_is_waited_for_and_used(hosts, notebook):
    results = run_tasks(partial(noted, notebook, 0.2), range(100), backend=connected())
    threading.Timer(0.5, hosts.worker).start()  # while it waits for one
    assert next(results) == 0
    hosts.worker()
    found = [0]
    for result in results:
        found.append(result)
        if len({process for _, process in notes(notebook)}) == 2:
            break
    results.close()
    assert found == list(range(0, 10 * len(found), 10))
    assert len({process for _, process in notes(notebook)}) == 2


def test_work_goes_on_when_a_worker_ends_its_time(hosts, notebook):
    """As at the end of a job's walltime, with --lifetime."""
    hosts.worker("--lifetime", "2s")
    first = connected()
    first.wait_for(1)
    hosts.worker()
    found = list(run_tasks(partial(noted, notebook, 0.2), range(25), backend=first))
    assert found == list(range(0, 250, 10))
    tasks = [task for task, _ in notes(notebook)]
    assert set(tasks) == set(range(25))
    assert len(first.workers()) == 1, "the first has left"


def test_a_task_that_takes_all_memory_ends_with_one_message(hosts):
    hosts.worker("--memory-limit", "400MB")
    with pytest.raises(ExecutionError) as caught:
        list(run_tasks(hungry, [0], label="fits of umap", backend=connected()))
    message = str(caught.value)
    assert message.startswith("Task 1 of fits of umap ended 2 workers, which likely ran out of")
    assert "with 400" in message
    assert "more memory" in message


def test_a_scheduler_that_is_gone_ends_the_work_with_one_message(hosts, notebook):
    hosts.worker()
    there = connected()
    results = run_tasks(partial(noted, notebook, 0.1), range(100), backend=there)
    assert next(results) == 0
    hosts.scheduler.kill()
    with pytest.raises(ExecutionError, match=r"The Dask scheduler at tcp://.* is gone"):
        list(results)
    with pytest.raises(ExecutionError, match=r"The Dask scheduler at tcp://.* is gone"):
        there.wait_for(2)
    with pytest.raises(ExecutionError, match="No Dask scheduler answers at tcp://"):
        connected()


def test_a_worker_with_another_version_is_refused_by_name(hosts, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "from importlib import metadata\nversion = metadata.version\n"
        "metadata.version = lambda name: '0.9' if name == 'scipy' else version(name)\n"
    )
    hosts.worker(PYTHONPATH=os.pathsep.join([str(tmp_path), str(HERE), str(SOURCE)]))
    there = connected()
    there.wait_for(1)
    with pytest.raises(ExecutionError, match=r"^scipy is 0\.9 on tcp://127.* here; expected the"):
        there.workers()
    with pytest.raises(ExecutionError, match=r"^scipy is 0\.9 on a worker and .* here"):
        list(run_tasks(threads, [0], backend=there))


def test_a_file_describes_a_cluster(tmp_path, monkeypatch, capsys):
    file = tmp_path / "here.yaml"
    file.write_text(  # as examples/slurm.yaml: workers are asked for when there is work
        "cluster: distributed.LocalCluster\nworkers: 1\n"
        "settings: {n_workers: 0, threads_per_worker: 1, dashboard_address: '127.0.0.1:0'}\n"
    )
    monkeypatch.setenv(VARIABLE, str(file))
    started = connected()
    assert connected() is started
    assert started.workers() == []
    results = run_tasks(abs, [-1, -2], backend=started)
    assert next(results) == 1
    (worker,) = started.workers()
    assert next(results) == 2
    assert worker.threads == 1
    assert worker.address.startswith("tcp://127.0.0.1:")
    assert started.client.scheduler.address.startswith("tcp://127.0.0.1:")
    assert f"dashboard {started.dashboard}" in capsys.readouterr().err
    started.close()
    assert started.client.status == "closed"


@pytest.mark.parametrize(
    ("wanted", "content", "message"),
    [
        ("four", None, "DYNAMICS_CLUSTER is 'four'; expected the address of a Dask scheduler"),
        ("local:0", None, "DYNAMICS_CLUSTER is 'local:0'; expected"),
        ("none.yaml", None, "none.yaml, which does not exist"),
        ("a.yaml", "jobs: 3", "a.yaml holds jobs; expected cluster"),
        ("a.yaml", "cluster: {", "a.yaml is no YAML"),
        ("a.yaml", "cluster: os.path.Nothing", "os.path.Nothing, which cannot be imported"),
        ("a.yaml", "cluster: pathlib.Path", "pathlib.Path cannot be started .it is no Dask"),
        ("a.yaml", "{cluster: distributed.LocalCluster, workers: many}", "workers is many"),
        ("a.yaml", "{cluster: distributed.LocalCluster, workers: {maximum: 3}}", "workers is"),
        ("a.yaml", "{cluster: distributed.LocalCluster, workers: 0}", "workers is 0; expected"),
        ("a.yaml", "{cluster: distributed.LocalCluster, settings: {no: 3}}", "cannot be started"),
        ("a.yaml", "cluster: dask_jobqueue.SLURMCluster", "not say on which network"),
        ("a.yaml", "cluster: dask_jobqueue.SLURMJob", "SLURMJob, which cannot be imported"),
        ("a.yaml", "cluster: dask_jobqueue.slurm.SLURMJob", "SLURMJob cannot be started"),
        (
            "a.yaml",
            "{cluster: dask_jobqueue.SLURMCluster, settings: {interface: none}}",
            "'none' is not a valid network interface",
        ),
        (
            "a.yaml",
            "{cluster: distributed.SSHCluster, settings: {scheduler_options: {host: 10.0.0.1}}}",
            "settings.worker_options.interface",
        ),
    ],
)
def test_what_names_no_cluster_is_refused(tmp_path, monkeypatch, wanted, content, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, wanted)
    if content is not None:
        Path(wanted).write_text(content)
    with pytest.raises(ExecutionError, match=message):
        connected()


def test_the_command_says_what_is_connected(hosts):
    def dynamics(**environment):
        return subprocess.run(
            [sys.executable, "-c", "from deep_learning_dynamics.cli import app; app()", "cluster",
             "--wait", "1"],
            capture_output=True, text=True, env=hosts.environment | environment, check=False,
        )  # fmt: skip

    hosts.worker("--memory-limit", "2GB")
    found = dynamics(**{VARIABLE: hosts.address})
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith(f"{hosts.address}, dashboard http://127.0.0.1:")
    assert "1 worker, 1 core, 2 GB" in found.stdout
    assert f"numpy {np.__version__}" in found.stdout
    without = dynamics()
    assert without.returncode == 1
    assert without.stderr.startswith("error: DYNAMICS_CLUSTER is not set")
