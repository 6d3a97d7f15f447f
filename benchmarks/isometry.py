"""The exact reduction of weights in a store on disk, against scikit-learn's PCA of all of them.

    python -m benchmarks.isometry [--quick]

Ten networks of 40 snapshots and a million weights. Both run in a process of their own, so that the
memory of each is known; both read the store, and imports and the making of it do not count. Goals:
5 times faster, with the distances of the weights, in 1 GB.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from deep_learning_dynamics import store
from deep_learning_dynamics.projection import reduce
from deep_learning_dynamics.selection import select

NETWORKS, SNAPSHOTS, WEIGHTS, QUICK_WEIGHTS = 10, 40, 1_000_000, 100_000


def write(path: Path, weights: int) -> None:
    """Networks that wander from starts of their own."""
    rng = np.random.default_rng(0)
    names = pd.DataFrame(index=[f"network-{number}" for number in range(NETWORKS)])
    parameters = store.Parameters.of({"weight": (weights,)})
    now = 0.04 * rng.standard_normal((NETWORKS, weights), np.float32)
    with store.StoreWriter(path, names, parameters, snapshots=SNAPSHOTS) as writer:
        for snapshot in range(SNAPSHOTS):
            writer.add(np.full(NETWORKS, snapshot), now, {})
            now += 0.002 * rng.standard_normal((NETWORKS, weights), np.float32)


def ours(path: Path) -> np.ndarray:
    return reduce(select(store.open(path), "all")).vectors


def scikit_learn(path: Path) -> np.ndarray:
    from sklearn.decomposition import PCA

    return PCA().fit_transform(np.asarray(select(store.open(path), "all").weights))


def alone(name: str, path: Path) -> tuple[float, float, np.ndarray]:
    """Seconds, gigabytes at the peak and coordinates of a contender in a process of its own."""
    result = path.with_name(f"{name}.npy")
    command = [sys.executable, "-m", "benchmarks.isometry", "--alone", name, str(path), str(result)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, gigabytes = json.loads(done.stdout.splitlines()[-1])
    return seconds, gigabytes, np.load(result)


def _alone(name: str, path: Path, result: Path) -> None:
    import scipy.linalg
    import sklearn.decomposition

    del scipy, sklearn  # imported here, so that imports are not timed
    begin = time.perf_counter()
    found = {"ours": ours, "scikit-learn": scikit_learn}[name](path)
    seconds = time.perf_counter() - begin
    np.save(result, found)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps([seconds, peak]))


def main() -> None:
    from scipy.spatial.distance import pdist

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="100,000 weights, one round")
    parser.add_argument("--alone", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.alone:
        name, path, result = chosen.alone
        _alone(name, Path(path), Path(result))
        return
    with tempfile.TemporaryDirectory(prefix="dynamics-benchmark-") as folder:
        path = Path(folder, "weights.zarr")
        weights = QUICK_WEIGHTS if chosen.quick else WEIGHTS
        write(path, weights)
        rounds = [
            {name: alone(name, path) for name in ("ours", "scikit-learn")}
            for _ in range(1 if chosen.quick else 3)
        ]
        print(f"{NETWORKS * SNAPSHOTS} rows × {weights:,} weights in a store on disk")
        for name in ("ours", "scikit-learn"):
            seconds = min(each[name][0] for each in rounds)
            gigabytes = max(each[name][1] for each in rounds)
            print(f"    {name}: {seconds:.2f} s, at most {gigabytes:.2f} GB")
        ratio = min(each["scikit-learn"][0] for each in rounds) / min(
            each["ours"][0] for each in rounds
        )
        apart = pdist(rounds[0]["ours"][2]) / pdist(rounds[0]["scikit-learn"][2].astype(float))
        print(
            f"    we are {ratio:.1f} times faster (goal: 5); distances differ by up to "
            f"{np.abs(apart - 1).max():.0e} (scikit-learn computes in single precision)"
        )


if __name__ == "__main__":
    main()
