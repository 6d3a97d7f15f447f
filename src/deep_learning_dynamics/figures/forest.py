"""The forest plot: how far groups differ in each measure, and how sure that is.

Everything in a row concerns the same networks: values, difference, interval, effect and p.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deep_learning_dynamics.figures import style as look
from deep_learning_dynamics.figures.figure import FIGURES, EmptyFigureError, FigureKind
from deep_learning_dynamics.figures.groups import titles_for
from deep_learning_dynamics.figures.page import page, wrapped
from deep_learning_dynamics.figures.style import Style
from deep_learning_dynamics.formatting import ALPHA, MINUS, capital, listed, number, p_value, signed
from deep_learning_dynamics.geometry.measures import MEASURES
from deep_learning_dynamics.inference.statistics import FEWEST_RESAMPLED
from deep_learning_dynamics.quantities import quantity
from deep_learning_dynamics.results import Results

if TYPE_CHECKING:
    from deep_learning_dynamics.inference import Comparison


@FIGURES.register
class Forest(FigureKind):
    key, title, needs = "forest", "Differences between groups", ("comparisons",)

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        rows = _rows(results)
        contrasts = contrasts_of(rows)
        title, row = self.title, 1.5  # the height of a row, in sizes of text
        if len(contrasts) == 1:
            reference, other = (name_of(results, group) for group in contrasts[0])
            title = f"{capital(other)} against {reference}"
            row = 2.6 if style.is_narrow else 2.05  # there labels have two lines
        width = 1.25 if style.is_narrow else 2.4
        keys = dict.fromkeys(row.measure for row in rows)
        labels = {key: wrapped(look.with_unit(key), width, style.text) for key in keys}
        figure, body = page(
            style,
            len(keys) * pitch_of(contrasts) * row * style.text / 72 + 0.75,
            title,
            results.comparisons.verdict.sentence,
            f"{_counted(rows)} {marks_of(rows)}",
            results,
            contrast_entries(results, contrasts),
        )
        columns = _columns(rows, results, style)
        # Columns of the table have no width but that of their texts.
        ratios = [1, *[1e-3] * len(columns)]
        effects, *axes = body.subplots(1, len(ratios), width_ratios=ratios)
        places = draw_effects(effects, rows, "measure", labels, contrasts, results)
        small = style.text - 0.6
        top = effects.get_ylim()[1]
        for column, texts in zip(axes, columns, strict=True):
            column.set(ylim=effects.get_ylim(), xticks=[])
            column.set_yticks([top, *places], texts)
            column.tick_params(axis="y", length=0, labelcolor=look.INK, labelsize=small)
            column.get_yticklabels()[0].set(va="bottom", color=look.QUIET)
            column.spines[:].set_visible(False)
        for row, label in zip(rows, axes[-1].get_yticklabels()[1:], strict=True):
            label.set_weight("bold" if row.significant else "normal")
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        rows = _rows(results)
        counted = (
            f"{sum(row.significant for row in rows)} of {len(rows)} rows differ at {ALPHA:g} after "
            "Holm's correction."
        )
        paired = any(row.design == "paired" for row in rows)
        sentences = [
            results.comparisons.verdict.sentence,
            counted,
            "Effect: rank-biserial correlation, 1 where every network of the other group has more.",
            "Differences are within pairs." if paired else "",
            "Intervals: bootstrap, 95 %. "
            "p: two-sided, adjusted by Holm's method over the rows of a contrast; a network that "
            "never reached an accuracy counts as later than any that did, and where half of them "
            "did not, the table says how many did.",
        ]
        return " ".join(filter(None, sentences))


def name_of(results: Results, group: str) -> str:
    """A group's title."""
    known = results.comparisons
    names = results.titles.get(results.by, {}) | (known.titles or {})
    return titles_for(known.by or "", known.groups, names).get(group, group)


def contrasts_of(rows: Sequence["Comparison"]) -> list[tuple[str, str]]:
    """The pairs of groups that rows compare, each once."""
    return list(dict.fromkeys(map(_contrast, rows)))


def _contrast(row: "Comparison") -> tuple[str, str]:
    return row.reference, row.other


def _colour(results: Results, group: str) -> tuple[float, float, float]:
    """The colour of a group: as in all other figures."""
    groups = list(results.comparisons.groups)
    return look.colour(groups.index(group) if group in groups else -1)


def pitch_of(contrasts: Sequence[tuple[str, str]]) -> float:
    """How far rows with different labels are from each other; those of one are 1 apart."""
    return len(contrasts) + 0.25 * (len(contrasts) > 1)


