"""The weights after a short training on this processor and on emulated ones: the same bits?

    python -m benchmarks.portability [PROCESSOR ...]

Processors are names that ``qemu-x86_64 -cpu help`` lists (Debian: qemu-user); each takes a few
minutes. For comparison, a matrix product of numpy's library is made on each: its bits differ.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from deep_learning_dynamics.study.kernel import (
    Architecture,
    PortableEnsemble,
    initial_weights,
)
from deep_learning_dynamics.study.optimisers import Optimisation

PROCESSORS = ("EPYC-Rome", "Haswell", "Nehalem")
NETWORK = Architecture((784, 8, 8, 10), "tanh")
EXAMPLES, BATCH, EPOCHS = 400, 50, 5
EMULATOR = "qemu-x86_64"


def hashes(threads: int) -> dict[str, str]:
    """What a training and a matrix product give here."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (EXAMPLES, 784), np.uint8)
    images[rng.integers(0, 5, images.shape) > 0] = 0
    labels = rng.integers(0, 10, EXAMPLES)
    weights = np.stack([initial_weights(NETWORK, 0, pair, "benchmark") for pair in range(6)])
    groups = [pair // 2 for pair in range(6)]
    ensemble = PortableEnsemble(NETWORK, weights, Optimisation("adam", 0.01, 1e-4), groups, threads)
    for _ in range(EPOCHS):
        orders = np.stack([rng.permutation(EXAMPLES) for _ in range(3)])
        ensemble.train(images, labels, orders, BATCH)
    product = (images / np.float32(255)) @ weights[:, : 784 * 8].reshape(-1, 784).T
    return {"training": _hash(ensemble.weights()), "matrix product": _hash(product)}


def elsewhere(command: list[str], threads: int) -> tuple[dict[str, str], float]:
    """The hashes of another process, compiled anew, and the seconds that it took."""
    with tempfile.TemporaryDirectory() as cache:
        begin = time.perf_counter()
        run = subprocess.run(
            [*command, sys.executable, "-m", "benchmarks.portability", "--hashes", str(threads)],
            env=os.environ | {"NUMBA_CACHE_DIR": cache},
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
    return json.loads(run.stdout), time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("processors", nargs="*", default=PROCESSORS, metavar="PROCESSOR")
    parser.add_argument("--hashes", type=int, metavar="THREADS", help="print those found here")
    arguments = parser.parse_args()
    if arguments.hashes is not None:
        print(json.dumps(hashes(arguments.hashes)))
        return
    places: list[tuple[str, list[str], int]] = [
        ("this processor, 1 thread", [], 1),
        ("this processor, 2 threads", [], 2),
    ]
    if shutil.which(EMULATOR):
        places += [(name, [EMULATOR, "-cpu", name], 1) for name in arguments.processors]
    else:
        print(f"{EMULATOR} is not installed (Debian: qemu-user); only this processor is tried")
    found = set()
    for name, command, threads in places:
        digests, seconds = elsewhere(command, threads)
        found.add(digests["training"])
        print(f"{name:27}", *(f"{what} {digest}  " for what, digest in digests.items()),
              f"{seconds:.0f} s", flush=True)  # fmt: skip
    print("training: the same bits" if len(found) == 1 else "training: DIFFERENT BITS")
    sys.exit(len(found) != 1)


def _hash(numbers: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(numbers).tobytes()).hexdigest()[:16]


if __name__ == "__main__":
    main()
