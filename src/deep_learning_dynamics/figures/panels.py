"""A page of equal panels in rows of three, under a title and above a legend and the footer."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deep_learning_dynamics.figures import captions, palette, style
from deep_learning_dynamics.figures.inputs import Provenance
from deep_learning_dynamics.figures.measured import Measured

_WIDTH, _HEIGHT = 3.35, 2.45  # of a panel, inches
_LEFT, _GAP, _RIGHT, _BETWEEN = 0.62, 0.68, 0.2, 0.85
_HEADING, _BELOW, _EDGE = 1.05, 1.45, 0.18
_COLUMNS = 3


def page_of_panels(count: int, title: str, note: str) -> tuple[Figure, list[Axes]]:
    """A page with ``count`` empty panels, row by row; ``note`` stands below the title."""
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    # At least two panels wide, so that title and legend have room.
    width = _LEFT + max(columns, 2) * (_WIDTH + _GAP) - _GAP + _RIGHT
    height = _HEADING + rows * (_HEIGHT + _BETWEEN) - _BETWEEN + _BELOW
    figure = Figure(figsize=(width, height))
    panels = []
    for number in range(count):
        row, column = divmod(number, columns)
        left = _LEFT + column * (_WIDTH + _GAP)
        bottom = height - _HEADING - row * (_HEIGHT + _BETWEEN) - _HEIGHT
        box = (left / width, bottom / height, _WIDTH / width, _HEIGHT / height)
        panels.append(figure.add_axes(box))
    left = _EDGE / width
    top = {"va": "top", "size": style.TITLE, "weight": "bold"}
    figure.text(left, 1 - _EDGE / height, title, **top)
    quiet = {"va": "top", "size": style.SUBTITLE, "color": palette.QUIET}
    figure.text(left, 1 - (_EDGE + 0.32) / height, note, **quiet)
    return figure, panels


def finish_panel(axes: Axes, title: str, xlabel: str) -> None:
    """Title, grid and frame of a panel."""
    axes.set_title(title, size=style.LABEL + 0.5, weight="bold", loc="left")
    axes.set_xlabel(xlabel)
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def scale_logarithmically(axes: Axes, values: Float[np.ndarray, " value"]) -> None:
    """A logarithmic y-axis that holds the values, with a few round numbers however narrow it is."""
    axes.set_yscale("log")
    values = values[np.isfinite(values) & (values > 0)]
    if values.size == 0:
        return
    low, high = float(values.min()) * 0.88, float(values.max()) * 1.15
    ticks: list[float] = []
    for bases in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7), np.arange(10, 100) / 10):
        if len(ticks) < 3:
            every = [float(base * 10.0**power) for power in range(-12, 13) for base in bases]
            ticks = [tick for tick in every if low <= tick <= high]
    ticks = ticks[:: 1 + len(ticks) // 8]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_ylim(low, high)


def finish_page(
    figure: Figure,
    entries: Sequence[Artist],
    measured: Measured,
    mnist: Provenance,
    omniglot: Provenance,
) -> None:
    """The legend, and below it how much was measured of which data."""
    draw_row_of_signs(figure, entries, _LEFT, 0.7)
    size = captions.count_of_networks(measured.pairs, len(measured.arms))
    captions.draw_footer(figure, size, measured.arms, mnist, omniglot, _EDGE)


def draw_row_of_signs(
    figure: Figure, entries: Sequence[Artist], left: float, bottom: float
) -> None:
    """A legend in one row, whose lower left corner is there, in inches."""
    width, height = figure.get_size_inches()
    figure.legend(
        handles=list(entries),
        loc="lower left",
        bbox_to_anchor=(left / width, bottom / height),
        ncols=len(entries),
        frameon=False,
        borderaxespad=0,
        borderpad=0,
        fontsize=style.LABEL,
        columnspacing=1.8,
    )
