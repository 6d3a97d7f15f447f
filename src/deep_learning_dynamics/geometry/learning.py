"""How fast and how well a network learnt, from its scores alone.

A measure whose score was not recorded is NaN, and so left out of tables.
"""

import numpy as np
from jaxtyping import Float, Int

from deep_learning_dynamics.geometry.measures import MEASURES, Measure, PathData

Score = Float[np.ndarray, " snapshot"]
Steps = Int[np.ndarray, " snapshot"]

LOSSES = ("test_loss", "train_loss", "loss")  # the first that was recorded is the loss
DECIMALS = 6  # scores are stored in single precision, in which 0.9 would be less than 0.9


def steps_to(target: float, score: Score, steps: Steps) -> float:
    """Optimiser steps until a score first reached ``target``; ∞ if it never did, NaN unrecorded.

    Interpolated: between two snapshots the curve is taken for straight. Scores that are not finite
    reach nothing.
    """
    if not np.isfinite(score).any():
        return float("nan")
    score = np.round(score.astype(np.float64), DECIMALS)
    reached = np.flatnonzero(score >= target)
    if reached.size == 0:
        return float("inf")
    after = int(reached[0])
    if after == 0 or not np.isfinite(score[after - 1]):
        return float(steps[after])
    before = after - 1
    share = (target - score[before]) / (score[after] - score[before])
    return float(steps[before] + share * (steps[after] - steps[before]))


def mean_over_steps(score: Score, steps: Steps) -> float:
    """The mean of a score over all optimiser steps, by the trapezoidal rule.

    Snapshots need not be evenly spaced. NaN if a score is not finite, or without two snapshots.
    """
    if len(steps) < 2:
        return float("nan")
    return float(np.trapezoid(score.astype(np.float64), steps) / (steps[-1] - steps[0]))


class _OfAccuracy(Measure):
    family = "learning"

    def accuracy(self, data: PathData) -> Score:
        return data.scores.get("test_accuracy", np.full(len(data.path.steps), np.nan))


class _StepsToAccuracy(_OfAccuracy):
    unit, better, censored = "steps", "lower", True
    target: float

    def of(self, data: PathData) -> float:
        return steps_to(self.target, self.accuracy(data), data.path.steps)


@MEASURES.register
class StepsTo50(_StepsToAccuracy):
    key, title, target = "steps_to_50", "steps to 50 % test accuracy", 0.5
    meaning = "Optimiser steps until the test accuracy first reached 50 %, interpolated."


@MEASURES.register
class StepsTo80(_StepsToAccuracy):
    key, title, target = "steps_to_80", "steps to 80 % test accuracy", 0.8
    meaning = "Optimiser steps until the test accuracy first reached 80 %, interpolated."


@MEASURES.register
class StepsTo90(_StepsToAccuracy):
    key, title, target = "steps_to_90", "steps to 90 % test accuracy", 0.9
    meaning = "Optimiser steps until the test accuracy first reached 90 %, interpolated."


@MEASURES.register
class MeanAccuracy(_OfAccuracy):
    key, title = "mean_accuracy", "mean test accuracy while learning"
    unit, better = "%", "higher"
    meaning = "Test accuracy averaged over all optimiser steps."

    def of(self, data: PathData) -> float:
        return mean_over_steps(self.accuracy(data), data.path.steps)


@MEASURES.register
class FinalAccuracy(_OfAccuracy):
    key, title, unit, better = "final_accuracy", "final test accuracy", "%", "higher"
    meaning = "Test accuracy at the last snapshot."

    def of(self, data: PathData) -> float:
        return float(self.accuracy(data)[-1])


@MEASURES.register
class FinalLoss(Measure):
    key, title, better, family = "final_loss", "final loss", "lower", "learning"
    meaning = f"Loss at the last snapshot; the first recorded of {', '.join(LOSSES)}."

    def of(self, data: PathData) -> float:
        for name in LOSSES:
            if name in data.scores and np.isfinite(data.scores[name]).any():
                return float(data.scores[name][-1])
        return float("nan")


@MEASURES.register
class Failed(Measure):
    key, title, unit, better = "failed", "failed networks", "%", "lower"
    meaning = "Share of networks that stopped learning (dead) or diverged."
    family, centre = "learning", "mean"

    def of(self, data: PathData) -> float:
        return float(data.outcome != "")
