"""The moments that an animation of learning shows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deep_learning_dynamics.figures.inputs import Trajectory

_MOST = {"pretrain": 16, "train": 44}  # frames
_ORDER = ("pretrain", "train")


@dataclass(frozen=True)
class Moment:
    """What the clock shows."""

    phase: str
    epoch: float

    def has_seen(self, phase: str, epoch: float) -> bool:
        """Whether a snapshot was taken by now."""
        if phase != self.phase:
            return _ORDER.index(phase) < _ORDER.index(self.phase)
        return epoch <= self.epoch + 1e-9


def moments_of(trajectories: Sequence[Trajectory]) -> list[Moment]:
    """When to show the paths: at snapshots, so that the first epoch takes as long as it is full."""
    found = []
    for phase, most in _MOST.items():
        epochs = [t.epochs for t in trajectories if t.phase == phase]
        seen = np.unique(np.concatenate([*epochs, np.empty(0)]))
        if len(seen):
            chosen = np.unique(np.rint(np.linspace(0, len(seen) - 1, most)).astype(int))
            found += [Moment(phase, float(epoch)) for epoch in seen[chosen]]
    return found


def last_seen(trajectory: Trajectory, moment: Moment) -> int:
    """The number of a path's last snapshot by now, −1 before it began."""
    return sum(moment.has_seen(trajectory.phase, float(e)) for e in trajectory.epochs) - 1
