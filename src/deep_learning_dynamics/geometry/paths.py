"""The geometry of one path through weight space, and the measures of it.

All of it follows from the inner products of *moves*, which lead from one snapshot to the next.
Those of a network's parameters add up to those of the network.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int

from deep_learning_dynamics.geometry.measures import MEASURES, Measure, PathData


@dataclass(frozen=True)
class Path:
    """A network's path through the space of all its weights, or of those of one parameter.

    Whatever sums over moves depends on when snapshots were taken: between two of them the network
    went a longer way than the straight line that is seen. Compare paths of one schedule only.
    Weights that are not finite give NaN wherever they enter.
    """

    steps: Int[np.ndarray, " snapshot"]  # optimiser steps since the start, ascending
    products: Float64[np.ndarray, "move move"]  # inner products of all moves

    @property
    def lengths(self) -> Float64[np.ndarray, " move"]:
        """Of the moves."""
        return np.sqrt(np.diag(self.products))

    @property
    def length(self) -> float:
        """The sum of the moves' lengths."""
        return float(self.lengths.sum())

    @property
    def displacement(self) -> float:
        """The distance from the first snapshot to the last."""
        return float(self.from_start[-1])

    @property
    def straightness(self) -> float:
        """Displacement / length: 1 on a straight line, 0 back at the start; NaN without a move."""
        return self.displacement / self.length if self.length != 0 else float("nan")

    @property
    def speed(self) -> Float64[np.ndarray, " snapshot"]:
        """Distance per optimiser step since the snapshot before; NaN at the first.

        Steps that go to and fro make it smaller over many steps than over few.
        """
        return np.concatenate([[np.nan], self.lengths / np.diff(self.steps)])

    @property
    def turning(self) -> Float64[np.ndarray, " snapshot"]:
        """The angle between the moves to and from each snapshot, 0 (straight on) to 180 degrees.

        NaN at both ends and beside a move of no length. Two random directions among very many
        weights are at 90 degrees.
        """
        if len(self.products) == 0:
            return np.full(1, np.nan)
        lengths = np.where(self.lengths > 0, self.lengths, np.nan)
        angle = degrees(np.diag(self.products, 1) / lengths[:-1] / lengths[1:])
        return np.concatenate([[np.nan], angle, [np.nan]])

    @property
    def mean_turning(self) -> float:
        """The mean angle over the snapshots that have one; NaN if none has."""
        known = self.turning[np.isfinite(self.turning)]
        finite = bool(np.isfinite(self.products).all())
        return float(known.mean()) if known.size and finite else float("nan")

    @property
    def from_start(self) -> Float64[np.ndarray, " snapshot"]:
        """Distance of each snapshot to the first."""
        return np.sqrt(np.maximum(np.diag(self._offsets), 0))

    @property
    def to_end(self) -> Float64[np.ndarray, " snapshot"]:
        """Distance of each snapshot to the last."""
        return Path(self.steps, self.products[::-1, ::-1]).from_start[::-1]

    @property
    def dimension(self) -> float:
        """Participation ratio of the covariance of the snapshots, (Σλ)² / Σλ²; each counts once.

        1 on a line, d for a cloud that is equally wide in d directions (Gao et al., 2017). A
        random walk of equal steps among very many weights has 2.5 however long it is: its
        eigenvalues fall as 1/k² (Antognini & Sohl-Dickstein, 2018), and (Σ1/k²)² / Σ1/k⁴ = 5/2.
        """
        centred = self._offsets - self._offsets.mean(axis=0)
        centred = centred - centred.mean(axis=1, keepdims=True)
        squares = float((centred**2).sum())
        return float(np.trace(centred)) ** 2 / squares if squares != 0 else float("nan")

    @cached_property
    def _offsets(self) -> Float64[np.ndarray, "snapshot snapshot"]:
        """Inner products of the snapshots' offsets from the first one."""
        return np.pad(self.products.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))


def degrees(cosine: Float64[np.ndarray, "*angle"]) -> Float64[np.ndarray, "*angle"]:
    """Angles of these cosines, by operations that IEEE 754 rounds alike on every processor.

    acos x = 2 atan √((1 − x) / (1 + x)); the argument of atan is halved four times, and its series
    summed. Compared with arccos the error is below 1e-13 degrees.
    """
    cosine = np.clip(cosine, -1, 1)
    size = np.abs(cosine)
    tangent = np.sqrt((1 - size) / (1 + size))  # of half the angle, at most 1
    for _ in range(4):
        tangent = tangent / (1 + np.sqrt(1 + tangent * tangent))
    square, total = tangent * tangent, np.zeros_like(tangent)
    for odd in range(15, 0, -2):
        total = 1 / odd - square * total
    angle = (32 * 180 / np.pi) * tangent * total
    return np.where(cosine < 0, 180 - angle, angle)


class _OfPath(Measure):
    """A number of the path, of each parameter too."""

    per_parameter = True
    number: str  # which attribute of the path

    def of(self, data: PathData) -> float:
        return getattr(data.path, self.number)


@MEASURES.register
class PathLength(_OfPath):
    key, title, number = "path_length", "path length", "length"
    meaning = "Sum of the distances between consecutive snapshots."


@MEASURES.register
class Displacement(_OfPath):
    key, title, number = "displacement", "displacement", "displacement"
    meaning = "Distance between the first and the last snapshot."


@MEASURES.register
class Straightness(_OfPath):
    key, title, number = "straightness", "straightness", "straightness"
    meaning = "Displacement divided by path length: 1 on a straight line."


@MEASURES.register
class TurningAngle(_OfPath):
    key, title, number = "turning_angle", "mean turning angle", "mean_turning"
    unit = "degrees"
    meaning = "Mean angle between consecutive moves: 0 straight on, 90 for unrelated directions."


@MEASURES.register
class EffectiveDimension(_OfPath):
    key, title, number = "effective_dimension", "effective dimension", "dimension"
    meaning = "Participation ratio of the snapshots' covariance; long random walks have 2.5."


@MEASURES.register
class TwinDistance(Measure):
    key, title = "twin_distance", "distance to the rounding twin"
    meaning = (
        "Distance between the ends of a network and its twin, whose start differs by rounding, "
        "divided by the network's displacement."
    )

    def of(self, data: PathData) -> float:
        moved = data.path.displacement
        return data.twin_distance / moved if moved > 0 else float("nan")
