"""The paths of all networks in the plane of one projection."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from deep_learning_dynamics.figures import page as around
from deep_learning_dynamics.figures.figure import FIGURES, FigureKind
from deep_learning_dynamics.figures.plane import Plane, draw_planes, frame_axes
from deep_learning_dynamics.figures.style import Groups, Style
from deep_learning_dynamics.figures.trajectories import can_number, score_scale, trajectories_of
from deep_learning_dynamics.formatting import listed
from deep_learning_dynamics.quantities import quantity
from deep_learning_dynamics.results import Results, grouping

if TYPE_CHECKING:
    from deep_learning_dynamics.projection.projection import Projection


@FIGURES.register
class Paths(FigureKind):
    key, title, needs = "paths", "Paths of learning", ("projections",)

    def variants(self, results: Results) -> tuple[str, ...]:
        return tuple(results.projections or {})

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        projection = results.projections[variant]
        method = method_of(projection)
        groups = groups_of(projection, results)
        trajectories = trajectories_of(projection.coordinates, groups, color_of(projection, style))
        scale = score_scale(trajectories, color_of(projection, style))
        trained = [t for t in trajectories if not t.earlier and len(t.points)]
        if not trained:
            return around.message_page(style, method.title, nothing(trajectories))
        plane = Plane(trajectories, scale, projection.cells, can_number(trained), style.text)
        numbers = [t.group for t in trained]
        entries = [] if scale is not None else around.group_entries(groups, numbers)
        bars = [name for name, there in (("score", scale), ("cells", projection.cells)) if there]
        plane_height = (style.width - 0.6) * float(
            np.clip(plane.shape, 0.5, 0.95 if style.is_narrow else 0.78)
        )
        bar_height = max(len(groups), 2) * 1.3 * style.text / 72
        figure, body = around.page(
            style,
            plane_height + 0.3 + (bar_height + 0.45 if bars else 0),
            method.title,
            [quality_line(projection), refits_line(projection)],
            around.networks_line(trajectories, projection.weights),
            results,
            [*entries, *around.plane_entries([plane])],
        )
        layout, ratios = [["plane"]], [plane_height]
        if bars:
            lower = bars if style.is_narrow or len(bars) > 1 else [*bars, "."]
            layout, ratios = [["plane"] * len(lower), lower], [plane_height, bar_height]
        axes = body.subplot_mosaic(layout, height_ratios=ratios)
        plane.place(axes["plane"])
        label_axes(plane, method)
        if scale is not None:
            around.draw_score_bar(axes["score"], groups, numbers, scale)
        if projection.cells is not None:
            around.draw_cell_bar(axes["cells"], projection.cells.distances)
        draw_planes(figure, [plane])
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        projection = results.projections[variant]
        method, quality = method_of(projection), projection.quality
        known = ["trustworthiness", "distance_rank_correlation"]
        values = {key: getattr(quality, key) for key in known}
        if any(value is None for value in values.values()):
            answer = f"{method.title} of too few snapshots to say what it preserves."
        else:
            answer = (
                f"{method.title} {_kept('neighbourhoods', values['trustworthiness'], 0.95, 0.85)} "
                f"(trustworthiness {index(values['trustworthiness'])}) and "
                f"{_kept('distances', values['distance_rank_correlation'], 0.9, 0.7)} "
                f"(distance rank correlation {index(values['distance_rank_correlation'])})."
            )
        color = _color_words(projection)
        parts = [
            answer,
            f"{method.reads} {method.cautions}",
            f"Hue: {results.by.replace('_', ' ')}." if results.by else "",
            f"Lightness: {color}." if color else "",
            "Circle: start; square: end, numbered by pair where there are few; arrowheads point in "
            "the direction of learning; dotted: the trajectory that a network continues; dashed "
            "with a cross: a network that failed. The frame holds the networks that did not fail; "
            "a triangle at its edge shows where a path leaves it.",
        ]
        return " ".join(part for part in parts if part)


def paths(
    projection: "Projection",
    color: str | None = None,
    by: str | None = None,
    width: float = 7.0,
    **options: Any,
) -> Figure:
    """The paths of one projection, without any other results.

    Args:
        color: the column of ``coordinates`` that lightness shows; default: test accuracy.
        by: the column that gives the hue; default: "condition", or the first with a few words.
        width: inches; other options are fields of ``Style``.
    """
    by = grouping(projection.coordinates) if by is None else by
    results = Results(by=by, titles=projection.titles, projections={projection.method: projection})
    style = replace(Style(width=width), **options)
    if color is not None:
        style = replace(style, color=color)
    with style.applied():
        return Paths().draw(results, style, projection.method)


def method_of(projection: "Projection") -> Any:
    """The method; of one that nobody registered here, as much as its key tells."""
    from deep_learning_dynamics.projection.method import METHODS

    key = projection.method
    if key in METHODS:
        return METHODS[key]
    words = {"title": key, "axes": (f"{key} 1", f"{key} 2"), "reads": "", "cautions": ""}
    return type("UnknownMethod", (), {"key": key, **words})


def groups_of(projection: "Projection", results: Results) -> Groups:
    """The groups among the networks of a projection."""
    return Groups.of(projection.coordinates, results.by, results.titles or projection.titles)


def color_of(projection: "Projection", style: Style) -> str:
    """The score that lightness shows, "" where it was not recorded."""
    return style.color if style.color in projection.coordinates else ""


def quality_line(projection: "Projection", short: bool = False) -> str:
    """Trustworthiness, continuity, distance rank correlation, and what only this method has."""
    quality = projection.quality
    keys = ["trustworthiness", "continuity", "distance_rank_correlation"]
    if short:
        keys.remove("continuity")
    parts = [
        f"{'distances ρ' if short and 'rank' in key else quantity(key).title} {index(value)}"
        for key in keys
        if (value := getattr(quality, key)) is not None
    ]
    if not short:
        parts += [
            f"{quantity(key).title} {quantity(key).format(value)}"
            for key, value in quality.properties.items()
        ]
    return " · ".join(part.replace(" ", "\u00a0") for part in parts)


def refits_line(projection: "Projection", short: bool = False) -> str:
    """How far refits differ; empty where there were none."""
    robustness = projection.robustness
    if robustness is None:
        return ""
    numbers = robustness.numbers()
    named = {"seed_disparity": "other seeds", "fold_disparity": "networks left out"}
    found = [f"{words} {numbers[key]:.2f}" for key, words in named.items() if key in numbers]
    if not found:
        return ""
    if short:
        return f"refits {max(numbers[key] for key in named if key in numbers):.2f}"
    return f"Procrustes disparity of refits (0: same shape, 1: nothing in common): {listed(found)}"


def nothing(trajectories: list) -> str:
    """Why a plane would be empty."""
    if trajectories and all(not t.sound for t in trajectories if not t.earlier):
        return "Every network diverged: no snapshot has a place in the plane."
    return "No snapshot has a place in the plane."


def index(value: float, digits: int = 3) -> str:
    """Digits of which the last is cut, so that what is not perfect does not read 1."""
    tens = 10**digits
    return f"{np.trunc(value * tens) / tens:.{digits}f}".replace("-", "−")


def _kept(what: str, value: float, well: float, roughly: float) -> str:
    if value >= well:
        return f"preserves {what}"
    return f"roughly preserves {what}" if value >= roughly else f"does not preserve {what}"


def _color_words(projection: "Projection") -> str:
    color = color_of(projection, Style())
    return quantity(color).title if color else ""


def label_axes(plane: Plane, method: Any) -> None:
    """Name the axes; they have numbers only where numbers mean something."""
    axes = plane.axes
    axes.set(xlabel=method.axes[0], ylabel=method.axes[1])
    if plane.cells is not None or "arbitrary" in method.axes[0]:
        frame_axes(axes)
        return
    axes.locator_params(nbins=5)
    axes.tick_params(direction="out")
