"""Work on a Dask cluster of this machine's processes, against the same work without one.

    python -m benchmarks.cluster [--quick]

Training in parts, the reduction of a large store, and the refits of a projection, on 1, 2 and 4
workers, against the local path with as many cores. Workers are warm (they have imported all that
they need), and the time to start them is given apart. Goal: at most 10 % more time with as many
workers as cores, and the same bits. Then a worker is killed, and what is done again is counted;
and a thousandth of 100 snapshots of a billion weights is reduced, for the plan of the whole.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import isometry, training
from deep_learning_dynamics import store
from deep_learning_dynamics.environment import Environment
from deep_learning_dynamics.execution import connected, run_tasks
from deep_learning_dynamics.execution.starting import VARIABLE

ROOT = Path(__file__).parents[1]
WORKERS = (1, 2, 4)
THOUSANDTH = 10**6  # weights
TASKS, SECONDS = 60, 0.2  # of those among which a worker is killed


def prepare(folder: Path, quick: bool) -> None:
    """What the work starts from: MNIST, and a store of large snapshots."""
    _, images, labels = training.digits()
    (folder / "data").mkdir()
    test = np.arange(len(labels)) >= len(labels) - 1000
    names = np.array([str(label) for label in range(10)])
    for dataset in ("mnist", "omniglot"):
        np.savez(
            folder / "data" / f"{dataset}.npz", images=images.reshape(-1, 28, 28), labels=labels,
            is_test=test, class_names=names,
        )  # fmt: skip
    isometry.write(folder / "large.zarr", 200_000 if quick else 1_000_000)
    parameters = store.Parameters.of({"weight": (THOUSANDTH,)})
    rng, now = np.random.default_rng(0), np.zeros((1, THOUSANDTH), np.float32)
    names = pd.DataFrame(index=["large"])
    with store.StoreWriter(folder / "billion.zarr", names, parameters, snapshots=100) as writer:
        for snapshot in range(100):
            writer.add(np.array([snapshot]), now, {})
            now += rng.standard_normal(now.shape, np.float32)


def train(quick: bool) -> str:
    """40 networks in pairs, a pair with its twins, each with mini-batches of its own."""
    from deep_learning_dynamics.study import params, parts, phases

    raw = params.read(ROOT / "params.yaml")
    raw |= {"conditions": ["scratch"], "pairs": 20}
    raw["train"] |= {"epochs": 1 if quick else 10, "snapshots": {"first_epoch": 3, "per_epoch": 1}}
    sections = ("seed", "plugins", "network", "conditions", "pairs", "twins", "pretrain", "train")
    settings = params.validate(raw, sections=sections)
    ready = phases.main_training(settings)
    parts.train("main_training", settings, ready)
    digest = hashlib.sha256()
    for file in sorted(path for path in ready.path.rglob("c/**/*") if path.is_file()):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def reduce(quick: bool) -> str:
    """400 snapshots of a million weights, read from the disk."""
    return hashlib.sha256(isometry.ours(Path("large.zarr"))).hexdigest()


def thousandth(quick: bool) -> str:
    """100 snapshots of a million weights: a thousandth of those of a billion."""
    return hashlib.sha256(isometry.ours(Path("billion.zarr"))).hexdigest()


def refit(quick: bool) -> str:
    """Refits and null models of a self-organising map."""
    from deep_learning_dynamics.projection import project
    from deep_learning_dynamics.selection import from_arrays

    rng = np.random.default_rng(0)
    weights = np.cumsum(rng.normal(size=(10, 40, 300)), axis=1).reshape(400, 300)
    rows = pd.DataFrame({"network": np.repeat(np.arange(10), 40).astype(str),
                         "step": np.tile(np.arange(40), 10)})  # fmt: skip
    tests = {"seeds": 8, "folds": 5, "nulls": 5 if quick else 39}
    found = project(from_arrays(weights, rows), "autoencoder", robustness=tests)
    return hashlib.sha256(found.coordinates.to_numpy(str).tobytes()).hexdigest()


WORK: dict[str, Callable[[bool], str]] = {
    "training": train, "isometry": reduce, "robustness": refit, "thousandth": thousandth,
}  # fmt: skip


def alone(name: str, workers: int, cluster: bool, quick: bool) -> tuple[float, float, str]:
    """Seconds to start the cluster and of the work, and a digest of what it found."""
    environment = {key: value for key, value in os.environ.items() if key != VARIABLE}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    if cluster:
        environment[VARIABLE] = f"local:{workers}"
    command = [sys.executable, "-m", "benchmarks.cluster", "--alone", name, str(workers)]
    done = subprocess.run(
        [*command, *(["--quick"] if quick else [])],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr)
    return tuple(json.loads(done.stdout.splitlines()[-1]))


def _alone(name: str, workers: int, quick: bool) -> None:
    begin = time.perf_counter()
    cluster = connected()
    if cluster is None:  # as many cores
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:workers])
    else:
        cluster.wait_for(workers)
    start = time.perf_counter() - begin
    WORK[name](quick)  # imports and compiles
    begin = time.perf_counter()
    found = WORK[name](quick)
    print(json.dumps([start, time.perf_counter() - begin, found]))


def _noted(folder: Path, task: int) -> int:
    (folder / f"{task}-{os.getpid()}-{time.monotonic_ns()}").touch()
    time.sleep(SECONDS)
    return task


def _killed(folder: Path) -> None:
    os.environ[VARIABLE] = "local:2"
    results = run_tasks(partial(_noted, folder), range(TASKS), backend=connected())
    found = [next(results) for _ in range(10)]
    os.kill(int(next(folder.iterdir()).name.split("-")[1]), signal.SIGKILL)
    found += results
    assert found == list(range(TASKS))
    print(
        f"a worker of two is killed: {TASKS} results of {TASKS} tasks, "
        f"{len(list(folder.iterdir())) - TASKS} of them begun twice"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="less work")
    parser.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.alone:
        _alone(chosen.alone[0], int(chosen.alone[1]), chosen.quick)
        return
    environment = Environment.current()
    print(f"{environment.processor}, {environment.threads} cores")
    with tempfile.TemporaryDirectory(prefix="dynamics-benchmark-") as folder:
        os.chdir(folder)
        prepare(Path(folder), chosen.quick)
        for name in ("training", "isometry", "robustness"):
            for workers in WORKERS:
                cores = min(workers, environment.threads)
                _, here, expected = alone(name, cores, False, chosen.quick)
                start, there, found = alone(name, workers, True, chosen.quick)
                same = "the same bits" if found == expected else "OTHER BITS"
                print(
                    f"{name}: {cores} cores {here:.1f} s; {workers} workers {there:.1f} s, "
                    f"{100 * (there / here - 1):+.0f} %, {same}; started in {start:.1f} s",
                    flush=True,
                )
        _, seconds, _ = alone("thousandth", 1, True, chosen.quick)
        hours = seconds * 1000 / 3600
        print(
            f"100 snapshots of a million weights on one worker: {seconds:.2f} s, "
            f"{0.4 / seconds:.2f} GB/s; a billion: {hours:.1f} h on one worker"
        )
        notes = Path(folder, "notes")
        notes.mkdir()
        _killed(notes)
        connected().close()


if __name__ == "__main__":
    main()
