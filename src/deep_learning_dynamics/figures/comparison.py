"""Several runs in one plane: a hue per run; within a run, groups by lightness and end."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deep_learning_dynamics.figures import style as look
from deep_learning_dynamics.figures.figure import FIGURES, FigureKind
from deep_learning_dynamics.figures.groups import Groups, groups_of
from deep_learning_dynamics.figures.page import networks_line, plane_entries, plane_page
from deep_learning_dynamics.figures.paths import label_axes, method_of, placed, quality_line
from deep_learning_dynamics.figures.plane import Plane, draw_planes
from deep_learning_dynamics.figures.style import ENDS, Style
from deep_learning_dynamics.figures.trajectories import Trajectory, trajectories_of
from deep_learning_dynamics.formatting import count, listed
from deep_learning_dynamics.results import Results
from deep_learning_dynamics.store.schema import grouped_by

if TYPE_CHECKING:
    from deep_learning_dynamics.projection.projection import Projection


@FIGURES.register
class RunsInOnePlane(FigureKind):
    """For results whose networks are grouped by the coordinate ``run``."""

    key, title, needs = "comparison", "Runs in one plane", ("projections",)

    def variants(self, results: Results) -> tuple[str, ...]:
        of_runs = [key for key, of in results.projections.items() if "run" in of.coordinates]
        return tuple(of_runs) if results.by == "run" else ()

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        projection = results.projections[variant]
        method, runs = method_of(projection), groups_of(results, projection.coordinates)
        groups = _within(projection, results)
        shown, same = _trajectories(projection, runs, groups)
        placed(shown)
        plane = Plane(shown, cells=projection.cells, text=style.text)
        figure, _, _ = plane_page(
            style,
            {"plane": plane},
            [["plane"]],
            (style.width - 0.6) * float(np.clip(plane.shape, 0.5, 0.8)) + 0.3,
            runs,
            f"{method.title}: {count(len(runs), 'run')} in one plane",
            quality_line(projection),
            networks_line(plane, projection.weights),
            results,
            legend=_entries(plane, runs, groups, same),
        )
        label_axes(plane, method)
        draw_planes(figure, [plane])
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        projection = results.projections[variant]
        runs = groups_of(results, projection.coordinates)
        _, same = _trajectories(projection, runs, _within(projection, results))
        return (
            f"{'Some' if same else 'No'} networks are the same in several of "
            f"{listed(list(runs.titles.values()))}. "
            f"{method_of(projection).title} was fitted on all of them, so that places can be "
            "compared. Hue: run; lightness and the sign of an end: group; grey: the same in "
            "several runs."
        )


def _within(projection: "Projection", results: Results) -> Groups:
    """The groups within a run."""
    coordinates = projection.coordinates.drop(columns="run")
    return Groups.of(coordinates, grouped_by(coordinates), results.titles)


def _trajectories(
    projection: "Projection", runs: Groups, groups: Groups
) -> tuple[list[Trajectory], bool]:
    """Trajectories in the colours of their runs, each once, and whether several runs share some."""
    table = projection.coordinates
    within = dict(zip(table["network"], groups.numbers(table), strict=True))
    found: dict[bytes, Trajectory] = {}
    same = False
    for t in trajectories_of(table, runs):
        number = max(int(within[t.network]), 0)
        t = replace(t, label="", tone=_tones(groups)[number], end=ENDS[number % len(ENDS)])
        scale = float(np.abs(t.points).max(initial=0)) or 1.0
        place = np.round(t.points / scale, 6).tobytes() + str((t.earlier, t.outcome)).encode()
        copy = found.get(place)
        if copy is not None and copy.group != t.group and len(t.points):
            found[place] = replace(copy, group=-1)  # of no run
            same = same or not t.earlier
        else:
            found[place if copy is None else place + t.network.encode()] = t
    return list(found.values()), same


def _tones(groups: Groups) -> list[float]:
    return np.linspace(0.3, 0.9, len(groups)).tolist() if len(groups) > 1 else [look.TONE]


def _entries(plane: Plane, runs: Groups, groups: Groups, same: bool) -> list[Any]:
    """The legend: runs by hue, groups by shade and sign, then the signs of paths."""
    line: dict[str, Any] = {"linewidth": 1.8}
    entries = [
        Line2D([], [], color=look.colour(run), label=runs.title(run), **line)
        for run in range(len(runs))
    ]
    if same:
        entries.append(Line2D([], [], color=look.QUIET, label="the same in several runs", **line))
    signs = plane_entries([plane])
    if len(groups) == 1:
        return entries + signs
    for number, tone in enumerate(_tones(groups)):
        grey, end = (0.75 - 0.6 * tone,) * 3, ENDS[number % len(ENDS)]
        label = f"{groups.title(number)}, its end"
        entries.append(Line2D([], [], color=grey, marker=end, markersize=4.5, label=label, **line))
    return entries + [sign for sign in signs if sign.get_label() != "end"]
