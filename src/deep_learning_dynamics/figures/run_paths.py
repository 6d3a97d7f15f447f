"""Draws the trajectories of several runs on the same axes: a run is a hue, an arm its lightness.

Accuracy, which is lightness where one run is shown, gives way: runs and arms come first here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection

from deep_learning_dynamics.figures import palette
from deep_learning_dynamics.figures.frame import Frame
from deep_learning_dynamics.figures.inputs import Trajectory
from deep_learning_dynamics.figures.paths import DASHES, DOTS, arrowheads
from deep_learning_dynamics.figures.style import Sizes
from deep_learning_dynamics.params import Arm

Colour = tuple[float, float, float]

ENDS: dict[Arm, str] = {"scratch": "s", "pretrained": "D"}
# Hues in degrees of CIELAB, neighbours in this list far apart for any colour vision; lightness and
# chroma of each arm are the same for all, so that no run looks better than another.
_HUES = (270.0, 60.0, 165.0, 335.0, 95.0, 215.0, 25.0, 130.0)
_LIGHTNESS: dict[Arm, float] = {"scratch": 70.0, "pretrained": 38.0}
_CHROMA: dict[Arm, float] = {"scratch": 44.0, "pretrained": 50.0}
_PRETRAINING, _PATHS, _ARROWS, _STARTS, _ENDS, _FAILURES = 1, 2, 3, 4, 5, 6
_SPACING = 150  # about so many arrowheads are what the eye can follow


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
    rgb = palette._srgb(
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
    _draw_pretraining(axes, [(n, t) for n, t in drawn if t.phase == "pretrain"], sizes, shared)
    _draw_paths(axes, trained, sizes)
    # Not on failed paths: a diverged one is so long that it would take all the arrowheads.
    _draw_arrows(axes, [(n, t) for n, t in trained if not t.failed], frame, sizes)
    for number, trajectory in trained:
        shade = colour(number, trajectory.arm)
        _mark(axes, trajectory.points[0], "o", 0.95 * sizes.marker, "white", shade, _STARTS)
        if trajectory.failed:
            if inset and not frame.inside(trajectory.points).all():
                continue
            # At the edge its mark would be cut in half.
            free = (0.6 * sizes.failure + 1) / frame.scale
            edges = np.transpose([frame.x, frame.y]) + free * np.array([[1], [-1]])
            last = np.clip(frame.last_seen(trajectory.points), *edges)
            _mark(axes, last, "X", sizes.failure, palette.INK, "white", _FAILURES)
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


def _draw_pretraining(
    axes: Axes, drawn: list[tuple[int, Trajectory]], sizes: Sizes, shared: bool
) -> None:
    axes.add_collection(
        LineCollection(
            [trajectory.points for _, trajectory in drawn],
            colors=[
                palette.GREY if shared else colour(number, trajectory.arm)
                for number, trajectory in drawn
            ],
            linewidths=max(0.75 * sizes.line, 0.7),
            linestyles=[(0, DOTS)],
            capstyle="round",
            zorder=_PRETRAINING,
        ),
        autolim=False,
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


def _draw_arrows(
    axes: Axes, drawn: list[tuple[int, Trajectory]], frame: Frame, sizes: Sizes
) -> None:
    lengths = [
        float(np.hypot(*np.diff(trajectory.points, axis=0).T).sum()) * frame.scale
        for _, trajectory in drawn
    ]
    spacing = max(9 * sizes.arrow, sum(lengths) / _SPACING)
    triangles, colours = [], []
    for number, trajectory in drawn:
        for triangle in arrowheads(frame, trajectory.points, sizes, spacing):
            triangles.append(triangle)
            colours.append(colour(number, trajectory.arm))
    axes.add_collection(
        PolyCollection(
            triangles,
            facecolors=colours,
            edgecolors="white",
            linewidths=0.07 * sizes.arrow,
            zorder=_ARROWS,
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
