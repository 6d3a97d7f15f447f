"""Trajectories in a plane: the drawing that all pictures of projections share.

A plane gets its axes before the layout of its figure is computed and is drawn afterwards, when its
size is known; so marks have their size and arrowheads their distance on paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection, LineCollection, PolyCollection
from matplotlib.figure import Figure

from deep_learning_dynamics.figures.style import (
    DASHES,
    DOTS,
    EARLIER,
    INK,
    ScoreScale,
    colour,
    end_marker,
    ramp,
)
from deep_learning_dynamics.figures.trajectories import Points, Trajectory, framed

_CELLS, _ELLIPSES, _EARLIER, _PATHS, _ARROWS, _STARTS, _ENDS, _FAILURES = range(1, 9)


@dataclass
class Plane:
    """What is to be drawn in one plane, and which part of it is shown."""

    trajectories: list[Trajectory]
    scale: ScoreScale | None = None  # None: each group has one colour
    cells: Any = None  # MapCells of a self-organising map
    numbered: bool = False  # ends carry the numbers of pairs
    text: float = 7.0  # size of text in points

    def __post_init__(self) -> None:
        shown = framed(self.trajectories) if self.cells is None else self.cells.centres
        span = np.ptp(shown, axis=0)
        margin = 0.05 * (span.max() or np.abs(shown).max() or 1.0) if self.cells is None else 0.75
        self.low, self.high = shown.min(axis=0) - margin, shown.max(axis=0) + margin
        self.ellipses = self._ellipses()

    @property
    def shape(self) -> float:
        """Height / width of what must be shown."""
        wide, high = self.high - self.low
        return float(high / wide)

    def _ellipses(self) -> tuple[list[Trajectory], np.ndarray, np.ndarray]:
        """The networks whose ends have ellipses, their half axes and angles in degrees.

        None have where refits put ends anywhere: where an ellipse covers a twentieth of the plane,
        or all together 1.3 times the plane. They would hide the paths, and the disparity says it.
        Nor where there are so many that none could be told from the others.
        """
        ends = [
            t
            for t in self.trajectories
            if t.sound and not t.earlier and t.spread is not None and len(t.points)
        ]
        ends = [t for t in ends if np.isfinite(t.spread[-1]).all()]
        if not ends:
            return [], np.empty((0, 2)), np.empty(0)
        xx, xy, yy = np.array([t.spread[-1] for t in ends]).T
        variances, axes_of = np.linalg.eigh(np.array([[xx, xy], [xy, yy]]).transpose(2, 0, 1))
        half = np.sqrt(np.maximum(variances, 0))
        angles = np.degrees(np.arctan2(axes_of[:, 1, 0], axes_of[:, 0, 0]))
        areas = np.pi * half.prod(axis=1) / np.prod(self.high - self.low)
        anywhere = np.median(areas) > 0.05 or areas.sum() > 1.3
        return ([] if anywhere or len(ends) > 60 else ends), half, angles

    def place(self, axes: Axes) -> None:
        """Take axes, with limits that are roughly the final ones: axes' numbers need their room."""
        self.axes = axes
        axes.set(xlim=(self.low[0], self.high[0]), ylim=(self.low[1], self.high[1]))
        axes.spines[:].set_visible(True)

    def draw(self) -> None:
        """Draw everything, once the layout of the figure is known."""
        axes = self.axes
        box = axes.get_window_extent()
        size = np.array([box.width, box.height]) / axes.get_figure(root=True).dpi * 72
        self._scale = float((size / (self.high - self.low)).min())  # points on paper per unit
        middle, half = (self.low + self.high) / 2, size / self._scale / 2
        axes.set(
            xlim=(middle[0] - half[0], middle[0] + half[0]),
            ylim=(middle[1] - half[1], middle[1] + half[1]),
        )
        networks = [t for t in self.trajectories if not t.earlier and len(t.points)]
        # Ink grows with the number of paths and must not grow beyond the paper.
        crowd = (10 / max(len(networks), 4)) ** 0.35 * (size[0] / 360) ** 0.45
        self.line = float(np.clip(1.45 * crowd, 0.5, 1.8))
        self.dot = float(np.clip(2.6 * crowd, 0.9, 3.2))
        self.mark = float(np.clip(5.6 * crowd, 2.6, 7.0))
        self.arrow = float(np.clip(6.4 * crowd, 3.4, 8.0))
        if self.cells is not None:
            self._draw_cells()
        self._draw_ellipses()
        self._draw_earlier([t for t in self.trajectories if t.earlier and len(t.points) > 1])
        self._draw_paths([t for t in networks if t.sound])
        self._draw_failed([t for t in networks if not t.sound])
        self._draw_arrows(networks)
        self._mark_starts(networks)
        for trajectory in networks:
            self._mark_end(trajectory)

    @property
    def _limits(self) -> Float[np.ndarray, "2 axis"]:
        """The lower and the upper ends of both axes."""
        return np.transpose([self.axes.get_xlim(), self.axes.get_ylim()])

    def _inside(self, points: Points) -> np.ndarray:
        low, high = self._limits
        return ((points >= low) & (points <= high)).all(axis=1)

    def colours(self, trajectory: Trajectory) -> Float[np.ndarray, "row 3"]:
        """The colour of each of a trajectory's points, before it is faded."""
        if trajectory.group < 0 or self.scale is None or trajectory.score is None:
            return np.tile(colour(trajectory.group, trajectory.tone), (len(trajectory.points), 1))
        return ramp(trajectory.group)(self.scale.position(trajectory.score))[:, :3]

    def _draw_cells(self) -> None:
        self.axes.add_collection(
            PolyCollection(
                hexagons(self.cells.centres),
                facecolors=[(shade,) * 3 for shade in shades(self.cells.distances)],
                edgecolors="white",
                linewidths=0.3,
                zorder=_CELLS,
            ),
            autolim=False,
        )

    def _draw_ellipses(self) -> None:
        """One standard deviation over refits."""
        ends, half, angles = self.ellipses
        if not ends:
            return
        fill = 0.14 * min(1.0, 12 / len(ends)) ** 0.5
        self.axes.add_collection(
            EllipseCollection(
                *(2 * half.T),
                angles,
                units="xy",
                offsets=[t.points[-1] for t in ends],
                offset_transform=self.axes.transData,
                facecolors=[(*colour(t.group), fill) for t in ends],
                edgecolors=[(*colour(t.group), 0.5) for t in ends],
                linewidths=0.4,
                zorder=_ELLIPSES,
            ),
            autolim=False,
        )

    def _draw_earlier(self, trajectories: Sequence[Trajectory]) -> None:
        self._add_lines(
            [t.points for t in trajectories],
            colors=EARLIER,
            linewidths=max(0.75 * self.line, 0.6),
            linestyles=[DOTS],
            zorder=_EARLIER,
        )

    def _draw_paths(self, trajectories: Sequence[Trajectory]) -> None:
        lines, colours, widths, dots, of_dots = [], [], [], [], []
        for t in trajectories:
            # A white edge lifts each path off the ones that it crosses.
            lines.append(t.points)
            colours.append(np.ones(3))
            widths.append(2.2 * self.line)
            own, inks = self.colours(t), t.inks
            middle = (own[1:] + own[:-1]) / 2
            lines.extend(np.stack([t.points[:-1], t.points[1:]], axis=1))
            colours.extend(_faded(middle, np.minimum(inks[1:], inks[:-1])))
            widths.extend([self.line] * len(middle))
            dots.append(t.points)
            of_dots.append(_faded(own, inks))
        self._add_lines(lines, colors=colours, linewidths=widths, zorder=_PATHS)
        if dots:
            self.axes.scatter(
                *np.concatenate(dots).T,
                s=self.dot**2,
                c=np.concatenate(of_dots),
                linewidths=0,
                zorder=_PATHS,
            )

    def _draw_failed(self, trajectories: Sequence[Trajectory]) -> None:
        self._add_lines(
            [t.points for t in trajectories],
            colors=[colour(t.group) for t in trajectories],
            linewidths=0.8 * self.line,
            linestyles=[DASHES],
            zorder=_PATHS,
        )

    def _add_lines(self, lines: list, **look: Any) -> None:
        if lines:
            many = len(lines) > 20_000  # a vector file of more would be slow to open
            collection = LineCollection(lines, capstyle="round", joinstyle="round", **look)
            collection.set_rasterized(many)
            self.axes.add_collection(collection, autolim=False)

    def _draw_arrows(self, trajectories: Sequence[Trajectory]) -> None:
        along = [_along(t.points) * self._scale for t in trajectories]
        spacing = max(10 * self.arrow, sum(each[-1] for each in along) / 90)
        triangles, colours = [], []
        for t, lengths in zip(trajectories, along, strict=True):
            free = 0.6 * self.mark + 0.6 * self.arrow  # none lies under the mark of start or end
            room = lengths[-1] - 2 * free
            count = int(np.clip(round(room / spacing), 1, 6)) if room > 0 else 0
            for centre in free + room * (np.arange(count) + 0.5) / max(count, 1):
                # Where the path winds, an arrowhead would point anywhere: look for a straight bit.
                for middle in centre + room / count * _NEARBY:
                    tail, head = (
                        np.array([np.interp(at, lengths, t.points[:, axis]) for axis in (0, 1)])
                        for at in (middle - self.arrow / 2, middle + self.arrow / 2)
                    )
                    if np.hypot(*(head - tail)) * self._scale > 0.95 * self.arrow:
                        side = 0.36 * np.array([tail[1] - head[1], head[0] - tail[0]])
                        triangles.append([head, tail + side, tail - side])
                        nearest = int(np.abs(lengths - middle).argmin())
                        own = np.array([colour(t.group, 0.85)])
                        colours.append(_faded(own, t.inks[[nearest]])[0])
                        break
        if triangles:
            self.axes.add_collection(
                PolyCollection(
                    triangles,
                    facecolors=colours,
                    edgecolors="white",
                    linewidths=0.3,
                    zorder=_ARROWS,
                ),
                autolim=False,
            )

    def _mark_starts(self, trajectories: Sequence[Trajectory]) -> None:
        starts = np.array([t.points[0] for t in trajectories]).reshape(-1, 2)
        inside = self._inside(starts)
        colours = [
            colour(t.group, 0.7) for t, seen in zip(trajectories, inside, strict=True) if seen
        ]
        self.axes.scatter(
            *starts[inside].T,
            s=(0.92 * self.mark) ** 2,
            facecolors="white",
            edgecolors=colours,
            linewidths=max(0.15 * self.mark, 0.5),
            zorder=_STARTS,
        )

    def _mark_end(self, t: Trajectory) -> None:
        """A square where a path ends, a cross if it failed, a triangle where it leaves."""
        inside = self._inside(t.points)
        low, high = self._limits
        look: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 0.4}
        if inside[-1] and t.sound:
            size = max(0.9 * self.mark, 1.55 * self.number_size if self.numbered else 0)
            marker, at, order = t.end or end_marker(t.group), t.points[-1], _ENDS
            look["color"] = colour(t.group, 0.85)
        else:
            size, order = max(1.15 * self.mark, 4.5), _FAILURES
            inset = (0.6 * size + 1) / self._scale
            at = np.clip(_last_seen(t.points, inside, low, high), low + inset, high - inset)
            marker, look["color"] = "X", INK
            if t.sound:
                outward = t.points[int(inside.argmin())] - at
                marker = (3, 0, float(np.degrees(np.arctan2(outward[1], outward[0]))) - 90)
                look["color"] = colour(t.group, 0.85)
        self.axes.plot(*at, marker=marker, markersize=size, linestyle="none", zorder=order, **look)
        if self.numbered and t.label and inside[-1] and t.sound:
            self.axes.annotate(
                t.label,
                at,
                ha="center",
                va="center_baseline",
                size=self.number_size,
                color="white",
                zorder=order,
            )

    @property
    def number_size(self) -> float:
        return max(self.text - 2.3, 4.3)


