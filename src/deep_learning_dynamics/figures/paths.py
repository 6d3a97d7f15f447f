"""Draws trajectories on axes: paths with their direction and accuracy, starts, ends, failures."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection

from deep_learning_dynamics.figures import palette
from deep_learning_dynamics.figures.frame import Frame
from deep_learning_dynamics.figures.inputs import Trajectory
from deep_learning_dynamics.figures.palette import AccuracyScale
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
    accuracies: AccuracyScale,
    sizes: Sizes,
    numbered: bool = False,
    magnified: bool = False,
) -> None:
    """Draw every trajectory that has a point.

    Args:
        numbered: mark a start with the number of its layer.
        magnified: this is a magnified part of another drawing, which marks what leaves this one.
    """
    drawn = [trajectory for trajectory in trajectories if len(trajectory.points)]
    # Pair after pair, so that neither arm as a whole lies over the other.
    trained = sorted((t for t in drawn if t.phase == "train"), key=lambda t: (t.pair, t.arm))
    sound = [trajectory for trajectory in trained if not trajectory.failed]
    _draw_pretraining(axes, [t for t in drawn if t.phase == "pretrain"], sizes)
    _draw_sound_paths(axes, sound, accuracies, sizes)
    for trajectory in trained:
        if trajectory.failed:
            _draw_failed_path(axes, trajectory, sizes)
            if not magnified or frame.inside(trajectory.points).all():
                _mark_failure(axes, trajectory, frame, sizes)
    _draw_arrows(axes, trained, frame, sizes)
    _draw_starts(axes, trained, sizes, numbered)
    _draw_ends(axes, sound, sizes)
    frame.apply(axes)


def _draw_pretraining(axes: Axes, trajectories: Sequence[Trajectory], sizes: Sizes) -> None:
    axes.add_collection(
        LineCollection(
            [trajectory.points for trajectory in trajectories],
            colors=palette.GREY,
            linewidths=max(0.75 * sizes.line, 0.7),
            linestyles=[(0, DOTS)],
            capstyle="round",
            zorder=_PRETRAINING,
        ),
        autolim=False,
    )


def _draw_sound_paths(
    axes: Axes, trajectories: Sequence[Trajectory], accuracies: AccuracyScale, sizes: Sizes
) -> None:
    lines, colours, widths = [], [], []
    for trajectory in trajectories:
        ramp = palette.ramp(trajectory.arm)
        # A white edge lifts each path off the ones that it crosses.
        lines.append(trajectory.points)
        colours.append(np.ones(3))
        widths.append(2.0 * sizes.line)
        for line, level in _runs(trajectory.points, _levels(trajectory, accuracies)):
            lines.append(line)
            colours.append(ramp[level])
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
            c=palette.ramp(trajectory.arm)[_levels(trajectory, accuracies)],
            linewidths=0,
            zorder=_SNAPSHOTS,
        )


def _draw_failed_path(axes: Axes, trajectory: Trajectory, sizes: Sizes) -> None:
    colour = palette.colour(trajectory.arm)
    axes.plot(
        *trajectory.points.T,
        color=colour,
        linewidth=0.8 * sizes.line,
        linestyle=(0, DASHES),
        zorder=_PATHS,
        scalex=False,
        scaley=False,
    )


def _mark_failure(axes: Axes, trajectory: Trajectory, frame: Frame, sizes: Sizes) -> None:
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


def _draw_starts(
    axes: Axes, trajectories: Sequence[Trajectory], sizes: Sizes, numbered: bool
) -> None:
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


def _draw_ends(axes: Axes, trajectories: Sequence[Trajectory], sizes: Sizes) -> None:
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


def _draw_arrows(
    axes: Axes, trajectories: Sequence[Trajectory], frame: Frame, sizes: Sizes
) -> None:
    lengths = [_arc_lengths(frame, trajectory.points)[-1] for trajectory in trajectories]
    # As many as the eye can follow, at least one on each path that is long enough to hold it.
    spacing = max(9 * sizes.arrow, sum(lengths) / 150)
    triangles, colours = [], []
    for trajectory in trajectories:
        for triangle in arrowheads(frame, trajectory.points, sizes, spacing):
            triangles.append(triangle)
            colours.append(palette.colour(trajectory.arm, 0.85))
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


def _levels(trajectory: Trajectory, accuracies: AccuracyScale) -> Int[np.ndarray, " snapshot"]:
    position = np.nan_to_num(accuracies.position(trajectory.accuracy))
    return np.rint(position * (palette.LEVELS - 1)).astype(np.int64)


def _runs(points: Points, levels: Int[np.ndarray, " row"]) -> Iterator[tuple[Points, int]]:
    """The path cut where its colour changes; between two points it changes evenly."""
    if len(points) < 2:
        return
    line, current = [points[0]], int(levels[0])
    pairs = zip(points[:-1], points[1:], levels[:-1], levels[1:], strict=True)
    for start, end, before, after in pairs:
        changes = abs(int(after) - int(before))
        for change in range(changes):
            cut = start + (end - start) * (change + 0.5) / changes
            yield np.array([*line, cut]), current
            line, current = [cut], current + (1 if after > before else -1)
        line.append(end)
    yield np.array(line), current
