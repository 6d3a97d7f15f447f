"""Several runs in one plane: a hue per run; within a run, groups by lightness and end."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deep_learning_dynamics.figures import page as around
from deep_learning_dynamics.figures import style as look
from deep_learning_dynamics.figures.paths import label_axes, method_of, nothing, quality_line
from deep_learning_dynamics.figures.plane import Plane, Trajectory, draw_planes, trajectories_of
from deep_learning_dynamics.figures.style import ENDS, Groups, Style
from deep_learning_dynamics.formatting import count
from deep_learning_dynamics.results import grouping

if TYPE_CHECKING:
    from deep_learning_dynamics.projection.projection import Projection


def draw_comparison(
    projections: Mapping[str, "Projection"], by: str | None = None, style: Style | None = None
) -> Figure:
    """The paths of several runs, whose projections lie in one common plane.

    Networks that are the same in several runs are drawn once, in grey.

    Args:
        projections: by the names of the runs, all of one method fitted on all of them.
        by: the coordinate that groups networks; by default as in :func:`paths`.
    """
    style = style or Style()
    first = next(iter(projections.values()))
    by = grouping(first.coordinates) if by is None else by
    groups = Groups.of(first.coordinates, by, first.titles)
    tones = np.linspace(0.3, 0.9, len(groups)) if len(groups) > 1 else [0.62]
    trajectories: list[Trajectory] = []
    for run, projection in enumerate(projections.values()):
        trajectories += [
            replace(
                t, group=run, label="", tone=float(tones[t.group]), end=ENDS[t.group % len(ENDS)]
            )
            for t in trajectories_of(projection.coordinates, groups)
        ]
    shown, same = _without_copies(trajectories)
    method = method_of(first)
    if not any(len(t.points) and not t.earlier for t in shown):
        with style.applied():
            return around.message_page(style, method.title, nothing(shown))
    with style.applied():
        plane = Plane(shown, cells=first.cells, text=style.text)
        height = (style.width - 0.6) * float(np.clip(plane.shape, 0.5, 0.8))
        names = list(projections)
        entries = [
            Line2D([], [], color=look.colour(run), linewidth=1.8, label=name)
            for run, name in enumerate(names)
        ]
        if same:
            label = "the same in several runs"
            entries.append(Line2D([], [], color=look.QUIET, linewidth=1.8, label=label))
        signs = around.plane_entries([plane])
        if len(groups) > 1:
            signs = [sign for sign in signs if not str(sign.get_label()).startswith("end")]
            for number, tone in enumerate(tones):
                grey = (0.75 - 0.6 * tone,) * 3
                entries.append(
                    Line2D([], [], color=grey, linewidth=1.8, marker=ENDS[number % len(ENDS)],
                           markersize=4.5, label=groups.title(number))
                )  # fmt: skip
        figure, body = around.page(
            style,
            height + 0.3,
            f"{method.title}: {count(len(names), 'run')} in one plane",
            [quality_line(first)],
            around.networks_line(shown, first.weights),
            legend=[*entries, *signs],
        )
        axes = body.subplots()
        plane.place(axes)
        label_axes(plane, method)
        draw_planes(figure, [plane])
    return figure


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
