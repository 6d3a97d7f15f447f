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
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from deep_learning_dynamics.figures.places import last_seen, lengths_along, moved_apart
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
from deep_learning_dynamics.figures.trajectories import Trajectory, framed

_CELLS, _ELLIPSES, _EARLIER, _PATHS, _ARROWS, _STARTS, _ENDS, _FAILURES = range(1, 9)


@dataclass
class Plane:
    """What is to be drawn in one plane, and which part of it is shown."""

    trajectories: list[Trajectory]
    scale: ScoreScale | None = None  # None: each group has one colour
    cells: Any = None  # MapCells of a self-organising map
    numbered: bool = False  # ends carry the numbers of pairs
    moving: bool = False  # paths end where networks are at a moment
    text: float = 7.0  # size of text in points

    def __post_init__(self) -> None:
        shown = framed(self.trajectories) if self.cells is None else self.cells.centres
        span = np.ptp(shown, axis=0)
        margin = 0.05 * (span.max() or np.abs(shown).max() or 1.0) if self.cells is None else 0.75
        self.low, self.high = shown.min(axis=0) - margin, shown.max(axis=0) + margin
        self.frame_of_paths = self.low, self.high  # of pictures without ellipses
        self.ellipses = self._ellipses()
        self._make_room_for_ellipses()

    @property
    def shape(self) -> float:
        """Height / width of what must be shown."""
        wide, high = self.high - self.low
        return float(high / wide)

    def _ellipses(self) -> tuple[list[Trajectory], np.ndarray, np.ndarray]:
        """The networks whose ends get ellipses; half axes and angles (degrees) of all of them.

        There are none where refits put ends anywhere (the median ellipse covers a twentieth of the
        plane, or all together 1.3 times the plane): they would hide the paths, and the disparity
        says the same. Nor are there any of more than 60 networks, which nobody could tell apart.
        """
        networks = [t for t in self.trajectories if t.sound and not t.earlier and len(t.points)]
        ends = [t for t in networks if t.spread is not None and np.isfinite(t.spread[-1]).all()]
        if not ends:
            return [], np.empty((0, 2)), np.empty(0)
        xx, xy, yy = np.array([t.spread[-1] for t in ends]).T
        variances, axes_of = np.linalg.eigh(np.array([[xx, xy], [xy, yy]]).transpose(2, 0, 1))
        half = np.sqrt(np.maximum(variances, 0))
        angles = np.degrees(np.arctan2(axes_of[:, 1, 0], axes_of[:, 0, 0]))
        areas = np.pi * half.prod(axis=1) / np.prod(self.high - self.low)
        anywhere = np.median(areas) > 0.05 or areas.sum() > 1.3
        return ([] if anywhere or len(ends) > 60 else ends), half, angles

    def _make_room_for_ellipses(self) -> None:
        """Frame the ellipses, too, as far as paths do not become much smaller for it."""
        ends = np.array([t.points[-1] for t in self.ellipses[0]]).reshape(-1, 2)
        reach = np.sqrt([t.spread[-1][[0, 2]] for t in self.ellipses[0]]).reshape(-1, 2)
        inside = ((ends >= self.low) & (ends <= self.high)).all(axis=1)
        if inside.any():
            most = 0.2 * (self.high - self.low)
            low = (ends - 1.03 * reach)[inside].min(axis=0)
            high = (ends + 1.03 * reach)[inside].max(axis=0)
            self.low = np.clip(low, self.low - most, self.low)
            self.high = np.clip(high, self.high, self.high + most)

    def place(self, axes: Axes) -> None:
        """Take axes, with limits that are roughly the final ones: axes' numbers need their room."""
        self.axes = axes
        axes.set(xlim=(self.low[0], self.high[0]), ylim=(self.low[1], self.high[1]))
        axes.spines[:].set_visible(True)

    def draw(self) -> None:
        """Draw everything, once the layout of the figure is known."""
        box = self.axes.get_window_extent()
        size = np.array([box.width, box.height]) / self.axes.get_figure(root=True).dpi * 72
        self._scale = float((size / (self.high - self.low)).min())  # points on paper per unit
        middle, half = (self.low + self.high) / 2, size / self._scale / 2
        self.low, self.high = middle - half, middle + half
        self.axes.set(xlim=(self.low[0], self.high[0]), ylim=(self.low[1], self.high[1]))
        networks = [t for t in self.trajectories if not t.earlier and len(t.points)]
        # Ink grows with the number of paths and must not grow beyond the paper.
        crowd = (10 / max(len(networks), 4)) ** 0.35 * (size[0] / 360) ** 0.45
        self.line = float(np.clip(1.45 * crowd, 0.5, 1.8))
        self.dot = float(np.clip(2.6 * crowd, 0.9, 3.2))
        self.mark = float(np.clip(5.6 * crowd, 2.6, 7.0))
        self.arrow = float(np.clip(6.4 * crowd, 3.4, 8.0))
        if self.cells is not None:
            greys = [(shade,) * 3 for shade in shades(self.cells.distances)]
            self._add_shapes(hexagons(self.cells.centres), greys, _CELLS)
        self._draw_ellipses()
        earlier = [t.points for t in self.trajectories if t.earlier and len(t.points) > 1]
        width = max(0.75 * self.line, 0.6)
        self._add_lines(
            earlier, colors=EARLIER, linewidths=width, linestyles=[DOTS], zorder=_EARLIER
        )
        self._draw_paths([t for t in networks if t.sound])
        failed = [t for t in networks if not t.sound]
        self._add_lines(
            [t.points for t in failed],
            colors=[colour(t.group) for t in failed],
            linewidths=0.8 * self.line,
            linestyles=[DASHES],
            zorder=_PATHS,
        )
        self._draw_arrows(networks)
        self.axes.scatter(
            *np.array([t.points[0] for t in networks]).reshape(-1, 2).T,
            s=(0.92 * self.mark) ** 2,
            facecolors="white",
            edgecolors=self._colours_of_starts(networks),
            linewidths=max(0.15 * self.mark, 0.5),
            zorder=_STARTS,
        )
        aside = self._places_aside(networks)
        for number, trajectory in enumerate(networks):
            self._mark_end(trajectory, aside.get(number))

    def is_unscored(self, trajectory: Trajectory) -> bool:
        """Whether a network has no score where others show theirs."""
        return self.scale is not None and trajectory.score is None and trajectory.sound

    def colours(self, trajectory: Trajectory) -> Float[np.ndarray, "row 3"]:
        """The colour of each of a trajectory's points, before it is faded."""
        if self.is_unscored(trajectory):  # no place on the scale may be read into its colour
            return np.tile(to_rgb(EARLIER), (len(trajectory.points), 1))
        if trajectory.group < 0 or self.scale is None or trajectory.score is None:
            return np.tile(colour(trajectory.group, trajectory.tone), (len(trajectory.points), 1))
        return ramp(trajectory.group)(self.scale.position(trajectory.score))[:, :3]

    def _colours_of_starts(self, networks: Sequence[Trajectory]) -> list[Any]:
        """Those of their groups; of none where one circle stands for several groups."""
        groups: dict[tuple[float, ...], set[int]] = {}
        places = [tuple(t.points[0].tolist()) for t in networks]
        for place, t in zip(places, networks, strict=True):
            groups.setdefault(place, set()).add(t.group)
        return [
            colour(t.group, 0.7) if len(groups[place]) == 1 else INK
            for place, t in zip(places, networks, strict=True)
        ]

    def _draw_ellipses(self) -> None:
        """One standard deviation over refits."""
        ends, half, angles = self.ellipses
        if not ends:
            return
        fill = 0.14 * min(1.0, 12 / len(ends)) ** 0.5
        ellipses = EllipseCollection(
            *(2 * half.T),
            angles,
            units="xy",
            offsets=[t.points[-1] for t in ends],
            offset_transform=self.axes.transData,
            facecolors=[(*colour(t.group), fill) for t in ends],
            edgecolors=[(*colour(t.group), 0.5) for t in ends],
            linewidths=0.4,
            zorder=_ELLIPSES,
        )
        self.axes.add_collection(ellipses, autolim=False)

    def _draw_paths(self, trajectories: Sequence[Trajectory]) -> None:
        lines, colours, widths, dots = [], [], [], [np.empty((0, 5))]
        for t in trajectories:
            own, inks = self.colours(t), t.inks
            middle = _faded((own[1:] + own[:-1]) / 2, np.minimum(inks[1:], inks[:-1]))
            # A white edge lifts each path off the ones that it crosses.
            lines += [t.points, *np.stack([t.points[:-1], t.points[1:]], axis=1)]
            colours += [np.ones(3), *middle]
            widths += [2.2 * self.line] + [self.line] * len(middle)
            dots.append(np.column_stack([t.points, _faded(own, inks)]))
        self._add_lines(lines, colors=colours, linewidths=widths, zorder=_PATHS)
        x, y, *rgb = np.concatenate(dots).T
        self.axes.scatter(x, y, s=self.dot**2, c=np.transpose(rgb), linewidths=0, zorder=_PATHS)

    def _add_lines(self, lines: list, **look: Any) -> None:
        many = len(lines) > 20_000  # a vector file of more would be slow to open
        self.axes.add_collection(
            LineCollection(lines, capstyle="round", joinstyle="round", rasterized=many, **look),
            autolim=False,
        )

    def _add_shapes(self, corners: Any, colours: list, zorder: int) -> None:
        shapes = PolyCollection(corners, facecolors=colours, edgecolors="white", zorder=zorder)
        shapes.set_linewidth(0.3)
        self.axes.add_collection(shapes, autolim=False)

    def _draw_arrows(self, trajectories: Sequence[Trajectory]) -> None:
        along = [lengths_along(t.points) * self._scale for t in trajectories]
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
        self._add_shapes(triangles, colours, _ARROWS)

    def _places_aside(self, networks: Sequence[Trajectory]) -> dict[int, np.ndarray]:
        """Where ends whose numbers would overlap are marked, by the number of the network."""
        ends = {
            number: t.points[-1]
            for number, t in enumerate(networks)
            if self.numbered and t.label and t.sound
            if ((t.points[-1] >= self.low) & (t.points[-1] <= self.high)).all()
        }
        if len(ends) < 2:
            return {}
        places = np.array(list(ends.values())) * self._scale
        apart = moved_apart(places, self._end_size)
        moved = np.abs(apart - places).max(axis=1) > 0.05 * self._end_size
        return {
            number: at / self._scale
            for number, at, aside in zip(ends, apart, moved, strict=True)
            if aside
        }

    @property
    def _end_size(self) -> float:
        return max(0.9 * self.mark, 1.55 * self.number_size if self.numbered else 0)

    def _mark_end(self, t: Trajectory, aside: np.ndarray | None = None) -> None:
        """A square where a path ends, a cross if it failed, a triangle where it leaves.

        Args:
            aside: where the square is instead, with a line to the end.
        """
        low, high = self.low, self.high
        inside = ((t.points >= low) & (t.points <= high)).all(axis=1)
        look: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 0.4}
        if inside[-1] and t.sound:
            size, at = self._end_size, t.points[-1] if aside is None else aside
            marker, order = t.end or end_marker(t.group), _ENDS
            look["color"] = colour(t.group, 0.85)
            if aside is not None:
                lead = np.transpose([t.points[-1], at])
                self.axes.plot(*lead, color=look["color"], linewidth=0.6, zorder=_STARTS)
        else:
            size, order = max(1.15 * self.mark, 4.5), _FAILURES
            inset = (0.6 * size + 1) / self._scale
            at = np.clip(last_seen(t.points, inside, low, high), low + inset, high - inset)
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
