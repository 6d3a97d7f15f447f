"""The real paths beside paths of nothing: what is special about them, and what any walk would show.

Random walks in many dimensions give smooth, convincing curves by themselves (Antognini &
Sohl-Dickstein, 2018).
"""

from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from deep_learning_dynamics.figures import captions, keys, palette, strips, style
from deep_learning_dynamics.figures.evidence import Kind, Standing
from deep_learning_dynamics.figures.inputs import Projection, Provenance, Trajectory
from deep_learning_dynamics.figures.trajectories import draw_heading, draw_plane

# In inches.
_PANEL_WIDTH, _PANEL_HEIGHT = 3.6, 3.1
_GAP, _EDGE = 0.2, 0.2
_WIDTH = 2 * _EDGE + 3 * _PANEL_WIDTH + 2 * _GAP
_HEADING, _PANEL_HEADING = 0.95, 0.3
_NUMBERS = 0.58  # the numbers below a panel
_ENTRY = 0.19  # a line of the legend
_CITATION = 0.2
_SOURCE = (
    "Random walks in many dimensions look like learning: J. Antognini, J. Sohl-Dickstein (2018), "
    "PCA of high dimensional random walks with comparison to neural network training, NeurIPS 31."
)
_MANY = 40  # paths in a panel: more of them are drawn as an image, also in the SVG


@style.applied()
def nulls_figure(projection: Projection, mnist: Provenance, omniglot: Provenance) -> Figure:
    """Three panels, each in a plane of its own, and below them where the real numbers lie.

    The colours are those of the arms: paths of nothing have no accuracy.
    """
    measures = strips.measures_of(projection.quality)
    numbered = len(projection.layers) > 1
    entries = keys.legend_entries(
        [_plain(t) for t in projection.trajectories],
        captions.name_of_omniglot(omniglot),
        numbered,
    )
    legend = _ENTRY * -(-len(entries) // 4) + 0.12
    table = strips.height_of(len(measures))
    below = _NUMBERS + legend + table + _CITATION + captions.FOOTER
    height = _HEADING + _PANEL_HEADING + _PANEL_HEIGHT + below
    figure = Figure(figsize=(_WIDTH, height))
    title = f"{captions.TITLES[projection.method]}: the real paths beside paths of nothing"
    draw_heading(figure, title, _explanation(projection), _EDGE)

    panels: list[tuple[str, str, tuple[Trajectory, ...]]] = [
        ("the real paths", _numbers(projection, None), projection.trajectories)
    ]
    for kind, trajectories in projection.nulls.items():
        panels.append((captions.NULLS[kind], _numbers(projection, kind), trajectories))
    bottom = below
    for number, (name, numbers, trajectories) in enumerate(panels):
        left = _EDGE + number * (_PANEL_WIDTH + _GAP)
        box = (left / _WIDTH, bottom / height, _PANEL_WIDTH / _WIDTH, _PANEL_HEIGHT / height)
        axes = figure.add_axes(box, xticks=[], yticks=[])
        axes.spines[:].set(color="#bbbbbb")
        plain = _plain_projection(projection, trajectories)
        shown = list(plain.trajectories)
        draw_plane(axes, plain, shown, None, _PANEL_WIDTH, _PANEL_HEIGHT, numbered)
        if len(shown) > _MANY:
            axes.set_rasterization_zorder(10)
        top = (bottom + _PANEL_HEIGHT + 0.07) / height
        figure.text(left / _WIDTH, top, name, va="bottom", size=11, weight="bold")
        quiet = {"size": style.LABEL, "color": palette.QUIET, "linespacing": 1.35}
        figure.text(left / _WIDTH, (bottom - 0.07) / height, numbers, va="top", **quiet)
    keys.draw_legend(
        figure,
        entries,
        (_EDGE / _WIDTH, (below - _NUMBERS) / height),
        ncols=4,
        columnspacing=2.0,
        labelspacing=0.5,
    )
    bottom = captions.FOOTER + _CITATION
    strips.draw_strips(figure, measures, projection.quality.nulls, _EDGE, bottom)
    small = {"size": 7.5, "color": palette.QUIET, "va": "bottom"}
    figure.text(_EDGE / _WIDTH, (captions.FOOTER + 0.03) / height, _SOURCE, **small)
    size = captions.size_of(projection)
    captions.draw_footer(figure, size, projection.arms, mnist, omniglot, _EDGE)
    return figure


def _explanation(projection: Projection) -> list[str]:
    lines = {
        "random_walk": "Random walks: each network from its own start, by steps as long as its "
        "own, in directions of no meaning.",
        "shuffled_steps": "Shuffled steps: each network's own steps in random order, so that "
        "start and end are the real ones.",
    }
    return [lines[kind] for kind in projection.nulls]


def _plain_projection(projection: Projection, trajectories: tuple[Trajectory, ...]) -> Projection:
    """The same plane or map with these paths; a null's map is another, with the same cells."""
    cells = projection.map
    if cells is not None:
        cells = replace(cells, u_matrix=np.full(len(cells.centres), np.nan))
    return replace(projection, trajectories=tuple(map(_plain, trajectories)), map=cells)


def _plain(trajectory: Trajectory) -> Trajectory:
    return replace(trajectory, faithfulness=None, wobble=None)


def _numbers(projection: Projection, kind: Kind | None) -> str:
    """The numbers below a panel: the real ones, or those in the middle of a kind of null."""
    quality = projection.quality
    values = {
        "trustworthiness": quality.trustworthiness,
        "distance_correlation": quality.distance_correlation,
        "explained_variance": quality.explained_variance,
    }
    note = ""
    if kind is not None:
        standings: dict[str, Standing] = quality.nulls.get(kind, {})
        values = {name: standings[name].median if name in standings else None for name in values}
        if standings:
            note = f"(medians of {max(of.nulls for of in standings.values())})"
    parts = {
        name: f"{title} {written(value)}"
        for (name, value), (title, written) in zip(
            values.items(),
            (
                ("trustworthiness", captions.index),
                ("distances ρ", captions.index),
                ("variance explained", captions.percent),
            ),
            strict=True,
        )
        if value is not None
    }
    variance = parts.pop("explained_variance", "")
    return "\n".join([" · ".join(parts.values()), f"{variance} {note}".strip()])
