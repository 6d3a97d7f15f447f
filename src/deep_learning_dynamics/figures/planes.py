"""The planes of a figure: a panel for each layer tracked separately, and what each shows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deep_learning_dynamics.figures import captions, hexagons, style
from deep_learning_dynamics.figures.detail import Detail, find_detail
from deep_learning_dynamics.figures.frame import Frame, frame_of
from deep_learning_dynamics.figures.inputs import HexagonalMap, Projection, Trajectory
from deep_learning_dynamics.figures.style import Sizes

_MARGIN = 0.22  # inches free around the paths inside a plane
_NAME = 0.28  # inches for a panel's name
_GAP = 0.1  # inches between panels


@dataclass(frozen=True)
class Box:
    """A part of a figure, in inches from its lower left corner."""

    left: float
    bottom: float
    right: float
    top: float


@dataclass(frozen=True)
class Panel:
    """Where one layer is drawn; layer 0 is all of them together."""

    axes: Axes
    layer: int
    width: float  # inches
    height: float


@dataclass(frozen=True)
class Plane:
    """What of a projection a drawing shows."""

    trajectories: list[Trajectory]  # that have a point, on a map spread apart in their cells
    frame: Frame
    sizes: Sizes
    detail: Detail | None
    detail_sizes: Sizes


def panels_of_layers(figure: Figure, projection: Projection, box: Box) -> list[Panel]:
    """Empty panels that share a box, with their names and what their axes are."""
    layers = projection.layers
    columns = math.ceil(math.sqrt(len(layers)))
    rows = math.ceil(len(layers) / columns)
    name = _NAME if len(layers) > 1 else 0.0
    width = (box.right - box.left - (columns - 1) * _GAP) / columns
    height = (box.top - box.bottom - rows * name) / rows
    whole = np.tile(figure.get_size_inches(), 2)
    panels = []
    for number, layer in enumerate(layers):
        row, column = divmod(number, columns)
        left = box.left + column * (width + _GAP)
        bottom = box.top - (row + 1) * (height + name)
        axes = figure.add_axes(tuple(np.array([left, bottom, width, height]) / whole))
        if name:
            axes.set_title(f"layer {layer}", size=style.LABEL, pad=3)
            axes.locator_params(nbins=5)
        _label(axes, projection, x=number + columns >= len(layers), y=column == 0)
        panels.append(Panel(axes, layer, width, height))
    return panels


def plane_of(
    everything: Sequence[Trajectory],
    shown: Sequence[Trajectory],
    cells: HexagonalMap | None,
    width: float,
    height: float,
) -> Plane:
    """How to show some trajectories in ``width`` × ``height`` inches, in the frame of all.

    All drawings of one projection have the same frame, whichever trajectories they show.
    """
    seen = [trajectory for trajectory in shown if len(trajectory.points)]
    if cells is None:
        frame = frame_of(everything, width, height, _MARGIN)
    else:
        frame = Frame.around(hexagons.corners(cells).reshape(-1, 2), width, height, margin=0.06)
        seen = hexagons.spread(seen, cells)
    networks = len({(t.arm, t.pair, t.layer) for t in seen if t.phase == "train"})
    return Plane(
        seen,
        frame,
        Sizes.fitting(networks, width),
        find_detail(seen, frame, width, height) if cells is None else None,
        Sizes.fitting(networks, 0.8 * width),
    )


def _label(axes: Axes, projection: Projection, x: bool, y: bool) -> None:
    along, up = captions.axis_labels(projection.method)
    if projection.map is not None:
        _tick_cells(axes, projection.map)
    elif projection.method != "pca":  # ticks only where they have a unit
        axes.set(xticks=[], yticks=[])
    axes.tick_params(labelbottom=x, bottom=x, labelleft=y, left=y)
    axes.set(xlabel=along if x else "", ylabel=up if y else "")


def _tick_cells(axes: Axes, cells: HexagonalMap) -> None:
    """Number the rows of a map, and the columns by the cells of its first row, from 1."""
    heights = np.unique(np.round(cells.centres[:, 1], 6))
    first = np.sort(cells.centres[np.isclose(cells.centres[:, 1], heights[0]), 0])
    for axis, places in ((axes.xaxis, first), (axes.yaxis, heights)):
        every = next(step for step in (1, 2, 5, 10, 20, 50) if len(places) / step <= 8)
        numbers = sorted({1, *range(every, len(places) + 1, every)})
        axis.set_ticks([places[number - 1] for number in numbers], [str(n) for n in numbers])
