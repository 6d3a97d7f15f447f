"""The same paths in the planes of all methods, side by side."""

from matplotlib.figure import Figure

from deep_learning_dynamics.figures import page as around
from deep_learning_dynamics.figures.figure import FIGURES, FigureKind
from deep_learning_dynamics.figures.paths import (
    color_of,
    groups_of,
    index,
    method_of,
    nothing,
    quality_line,
    refits_line,
)
from deep_learning_dynamics.figures.plane import Plane, draw_planes, frame_axes
from deep_learning_dynamics.figures.series import grid
from deep_learning_dynamics.figures.style import Style
from deep_learning_dynamics.figures.trajectories import score_scale, trajectories_of
from deep_learning_dynamics.formatting import count, listed
from deep_learning_dynamics.results import Results


@FIGURES.register
class Sheet(FigureKind):
    key, title, needs = "sheet", "Paths of learning", ("projections",)

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        methods = _ordered(results)
        first = results.projections[methods[0]]
        groups = groups_of(first, results)
        color = color_of(first, style)
        trajectories = {
            key: trajectories_of(results.projections[key].coordinates, groups, color)
            for key in methods
        }
        everybody = trajectories[methods[0]]
        scale = score_scale(everybody, color)
        numbers = [t.group for t in everybody if not t.earlier and len(t.points)]
        if not numbers:
            return around.message_page(style, self.title, nothing(everybody))
        planes = {
            key: Plane(trajectories[key], scale, results.projections[key].cells, text=style.text)
            for key in methods
        }
        columns = min(len(methods), 2 if style.is_narrow else 3)
        layout = grid(methods, columns)
        panel = style.width / columns
        has_map = any(plane.cells is not None for plane in planes.values())
        bar_height = max(len(groups), 2) * 1.3 * style.text / 72
        row_height = 0.86 * panel + (0.55 if style.is_narrow else 0.4)
        bars = scale is not None or has_map
        entries = [] if scale is not None else around.group_entries(groups, numbers)
        figure, body = around.page(
            style,
            len(layout) * row_height + (bar_height + 0.45 if bars else 0),
            self.title,
            [
                "The same paths in the planes of "
                f"{count(len(methods), 'method')}. Distances ρ: rank correlation of distances in "
                f"the plane and between {_what(results)}. Refits: Procrustes disparity, from 0 "
                "(same shape) to 1."
            ],
            around.networks_line(everybody, first.weights),
            results,
            [*entries, *around.plane_entries(list(planes.values()))],
        )
        upper, lower = (
            body.subfigures(2, 1, height_ratios=[len(layout) * row_height, bar_height + 0.4])
            if bars
            else (body, None)
        )
        axes = upper.subplot_mosaic(layout)
        for key, plane in planes.items():
            projection = results.projections[key]
            plane.place(axes[key])
            frame_axes(axes[key])
            line = " · ".join(
                part
                for part in (quality_line(projection, True), refits_line(projection, True))
                if part
            )
            title = around.wrapped(method_of(projection).title, panel * 0.86, style.text + 0.5)
            below = around.wrapped(line, panel, style.text - 0.7)
            around.title_of(axes[key], style, title, below)
        if lower is not None:
            names = (["score"] if scale is not None else []) + (["cells"] if has_map else [])
            wide = names if style.is_narrow or len(names) > 1 else [*names, "."]
            below = lower.subplot_mosaic([wide])
            if scale is not None:
                around.draw_score_bar(below["score"], groups, numbers, scale)
            if has_map:
                around.draw_cell_bar(below["cells"], None)
        draw_planes(figure, list(planes.values()))
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        known = {
            key: results.projections[key].quality.distance_rank_correlation
            for key in _ordered(results)
        }
        known = {key: value for key, value in known.items() if value is not None}
        if results.ranking is not None and results.ranking.sentence:
            answer = results.ranking.sentence
        elif known:
            best = max(known, key=known.__getitem__)
            answer = (
                f"Distances are preserved best by {method_of(results.projections[best]).title} "
                f"(rank correlation {index(known[best])})."
            )
        else:
            titles = [method_of(results.projections[key]).title for key in _ordered(results)]
            answer = f"The paths in the planes of {listed(titles)}."
        return (
            f"{answer} Each panel is a plane of its own: compare what paths do within a panel, not "
            "places across panels. Circle: start; square: end; dotted: the trajectory that a "
            "network continues; dashed with a cross: a network that failed; faded points have lost "
            "their neighbours."
        )


def _what(results: Results) -> str:
    """What methods see."""
    projections = results.projections or {}
    seen = [method_of(each).title for each in projections.values() if not each.weights]
    return f"weights ({listed(seen)}: between predictions)" if seen else "weights"


def _ordered(results: Results) -> list[str]:
    """Methods in the order of the registry, in which the results have them."""
    return list(results.projections or {})
