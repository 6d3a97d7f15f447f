"""How fast and how well a network learnt, from its learning curve alone."""

import numpy as np
from jaxtyping import Float, Int

TARGETS = (0.5, 0.8, 0.9)  # test accuracies, shares of examples


def steps_to(
    target: float,
    accuracy: Float[np.ndarray, " snapshot"],
    steps: Int[np.ndarray, " snapshot"],
) -> float:
    """Optimiser steps until the test accuracy first reached ``target``; NaN if it never did.

    Between two snapshots the curve is taken for straight. Scores that are not finite reach nothing.
    """
    reached = np.flatnonzero(accuracy >= target)
    if reached.size == 0:
        return float("nan")
    after = int(reached[0])
    if after == 0 or not np.isfinite(accuracy[after - 1]):
        return float(steps[after])
    before = after - 1
    share = (target - accuracy[before]) / (accuracy[after] - accuracy[before])
    return float(steps[before] + share * (steps[after] - steps[before]))


def area_under_curve(
    accuracy: Float[np.ndarray, " snapshot"], steps: Int[np.ndarray, " snapshot"]
) -> float:
    """The mean test accuracy over all optimiser steps, 0 to 1, by the trapezoidal rule.

    Snapshots need not be evenly spaced. NaN if a score is not finite.
    """
    return float(np.trapezoid(accuracy.astype(np.float64), steps) / (steps[-1] - steps[0]))


def final_accuracy(accuracy: Float[np.ndarray, " snapshot"]) -> float:
    """Test accuracy at the last snapshot."""
    return float(accuracy[-1])
