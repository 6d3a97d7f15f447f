"""One method's figure: every network's path through weight space, in the plane of that method."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deep_learning_dynamics.figures import captions, hexagons, keys, palette, paths, style
from deep_learning_dynamics.figures.detail import draw_inset
from deep_learning_dynamics.figures.inputs import Projection, Provenance, Trajectory
from deep_learning_dynamics.figures.palette import AccuracyScale
from deep_learning_dynamics.figures.planes import Box, panels_of_layers, plane_of
from deep_learning_dynamics.figures.wobble import draw_wobble

# In inches, from the lower left corner.
WIDTH = 8.7
_BOX = Box(left=0.75, bottom=1.1, right=6.25, top=5.88)  # of the plane
_KEYS = 6.45  # where legend and colour bars begin
_EDGE = 0.18  # free around everything
_TITLE, _LINE, _GAP = 0.32, 0.181, 0.108  # heights in the heading, and the room below it


@style.applied()
def trajectory_figure(projection: Projection, mnist: Provenance, omniglot: Provenance) -> Figure:
    """The figure of one method; with layers tracked separately, a panel for each layer.

    What the plane distorts is pale, and ellipses show where refits put it, if it was tested.
    """
    lines = captions.quality_lines(projection) + captions.trust_lines(projection)
    # At least two lines, so that the figures of all methods have the same plane.
    heading = _EDGE + _TITLE + _LINE * max(len(lines), 2) + _GAP
    figure = Figure(figsize=(WIDTH, _BOX.top + heading))
    draw_heading(figure, captions.TITLES[projection.method], lines)
    accuracies = accuracy_scale(projection)
    for panel in panels_of_layers(figure, projection, _BOX):
        shown = [t for t in projection.trajectories if t.layer == panel.layer]
        draw_plane(
            panel.axes, projection, shown, accuracies, panel.width, panel.height, wobbling=True
        )
    _draw_keys(figure, projection, accuracies, captions.name_of_omniglot(omniglot))
    size = captions.size_of(projection)
    captions.draw_footer(figure, size, projection.arms, mnist, omniglot, _EDGE)
    return figure


def draw_plane(
    axes: Axes,
    projection: Projection,
    shown: list[Trajectory],
    accuracies: AccuracyScale | None,
    width: float,
    height: float,
    numbered: bool = False,
    wobbling: bool = False,
) -> None:
    """Draw some of a projection's trajectories on axes of ``width`` × ``height`` inches.

    Args:
        accuracies: None gives each arm one colour.
        numbered: mark a start with the number of its layer.
        wobbling: with ellipses that show where refits put the snapshots.
    """
    plane = plane_of(projection.trajectories, shown, projection.map, width, height)
    trained = [t for t in plane.trajectories if t.phase == "train"]
    if projection.map is not None:
        hexagons.draw_map(axes, projection.map)
    if wobbling:
        draw_wobble(axes, trained, plane.frame)
    paths.draw_trajectories(
        axes, plane.trajectories, plane.frame, accuracies, plane.sizes, numbered
    )
    if plane.detail is not None:
        inset = draw_inset(axes, plane.detail)
        if wobbling:
            draw_wobble(inset, trained, plane.detail.frame)
        paths.draw_trajectories(
            inset,
            plane.trajectories,
            plane.detail.frame,
            accuracies,
            plane.detail_sizes,
            numbered,
            magnified=True,
        )


def accuracy_scale(projection: Projection) -> AccuracyScale:
    """The scale of colours that holds every accuracy on MNIST."""
    accuracies = [t.accuracy for t in projection.phase("train")]
    return AccuracyScale.over(np.concatenate([*accuracies, np.empty(0)]))


def draw_heading(figure: Figure, title: str, lines: list[str], edge: float = _EDGE) -> None:
    """The title of a figure and the lines below it, ``edge`` inches from its corner."""
    width, height = figure.get_size_inches()
    left, top = edge / width, 1 - edge / height
    figure.text(left, top, title, va="top", size=style.TITLE, weight="bold")
    figure.text(
        left,
        top - _TITLE / height,
        "\n".join(lines),
        va="top",
        size=style.SUBTITLE,
        color=palette.QUIET,
        linespacing=1.35,
    )


def _draw_keys(
    figure: Figure, projection: Projection, accuracies: AccuracyScale, omniglot: str
) -> None:
    width, height = figure.get_size_inches()
    keys.draw_legend(
        figure,
        keys.legend_entries(projection.trajectories, omniglot, wobbling=True),
        (_KEYS / width, _BOX.top / height),
    )
    box = Box(_KEYS + 0.05, _BOX.bottom, width - 0.25, _BOX.top)
    keys.draw_bars(figure, projection, accuracies, box)
