"""Several runs in one plane: a hue per run; within a run, groups by lightness and end."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deep_learning_dynamics.figures import page as around
from deep_learning_dynamics.figures import style as look
from deep_learning_dynamics.figures.figure import FIGURES, FigureKind
from deep_learning_dynamics.figures.paths import label_axes, method_of, nothing, quality_line
from deep_learning_dynamics.figures.plane import Plane, draw_planes
from deep_learning_dynamics.figures.style import ENDS, Groups, Style
from deep_learning_dynamics.figures.trajectories import Trajectory, trajectories_of
from deep_learning_dynamics.formatting import count, listed
from deep_learning_dynamics.results import Results, grouping

if TYPE_CHECKING:
    from deep_learning_dynamics.projection.projection import Projection


@FIGURES.register
class Comparison(FigureKind):
    """For results whose networks are grouped by the coordinate ``run``."""

    key, title, needs = "comparison", "Runs in one plane", ("projections",)

    def __init__(self, within: str | None = None) -> None:
        """
        Args:
            within: the coordinate that groups the networks of a run; by default the likely one.
        """
        self._within = within

    def variants(self, results: Results) -> tuple[str, ...]:
        found = results.projections or {}
        here = (key for key, of in found.items() if "run" in of.coordinates)
        return tuple(here) if results.by == "run" else ()

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        projection = results.projections[variant]
        method = method_of(projection)
        runs = Groups.of(projection.coordinates, "run", results.titles)
        groups = self._groups(projection, results)
        shown, same = _trajectories(projection, runs, groups)
        if not any(len(t.points) and not t.earlier for t in shown):
            return around.message_page(style, method.title, nothing(shown))
        plane = Plane(shown, cells=projection.cells, text=style.text)
        height = (style.width - 0.6) * float(np.clip(plane.shape, 0.5, 0.8))
        figure, body = around.page(
            style,
            height + 0.3,
            f"{method.title}: {count(len(runs), 'run')} in one plane",
            [quality_line(projection)],
            around.networks_line(shown, projection.weights),
            results,
            _entries(plane, runs, groups, same),
        )
        axes = body.subplots()
        plane.place(axes)
        label_axes(plane, method)
        draw_planes(figure, [plane])
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        projection = results.projections[variant]
        runs = Groups.of(projection.coordinates, "run", results.titles)
        groups = self._groups(projection, results)
        _, same = _trajectories(projection, runs, groups)
        names = [runs.title(number) for number in range(len(runs))]
        return (
            f"{'Some' if same else 'No'} networks are the same in several of {listed(names)}. "
            f"{method_of(projection).title} was fitted on all of them, so that places can be "
            "compared. Hue: run; lightness and the sign of an end: group; grey: the same in "
            "several runs."
        )

    def _groups(self, projection: "Projection", results: Results) -> Groups:
        coordinates = projection.coordinates.drop(columns="run")
        by = grouping(coordinates) if self._within is None else self._within
        return Groups.of(coordinates, by, results.titles)


def draw_comparison(
    projections: Mapping[str, "Projection"], by: str | None = None, style: Style | None = None
) -> Figure:
    """The paths of several runs, whose projections lie in one common plane.

    Args:
        projections: by the names of the runs, all of one method fitted on all of them.
        by: the coordinate that groups networks within a run; by default as in :func:`paths`.
    """
    first = next(iter(projections.values()))
    tables = []
    for run, projection in projections.items():
        table = projection.coordinates.assign(run=run)
        for name in ("network", "continues"):
            if name in table:
                table[name] = [f"{run}: {value}" if value else "" for value in table[name]]
        tables.append(table)
    together = replace(first, coordinates=pd.concat(tables, ignore_index=True))
    results = Results(by="run", titles=first.titles, projections={first.method: together})
    style = style or Style()
    with style.applied():
        return Comparison(by).draw(results, style, first.method)


def _trajectories(
    projection: "Projection", runs: Groups, groups: Groups
) -> tuple[list[Trajectory], bool]:
    """Trajectories in the colours of their runs, each once, and whether several runs share some."""
    tones = _tones(groups)
    within = dict(
        zip(projection.coordinates["network"], groups.numbers(projection.coordinates), strict=True)
    )
    found = []
    for t in trajectories_of(projection.coordinates, runs):
        number = max(int(within[t.network]), 0)
        tone, end = float(tones[number]), ENDS[number % len(ENDS)]
        found.append(replace(t, label="", tone=tone, end=end))
    return _without_copies(found)


def _tones(groups: Groups) -> list[float]:
    return list(np.linspace(0.3, 0.9, len(groups))) if len(groups) > 1 else [0.62]


def _entries(plane: Plane, runs: Groups, groups: Groups, same: bool) -> list[Any]:
    """The legend: runs by hue, groups by shade and sign, then the signs of paths."""
    line: dict[str, Any] = {"linewidth": 1.8}
    entries = [
        Line2D([], [], color=look.colour(run), label=runs.title(run), **line)
        for run in range(len(runs))
    ]
    if same:
        entries.append(Line2D([], [], color=look.QUIET, label="the same in several runs", **line))
    signs = around.plane_entries([plane])
    if len(groups) == 1:
        return entries + signs
    for number, tone in enumerate(_tones(groups)):
        grey, end = (0.75 - 0.6 * tone,) * 3, ENDS[number % len(ENDS)]
        label = f"{groups.title(number)}, its end"
        entries.append(Line2D([], [], color=grey, marker=end, markersize=4.5, label=label, **line))
    return entries + [sign for sign in signs if sign.get_label() != "end"]


def _without_copies(trajectories: list[Trajectory]) -> tuple[list[Trajectory], bool]:
    """Each way through the plane once, of no run where several have it; whether some have."""
    found: dict[bytes, Trajectory] = {}
    same = False
    for t in trajectories:
        scale = float(np.abs(t.points).max(initial=0)) or 1.0
        place = np.round(t.points / scale, 6).tobytes() + str((t.earlier, t.outcome)).encode()
        copy = found.get(place)
        if copy is not None and copy.group != t.group and len(t.points):
            found[place] = replace(copy, group=-1)
            same = same or not t.earlier
        elif copy is None:
            found[place] = t
        else:
            found[place + t.network.encode()] = t
    return list(found.values()), same
