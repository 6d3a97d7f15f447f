"""The part of the plane that a drawing shows: all trajectories, except where a failed one left."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes

from deep_learning_dynamics.figures.inputs import Trajectory


@dataclass(frozen=True)
class Frame:
    """A rectangle of the plane, equally scaled along both axes."""

    x: tuple[float, float]
    y: tuple[float, float]
    scale: float  # points (1/72 inch) on paper for 1 in the plane

    @classmethod
    def around(
        cls, points: Float[np.ndarray, "row 2"], width: float, height: float, margin: float
    ) -> "Frame":
        """The smallest frame around points on a drawing of ``width`` × ``height`` inches.

        ``margin`` is in inches and stays free on each side.
        """
        low, high = (points.min(axis=0), points.max(axis=0)) if len(points) else (-1.0, 1.0)
        middle, extent = (np.zeros(2) + low + high) / 2, np.zeros(2) + high - low
        room = np.array([width, height]) - 2 * margin
        units_per_inch = float(np.max(extent / room))
        if not units_per_inch > 0:  # one point, or all at the same place
            units_per_inch = max(float(np.abs(middle).max()), 1.0)
        half_width, half_height = width * units_per_inch / 2, height * units_per_inch / 2
        return cls(
            (float(middle[0] - half_width), float(middle[0] + half_width)),
            (float(middle[1] - half_height), float(middle[1] + half_height)),
            72 / units_per_inch,
        )

    def moved_towards(
        self, points: Float[np.ndarray, "other 2"], kept: Float[np.ndarray, "row 2"], margin: float
    ) -> "Frame":
        """A frame of this size that spends its spare room on ``points``.

        ``kept`` stay inside with ``margin`` inches to the edge.
        """
        if len(points) == 0 or len(kept) == 0:
            return self
        free = 72 * margin / self.scale
        sides = []
        for axis, (low, high) in enumerate((self.x, self.y)):
            least, most = float(kept[:, axis].min()), float(kept[:, axis].max())
            both = np.concatenate([kept[:, axis], points[:, axis]])
            size = high - low
            start = float((both.min() + both.max() - size) / 2)
            start = min(max(start, most + free - size), least - free)
            sides.append((start, start + size))
        return Frame(sides[0], sides[1], self.scale)

    def moved_into(self, other: "Frame") -> "Frame":
        """A frame of this size that reaches beyond a larger one as little as possible."""
        sides = []
        for (low, high), (least, most) in ((self.x, other.x), (self.y, other.y)):
            shift = max(least - low, 0.0) + min(most - high, 0.0)
            sides.append((low + shift, high + shift))
        return Frame(sides[0], sides[1], self.scale)

    def inside(self, points: Float[np.ndarray, "row 2"]) -> Bool[np.ndarray, " row"]:
        """Which points the frame shows."""
        low, high = np.transpose([self.x, self.y])
        return ((points >= low) & (points <= high)).all(axis=1)

    def last_seen(self, points: Float[np.ndarray, "row 2"]) -> Float[np.ndarray, " 2"]:
        """The end of a path, or where it leaves the frame for the first time."""
        outside = np.flatnonzero(~self.inside(points))
        if outside.size == 0:
            return points[-1]
        after = int(outside[0])
        if after == 0:
            return np.clip(points[0], *np.transpose([self.x, self.y]))
        start, step = points[after - 1], points[after] - points[after - 1]
        low, high = np.transpose([self.x, self.y])
        with np.errstate(divide="ignore", invalid="ignore"):
            until = np.where(step > 0, (high - start) / step, (low - start) / step)
        return start + step * min(float(np.nanmin(np.where(step == 0, np.nan, until))), 1.0)

    def apply(self, axes: Axes) -> None:
        """Show this frame on axes that have its proportions."""
        axes.set(xlim=self.x, ylim=self.y)


def frame_of(
    trajectories: Sequence[Trajectory], width: float, height: float, margin: float
) -> Frame:
    """The frame for these trajectories on a drawing of ``width`` × ``height`` inches."""
    shown = shown_points(trajectories)
    dead = [t.points for t in trajectories if t.failed == "dead"]
    frame = Frame.around(shown, width, height, margin)
    return frame.moved_towards(np.concatenate([*dead, np.empty((0, 2))]), shown, margin)


def shown_points(trajectories: Sequence[Trajectory]) -> Float[np.ndarray, "row 2"]:
    """The points that a frame must hold: all of sound networks, of failed ones at least the start.

    A diverged network's last finite weights may lie a million times farther out than all others.
    A dead one's path is held too, unless that would draw the others at less than half the size.
    """
    drawn = [trajectory for trajectory in trajectories if len(trajectory.points)]
    firsts = [t.points[:1] for t in drawn if t.failed]
    sound = np.concatenate([t.points for t in drawn if not t.failed] + firsts or [np.empty((0, 2))])
    dead = [t.points for t in drawn if t.failed == "dead"]
    together = np.concatenate([sound, *dead])
    return together if extent(together) <= 2 * extent(sound) or extent(sound) == 0 else sound


def extent(points: Float[np.ndarray, "row 2"]) -> float:
    """The longer side of the smallest upright rectangle around points."""
    return float(np.ptp(points, axis=0).max()) if len(points) else 0.0
