"""Results as a chart: how many times faster, on a log axis with what was to be reached."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.machine import Machine
from benchmarks.result import Line, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAR = 0.56  # of the distance between two bars
# Blue and orange stay apart for readers with any common colour blindness; the rest of Okabe & Ito's
# palette (2008) tells the methods apart, and so does a mark of their own.
REACHED, MISSED = "#0072B2", "#D55E00"
CURVES = (
    ("#0072B2", "o"),
    ("#D55E00", "s"),
    ("#009E73", "^"),
    ("#CC79A7", "D"),
    ("#56B4E9", "v"),
    ("#E69F00", "P"),
)


def save(path: Path, lines: Sequence[Line], machine: Machine) -> None:
    """Write the chart as PNG; the file is whole or not there at all."""
    from deep_learning_dynamics.figures import style

    with style.applied():
        figure = _figure(lines, machine)
        partial = path.with_name(f".{path.name}.partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(partial, format="png", dpi=200, metadata={"Software": None})
    partial.replace(path)


def _figure(lines: Sequence[Line], machine: Machine) -> "Figure":
    from matplotlib.figure import Figure

    from deep_learning_dynamics.figures import palette, style

    ratios = [line for line in lines if line.unit == "×" and line.found is not None]
    curves = [line.curve for line in lines if line.curve is not None]
    bars = 0.36 * len(ratios)
    below = 2.9 if curves else 0.0
    top, bottom, between = 0.95, 0.75, 0.8 if curves and ratios else 0.0
    height = top + bars + between + below + bottom
    figure = Figure(figsize=(9.0, height))
    figure.text(
        0.02, 1 - 0.3 / height, "How much faster", fontsize=style.TITLE, weight="bold", va="center"
    )
    figure.text(
        0.02,
        1 - 0.58 / height,
        "than what one would use instead: medians of interleaved repeats, whiskers from the "
        "smallest to the largest",
        fontsize=style.SUBTITLE,
        color=palette.QUIET,
        va="center",
    )
    if ratios:
        axes = figure.add_axes((0.30, (bottom + below + between) / height, 0.62, bars / height))
        _draw_ratios(axes, ratios)
    for index, axis in enumerate(("networks", "weights", "snapshots")):
        shown = [curve for curve in curves if curve.axis == axis]
        if shown:
            left = 0.075 + 0.325 * index
            axes = figure.add_axes((left, bottom / height, 0.245, (below - 0.3) / height))
            _draw_curves(axes, shown)
    figure.text(
        0.02,
        0.2 / height,
        machine.sentence(),
        fontsize=style.SMALL,
        color=palette.QUIET,
        va="center",
    )
    return figure


def _draw_ratios(axes: "Axes", lines: Sequence[Line]) -> None:
    from deep_learning_dynamics.figures import palette, style

    for place, line in enumerate(lines):
        found, reach = line.found, line.reach.value
        colour = REACHED if found.median >= reach else MISSED
        # A bar on a log axis has to start somewhere: at 1, as fast as theirs.
        axes.barh(place, found.median - 1, BAR, left=1, color=colour, linewidth=0, zorder=2)
        axes.hlines(place, found.low, found.high, color=palette.INK, linewidth=1.1, zorder=3)
        axes.vlines(reach, place - 0.44, place + 0.44, color=palette.INK, linewidth=1.8, zorder=4)
        least = "> " if line.theirs is not None and line.theirs.at_least else ""
        axes.annotate(
            f"{least}{number(found.median)}×",
            (max(found.high, reach, 1), place),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=style.LABEL,
        )
    largest = max(max(line.found.high, line.reach.value) for line in lines)
    smallest = min(1.0, min(line.found.low for line in lines))
    axes.set_xscale("log")
    axes.set_xlim(smallest, largest * 4)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_yticks(range(len(lines)), [f"{line.row}\n{line.against}" for line in lines])
    for label in axes.get_yticklabels():
        label.set(fontsize=style.SMALL - 0.5, linespacing=1.15, color=palette.INK)
    axes.set_xticks(10.0 ** np.arange(np.ceil(np.log10(smallest)), np.log10(largest * 4)))
    axes.xaxis.set_major_formatter(
        lambda value, _: f"{number(value).removesuffix('.00').removesuffix('.0')}×"
    )
    axes.minorticks_off()
    axes.grid(axis="x", color="#dddddd", linewidth=0.6, zorder=0)
    axes.tick_params(left=False)
    axes.spines[["top", "right", "left"]].set_visible(False)
    _explain(axes)


def _explain(axes: "Axes") -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    from deep_learning_dynamics.figures import palette, style

    reach = Line2D(
        [], [], marker="|", markersize=11, markeredgewidth=1.8, linestyle="", color=palette.INK
    )
    axes.legend(
        [Patch(color=REACHED), Patch(color=MISSED), reach],
        ["reached", "missed", "to be reached"],
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=3,
        frameon=False,
        fontsize=style.SMALL,
        borderaxespad=0.2,
        handlelength=1.2,
        columnspacing=1.4,
    )


def _draw_curves(axes: "Axes", curves: Sequence) -> None:
    from deep_learning_dynamics.figures import style

    for curve, (colour, mark) in zip(curves, CURVES, strict=False):
        axes.plot(
            curve.sizes,
            curve.seconds,
            color=colour,
            marker=mark,
            markersize=4,
            linewidth=1.5,
            label=curve.name,
            zorder=3,
        )
    first = curves[0]
    axes.set_xscale("log")
    axes.set_yscale("log")
    if len(curves) > 1:
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * (high / low) ** 0.6)  # room for the legend
    _draw_power(axes, first.own)
    training = first.name == "training"
    axes.set_title(
        "Training" if training else "Projection", fontsize=style.LABEL, loc="left", weight="bold"
    )
    axes.set_xlabel(first.axis)
    axes.set_ylabel(f"seconds for {first.what.split(',')[0]}")
    axes.grid(color="#e4e4e4", linewidth=0.6, zorder=0)
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    if len(curves) > 1:
        axes.legend(
            frameon=False,
            fontsize=style.SMALL - 1,
            loc="upper left",
            handlelength=1.6,
            labelspacing=0.25,
        )


def _draw_power(axes: "Axes", own: float) -> None:
    """The method's own growth as a dotted line that ends in the upper right corner."""
    from deep_learning_dynamics.figures import palette, style

    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    x = np.geomspace(left, right, 50)
    y = high * 0.8 * (x / right) ** own
    axes.plot(x, y, ":", color=palette.QUIET, linewidth=1.2, zorder=1)
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)
    name = "linear" if own == 1 else f"power {own:g}"
    axes.text(
        0.98,
        0.03,
        f"dotted: {name}",
        transform=axes.transAxes,
        ha="right",
        fontsize=style.SMALL - 1,
        color=palette.QUIET,
    )
