"""Independent work comes back in order and the same, however many processes do it, and ends."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numba
import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from deep_learning_dynamics import environment
from deep_learning_dynamics.execution import LocalProcesses, ThisProcess, run_tasks, tasks


def scaled(factor, task):
    return factor * task, os.getpid()


def divided(number, task):
    return number / task


def product(matrix, seed):
    """A sum whose rounding depends on the number of threads, if there are several."""
    return float((matrix @ np.random.default_rng(seed).normal(size=matrix.shape)).sum())


def threads(_):
    np.ones((200, 200)) @ np.ones((200, 200))
    return max([pool["num_threads"] for pool in threadpool_info()] + [numba.get_num_threads()])


def is_mapped(array, _):
    return isinstance(array, np.memmap) or isinstance(array.base, np.memmap)


def slow(folder, task):
    (folder / f"{os.getpid()}").touch()
    time.sleep(0.2)
    return task


@pytest.fixture(scope="module")
def two():
    return LocalProcesses(2)


def test_work_is_done_by_several_processes_and_comes_back_in_order(two):
    found = list(run_tasks(partial(scaled, 10), range(40), backend=two))
    assert [value for value, _ in found] == [10 * number for number in range(40)]
    assert os.getpid() not in {process for _, process in found}
    again = list(run_tasks(partial(scaled, 1), range(8), backend=two))
    # Workers live on, with all that they imported.
    assert {process for _, process in again} <= {process for _, process in found}


def test_results_do_not_depend_on_where_they_are_made(two):
    matrix = np.random.default_rng(0).normal(size=(300, 300))
    results = [
        list(run_tasks(partial(product, matrix), range(6), backend=backend))
        for backend in (ThisProcess(), two, LocalProcesses(1))
    ]
    assert results[0] == results[1] == results[2]


def test_a_task_has_one_thread_wherever_it_runs(two):
    before = [pool["num_threads"] for pool in threadpool_info()]
    with threadpool_limits(2):
        assert list(run_tasks(threads, [0, 1], backend=ThisProcess())) == [1, 1]
    assert list(run_tasks(threads, [0, 1], backend=two)) == [1, 1]
    assert [pool["num_threads"] for pool in threadpool_info()][: len(before)] == before


def test_large_arrays_are_shared_by_the_processes(two):
    small, large = np.zeros(10), np.zeros(10**6)
    assert list(run_tasks(partial(is_mapped, large), [0, 1], backend=two)) == [True, True]
    assert list(run_tasks(partial(is_mapped, small), [0, 1], backend=two)) == [False, False]


def test_little_work_stays_in_this_process_and_much_goes_to_others(monkeypatch):
    monkeypatch.setattr(environment, "cores", lambda: 2)
    work = partial(scaled, 1)
    here = list(run_tasks(work, range(5)))
    assert {process for _, process in here} == {os.getpid()}
    monkeypatch.setattr(tasks, "WORTH_PROCESSES", 0)  # the first tasks' time decides
    for long, tried in ((2.0, 2), (0.0, 1)):
        monkeypatch.setattr(tasks, "LONG", long)
        found = list(run_tasks(work, range(5)))
        assert [value for value, _ in found] == list(range(5))
        assert {process for _, process in found[:tried]} == {os.getpid()}
        assert os.getpid() not in {process for _, process in found[tried:]}
    monkeypatch.setattr(environment, "cores", lambda: 1)
    alone = list(run_tasks(work, range(5)))
    assert {process for _, process in alone} == {os.getpid()}


def test_no_work_is_done_at_once():
    for backend in (None, ThisProcess(), LocalProcesses(2)):
        assert list(run_tasks(partial(scaled, 1), [], backend=backend)) == []


@pytest.mark.parametrize("backend", [ThisProcess(), LocalProcesses(2)])
def test_progress_counts_all_tasks(backend):
    seen = []
    results = run_tasks(
        partial(scaled, 1),
        range(3),
        backend=backend,
        progress=lambda done, of: seen.append((done, of)),
    )
    assert len(list(results)) == 3
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("backend", [ThisProcess(), LocalProcesses(2)])
def test_an_error_ends_the_work_and_the_next_call_works(backend):
    with pytest.raises(ZeroDivisionError):
        list(run_tasks(partial(divided, 12), [1, 2, 0, 3], backend=backend))
    assert list(run_tasks(partial(divided, 12), [1, 2], backend=backend)) == [12, 6]


def test_another_backend_needs_one_method():
    class Backwards:
        def run(self, function, tasks, label):
            yield from [(label, function(task)) for task in tasks]

    found = list(run_tasks(partial(divided, 12), [1, 2], label="halves", backend=Backwards()))
    assert found == [("halves", 12), ("halves", 6)]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_ends_the_workers(tmp_path, sent):
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from functools import partial; from pathlib import Path
from test_execution import slow
from deep_learning_dynamics.execution import LocalProcesses, run_tasks
for _ in run_tasks(partial(slow, Path({str(tmp_path)!r})), range(500), backend=LocalProcesses(2)):
    print("done", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"done\n"
    process.send_signal(sent)
    process.communicate(timeout=30)
    assert process.returncode == (130 if sent == signal.SIGINT else 143) or (
        sent == signal.SIGINT and process.returncode == -signal.SIGINT
    )
    workers = [int(file.name) for file in tmp_path.iterdir()]
    assert workers
    until = time.monotonic() + 10
    while any(alive(worker) for worker in workers):
        assert time.monotonic() < until, "workers outlived their parent by 10 s"
        time.sleep(0.1)


def alive(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
        return state != "Z"
    except FileNotFoundError:
        return False