_NEARBY = np.array(sorted(np.linspace(-0.45, 0.45, 19), key=abs))


def draw_planes(figure: Figure, planes: Sequence[Plane]) -> None:
    """Compute the layout of a figure whose planes have their axes, keep it, and draw the planes."""
    figure.get_layout_engine().execute(figure)
    figure.set_layout_engine("none")
    for plane in planes:
        plane.draw()


def hexagons(centres: Float[np.ndarray, "unit 2"]) -> Float[np.ndarray, "unit corner 2"]:
    """The corners of a map's cells, whose centres are 1 apart."""
    angles = np.radians(np.arange(30, 390, 60))
    return centres[:, None] + np.column_stack([np.cos(angles), np.sin(angles)]) / np.sqrt(3)


def shades(distances: Float[np.ndarray, " unit"]) -> Float[np.ndarray, " unit"]:
    """Grey of a map's cells: white where neighbours are close, light grey where they are far."""
    ranks = pd.Series(distances).rank(pct=True).fillna(0).to_numpy()
    return 0.985 - 0.215 * ranks  # lighter than the lightest path, which would drown otherwise


def frame_axes(axes: Axes) -> None:
    """A plane whose axes have no numbers."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)


def _faded(
    colours: Float[np.ndarray, "row 3"], inks: Float[np.ndarray, " row"]
) -> Float[np.ndarray, "row 3"]:
    return 1 - inks[:, None] * (1 - colours)


def _along(points: Points) -> Float[np.ndarray, " row"]:
    return np.concatenate([[0.0], np.hypot(*np.diff(points, axis=0).T).cumsum()])


def _last_seen(
    points: Points, inside: np.ndarray, low: np.ndarray, high: np.ndarray
) -> Float[np.ndarray, " 2"]:
    """The end of a path, or where it leaves the plane for the last time."""
    if inside[-1]:
        return points[-1]
    seen = np.flatnonzero(inside)
    if not seen.size:
        return np.clip(points[-1], low, high)
    start = points[seen[-1]]
    step = points[seen[-1] + 1] - start
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(step > 0, (high - start) / step, (low - start) / step)
    return start + step * np.nanmin(np.where(step == 0, np.nan, reach))