def draw_effects(
    axes: Axes,
    rows: Sequence["Comparison"],
    field: str,
    labels: Mapping[str, str],
    contrasts: list[tuple[str, str]],
    results: Results,
) -> list[float]:
    """Effects with their intervals, from the top.

    Args:
        field: of a row, whose values have ``labels``.

    Returns:
        The place of each row.
    """
    keys, pitch, alone = list(labels), pitch_of(contrasts), len(contrasts) == 1
    places = [
        keys.index(getattr(row, field)) * pitch + contrasts.index(_contrast(row)) for row in rows
    ]
    ticks = pitch * np.arange(len(keys)) + (len(contrasts) - 1) / 2
    axes.set_yticks(ticks, list(labels.values()))
    axes.set(xlim=(-1.08, 1.08), ylim=((len(keys) - 1) * pitch + len(contrasts) - 0.3, -0.7))
    axes.axvline(0, color=look.QUIET, linewidth=0.8)
    for row, place in zip(rows, places, strict=True):
        if row.effect is None:
            continue
        # Towards the group that has more; of several contrasts each has its colour.
        own = _colour(results, row.reference if alone and row.effect < 0 else row.other)
        if row.effect_low is not None and row.effect_high is not None:
            axes.plot([row.effect_low, row.effect_high], [place] * 2, color=own, linewidth=1.4)
        axes.plot(
            row.effect,
            place,
            "o",
            markersize=4.6,
            markeredgecolor=own,
            markerfacecolor=own if row.significant else "white",
            markeredgewidth=1.1,
        )
    axes.set_xticks([-1, -0.5, 0, 0.5, 1], [f"{MINUS}1", "", "0", "", "1"])
    axes.tick_params(axis="y", length=0, labelcolor=look.INK)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("Effect (rank-biserial)")
    return places


def contrast_entries(results: Results, contrasts: Sequence[tuple[str, str]]) -> list[Line2D]:
    """What the colours mean."""
    if len(contrasts) > 1:
        named = [(other, f"{name_of(results, other)} against {name_of(results, reference)}")
                 for reference, other in contrasts]  # fmt: skip
    else:
        named = [(group, f"{sign} more {name_of(results, group)}")
                 for sign, group in zip("←→", contrasts[0], strict=True)]  # fmt: skip
    mark: dict[str, Any] = {"marker": "o", "markersize": 4.6, "linewidth": 1.4}
    return [
        Line2D([], [], color=_colour(results, group), label=label, **mark) for group, label in named
    ]


def _rows(results: Results) -> list["Comparison"]:
    nothing = "There are no two groups of networks to compare."
    return rows_of(results, False, results.comparisons.verdict.sentence or nothing)


def marks_of(rows: Sequence["Comparison"]) -> str:
    """How to read the dots and lines of effects, and why some have no line."""
    bare = [row for row in rows if row.effect is not None and row.effect_low is None]
    causes = listed(list(dict.fromkeys(map(_why_bare, bare))), "or")
    lacking = f" (none where {causes})" if causes else ""
    return f"Filled: p ≤ {ALPHA:g} after Holm's correction. Lines: 95 %{lacking}."


def _why_bare(row: "Comparison") -> str:
    """Why an effect has no interval, which resamples of the networks give."""
    if min(row.n_reference, row.n_other) < FEWEST_RESAMPLED:
        return f"a group has fewer than {FEWEST_RESAMPLED} networks"
    if abs(row.effect or 0) < 1:
        return "resamples are alike"
    return "all pairs agree" if row.design == "paired" else "groups do not overlap"


def rows_of(results: Results, of_parameters: bool, nothing: str) -> list["Comparison"]:
    """Comparisons between two groups: of whole networks, or effects on single parameters.

    Raises:
        EmptyFigureError: there are none; its message is ``nothing``.
    """
    len(MEASURES)  # registered, so that their titles and units are known
    rows = [
        item
        for item in results.comparisons.items
        if bool(item.parameter) == of_parameters and item.other
        if item.effect is not None or not of_parameters
    ]
    if not rows:
        raise EmptyFigureError(nothing)
    return rows


def _columns(rows: list["Comparison"], results: Results, style: Style) -> list[tuple[str, ...]]:
    """The head and the cells of each column; a narrow table has only two."""
    heads = ["difference", "p"]
    if not style.is_narrow:
        named = ["reference", "other"]
        if len(contrasts_of(rows)) == 1:
            titles = [name_of(results, group) for group in _contrast(rows[0])]
            named = [wrapped(title, 0.8, style.text) for title in titles]
        heads = [*named, *heads]
    return list(zip(heads, *(_cells(row, style.is_narrow) for row in rows), strict=True))


def _cells(row: "Comparison", narrow: bool) -> list[str]:
    scale = 100 if quantity(row.measure).unit == "%" else 1

    def value(of: float | None, reached: int | None, networks: int) -> str:
        if of is None and reached is not None:  # half of the networks never came there
            return f"{reached} of {networks}"
        return number(None if of is None else scale * of)

    def change(of: float | None) -> str:
        return "–" if of is None else signed(scale * of, 3 if abs(scale * of) >= 0.01 else 2)

    difference = change(row.difference)
    if not narrow and row.low is not None and row.high is not None:
        difference += f" ({change(row.low)} to {change(row.high)})"
    p = p_value(row.adjusted_p)
    p = "< 0.001" if row.adjusted_p is not None and row.adjusted_p < 0.001 else p
    if narrow:
        return [difference, p]
    reference = value(row.reference_value, row.reached_reference, row.n_reference)
    return [reference, value(row.other_value, row.reached_other, row.n_other), difference, p]


def _counted(rows: list["Comparison"]) -> str:
    pairs = {row.pairs for row in rows if row.pairs is not None}
    if not pairs:
        networks = {n for row in rows for n in (row.n_reference, row.n_other)}
        return f"{max(networks)} networks in a group, at most."
    low, high = min(pairs), max(pairs)
    return f"{low if low == high else f'{low} to {high}'} pairs."
