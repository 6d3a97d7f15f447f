"""The geometry of one path through weight space, from the inner products of its moves.

A *move* leads from one snapshot to the next. The moves' inner products hold all that is measured
here, and those of a network's layers add up to those of the network.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int


@dataclass(frozen=True)
class Path:
    """A network's way through the space of its weights, or of those of one layer.

    Whatever sums over moves depends on when snapshots were taken: between two of them the network
    went a longer way than the straight line that is seen. Compare paths of one schedule only.
    A network whose weights are not finite has NaN wherever they enter.
    """

    steps: Int[np.ndarray, " snapshot"]  # optimiser steps since the start, ascending
    products: Float64[np.ndarray, "move move"]  # inner products of all moves

    @classmethod
    def through(
        cls, points: Float[np.ndarray, "snapshot weight"], steps: Int[np.ndarray, " snapshot"]
    ) -> "Path":
        """The path through points that are in memory."""
        moves = np.diff(points.astype(np.float64), axis=0)
        return cls(steps, moves @ moves.T)

    def __add__(self, other: "Path") -> "Path":
        """The path in the space of both layers' weights together."""
        return Path(self.steps, self.products + other.products)

    @property
    def lengths(self) -> Float64[np.ndarray, " move"]:
        return np.sqrt(np.diag(self.products))

    @property
    def length(self) -> float:
        """The sum of the moves' lengths."""
        return float(self.lengths.sum())

    @property
    def displacement(self) -> float:
        """From the first snapshot to the last, as the crow flies."""
        return float(self.from_start[-1])

    @property
    def straightness(self) -> float:
        """Displacement / length: 1 on a straight line, 0 back at the start; NaN without a move."""
        return self.displacement / self.length if self.length != 0 else float("nan")

    @property
    def speed(self) -> Float64[np.ndarray, " snapshot"]:
        """Distance per optimiser step on the way to each snapshot; NaN at the first.

        It is the mean over the steps since the snapshot before. Snapshots may lie closer together
        in the first epoch, and where steps go to and fro the mean over many is smaller than over
        few: compare networks at one snapshot, not one network's snapshots across such a change.
        """
        return np.concatenate([[np.nan], self.lengths / np.diff(self.steps)])

    @property
    def turning(self) -> Float64[np.ndarray, " snapshot"]:
        """The angle between the moves to and from each snapshot, 0 (straight on) to 180 degrees.

        NaN at both ends and beside a move of no length. Two random directions in a space of very
        many dimensions are at 90 degrees.
        """
        lengths = np.where(self.lengths > 0, self.lengths, np.nan)
        cosine = np.diag(self.products, 1) / lengths[:-1] / lengths[1:]
        angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
        return np.concatenate([[np.nan], angle, [np.nan]])

    @property
    def mean_turning(self) -> float:
        """The mean angle over the snapshots that have one; NaN if none has."""
        known = self.turning[np.isfinite(self.turning)]
        return float(known.mean()) if known.size and self._finite else float("nan")

    @property
    def from_start(self) -> Float64[np.ndarray, " snapshot"]:
        """Distance of each snapshot to the first."""
        return np.sqrt(np.maximum(np.diag(self._offsets), 0))

    @property
    def to_end(self) -> Float64[np.ndarray, " snapshot"]:
        """Distance of each snapshot to the last."""
        back = Path(self.steps, self.products[::-1, ::-1])
        return back.from_start[::-1]

    @property
    def dimension(self) -> float:
        """Participation ratio of the covariance of the snapshots, (Σλ)² / Σλ²; each counts once.

        1 on a line, d for a cloud that is equally wide in d directions (Gao et al., 2017). Mind
        that a random walk in very many dimensions has 2.5 however long it is: its eigenvalues
        fall as 1/k² (Antognini & Sohl-Dickstein, 2018), and (Σ1/k²)² / Σ1/k⁴ = 5/2.
        """
        centred = self._offsets - self._offsets.mean(axis=0)
        centred = centred - centred.mean(axis=1, keepdims=True)
        squares = float((centred**2).sum())
        return float(np.trace(centred)) ** 2 / squares if squares != 0 else float("nan")

    @property
    def distances(self) -> Float64[np.ndarray, "snapshot snapshot"]:
        """Between all snapshots."""
        offsets = self._offsets
        squared = np.diag(offsets)[:, None] + np.diag(offsets) - 2 * offsets
        return np.sqrt(np.maximum(squared, 0))

    @property
    def _offsets(self) -> Float64[np.ndarray, "snapshot snapshot"]:
        """Inner products of the snapshots' offsets from the first one."""
        sums = self.products.cumsum(axis=0).cumsum(axis=1)
        return np.pad(sums, ((1, 0), (1, 0)))

    @property
    def _finite(self) -> bool:
        return bool(np.isfinite(self.products).all())
