"""Row: an autoencoder of weight vectors, to a reconstruction error of 5 % of the variance."""

import time

import numpy as np
from jaxtyping import Float

from benchmarks import inputs
from benchmarks.result import Line
from benchmarks.rows import Effort
from benchmarks.timing import Contender, Times, interleaved
from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.projection.autoencoder import Autoencoder
from deep_learning_dynamics.projection.isometry import Isometry

ERROR = 0.05  # mean squared error / variance
REACH = 20  # times faster
LEARNING_RATE = 0.003  # of Adam, for theirs


def autoencoder(effort: Effort) -> list[Line]:
    rows = inputs.trained_weights(5, 30, effort.pick(300, 60))
    row, against = "autoencoder", "the same layers in torch on raw weights"
    work = (
        f"{len(rows)} snapshots × {rows.shape[1]:,} weights to 2 code units and an error of "
        f"{ERROR:.0%} of the variance"
    )
    iterations, error = _iterations_needed(rows)
    if error > ERROR:
        return [
            Line(row, work, against, problem=f"ours stays at an error of {error:.1%}", failed=True)
        ]
    start = time.perf_counter()
    _fit(rows, iterations)
    # Long enough to see whether the reach is met, even if theirs has to be stopped.
    limit = max(effort.seconds / 4, 1.5 * REACH * (time.perf_counter() - start))
    theirs = _Plain(rows, limit)
    times = interleaved(
        {
            "ours": Contender(lambda: _fit(rows, iterations), warm_up=lambda: _fit(rows, 3)),
            "torch": Contender(theirs.train, warm_up=theirs.warm_up),
        },
        effort.seconds,
        at_most=effort.pick(3, 1),
    )
    their_times = Times(times["torch"].seconds, at_least=theirs.error > ERROR)
    reached = (
        f"in {theirs.epochs} epochs"
        if theirs.error <= ERROR
        else f"at {theirs.error:.1%} when stopped after {theirs.epochs} epochs"
    )
    return [
        Line.faster(
            row,
            work,
            against,
            times["ours"],
            their_times,
            REACH,
            note=f"ours in {iterations} steps to {error:.1%}, isometry included; theirs {reached}",
        )
    ]


def _fit(rows: Float[np.ndarray, "row weight"], iterations: int) -> float:
    """The reconstruction error of ours."""
    settings = parameters.load().project.autoencoder
    # One start each: ours needs no other, and the comparison is of one network with one.
    model = Autoencoder(2, settings.hidden_units, iterations, restarts=1, random_state=0)
    model.fit(Isometry().fit_transform(rows))
    return 1 - model.explained_variance_ratio_


def _iterations_needed(rows: Float[np.ndarray, "row weight"]) -> tuple[int, float]:
    """About the fewest iterations that are enough, and the error then."""
    most = parameters.load().project.autoencoder.iterations
    too_few, iterations = 0, 25
    while (error := _fit(rows, iterations)) > ERROR and iterations < most:
        too_few, iterations = iterations, min(2 * iterations, most)
    while error <= ERROR and iterations - too_few > iterations / 8:
        middle = (too_few + iterations) // 2
        if (found := _fit(rows, middle)) <= ERROR:
            iterations, error = middle, found
        else:
            too_few = middle
    return iterations, error


class _Plain:
    """What one would write: the same layers on the weights themselves, in torch, with Adam."""

    def __init__(self, rows: Float[np.ndarray, "row weight"], limit: float) -> None:
        self._rows, self._limit = rows, limit
        self.error, self.epochs = float("inf"), 0

    def warm_up(self) -> None:
        limit, self._limit = self._limit, 0.0
        self.train()
        self._limit = limit

    def train(self) -> None:
        """Until the error is reached, or for ``limit`` seconds."""
        import torch

        torch.manual_seed(0)
        settings = parameters.load().project.autoencoder
        rows = torch.from_numpy(self._rows).float()
        rows = rows - rows.mean(dim=0)
        rows = rows / rows.std()
        variance = (rows**2).sum()
        width, hidden = rows.shape[1], settings.hidden_units
        linear, tanh = torch.nn.Linear, torch.nn.Tanh
        encoder = torch.nn.ModuleList(
            [
                linear(width, 2, bias=False),
                torch.nn.Sequential(linear(width, hidden), tanh(), linear(hidden, 2, bias=False)),
            ]
        )
        decoder = torch.nn.ModuleList(
            [
                linear(2, width, bias=False),
                torch.nn.Sequential(linear(2, hidden), tanh(), linear(hidden, width)),
            ]
        )
        optimiser = torch.optim.Adam(
            [*encoder.parameters(), *decoder.parameters()], lr=LEARNING_RATE
        )
        start, self.epochs = time.perf_counter(), 0
        while True:
            code = sum(part(rows) for part in encoder)
            loss = ((sum(part(code) for part in decoder) - rows) ** 2).sum() / variance
            self.error = loss.item()
            if self.error <= ERROR or time.perf_counter() - start > self._limit:
                return
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            self.epochs += 1
