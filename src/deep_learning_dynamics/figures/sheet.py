"""The same paths in the planes of all methods, side by side."""

from matplotlib.figure import Figure

from deep_learning_dynamics.figures import page as around
from deep_learning_dynamics.figures.figure import FIGURES, FigureKind
from deep_learning_dynamics.figures.paths import (
    method_of,
    placed,
    plane_of,
    quality_line,
    refits_line,
)
from deep_learning_dynamics.figures.plane import draw_planes, frame_axes
from deep_learning_dynamics.figures.style import Style
from deep_learning_dynamics.formatting import count, index, listed
from deep_learning_dynamics.results import Results


@FIGURES.register
class Sheet(FigureKind):
    key, title, needs = "sheet", "Paths of learning", ("projections",)

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        projections = results.projections
        planes = {key: plane_of(each, results, style)[0] for key, each in projections.items()}
        first = next(iter(projections.values()))
        plane, groups = plane_of(first, results, style)
        placed(plane.trajectories)
        for each in planes.values():
            each.scale = plane.scale  # one bar explains the colours of all
        columns = min(len(planes), 2 if style.is_narrow else 3)
        layout, width = around.grid(list(planes), columns), style.width / columns
        figure, axes, _ = around.plane_page(
            style,
            planes,
            layout,
            len(layout) * (0.86 * width + (0.55 if style.is_narrow else 0.4)),
            groups,
            self.title,
            "The same paths in the planes of "
            f"{count(len(planes), 'method')}. Distances ρ: rank correlation of distances in the "
            f"plane and between {_seen(results)}.{_refits(results)}",
            around.networks_line(plane, first.weights),
            results,
        )
        for key, projection in projections.items():
            frame_axes(axes[key])
            line = " · ".join(
                filter(None, [quality_line(projection, True), refits_line(projection, True)])
            )
            title = around.wrapped(method_of(projection).title, width * 0.86, style.text + 0.5)
            below = around.wrapped(line, width, style.text - 0.7)
            around.title_of(axes[key], style, title, below)
        draw_planes(figure, list(planes.values()))
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        projections = results.projections
        known = {
            key: value
            for key, each in projections.items()
            if (value := each.quality.distance_rank_correlation) is not None
        }
        if results.ranking is not None and results.ranking.sentence:
            answer = results.ranking.sentence
        elif known:
            best = max(known, key=known.__getitem__)
            answer = (
                f"Distances are preserved best by {method_of(projections[best]).title} "
                f"(rank correlation {index(known[best])})."
            )
        else:
            titles = [method_of(each).title for each in projections.values()]
            answer = f"The paths in the planes of {listed(titles)}."
        return (
            f"{answer} Each panel is a plane of its own: compare what paths do within a panel, not "
            "places across panels. Circle: start; square: end; dotted: the trajectory that a "
            "network continues; dashed with a cross: a network that failed; faded points have lost "
            "their neighbours."
        )


def _refits(results: Results) -> str:
    """What panels say of refits, where there were any."""
    refitted = any(refits_line(each, True) for each in results.projections.values())
    return " Refits: Procrustes disparity, from 0 (same shape) to 1." if refitted else ""


def _seen(results: Results) -> str:
    """What methods see."""
    methods = [method_of(each).title for each in results.projections.values() if not each.weights]
    return f"weights ({listed(methods)}: between predictions)" if methods else "weights"
