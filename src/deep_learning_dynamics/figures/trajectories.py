"""One method's figure: every network's path through weight space, in the plane of that method."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deep_learning_dynamics.figures import captions, hexagons, keys, palette, paths, style
from deep_learning_dynamics.figures.detail import draw_inset, find_detail
from deep_learning_dynamics.figures.frame import Frame, frame_of
from deep_learning_dynamics.figures.inputs import HexagonalMap, Projection, Provenance, Trajectory
from deep_learning_dynamics.figures.palette import AccuracyScale

# In inches, from the lower left corner.
WIDTH, HEIGHT = 8.7, 6.85
_LEFT, _BOTTOM, _RIGHT, _TOP = 0.75, 1.1, 6.25, 5.88  # of the plane
_KEYS = 6.45  # where legend and colour bars begin
_EDGE = 0.18  # free around everything
_MARGIN = 0.22  # free around the paths inside the plane


@style.applied()
def trajectory_figure(projection: Projection, mnist: Provenance, omniglot: Provenance) -> Figure:
    """The figure of one method; with layers tracked separately, a panel for each layer."""
    figure = Figure(figsize=(WIDTH, HEIGHT))
    _draw_heading(figure, projection)
    accuracies = accuracy_scale(projection)
    layers = projection.layers
    columns = math.ceil(math.sqrt(len(layers)))
    rows = math.ceil(len(layers) / columns)
    gap = 0.0 if len(layers) == 1 else 0.28  # room for a panel's name
    width = (_RIGHT - _LEFT - (columns - 1) * 0.1) / columns
    height = (_TOP - _BOTTOM - (rows if gap else 0) * gap) / rows
    for number, layer in enumerate(layers):
        row, column = divmod(number, columns)
        left = _LEFT + column * (width + 0.1)
        bottom = _TOP - (row + 1) * (height + gap)
        axes = figure.add_axes(_fractions(left, bottom, width, height))
        shown = [t for t in projection.trajectories if t.layer == layer]
        draw_plane(axes, projection, shown, accuracies, width, height)
        if gap:
            axes.set_title(f"layer {layer}", size=style.LABEL, pad=3)
            axes.locator_params(nbins=5)
        is_lowest = number + columns >= len(layers)
        _label_axes(axes, projection, x=is_lowest, y=column == 0)
    _draw_keys(figure, projection, accuracies, captions.name_of_omniglot(omniglot))
    size = captions.size_of(projection)
    captions.draw_footer(figure, size, projection.arms, mnist, omniglot, _EDGE)
    return figure


def draw_plane(
    axes: Axes,
    projection: Projection,
    shown: list[Trajectory],
    accuracies: AccuracyScale,
    width: float,
    height: float,
    numbered: bool = False,
) -> None:
    """Draw some of a projection's trajectories on axes of ``width`` × ``height`` inches.

    All drawings of one projection have the same frame, whichever trajectories they show.
    """
    cells = projection.map
    if cells is not None:
        corners = hexagons.corners(cells).reshape(-1, 2)
        frame = Frame.around(corners, width, height, margin=0.06)
        hexagons.draw_map(axes, cells)
        shown = hexagons.spread([t for t in shown if len(t.points)], cells)
    else:
        frame = frame_of(projection.trajectories, width, height, _MARGIN)
    networks = len({(t.arm, t.pair, t.layer) for t in shown if t.phase == "train"})
    sizes = style.Sizes.fitting(networks, width)
    paths.draw_trajectories(axes, shown, frame, accuracies, sizes, numbered)
    detail = find_detail(shown, frame, width, height) if cells is None else None
    if detail is not None:
        inset = draw_inset(axes, detail)
        sizes = style.Sizes.fitting(networks, 0.8 * width)
        paths.draw_trajectories(
            inset, shown, detail.frame, accuracies, sizes, numbered, magnified=True
        )


def accuracy_scale(projection: Projection) -> AccuracyScale:
    """The scale of colours that holds every accuracy on MNIST."""
    accuracies = [t.accuracy for t in projection.phase("train")]
    return AccuracyScale.over(np.concatenate([*accuracies, np.empty(0)]))


def _draw_heading(figure: Figure, projection: Projection) -> None:
    figure.text(
        _EDGE / WIDTH,
        1 - _EDGE / HEIGHT,
        captions.TITLES[projection.method],
        va="top",
        size=style.TITLE,
        weight="bold",
    )
    figure.text(
        _EDGE / WIDTH,
        1 - (_EDGE + 0.32) / HEIGHT,
        "\n".join(captions.quality_lines(projection)),
        va="top",
        size=style.SUBTITLE,
        color=palette.QUIET,
        linespacing=1.35,
    )


def _label_axes(axes: Axes, projection: Projection, x: bool, y: bool) -> None:
    along, up = captions.axis_labels(projection.method)
    if projection.map is not None:
        _tick_cells(axes, projection.map)
    elif projection.method != "pca":
        axes.set(xticks=[], yticks=[])
    axes.tick_params(labelbottom=x, bottom=x, labelleft=y, left=y)
    if x:
        axes.set_xlabel(along)
    if y:
        axes.set_ylabel(up)


def _tick_cells(axes: Axes, cells: HexagonalMap) -> None:
    """Number the rows of a map, and the columns by the cells of its first row, from 1."""
    heights = np.unique(np.round(cells.centres[:, 1], 6))
    first = np.sort(cells.centres[np.isclose(cells.centres[:, 1], heights[0]), 0])
    for axis, places in ((axes.xaxis, first), (axes.yaxis, heights)):
        every = next(step for step in (1, 2, 5, 10, 20, 50) if len(places) / step <= 8)
        numbers = sorted({1, *range(every, len(places) + 1, every)})
        axis.set_ticks([places[number - 1] for number in numbers], [str(n) for n in numbers])


def _draw_keys(
    figure: Figure, projection: Projection, accuracies: AccuracyScale, omniglot: str
) -> None:
    figure.legend(
        handles=keys.legend_entries(projection.trajectories, omniglot),
        loc="upper left",
        bbox_to_anchor=(_KEYS / WIDTH, _TOP / HEIGHT),
        borderaxespad=0,
        borderpad=0,
        frameon=False,
        fontsize=style.LABEL,
        handlelength=2.2,
        labelspacing=0.75,
    )
    left, right = _KEYS + 0.05, WIDTH - 0.25
    bars = 0.17 * len(projection.arms)
    bottom = _BOTTOM + (0.95 if projection.map is not None else 0.0)
    axes = figure.add_axes(_fractions(left, bottom, right - left, bars))
    keys.draw_accuracy_bars(axes, projection.arms, accuracies)
    if projection.map is not None:
        axes = figure.add_axes(_fractions(left, _BOTTOM, right - left, 0.17))
        keys.draw_distance_bar(axes, projection.map)


def _fractions(
    left: float, bottom: float, width: float, height: float
) -> tuple[float, float, float, float]:
    return left / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT
