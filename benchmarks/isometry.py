"""Rows: the exact isometry of networks with millions of weights, from the store on disk."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from benchmarks import machine
from benchmarks.result import Line, Reach
from benchmarks.rows import Effort
from benchmarks.timing import Contender, Spread, interleaved
from deep_learning_dynamics import trajectories
from deep_learning_dynamics.networks import Architecture
from deep_learning_dynamics.params import Track
from deep_learning_dynamics.trajectories import Member, Schedule, Scores, SnapshotWriter

NETWORKS = 10
MARGIN = 2e9  # bytes that stay free on the disk
TRACK = Track(layers="all", separately=False, average_hidden_layers=False, biases=True)


def isometry(effort: Effort) -> list[Line]:
    snapshots, weights = 400, effort.pick(1_000_000, 100_000)
    row = "isometry"
    with _stores(snapshots, weights) as stores:
        work = f"{snapshots} snapshots × {stores.weights:,} weights from the zarr store"
        against = "scikit-learn PCA, all components, in memory"
        ours = _Child(stores)
        theirs = _Pca(stores)
        times = interleaved(
            {"ours": Contender(ours.run, times_itself=True), "scikit-learn": Contender(theirs.run)},
            effort.seconds,
            at_most=effort.pick(3, 1),
        )
        apart = float(np.abs(ours.distances() / theirs.distances() - 1).max())
    if apart > 1e-3:  # scikit-learn computes in the float32 of the store
        problem = f"distances differ from scikit-learn's by up to {apart:.1e} of them"
        return [Line(row, work, against, problem=problem, failed=True)]
    return [
        Line.faster(
            row,
            work,
            against,
            times["ours"],
            times["scikit-learn"],
            reach=5,
            note=f"ours reads the store, theirs does not; distances agree to {apart:.0e} (float32)",
        ),
        Line(
            row,
            work,
            "memory, at its peak",
            found=Spread.of(tuple(ours.peaks)),
            unit="GB",
            reach=Reach(1, "GB", at_most=True),
            note="the whole process, Python and imports included",
        ),
    ]


def out_of_core(effort: Effort) -> list[Line]:
    snapshots, weights, row = 200, 10_000_000, "out of core"
    against = "the disk's or the memory's read rate"
    needed = snapshots * weights * 4 + MARGIN
    if (free := shutil.disk_usage(tempfile.gettempdir()).free) < needed:
        problem = (
            f"{free / 1e9:.1f} GB are free in {tempfile.gettempdir()}; it needs {needed / 1e9:.0f}"
        )
        return [Line(row, f"{snapshots} × {weights:,}", against, problem=problem)]
    with _stores(snapshots, weights) as stores:
        size = f"{stores.bytes / 1e9:.0f} GB on disk"
        work = f"{snapshots} snapshots × {stores.weights:,} weights ({size})"
        ours, rates = _Child(stores), []

        def from_disk() -> float:
            machine.forget(stores.files)
            return ours.run()

        def read() -> float:
            rates.append(machine.read_rate(stores.files))
            return stores.bytes / rates[-1]

        times = interleaved(
            {
                "ours": Contender(from_disk, times_itself=True),
                "read": Contender(read, times_itself=True),
            },
            effort.seconds,
            at_most=3,
        )
    shares = tuple(
        100 * read / ours
        for ours, read in zip(times["ours"].seconds, times["read"].seconds, strict=True)
    )
    memory = machine.memory_rate()
    limit = f"disk {np.median(rates) / 1e9:.2f} GB/s, memory {memory / 1e9:.0f} GB/s"
    return [
        Line(
            row,
            work,
            against,
            times["ours"],
            times["read"],
            Spread.of(shares),
            "%",
            Reach(50, "%"),
            limit=limit,
            note=f"theirs: reading the files and nothing else, "
            f"{'not ' if times['ours'].median else ''}from the cache of the system",
        ),
        Line(
            row,
            work,
            "memory, at its peak",
            found=Spread.of(tuple(ours.peaks)),
            unit="GB",
            reach=Reach(2, "GB", at_most=True),
            note="the usual tools hold the matrix, often twice",
        ),
    ]


@dataclass(frozen=True)
class _Stores:
    """Two stores as the pipeline writes them; the one of the pre-training has no networks."""

    folder: Path
    weights: int  # of each snapshot

    @property
    def pretrain(self) -> Path:
        return self.folder / "pretrain.zarr"

    @property
    def train(self) -> Path:
        return self.folder / "train.zarr"

    @property
    def files(self) -> list[Path]:
        """Those that hold weights."""
        folder = self.train / "weights"
        return sorted(path for path in (folder / "c").rglob("*") if path.is_file())

    @property
    def bytes(self) -> int:
        return sum(file.stat().st_size for file in self.files)


@contextmanager
def _stores(snapshots: int, weights: int) -> Iterator[_Stores]:
    """Trajectories that wander from a common start, in a folder that is always removed."""
    # 784 × hidden + hidden + hidden × 10 + 10
    architecture = Architecture((784, max(1, round((weights - 10) / 795)), 10), "relu")
    with tempfile.TemporaryDirectory(prefix="dynamics-benchmark-") as folder:
        stores = _Stores(Path(folder), architecture.size)
        members = [Member("scratch", pair) for pair in range(NETWORKS)]
        per_network = snapshots // NETWORKS
        _write(stores.pretrain, [], architecture, 1)
        _write(stores.train, members, architecture, per_network)
        yield stores


def _write(path: Path, members: list[Member], architecture: Architecture, count: int) -> None:
    networks, size = len(members), architecture.size
    scores = Scores(*np.zeros((4, networks), np.float32), np.zeros((networks, 1, 10), np.float32))
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(networks, size)).astype(np.float32) / np.sqrt(784, dtype=np.float32)
    noise = rng.normal(size=2**16 + 9973).astype(np.float32) * np.float32(0.002)
    schedule = Schedule(np.arange(count), 1)
    with SnapshotWriter(path, members, architecture, schedule, 1, {"dataset": "mnist"}) as writer:
        for _ in range(count):
            writer.add(weights, scores)
            for row in weights:
                # The same numbers from another place on: random enough, and quickly made.
                start = rng.integers(9973)
                row += np.resize(noise[start : start + 2**16], size)


class _Child:
    """Our isometry in a process of its own, where its memory can be seen."""

    def __init__(self, stores: _Stores) -> None:
        self._stores, self.peaks = stores, []

    def run(self) -> float:
        """Its seconds, from opening the store to the coordinates, without imports."""
        command = [sys.executable, "-m", "benchmarks.isometry", str(self._stores.folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        found = json.loads(done.stdout.splitlines()[-1])
        self.peaks.append(found["peak"] / 1e9)
        return found["seconds"]

    def distances(self) -> Float[np.ndarray, " couple"]:
        return _distances(np.load(self._stores.folder / "coordinates.npy"))


class _Pca:
    """scikit-learn on the matrix in memory, as it is stored."""

    def __init__(self, stores: _Stores) -> None:
        weights = trajectories.open_snapshots(stores.train)["weights"].values
        self._rows = weights.reshape(-1, stores.weights)

    def run(self) -> None:
        from sklearn.decomposition import PCA

        self._coordinates = PCA().fit_transform(self._rows)

    def distances(self) -> Float[np.ndarray, " couple"]:
        return _distances(self._coordinates)


def _distances(coordinates: Float[np.ndarray, "row component"]) -> Float[np.ndarray, " couple"]:
    from scipy.spatial.distance import pdist

    return pdist(np.asarray(coordinates, float))


def _child(folder: Path) -> None:
    import scipy.linalg
    import xarray  # imported here, so that its import is not timed

    from deep_learning_dynamics import views
    from deep_learning_dynamics.projection.isometry import Isometry

    del scipy, xarray
    start = time.perf_counter()
    view = views.view(folder / "pretrain.zarr", folder / "train.zarr", TRACK)
    coordinates = Isometry().fit_transform(view.weights)
    seconds = time.perf_counter() - start
    np.save(folder / "coordinates.npy", coordinates)
    print(json.dumps({"seconds": seconds, "peak": machine.peak_memory()}))


if __name__ == "__main__":
    _child(Path(sys.argv[1]))
