"""Self-organising maps of weights, against minisom.

    python -m benchmarks.som [--quick]

Both rules, on a map of 20 × 20 hexagons with the same start and the same order of rows. Ours learns
from the reduction, whose time counts; minisom from the weights themselves. A part of its updates is
timed; the others would take as long, as each one touches the whole codebook.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.projection import shortest, wandering
from deep_learning_dynamics.projection import METHODS, reduce
from deep_learning_dynamics.projection.som import hexagonal_centres, plane_start
from deep_learning_dynamics.projection.som_training import train_online

UPDATES, EPOCHS = 10_000, 60
PARTS = {"online": 40, "batch": 1}  # updates, epochs


def untrained(rows: np.ndarray) -> Any:
    """minisom's map; its codebook starts on the first two principal components."""
    from minisom import MiniSom

    som = MiniSom(
        20, 20, rows.shape[1], sigma=10, learning_rate=0.5, topology="hexagonal",
        decay_function="linear_decay_to_zero", sigma_decay_function="linear_decay_to_one",
    )  # fmt: skip
    start = plane_start(rows, hexagonal_centres(20, 20))
    som.get_weights()[:] = start.reshape(20, 20, -1)
    return som


def minisom(rule: str, rows: np.ndarray) -> float:
    """Seconds of the whole training, from a part of it."""
    som, part = untrained(rows), PARTS[rule]
    with threadpool_limits(1, user_api="blas"):  # its products are too small for a second thread
        begin = time.perf_counter()
        if rule == "batch":
            som.train_batch_offline(rows, part)
            return (time.perf_counter() - begin) * EPOCHS / part
        for step in range(part):
            row = rows[step % len(rows)]
            som.update(row, som.winner(row), step, UPDATES)
        return (time.perf_counter() - begin) * UPDATES / part


def same_units(rows: np.ndarray, updates: int) -> int:
    """Of how many rows the unit differs from minisom's after some updates of the same vectors."""
    som, centres = untrained(rows), hexagonal_centres(20, 20)
    codebook = som.get_weights().reshape(400, -1).copy()
    order = np.random.default_rng(0).integers(len(rows), size=updates)
    for step, row in enumerate(order):
        som.update(rows[row], som.winner(rows[row]), step, updates)
    falling = 1 - np.arange(updates) / updates
    apart = ((centres[:, None] - centres) ** 2).sum(axis=2)
    found = train_online(codebook, rows, order, apart, 0.5 * falling, 1 + 9 * falling)
    theirs = som.get_weights().reshape(400, -1)
    units = [
        ((each**2).sum(axis=1) - 2 * (rows @ each.T)).argmin(axis=1) for each in (found, theirs)
    ]
    return int((units[0] != units[1]).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="450 rows, one round")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory(prefix="dynamics-benchmark-") as folder:
        selection = wandering(Path(folder, "weights.npy"), 10 if quick else 20, 45 if quick else 91)
        rows = np.asarray(selection.weights, np.float64)
        print(f"{len(rows):,} rows × {rows.shape[1]:,} weights, 20 × 20 hexagons")
        work = {"batch": f"{EPOCHS} epochs", "online": f"{UPDATES:,} updates"}
        for rule in PARTS:
            settings = {"rule": rule, "epochs": EPOCHS, "updates": UPDATES}
            ours = shortest(
                lambda settings=settings: METHODS["som"].fit(
                    reduce(selection).vectors, 0, settings
                ),
                1 if quick else 3,
            )
            theirs = minisom(rule, rows)
            print(
                f"    {rule} rule, {work[rule]}: {ours:.2f} s; minisom {theirs:.0f} s, from "
                f"{PARTS[rule]} of them; we are {theirs / ours:.0f} times faster"
            )
        updates = 100 if quick else 1000
        different = same_units(reduce(selection).vectors, updates)
        print(
            f"    after {updates:,} updates of the online rule, the units of {different} rows "
            "differ from minisom's"
        )


if __name__ == "__main__":
    main()
