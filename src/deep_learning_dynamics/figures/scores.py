"""Scores as networks learn: what learning curves are drawn from."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from deep_learning_dynamics.params import Arm

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Scores:
    """How well a network did at each of its snapshots."""

    arm: Arm
    pair: int
    failed: str  # "", "dead" or "diverged"
    epochs: Float[np.ndarray, " snapshot"]
    test_accuracy: Float[np.ndarray, " snapshot"]  # share of examples, 0 to 1; NaN once diverged
    test_loss: Float[np.ndarray, " snapshot"]  # mean cross-entropy in nats


def scores_of(snapshots: "xr.Dataset") -> list[Scores]:
    """The scores of every network in a store of snapshots; its weights are not read."""
    epochs = snapshots["epoch"].values.astype(np.float64)
    # Stored in single precision, in which 0.8735 would be shown as 87.3 %. As in ``measures``.
    accuracy = np.round(snapshots["test_accuracy"].values.astype(np.float64), 6)
    loss = snapshots["test_loss"].values.astype(np.float64)
    labels = zip(
        snapshots["arm"].values, snapshots["pair"].values, snapshots["failed"].values, strict=True
    )
    return [
        Scores(str(arm), int(pair), str(failed), epochs, accuracy[row], loss[row])
        for row, (arm, pair, failed) in enumerate(labels)
    ]
