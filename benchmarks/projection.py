"""Seconds of each projection method, and of many networks at once.

    python -m benchmarks.projection [--quick]

Rows are snapshots of networks that wander from starts of their own, with a drift: their components
fall in variance as those of trained networks do. Every fit runs on one thread; the shortest of its
times counts, the first is not counted, as compiled functions are loaded in it.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from deep_learning_dynamics.environment import Environment
from deep_learning_dynamics.projection import METHODS, reduce
from deep_learning_dynamics.projection.quality import assess
from deep_learning_dynamics.selection import ArrayWeights, Selection, from_arrays, paths_of

SNAPSHOTS, WEIGHTS = 91, 6608  # of a pair's path through pre-training and training
GOALS = {"som": 1, "autoencoder": 1, "autoencoder_tsne": 3, "umap": 2}  # seconds


def wandering(path: Path, networks: int, snapshots: int = SNAPSHOTS) -> Selection:
    """Weights on disk, read when they are needed."""
    rng = np.random.default_rng(0)
    shape = networks * snapshots, WEIGHTS
    weights = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    for network in range(networks):
        drift, start = rng.normal(size=(2, 1, WEIGHTS)) / np.sqrt(28)
        slowing = np.sqrt(np.linspace(0, 1, snapshots))[:, None]
        noise = np.cumsum(rng.normal(size=(snapshots, WEIGHTS)), axis=0) * 0.002
        rows = slice(network * snapshots, (network + 1) * snapshots)
        weights[rows] = start + drift * slowing + noise
    weights.flush()
    rows = pd.DataFrame(
        {
            "network": np.repeat(np.arange(networks).astype(str), snapshots),
            "step": np.tile(np.arange(snapshots), networks),
            "usable": True,
        }
    )
    selection = from_arrays(np.empty((len(rows), 0)), rows)
    stored = ArrayWeights(np.load(path, mmap_mode="r"), np.arange(len(rows)))
    return Selection(selection.rows, stored, {}, "all weights")


def shortest(run: Callable[[], object], rounds: int) -> float:
    """Of some repeats, after one that does not count."""
    run()
    seconds = []
    for _ in range(rounds):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def peak_gigabytes() -> float:
    """Of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def each_method(folder: Path, rounds: int) -> None:
    """Those that see weights, for 20 networks of 91 snapshots: 1,820 rows."""
    selection = wandering(folder / "few.npy", 20)
    seconds = shortest(lambda: reduce(selection), rounds)
    reduction = reduce(selection)
    print(f"1,820 rows × {WEIGHTS:,} weights: reduction {seconds:.2f} s, exact")
    for key, method in METHODS.items():
        if method.sees != "weights":
            continue
        seconds = shortest(lambda method=method: method.fit(reduction.vectors), rounds)
        points = method.fit(reduction.vectors).coordinates
        quality = assess(reduction.vectors, points, paths_of(reduction.rows)).quality
        goal = f" (goal: {GOALS[key]})" if key in GOALS else ""
        print(
            f"    {method.title}: {seconds:.2f} s{goal}, "
            f"trustworthiness {quality.trustworthiness:.4f}"
        )


def many(folder: Path, networks: int) -> None:
    """Principal components of very many rows."""
    selection = wandering(folder / "many.npy", networks)
    begin = time.perf_counter()
    reduction = reduce(selection)
    METHODS["pca"].fit(reduction.vectors)
    print(
        f"{len(selection):,} rows: reduction and principal components "
        f"{time.perf_counter() - begin:.0f} s, {reduction.vectors.shape[1]} components that lose "
        f"{100 * reduction.lost:.1f} % of squared distances; at most {peak_gigabytes():.1f} GB, "
        "pages of the file that were read included"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round, and no 1,000 networks")
    quick = parser.parse_args().quick
    environment = Environment.current()
    print(f"{environment.processor}, {environment.threads} threads")
    with tempfile.TemporaryDirectory(prefix="dynamics-benchmark-") as name:
        each_method(Path(name), 1 if quick else 3)
        for networks in (100,) if quick else (100, 1000):
            many(Path(name), networks)


if __name__ == "__main__":
    main()
