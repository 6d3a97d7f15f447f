"""Draws the trajectories of several runs on the same axes: a run is a hue, an arm its lightness.

Accuracy, which is lightness where one run is shown, gives way: runs and arms come first here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from deep_learning_dynamics.figures import palette
from deep_learning_dynamics.figures.frame import Frame
from deep_learning_dynamics.figures.inputs import Trajectory
from deep_learning_dynamics.figures.paths import DASHES, draw_arrows, draw_pretraining, mark_failure
from deep_learning_dynamics.figures.style import Sizes
from deep_learning_dynamics.params import Arm

Colour = tuple[float, float, float]

ENDS: dict[Arm, str] = {"scratch": "s", "pretrained": "D"}
# Hues in degrees of CIELAB, neighbours in this list far apart for any colour vision; lightness and
# chroma of each arm are the same for all, so that no run looks better than another.
_HUES = (270.0, 60.0, 165.0, 335.0, 95.0, 215.0, 25.0, 130.0)
_LIGHTNESS: dict[Arm, float] = {"scratch": 70.0, "pretrained": 38.0}
_CHROMA: dict[Arm, float] = {"scratch": 44.0, "pretrained": 50.0}
_PATHS, _STARTS, _ENDS = 2, 4, 5  # as in paths.py


@dataclass(frozen=True)
class RunPaths:
    """One run's trajectories in the common plane."""

    label: str  # what sets it apart
    trajectories: tuple[Trajectory, ...]


MOST = len(_HUES)  # runs that can be told apart


def colour(run: int, arm: Arm) -> Colour:
    """The colour of an arm of the run with this number, from 0."""
    hue = np.radians(_HUES[run])
    chroma = _CHROMA[arm]
    rgb = palette.srgb(
        np.array([_LIGHTNESS[arm]]),
        np.array([chroma * np.cos(hue)]),
        np.array([chroma * np.sin(hue)]),
    )[0]
    return float(rgb[0]), float(rgb[1]), float(rgb[2])


def draw_runs(
    axes: Axes,
    runs: Sequence[RunPaths],
    frame: Frame,
    sizes: Sizes,
    shared: bool,
    inset: bool = False,
) -> None:
    """Draw every trajectory of every run that has a point.

    ``shared``: the pre-training that is there is that of all runs, and of no run's colour.
    ``inset``: this is a part of another drawing, which marks the failures that leave this one.
    """
    drawn = [
        (number, trajectory)
        for number, run in enumerate(runs)
        for trajectory in run.trajectories
        if len(trajectory.points)
    ]
    # Pair after pair, so that no run and no arm as a whole lies over the others.
    drawn.sort(key=lambda each: (each[1].pair, each[1].arm, each[0]))
    trained = [(number, t) for number, t in drawn if t.phase == "train"]
    before = [(number, t) for number, t in drawn if t.phase == "pretrain"]
    shades = palette.GREY if shared else [colour(number, t.arm) for number, t in before]
    draw_pretraining(axes, [t for _, t in before], sizes, shades)
    _draw_paths(axes, trained, sizes)
    # Not on failed paths: a diverged one is so long that it would take all the arrowheads.
    sound = [(number, t) for number, t in trained if not t.failed]
    colours = [colour(number, t.arm) for number, t in sound]
    draw_arrows(axes, [t for _, t in sound], frame, sizes, lambda number, _: colours[number])
    for number, trajectory in trained:
        shade = colour(number, trajectory.arm)
        _mark(axes, trajectory.points[0], "o", 0.95 * sizes.marker, "white", shade, _STARTS)
        if trajectory.failed:
            if not inset or frame.inside(trajectory.points).all():
                mark_failure(axes, trajectory, frame, sizes)
        else:
            end = ENDS[trajectory.arm]
            _mark(axes, trajectory.points[-1], end, 0.9 * sizes.marker, shade, "white", _ENDS)
    frame.apply(axes)


def shared_pretraining(runs: Sequence[RunPaths]) -> bool:
    """Whether every run has the same paths of pre-training, as where only ``train`` differs."""
    found = [
        {(t.arm, t.pair, t.layer): t.points for t in run.trajectories if t.phase == "pretrain"}
        for run in runs
    ]
    return all(
        found[0].keys() == other.keys()
        and all(np.array_equal(points, other[key]) for key, points in found[0].items())
        for other in found[1:]
    )


def _draw_paths(axes: Axes, drawn: list[tuple[int, Trajectory]], sizes: Sizes) -> None:
    lines, colours, widths, dashes = [], [], [], []
    for number, trajectory in drawn:
        dashed = (0, DASHES) if trajectory.failed else "solid"
        # A white edge lifts each path off the ones that it crosses.
        for shade, width in (((1.0, 1.0, 1.0), 2.0), (colour(number, trajectory.arm), 1.0)):
            lines.append(trajectory.points)
            colours.append(shade)
            widths.append(width * sizes.line * (0.8 if trajectory.failed else 1.0))
            dashes.append("solid" if width > 1 else dashed)
    axes.add_collection(
        LineCollection(
            lines,
            colors=colours,
            linewidths=widths,
            linestyles=dashes,
            joinstyle="round",
            zorder=_PATHS,
        ),
        autolim=False,
    )


def _mark(
    axes: Axes,
    at: np.ndarray,
    marker: str,
    size: float,
    face: str | Colour,
    edge: str | Colour,
    order: int,
) -> None:
    axes.scatter(
        *at,
        marker=marker,
        s=size**2,
        facecolors=[face],
        edgecolors=[edge],
        linewidths=max((0.16 if marker == "o" else 0.1) * size, 0.5) if edge != "none" else 0,
        zorder=order,
    )
