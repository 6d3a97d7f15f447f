"""Paths that grow: the strokes that are new at each moment, and what marks where they are."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from deep_learning_dynamics.figures import palette, paths
from deep_learning_dynamics.figures.frame import Frame
from deep_learning_dynamics.figures.inputs import Trajectory
from deep_learning_dynamics.figures.moments import Moment, last_seen
from deep_learning_dynamics.figures.palette import AccuracyScale
from deep_learning_dynamics.figures.strokes import strokes
from deep_learning_dynamics.figures.style import Sizes


@dataclass(frozen=True)
class Scene:
    """One drawing of paths: a panel, or the magnified part of one."""

    axes: Axes
    trajectories: list[Trajectory]
    frame: Frame
    sizes: Sizes
    magnified: bool


class Growing:
    """The strokes of a scene in order of time, given out as the clock goes on."""

    def __init__(self, scene: Scene, accuracies: AccuracyScale) -> None:
        self.scene = scene
        self.accuracies = accuracies
        self.rings: list[Artist] = []
        self.drawn = {id(t): 0 for t in scene.trajectories}  # snapshots to which a path is drawn

    def new_strokes(self, moment: Moment) -> list[Artist]:
        """What is new since the moment before."""
        lines: list[np.ndarray] = []
        looks: list[tuple[object, float, object]] = []  # colour, width, dashes
        line = self.scene.sizes.line
        for trajectory in self.scene.trajectories:
            start, end = self.drawn[id(trajectory)], last_seen(trajectory, moment)
            self.drawn[id(trajectory)] = max(end, 0)
            if end <= start:
                continue
            part = _part(trajectory, start, end)
            # Dashes go on where those of the stroke before ended; they are in line widths.
            offset = _length(trajectory.points[: start + 1]) * self.scene.frame.scale
            if trajectory.phase == "pretrain":
                width = max(0.75 * line, 0.7)
                lines.append(part.points)
                looks.append((palette.GREY, width, (offset / width, paths.DOTS)))
            elif trajectory.failed:
                width = 0.8 * line
                for piece, colour in strokes(part, None):
                    lines.append(piece)
                    looks.append((colour, width, (offset / width, paths.DASHES)))
                    offset += _length(piece) * self.scene.frame.scale
            else:
                for piece, colour in strokes(part, self.accuracies):
                    lines.append(piece)
                    looks.append((colour, line, "solid"))
        if not lines:
            return []
        colours, widths, dashes = zip(*looks, strict=True)
        new = LineCollection(
            lines,
            colors=colours,
            linewidths=widths,
            linestyles=list(dashes),  # a tuple of two would be taken for one pattern
            # Round, so that strokes that meet have no notch between them.
            capstyle="round",
            joinstyle="round",
        )
        self.scene.axes.add_collection(new, autolim=False)
        return [new]

    def starts(self, moment: Moment) -> list[Artist]:
        """Where training on MNIST began, from its beginning on; made once, they stay."""
        if moment.phase == "train" and not self.rings:
            before = set(self.scene.axes.collections)
            trained = [t for t in self.scene.trajectories if t.phase == "train"]
            paths.draw_starts(self.scene.axes, trained, self.scene.sizes)
            self.rings = [each for each in self.scene.axes.collections if each not in before]
        return self.rings

    def marks(self, moment: Moment) -> list[Artist]:
        """Where each network is now, and how those ended that have arrived."""
        axes, sizes = self.scene.axes, self.scene.sizes
        before = set(axes.collections)
        began = [t for t in self.scene.trajectories if last_seen(t, moment) >= 0]
        trained = [t for t in began if t.phase == "train"]
        ended = [t for t in trained if moment.has_seen("train", float(t.epochs[-1]))]
        paths.draw_ends(axes, [t for t in ended if not t.failed], sizes)
        for trajectory in ended:
            if trajectory.failed and (
                not self.scene.magnified or self.scene.frame.inside(trajectory.points).all()
            ):
                paths.mark_failure(axes, trajectory, self.scene.frame, sizes)
        moving = [t for t in began if t.phase == moment.phase and t not in ended]
        if moving:
            axes.scatter(
                *np.transpose([t.points[last_seen(t, moment)] for t in moving]),
                s=(0.75 * sizes.marker) ** 2,
                c=[
                    palette.GREY if t.phase == "pretrain" else palette.colour(t.arm, 0.8)
                    for t in moving
                ],
                edgecolors="white",
                linewidths=0.5,
            )
        return [artist for artist in axes.collections if artist not in before]


def _part(trajectory: Trajectory, start: int, end: int) -> Trajectory:
    rows = slice(start, end + 1)
    faithfulness, wobble = trajectory.faithfulness, trajectory.wobble
    return replace(
        trajectory,
        epochs=trajectory.epochs[rows],
        accuracy=trajectory.accuracy[rows],
        points=trajectory.points[rows],
        faithfulness=None if faithfulness is None else faithfulness[rows],
        wobble=None if wobble is None else wobble[rows],
    )


def _length(points: Float[np.ndarray, "row 2"]) -> float:
    return float(np.hypot(*np.diff(points, axis=0).T).sum())
