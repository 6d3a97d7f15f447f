"""The forest plot: how far the arms differ in each measure, and how sure that is."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deep_learning_dynamics.figures import captions, palette, style
from deep_learning_dynamics.figures.inputs import Provenance
from deep_learning_dynamics.figures.measured import TITLES, Difference, Measured

_NAMES, _AXIS, _EDGE = 2.55, 3.3, 0.18  # inches
_COLUMNS = {"from scratch": 0.95, "pre-trained": 0.95, "difference": 2.3, "pairs": 0.5, "p": 0.72}
_ROW, _HEADING, _HEADER, _BELOW = 0.3, 0.85, 0.34, 1.62
_LEVEL = 0.05  # of adjusted p-values: the dot of a difference that is significant is filled


@style.applied()
def forest_figure(measured: Measured, mnist: Provenance, omniglot: Provenance) -> Figure:
    """A row per measure of whole networks: effect size with its interval, and the numbers beside.

    With one arm only it says that there is nothing to compare.
    """
    rows = [row for row in measured.differences if row.layer == 0]
    width = _EDGE + _NAMES + _AXIS + sum(_COLUMNS.values()) + 0.3
    height = _HEADING + _HEADER + max(len(rows), 1) * _ROW + _BELOW
    figure = Figure(figsize=(width, height))
    bottom = _BELOW / height
    axes = figure.add_axes(
        (
            (_EDGE + _NAMES) / width,
            bottom,
            _AXIS / width,
            max(len(rows), 1) * _ROW / height,
        )
    )
    _draw_heading(figure, measured, rows)
    _draw_rows(axes, rows)
    _write_rows(figure, rows)
    _explain(figure, rows)
    size = captions.count_of_networks(measured.pairs, len(measured.arms))
    captions.draw_footer(figure, size, measured.arms, mnist, omniglot, _EDGE)
    return figure


def verdict(measured: Measured, rows: Sequence[Difference]) -> str:
    """What the tests say, in one line."""
    if not rows:
        return "one arm alone: there is nothing to compare"
    if not measured.can_conclude:
        counted = "1 pair" if measured.pairs == 1 else f"{measured.pairs} pairs"
        return (
            f"with {counted} nothing can be concluded: at least {measured.pairs_needed} are needed"
        )
    count = sum(row.adjusted_p <= _LEVEL for row in rows)
    return f"{count} of {len(rows)} measures differ at {_LEVEL:g} after Holm's correction"


def _draw_rows(axes: Axes, rows: Sequence[Difference]) -> None:
    axes.set(xlim=(-1.06, 1.06), ylim=(max(len(rows), 1) - 0.5, -0.5), yticks=[])
    axes.set_xticks([-1, -0.5, 0, 0.5, 1], ["−1", "−0.5", "0", "0.5", "1"])
    axes.axvline(0, color=palette.QUIET, linewidth=0.8)
    for row_number, row in enumerate(rows):
        if row_number % 2 == 0:
            axes.axhspan(row_number - 0.5, row_number + 0.5, color="#f5f5f5", zorder=0)
        if not np.isfinite(row.effect_size):
            continue
        colour = palette.INK
        if row.effect_size != 0:
            colour = palette.colour("pretrained" if row.effect_size > 0 else "scratch", 0.75)
        ends = [row.effect_low, row.effect_high]  # NaN, which draws nothing, if it is not known
        axes.plot(ends, [row_number] * 2, color=colour, linewidth=2, solid_capstyle="butt")
        face = colour if row.adjusted_p <= _LEVEL else "white"
        axes.plot(
            row.effect_size,
            row_number,
            "o",
            markersize=6.5,
            markeredgecolor=colour,
            markerfacecolor=face,
            markeredgewidth=1.5,
        )
    axes.grid(axis="x", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.set_xlabel("effect size (rank-biserial correlation)")


def _write_rows(figure: Figure, rows: Sequence[Difference]) -> None:
    width, height = figure.get_size_inches()
    right = _EDGE + _NAMES + _AXIS + 0.1 + np.cumsum(list(_COLUMNS.values()))
    top = height - _HEADING - _HEADER
    headers = ("from scratch", "pre-trained", "difference (95 % interval)", "pairs", "adj. p")
    quiet = {"size": style.SMALL, "color": palette.QUIET, "va": "center"}
    if rows:
        for x, text in zip(right, headers, strict=True):
            figure.text(x / width, (top + 0.15) / height, text, ha="right", **quiet)
        for x, arm, text, side in (
            (_EDGE + _NAMES, "scratch", "← more from scratch", "left"),
            (_EDGE + _NAMES + _AXIS, "pretrained", "more pre-trained →", "right"),
        ):
            look = quiet | {"color": palette.colour(arm, 0.75)}
            figure.text(x / width, (top + 0.15) / height, text, ha=side, **look)
    for number, row in enumerate(rows):
        y = (top - (number + 0.5) * _ROW) / height
        title, scale = TITLES[row.measure]
        figure.text(_EDGE / width, y, title, va="center", size=style.LABEL)
        for x, text in zip(right, _cells(row, scale), strict=True):
            bold = {"weight": "bold"} if row.adjusted_p <= _LEVEL else {}
            figure.text(x / width, y, text, va="center", ha="right", size=style.SMALL, **bold)


def _cells(row: Difference, scale: float) -> tuple[str, ...]:
    difference = _number(scale * row.difference, signed=True)
    if np.isfinite(row.low):
        low, high = (_number(scale * value, signed=True) for value in (row.low, row.high))
        difference = f"{difference} ({low} to {high})"
    p_value = "–" if np.isnan(row.adjusted_p) else f"{row.adjusted_p:.2g}"
    if row.adjusted_p < 0.001:
        p_value = "< 0.001"
    means = (_number(scale * value) for value in (row.first, row.second))
    return (*means, difference, str(row.pairs), p_value)


def _draw_heading(figure: Figure, measured: Measured, rows: Sequence[Difference]) -> None:
    width, height = figure.get_size_inches()
    left, title = _EDGE / width, "Pre-trained against from scratch"
    top = {"va": "top", "size": style.TITLE, "weight": "bold"}
    figure.text(left, 1 - _EDGE / height, title, **top)
    figure.text(
        left,
        1 - (_EDGE + 0.32) / height,
        verdict(measured, rows),
        va="top",
        size=style.SUBTITLE,
        color=palette.QUIET,
    )


def _explain(figure: Figure, rows: Sequence[Difference]) -> None:
    if not rows:
        return
    width, height = figure.get_size_inches()
    for line, text in enumerate(
        (
            "Medians, and median differences within pairs: pre-trained minus scratch. Effect size "
            "1: every pre-trained network has more; dot filled: adjusted p ≤ 0.05; lines: 95 %.",
            "Intervals: bootstrap by pair. p: Wilcoxon's signed-rank test, adjusted by Holm's "
            "method over all rows; never to reach an accuracy is later than any. Failed: means.",
        )
    ):
        figure.text(
            _EDGE / width,
            (0.88 - 0.2 * line) / height,
            text,
            va="center",
            size=style.SMALL,
            color=palette.QUIET,
        )


def _number(value: float, signed: bool = False) -> str:
    if not np.isfinite(value):
        return "–"
    digits = f"{abs(value):,.0f}" if abs(value) >= 1000 else f"{abs(value):.3g}"
    if "e" in digits:
        digits = f"{abs(value):.4f}".rstrip("0").rstrip(".")
    sign = "−" if value < 0 else "+" if signed and value > 0 else ""
    return f"{sign}{digits}"
