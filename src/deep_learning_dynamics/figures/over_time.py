"""Speed, turning and distances while networks learn: medians of each arm with bands."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from deep_learning_dynamics.figures import captions, palette, style
from deep_learning_dynamics.figures.epochs import scale_epochs
from deep_learning_dynamics.figures.inputs import Provenance
from deep_learning_dynamics.figures.measured import Measured

_WIDTH, _HEIGHT = 3.35, 2.45  # of a panel, inches
_LEFT, _GAP, _RIGHT, _BETWEEN = 0.62, 0.68, 0.2, 0.85
_HEADING, _BELOW, _EDGE = 1.05, 1.45, 0.18
PANELS = {
    "speed": "Speed (distance per step)",
    "turning_angle": "Turning angle (°)",
    "distance_to_start": "Distance to the own start",
    "distance_to_end": "Distance to the own end",
    "distance_to_partner": "Distance within pairs",
    "distance_within_arm": "Distance within an arm",
}


@style.applied()
def over_time_figure(measured: Measured, mnist: Provenance, omniglot: Provenance) -> Figure:
    """Six panels against epochs on MNIST; what one arm or one network alone lacks stays out."""
    panels = [name for name in PANELS if _is_known(measured, name)]
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    width = _LEFT + columns * (_WIDTH + _GAP) - _GAP + _RIGHT
    height = _HEADING + rows * (_HEIGHT + _BETWEEN) - _BETWEEN + _BELOW
    figure = Figure(figsize=(width, height))
    for number, name in enumerate(panels):
        row, column = divmod(number, columns)
        axes = figure.add_axes(
            (
                (_LEFT + column * (_WIDTH + _GAP)) / width,
                1 - (_HEADING + row * (_HEIGHT + _BETWEEN) + _HEIGHT) / height,
                _WIDTH / width,
                _HEIGHT / height,
            )
        )
        _draw(axes, measured, name)
    _draw_heading(figure, measured)
    size = captions.count_of_networks(measured.pairs, len(measured.arms))
    captions.draw_footer(figure, size, measured.arms, mnist, omniglot, _EDGE)
    return figure


def quartiles(
    values: Float[np.ndarray, "network snapshot"],
) -> Float[np.ndarray, "3 snapshot"]:
    """Lower quartile, median and upper quartile at each snapshot; NaN where no network has one."""
    found = np.full((3, values.shape[1]), np.nan)
    seen = np.isfinite(values).any(axis=0)
    found[:, seen] = np.nanquantile(values[:, seen], [0.25, 0.5, 0.75], axis=0)
    return found


def _is_known(measured: Measured, name: str) -> bool:
    return any(np.isfinite(curves.values[name]).any() for curves in measured.curves)


def _draw(axes: Axes, measured: Measured, name: str) -> None:
    # A pair has one distance, whichever of the two is asked.
    curves = measured.curves[:1] if name == "distance_to_partner" else measured.curves
    for arm in curves:
        low, middle, high = quartiles(arm.values[name])
        hue = palette.INK if name == "distance_to_partner" else palette.colour(arm.arm, 0.8)
        axes.fill_between(arm.epochs, low, high, color=hue, alpha=0.18, linewidth=0)
        axes.plot(arm.epochs, middle, color=hue, linewidth=2)
    scale_epochs(axes, measured.curves[0].epochs)
    axes.set_title(PANELS[name], size=style.LABEL + 0.5, weight="bold", loc="left")
    axes.set_xlabel("epochs on MNIST")
    if name == "speed":
        _scale_speed(axes)
    elif name == "turning_angle":
        axes.axhline(90, color=palette.QUIET, linewidth=0.8, linestyle=(0, (1, 2)))
        axes.set(ylim=(0, 180), yticks=[0, 45, 90, 135, 180])
    else:
        axes.set_ylim(bottom=0)
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _scale_speed(axes: Axes) -> None:
    """Logarithmic: the first steps are many times as long as the last."""
    values = np.concatenate([np.asarray(line.get_ydata(), np.float64) for line in axes.lines])
    values = values[np.isfinite(values) & (values > 0)]
    if values.size == 0:
        return
    low, high = float(values.min()) * 0.7, float(values.max()) * 1.4
    axes.set(yscale="log", ylim=(low, high))
    ticks = [base * 10.0**power for power in range(-12, 13) for base in (1, 2, 5)]
    ticks = [tick for tick in ticks if low <= tick <= high]
    ticks = ticks[:: 1 + len(ticks) // 8]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)


def _draw_heading(figure: Figure, measured: Measured) -> None:
    width, height = figure.get_size_inches()
    left = _EDGE / width
    top = {"va": "top", "size": style.TITLE, "weight": "bold"}
    figure.text(left, 1 - _EDGE / height, "Paths through weight space over time", **top)
    note = {"va": "top", "size": style.SUBTITLE, "color": palette.QUIET}
    text = "Euclidean, over all weights and biases; 90° is the angle between random directions"
    figure.text(left, 1 - (_EDGE + 0.32) / height, text, **note)
    entries = [
        Line2D([], [], color=palette.colour(arm, 0.8), linewidth=2, label=captions.ARMS[arm])
        for arm in measured.arms
    ]
    entries.append(Line2D([], [], color=palette.INK, linewidth=2, label="median of networks"))
    entries.append(Patch(color=palette.INK, alpha=0.18, linewidth=0, label="middle half of them"))
    figure.legend(
        handles=entries,
        loc="lower left",
        bbox_to_anchor=(_LEFT / width, 0.7 / height),
        ncols=len(entries),
        frameon=False,
        borderaxespad=0,
        borderpad=0,
        fontsize=style.LABEL,
        columnspacing=1.8,
    )
