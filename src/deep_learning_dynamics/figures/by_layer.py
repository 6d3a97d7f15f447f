"""The measures of paths layer by layer: where in the network do the arms differ?"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deep_learning_dynamics.figures import captions, palette, style
from deep_learning_dynamics.figures.inputs import Provenance
from deep_learning_dynamics.figures.measured import TITLES, ByLayer, Measured
from deep_learning_dynamics.figures.panels import finish_page, finish_panel, page_of_panels

_APART = 0.13  # layers: how far the arms stand from the layer's number
_LEVEL = 0.05


@style.applied()
def by_layer_figure(measured: Measured, mnist: Provenance, omniglot: Provenance) -> Figure:
    """A panel per measure: median and middle half of each arm's networks in each layer.

    A filled dot marks a layer in which the arms differ, after Holm's correction over all layers
    and measures of this page.
    """
    names = list(dict.fromkeys(row.measure for row in measured.layers))
    figure, panels = page_of_panels(
        len(names),
        "Paths layer by layer",
        "layer 1 leaves the pixels; filled: the arms differ, p ≤ 0.05 after Holm's correction",
    )
    for axes, name in zip(panels, names, strict=True):
        _draw(axes, measured, [row for row in measured.layers if row.measure == name])
        finish_panel(axes, TITLES[name][0], "layer")
        if name in ("path_length", "displacement"):
            axes.set_ylim(bottom=0)
    look = {"marker": "o", "markerfacecolor": "white", "linewidth": 2}
    arms = [
        Line2D([], [], color=palette.colour(arm, 0.8), label=captions.ARMS[arm], **look)
        for arm in measured.arms
    ]
    note = "median and middle half of networks"
    finish_page(
        figure,
        [*arms, Line2D([], [], color=palette.INK, label=note, **look)],
        measured,
        mnist,
        omniglot,
    )
    return figure


def _draw(axes: Axes, measured: Measured, rows: Sequence[ByLayer]) -> None:
    significant = {
        (row.layer, row.measure) for row in measured.differences if row.adjusted_p <= _LEVEL
    }
    for number, row in enumerate(rows):
        colour = palette.colour(row.arm, 0.8)
        shift = _APART * (2 * number - len(rows) + 1)
        for layer, values in zip(row.layers.tolist(), row.values, strict=True):
            known = values[np.isfinite(values)]
            if known.size == 0:
                continue
            low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
            place = layer + shift
            axes.plot([place] * 2, [low, high], color=colour, linewidth=2)
            face = colour if (layer, row.measure) in significant else "white"
            axes.plot(place, middle, "o", color=colour, markerfacecolor=face, markersize=5.5)
    layers = rows[0].layers.tolist()
    axes.set_xticks(layers[:: 1 + len(layers) // 12])
    axes.set_xlim(layers[0] - 0.5, layers[-1] + 0.5)
