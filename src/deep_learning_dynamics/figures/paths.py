"""The paths of all networks in the plane of one projection."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from deep_learning_dynamics.figures.figure import FIGURES, EmptyFigureError, FigureKind, draw
from deep_learning_dynamics.figures.groups import Groups, groups_of
from deep_learning_dynamics.figures.page import networks_line, plane_page
from deep_learning_dynamics.figures.plane import Plane, draw_planes, frame_axes
from deep_learning_dynamics.figures.style import Style
from deep_learning_dynamics.figures.trajectories import (
    Trajectory,
    can_number,
    is_interpolated,
    score_scale,
    trajectories_of,
)
from deep_learning_dynamics.formatting import index, listed
from deep_learning_dynamics.quantities import quantity
from deep_learning_dynamics.results import Results
from deep_learning_dynamics.store.schema import grouped_by

if TYPE_CHECKING:
    from deep_learning_dynamics.projection.projection import Projection


@FIGURES.register
class Paths(FigureKind):
    key, title, needs = "paths", "Paths of learning", ("projections",)

    def variants(self, results: Results) -> tuple[str, ...]:
        return tuple(results.projections)

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        projection = results.projections[variant]
        method = method_of(projection)
        plane, groups = plane_of(projection, results, style)
        plane.numbered = can_number(placed(plane.trajectories))
        tallest = 0.95 if style.is_narrow else 0.78
        figure, _, _ = plane_page(
            style,
            {"plane": plane},
            [["plane"]],
            (style.width - 0.6) * float(np.clip(plane.shape, 0.5, tallest)) + 0.3,
            groups,
            method.title,
            f"{quality_line(projection)}\n{refits_line(projection)}",
            networks_line(plane, projection.weights),
            results,
        )
        label_axes(plane, method)
        draw_planes(figure, [plane])
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        projection = results.projections[variant]
        method, quality = method_of(projection), projection.quality
        trust, distances = quality.trustworthiness, quality.distance_rank_correlation
        if trust is None or distances is None:
            answer = f"{method.title} of too few snapshots to say what it preserves."
        else:
            answer = (
                f"{method.title} {_kept('neighbourhoods', trust, 0.95, 0.85)} "
                f"(trustworthiness {index(trust)}) and "
                f"{_kept('distances', distances, 0.9, 0.7)} "
                f"(distance rank correlation {index(distances)})."
            )
        shade = shade_of(projection, results, Style())
        parts = [
            answer,
            f"{method.reads} {method.cautions}",
            f"Hue: {results.by.replace('_', ' ')}." if results.by else "",
            f"Lightness: {shade}." if shade else "",
            "Circle: start; square: end, numbered by pair where there are few (beside the end, "
            "with a line to it, where numbers would overlap); arrowheads point in the direction of "
            "learning; dotted: the trajectory that a network continues; dashed with a cross: a "
            "network that failed. The frame holds the networks that did not fail; "
            "a triangle at its edge shows where a path leaves it.",
        ]
        return " ".join(part for part in parts if part)


def paths(projection: "Projection", *, by: str | None = None, **options: Any) -> Figure:
    """The paths of one projection, without any other results.

    Args:
        by: the column that gives the hue; default: "condition", or the first with a few words.
        options: fields of ``Style``, such as ``color``: the column that lightness shows.
    """
    by = grouped_by(projection.coordinates, by)
    results = Results(by=by, titles=projection.titles, projections={projection.method: projection})
    chosen = {name: value for name, value in options.items() if value is not None}
    return draw("paths", results, **chosen)


def method_of(projection: "Projection") -> Any:
    """The method; for one that is not registered here, a stand-in made from its key."""
    from deep_learning_dynamics.projection.method import METHODS

    key = projection.method
    words = {"title": key, "axes": (f"{key} 1", f"{key} 2"), "reads": "", "cautions": ""}
    return METHODS[key] if key in METHODS else SimpleNamespace(**words)


def plane_of(projection: "Projection", results: Results, style: Style) -> tuple[Plane, Groups]:
    """The trajectories of a projection in its plane, and the groups that its colours show."""
    groups, color = groups_of(results, projection.coordinates), color_of(projection, style)
    trajectories = trajectories_of(projection.coordinates, groups, color)
    scale = score_scale(trajectories, color)
    return Plane(trajectories, scale, projection.cells, text=style.text), groups


def placed(trajectories: list[Trajectory]) -> list[Trajectory]:
    """The trajectories that have a place in the plane and that no other continues.

    Raises:
        EmptyFigureError: there are none.
    """
    ours = [t for t in trajectories if not t.earlier]
    found = [t for t in ours if len(t.points)]
    if found:
        return found
    diverged = "Every network diverged: no" if ours and all(not t.sound for t in ours) else "No"
    raise EmptyFigureError(f"{diverged} snapshot has a place in the plane.")


def color_of(projection: "Projection", style: Style) -> str:
    """The score that lightness shows, "" where it was not recorded."""
    return style.color if style.color in projection.coordinates else ""


def shade_of(projection: "Projection", results: Results, style: Style) -> str:
    """The score that lightness shows, and how networks are drawn where it was not recorded; ""
    where it shows none."""
    plane, _ = plane_of(projection, results, style)
    if plane.scale is None:
        return ""
    words = quantity(color_of(projection, style)).title
    if is_interpolated(plane.trajectories):
        words += ", interpolated over steps where it was not recorded"
    if any(plane.is_unscored(t) for t in plane.trajectories if not t.earlier):
        words += "; grey: networks without any"
    return words


def quality_line(projection: "Projection", short: bool = False) -> str:
    """Trustworthiness, continuity, distance rank correlation, and what only this method has."""
    quality = projection.quality
    titles = {"trustworthiness": "trustworthiness", "distance_rank_correlation": "distances ρ"}
    if not short:
        keys = ("trustworthiness", "continuity", "distance_rank_correlation")
        titles = {key: quantity(key).title for key in keys}
    known = {key: value for key in titles if (value := getattr(quality, key)) is not None}
    if not short:
        known |= quality.properties
    parts = [
        f"{titles.get(key, quantity(key).title)} {quantity(key).format(value)}"
        for key, value in known.items()
    ]
    return " · ".join(part.replace(" ", "\u00a0") for part in parts)


def refits_line(projection: "Projection", short: bool = False) -> str:
    """How far refits differ; empty where there were none."""
    if projection.robustness is None:
        return ""
    numbers = projection.robustness.numbers()
    named = {"seed_disparity": "other seeds", "fold_disparity": "networks left out"}
    found = {words: numbers[key] for key, words in named.items() if key in numbers}
    if not found:
        return ""
    if short:
        return f"refits {max(found.values()):.2f}"
    each = listed([f"{words} {value:.2f}" for words, value in found.items()])
    return f"Procrustes disparity of refits (0: same shape, 1: nothing in common): {each}"


def _kept(what: str, value: float, well: float, roughly: float) -> str:
    if value >= well:
        return f"preserves {what}"
    return f"roughly preserves {what}" if value >= roughly else f"does not preserve {what}"


def label_axes(plane: Plane, method: Any) -> None:
    """Name the axes; they have numbers only where numbers mean something."""
    axes = plane.axes
    axes.set(xlabel=method.axes[0], ylabel=method.axes[1])
    if plane.cells is not None or "arbitrary" in method.axes[0]:
        frame_axes(axes)
    else:
        axes.locator_params(nbins=5)
