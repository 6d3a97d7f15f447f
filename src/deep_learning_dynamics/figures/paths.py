"""Draws trajectories on axes: paths with their direction and accuracy, starts, ends, failures."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection

from deep_learning_dynamics.figures import palette
from deep_learning_dynamics.figures.frame import Frame
from deep_learning_dynamics.figures.inputs import Trajectory
from deep_learning_dynamics.figures.palette import AccuracyScale
from deep_learning_dynamics.figures.strokes import colours_of_points, faded, strokes
from deep_learning_dynamics.figures.style import Sizes

Points = Float[np.ndarray, "row 2"]

# From the bottom to the top.
_PRETRAINING, _PATHS, _SNAPSHOTS, _ARROWS, _STARTS, _ENDS, _FAILURES = 1, 2, 2.5, 3, 4, 5, 6
# Where an arrowhead may go instead, in parts of the spacing, the nearest place first.
_NEARBY = np.array(sorted(np.linspace(-0.45, 0.45, 31), key=abs))
DASHES = (3.0, 2.0)  # of a failed network's path, in line widths
DOTS = (0.1, 2.4)  # of the pre-training's path


def draw_trajectories(
    axes: Axes,
    trajectories: Sequence[Trajectory],
    frame: Frame,
    accuracies: AccuracyScale | None,
    sizes: Sizes,
    numbered: bool = False,
    magnified: bool = False,
) -> None:
    """Draw every trajectory that has a point.

    Args:
        accuracies: None gives each arm one colour.
        numbered: mark a start with the number of its layer.
        magnified: this is a magnified part of another drawing, which marks what leaves this one.
    """
    drawn = [trajectory for trajectory in trajectories if len(trajectory.points)]
    # Pair after pair, so that neither arm as a whole lies over the other.
    trained = sorted((t for t in drawn if t.phase == "train"), key=lambda t: (t.pair, t.arm))
    sound = [trajectory for trajectory in trained if not trajectory.failed]
    draw_pretraining(axes, [t for t in drawn if t.phase == "pretrain"], sizes)
    _draw_sound_paths(axes, sound, accuracies, sizes)
    for trajectory in trained:
        if trajectory.failed:
            _draw_failed_path(axes, trajectory, sizes)
            if not magnified or frame.inside(trajectory.points).all():
                mark_failure(axes, trajectory, frame, sizes)
    draw_arrows(axes, trained, frame, sizes, lambda number, at: _faded_like(trained[number], at))
    draw_starts(axes, trained, sizes, numbered)
    draw_ends(axes, sound, sizes)
    frame.apply(axes)


def draw_pretraining(
    axes: Axes, trajectories: Sequence[Trajectory], sizes: Sizes, colours: Any = palette.GREY
) -> None:
    """Dotted paths, of one colour or with one for each."""
    axes.add_collection(
        LineCollection(
            [trajectory.points for trajectory in trajectories],
            colors=colours,
            linewidths=max(0.75 * sizes.line, 0.7),
            linestyles=[(0, DOTS)],
            capstyle="round",
            zorder=_PRETRAINING,
        ),
        autolim=False,
    )


def _draw_sound_paths(
    axes: Axes,
    trajectories: Sequence[Trajectory],
    accuracies: AccuracyScale | None,
    sizes: Sizes,
) -> None:
    lines, colours, widths = [], [], []
    for trajectory in trajectories:
        # A white edge lifts each path off the ones that it crosses.
        lines.append(trajectory.points)
        colours.append(np.ones(3))
        widths.append(2.0 * sizes.line)
        for line, colour in strokes(trajectory, accuracies):
            lines.append(line)
            colours.append(colour)
            widths.append(sizes.line)
    axes.add_collection(
        LineCollection(
            lines,
            colors=colours,
            linewidths=widths,
            capstyle="round",
            joinstyle="round",
            zorder=_PATHS,
        ),
        autolim=False,
    )
    for trajectory in trajectories:
        axes.scatter(
            *trajectory.points.T,
            s=sizes.snapshot**2,
            c=colours_of_points(trajectory, accuracies),
            linewidths=0,
            zorder=_SNAPSHOTS,
        )


def _draw_failed_path(axes: Axes, trajectory: Trajectory, sizes: Sizes) -> None:
    pieces = list(strokes(trajectory, None))
    axes.add_collection(
        LineCollection(
            [line for line, _ in pieces],
            colors=[colour for _, colour in pieces],
            linewidths=0.8 * sizes.line,
            linestyles=[(0, DASHES)],
            joinstyle="round",
            zorder=_PATHS,
        ),
        autolim=False,
    )


def mark_failure(axes: Axes, trajectory: Trajectory, frame: Frame, sizes: Sizes) -> None:
    """A cross where a path ends or is last seen in the frame."""
    # Where a path leaves the frame, its mark would be cut in half or lie out of sight.
    at = frame.last_seen(trajectory.points)
    inset = (0.6 * sizes.failure + 1) / frame.scale
    at = np.clip(
        at,
        [frame.x[0] + inset, frame.y[0] + inset],
        [frame.x[1] - inset, frame.y[1] - inset],
    )
    axes.scatter(
        *at,
        marker="X",
        s=sizes.failure**2,
        color=palette.INK,
        edgecolors="white",
        linewidths=0.7,
        zorder=_FAILURES,
    )


def draw_starts(
    axes: Axes, trajectories: Sequence[Trajectory], sizes: Sizes, numbered: bool = False
) -> None:
    """A ring where each path begins, ``numbered`` with the number of its layer."""
    # One by one: only a mark that is drawn alone is aligned with the pixels.
    for trajectory in trajectories:
        colour = palette.colour(trajectory.arm, 0.75)
        axes.scatter(
            *trajectory.points[0],
            marker="o",
            s=((1.5 if numbered else 1.0) * sizes.marker) ** 2,
            facecolors="white",
            edgecolors=[colour],
            linewidths=max(0.16 * sizes.marker, 0.6),
            zorder=_STARTS,
        )
        if numbered:
            axes.scatter(
                *trajectory.points[0],
                marker=f"${trajectory.layer}$",
                s=(0.8 * sizes.marker) ** 2,
                color=[colour],
                linewidths=0,
                zorder=_STARTS,
            )


def draw_ends(axes: Axes, trajectories: Sequence[Trajectory], sizes: Sizes) -> None:
    """A square where each path ends."""
    for trajectory in trajectories:
        axes.scatter(
            *trajectory.points[-1],
            marker="s",
            s=(0.95 * sizes.marker) ** 2,
            color=[palette.colour(trajectory.arm, 0.8)],
            edgecolors="white",
            linewidths=max(0.1 * sizes.marker, 0.4),
            zorder=_ENDS,
        )


def draw_arrows(
    axes: Axes,
    trajectories: Sequence[Trajectory],
    frame: Frame,
    sizes: Sizes,
    colour_of: Callable[[int, Float[np.ndarray, " 2"]], Any],
) -> None:
    """Arrowheads along paths; ``colour_of`` a path's number and an arrowhead's middle."""
    lengths = [_arc_lengths(frame, trajectory.points)[-1] for trajectory in trajectories]
    # As many as the eye can follow, at least one on each path that is long enough to hold it.
    spacing = max(9 * sizes.arrow, sum(lengths) / 150)
    triangles, colours = [], []
    for number, trajectory in enumerate(trajectories):
        for triangle in arrowheads(frame, trajectory.points, sizes, spacing):
            triangles.append(triangle)
            colours.append(colour_of(number, triangle.mean(axis=0)))
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


def arrowheads(
    frame: Frame, points: Points, sizes: Sizes, spacing: float
) -> Iterator[Float[np.ndarray, "corner 2"]]:
    """Triangles along a path that point where it goes, about ``spacing`` points apart.

    None lies under the start or the end mark, and each lies where the path is straight: elsewhere
    it would point anywhere.
    """
    along = _arc_lengths(frame, points)
    free = 0.6 * sizes.marker + 0.6 * sizes.arrow
    room = along[-1] - 2 * free
    if room <= 0:
        return
    count = max(1, round(room / spacing))
    wandering = room / count * _NEARBY
    for centre in free + room * (np.arange(count) + 0.5) / count:
        for middle in centre + wandering:
            tail, head = (
                np.array([np.interp(middle + offset, along, points[:, axis]) for axis in (0, 1)])
                for offset in (-sizes.arrow / 2, sizes.arrow / 2)
            )
            chord = float(np.hypot(*(head - tail))) * frame.scale
            if chord > 0.96 * sizes.arrow:
                side = 0.36 * np.array([tail[1] - head[1], head[0] - tail[0]])
                yield np.array([head, tail + side, tail - side])
                break


def _arc_lengths(frame: Frame, points: Points) -> Float[np.ndarray, " row"]:
    """How far along the path each point lies, in points on paper."""
    steps = np.hypot(*np.diff(points, axis=0).T) * frame.scale
    return np.concatenate([[0.0], np.cumsum(steps)])


def _faded_like(trajectory: Trajectory, place: Float[np.ndarray, " 2"]) -> Float[np.ndarray, " 3"]:
    """The colour of an arrowhead that lies here, as pale as the snapshot that is nearest."""
    colour = np.array(palette.colour(trajectory.arm, 0.85))
    if trajectory.faithfulness is None:
        return colour
    nearest = np.argmin(((trajectory.points - place) ** 2).sum(axis=1))
    return faded(colour, float(trajectory.faithfulness[nearest]))
