"""Row: how time grows with networks, weights and snapshots."""

import time
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from benchmarks import inputs
from benchmarks.result import Curve, Line, Reach
from benchmarks.rows import Effort
from benchmarks.timing import Spread
from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.networks import Architecture

TITLE = "scaling"
BATCH = inputs.BATCH
# How the method's own work grows at the far end; what a benchmark shows may be a little above.
TOLERANCE = 0.15


def scaling(effort: Effort) -> list[Line]:
    part = effort.seconds / 3
    networks = effort.pick((1, 3, 10, 30, 100, 300, 1000), (1, 10, 100))
    hidden = effort.pick((1, 4, 13, 40, 126, 400, 1259), (1, 13, 126))
    snapshots = effort.pick((50, 150, 500, 1500, 5000), (50, 150, 500))
    rows = inputs.trained_weights(*effort.pick((50, 100, 15), (10, 50, 6)))
    methods = effort.pick(("pca", "som", "autoencoder", "autoencoder_tsne", "umap"), ("pca", "som"))

    def training(architecture: Architecture, networks: int) -> float:
        return _step_seconds(architecture, networks)

    lines = [
        _line(
            *("training", "networks", "a step, 200 examples", networks),
            *measured(networks, lambda n: training(inputs.NETWORK, n), part),
            own=1,
        ),
        _line(
            *("training", "weights", "a step, 200 examples, 10 networks"),
            tuple(_wide(width).size for width in hidden),
            *measured(hidden, lambda width: training(_wide(width), 10), part),
            own=1,
        ),
    ]
    for method in methods:
        times = measured(
            snapshots,
            lambda n, method=method: _project_seconds(method, rows, n),
            part / len(methods),
        )
        # The isometry, which all begin with, has the eigenvectors of a matrix [row, row]: rows³.
        lines.append(_line(method, "snapshots", "a projection", snapshots, *times, own=3))
    return lines


def _line(
    name: str, axis: str, what: str, sizes: Sequence[int], *seconds: float, own: float
) -> Line:
    curve = Curve(name, axis, what, tuple(sizes[: len(seconds)]), seconds, own)
    slope = curve.slope()
    left_out = sizes[len(seconds) :]
    longer = f"; no time for {left_out[0]:,} and more" if left_out else ""
    return Line(
        TITLE,
        "time against size",
        f"{name}, {axis} {sizes[0]:,} to {curve.sizes[-1]:,}: the power at the far end",
        found=Spread(slope, slope, slope),
        unit="",
        reach=Reach(own + TOLERANCE, "", at_most=True),
        note=f"{what} takes {seconds[-1]:.3g} s at {curve.sizes[-1]:,}{longer}",
        curve=curve,
    )


def measured(
    sizes: Sequence[int], seconds_at: Callable[[int], float], budget: float
) -> tuple[float, ...]:
    """Seconds at each size, from two on until the next would not fit into the budget."""
    found: list[float] = []
    costs: list[float] = []
    start = time.perf_counter()
    for size in sizes:
        before = time.perf_counter()
        # The next costs more than the last by the factor by which that cost more than its own.
        if len(costs) > 1 and before - start + costs[-1] ** 2 / costs[-2] > budget:
            break
        found.append(seconds_at(size))
        costs.append(time.perf_counter() - before)
    return tuple(found)


def _wide(hidden: int) -> Architecture:
    return Architecture((784, hidden, 10), "relu")


def _step_seconds(architecture: Architecture, networks: int) -> float:
    """The median time of a training step."""
    import torch

    from deep_learning_dynamics import training

    task, at_once = inputs.task(), 5
    settings = inputs.settings().model_copy(update={"learning_rate": 0.01})
    chosen = torch.arange(at_once * BATCH).view(at_once, BATCH)
    units = architecture.widths[1] * networks
    steps = list(zip(task.images.shared(chosen, units), task.labels[chosen], strict=True))
    starts = inputs.starts(networks, architecture)
    with training.shared_out(task, architecture, starts, settings) as ensemble:
        ensemble.take(steps[:1])
        times, end = [], time.perf_counter() + 0.5
        while len(times) < 3 or (time.perf_counter() < end and len(times) < 200):
            start = time.perf_counter()
            ensemble.take(steps)
            times.append((time.perf_counter() - start) / at_once)
    return float(np.median(times))


def _project_seconds(method: str, rows: Float[np.ndarray, "row weight"], snapshots: int) -> float:
    """One projection with the default parameters, isometry included."""
    from deep_learning_dynamics.projection import make

    chosen = np.linspace(0, len(rows) - 1, snapshots).astype(int)
    pipeline = make(method, parameters.load().project, inputs.SEED)
    start = time.perf_counter()
    pipeline.fit_transform(rows[chosen])
    return time.perf_counter() - start
