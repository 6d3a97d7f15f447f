"""The forest plot: how far groups differ in each measure, and how sure that is.

Everything in a row concerns the same networks: values, difference, interval, effect and p.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deep_learning_dynamics.figures import page as around
from deep_learning_dynamics.figures import style as look
from deep_learning_dynamics.figures.figure import FIGURES, FigureKind
from deep_learning_dynamics.figures.style import Style
from deep_learning_dynamics.formatting import ALPHA, MINUS, number, p_value, signed
from deep_learning_dynamics.geometry.measures import MEASURES
from deep_learning_dynamics.quantities import quantity
from deep_learning_dynamics.results import Results

if TYPE_CHECKING:
    from deep_learning_dynamics.inference import Comparison

_ROW, _SUBROW = 2.05, 1.5  # height of a row alone and among several contrasts, in sizes of text


@FIGURES.register
class Forest(FigureKind):
    key, title, needs = "forest", "Differences between groups", ("comparisons",)

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        comparisons = results.comparisons
        rows = _rows(comparisons)
        if not rows:
            return around.message_page(style, self.title, _nothing(comparisons))
        contrasts = list(dict.fromkeys((row.reference, row.other) for row in rows))
        title = self.title
        if len(contrasts) == 1:
            title = f"{_capital(name_of(results, contrasts[0][1]))} against " + name_of(
                results, contrasts[0][0]
            )
        keys = list(dict.fromkeys(row.measure for row in rows))
        per_key = len(contrasts)
        row = _SUBROW if per_key > 1 else _ROW + 0.55 * style.is_narrow  # for labels of two lines
        height = len(keys) * (per_key + 0.25 * (per_key > 1)) * row * style.text / 72
        figure, body = around.page(
            style,
            height + 0.75,
            title,
            [comparisons.verdict.sentence],
            f"{_counted(rows)} Filled: p ≤ {ALPHA:g} after Holm's correction. Lines: 95 %.",
            results,
            contrast_entries(results, contrasts),
        )
        table, inches = _table(rows, results, style)
        label = 1.25 if style.is_narrow else 2.4
        labels = {key: around.wrapped(look.with_unit(key), label, style.text) for key in keys}
        widest = max(len(line) for text in labels.values() for line in text.split("\n"))
        left = style.width - inches - widest * 0.53 * style.text / 72 - 0.3
        axes = body.subplot_mosaic([["effect", "table"]], width_ratios=[max(left, 0.8), inches])
        places = _places(rows, keys, contrasts)
        draw_effects(axes["effect"], rows, places, results)
        middles = {}
        for row, place in zip(rows, places, strict=True):
            middles.setdefault(row.measure, []).append(place)
        axes["effect"].set_yticks(
            [sum(of) / len(of) for of in middles.values()],
            [labels[key] for key in middles],
        )
        _write_table(axes["table"], table, rows, places, style)
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        rows = _rows(results.comparisons)
        if not rows:
            return _nothing(results.comparisons)
        answer = results.comparisons.verdict.sentence or _significant(rows)
        paired = any(row.design == "paired" for row in rows)
        return (
            f"{answer} {_significant(rows) if answer != _significant(rows) else ''} "
            "Effect: rank-biserial correlation, 1 where every network of the other group has more. "
            f"{'Differences are within pairs. ' if paired else ''}Intervals: bootstrap, 95 %. "
            "p: two-sided, adjusted by Holm's method over the rows of a contrast; a network that "
            "never reached an accuracy counts as later than any that did, and where half of them "
            "did not, the table says how many did."
        ).replace("  ", " ")


def name_of(results: Results, group: str) -> str:
    """A group's title."""
    titles = results.comparisons.titles or {}
    return str(titles.get(group, results.titles.get(results.by, {}).get(group, group)))


def number_of(results: Results, group: str) -> int:
    """A group's place in the order of colours: as in all other figures."""
    groups = list(results.comparisons.groups)
    return groups.index(group) if group in groups else -1


def draw_effects(
    axes: Axes, rows: Sequence["Comparison"], places: Sequence[float], results: Results
) -> None:
    """Effects with their intervals; a row at each place, from the top."""
    axes.set(xlim=(-1.08, 1.08), ylim=(max(places) + 0.7, min(places) - 0.7))
    axes.axvline(0, color=look.QUIET, linewidth=0.8)
    for row, place in zip(rows, places, strict=True):
        if row.effect is None:
            continue
        if len({(each.reference, each.other) for each in rows}) == 1:
            # Towards the group that has more; of several contrasts each has its colour.
            own = look.colour(number_of(results, row.other if row.effect >= 0 else row.reference))
        else:
            own = look.colour(number_of(results, row.other))
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
    axes.grid(axis="x", color="#ececec", linewidth=0.5)
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.set_xlabel("Effect (rank-biserial)", labelpad=1.5)


def contrast_entries(results: Results, contrasts: Sequence[tuple[str, str]]) -> list[Line2D]:
    """What the colours mean."""
    mark: dict[str, Any] = {"marker": "o", "markersize": 4.6, "linewidth": 1.4}
    if len(contrasts) > 1:
        return [
            Line2D([], [], color=look.colour(number_of(results, other)), **mark,
                   label=f"{name_of(results, other)} against {name_of(results, reference)}")
            for reference, other in contrasts
        ]  # fmt: skip
    return [
        Line2D([], [], color=look.colour(number_of(results, group)), **mark,
               label=f"{sign} more {name_of(results, group)}")
        for sign, group in zip("←→", contrasts[0], strict=True)
    ]  # fmt: skip


def _rows(comparisons: Any) -> list["Comparison"]:
    """Comparisons of whole networks between two groups."""
    len(MEASURES)  # registered, so that their titles and units are known
    return [
        item
        for item in comparisons.items
        if item.parameter == "" and item.other and item.design != "described"
    ]


def _places(rows: list, keys: list[str], contrasts: list) -> list[float]:
    pitch = len(contrasts) + 0.25 * (len(contrasts) > 1)
    return [
        keys.index(row.measure) * pitch + contrasts.index((row.reference, row.other))
        for row in rows
    ]


def _table(
    rows: list, results: Results, style: Style
) -> tuple[list[tuple[float, list[str]]], float]:
    """Columns of text with their right ends (0 to 1), and the width of all in inches."""
    several = len({(row.reference, row.other) for row in rows}) > 1
    heads = ["difference", "p"]
    if not style.is_narrow:
        names = [name_of(results, group) for group in (rows[0].reference, rows[0].other)]
        named = ["reference", "other"] if several else names
        heads = [*(around.wrapped(name, 0.8, style.text) for name in named), *heads]
    columns = [
        [head, *cells]
        for head, *cells in zip(heads, *(_cells(row, style.is_narrow) for row in rows), strict=True)
    ]
    widths = [
        (max(len(line) for text in column for line in text.split("\n")) + 2)
        * 0.56
        * (style.text - 0.6)
        / 72
        for column in columns
    ]
    inches = sum(widths)
    ends = [sum(widths[: number + 1]) / inches for number in range(len(widths))]
    return list(zip(ends, columns, strict=True)), inches


def _write_table(
    axes: Axes, table: list[tuple[float, list[str]]], rows: list, places: list[float], style: Style
) -> None:
    """The numbers of each row; in one column only the difference and p."""
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(max(places) + 0.7, min(places) - 0.7))
    quiet = {"size": style.text - 0.6, "ha": "right"}
    for x, (head, *cells) in table:
        axes.text(x, min(places) - 0.8, head, color=look.QUIET, va="bottom", **quiet)
        for row, place, cell in zip(rows, places, cells, strict=True):
            bold = row.significant and x == table[-1][0]
            weight = "bold" if bold else "normal"
            axes.text(x, place, cell, weight=weight, va="center", **quiet)


def _cells(row: "Comparison", narrow: bool) -> list[str]:
    known = quantity(row.measure)
    scale = 100 if known.unit == "%" else 1

    def value(of: float | None, reached: int | None, networks: int) -> str:
        if of is None and reached is not None:  # half of the networks never came there
            return f"{reached} of {networks}"
        return "–" if of is None else number(scale * of)

    def change(of: float | None) -> str:
        return "–" if of is None else signed(scale * of, 3 if abs(scale * of) >= 0.01 else 2)

    difference = change(row.difference)
    if not narrow and row.low is not None and row.high is not None:
        difference += f" ({change(row.low)} to {change(row.high)})"
    p = "–" if row.adjusted_p is None else p_value(row.adjusted_p)
    p = "< 0.001" if row.adjusted_p is not None and row.adjusted_p < 0.001 else p
    if narrow:
        return [difference, p]
    reference = value(row.reference_value, row.reached_reference, row.n_reference)
    return [reference, value(row.other_value, row.reached_other, row.n_other), difference, p]


def _counted(rows: list) -> str:
    pairs = {row.pairs for row in rows if row.pairs is not None}
    if not pairs:
        networks = {n for row in rows for n in (row.n_reference, row.n_other)}
        return f"{max(networks)} networks in a group, at most."
    low, high = min(pairs), max(pairs)
    return f"{low if low == high else f'{low} to {high}'} pairs."


def _significant(rows: list) -> str:
    found = sum(row.significant for row in rows)
    return f"{found} of {len(rows)} rows differ at {ALPHA:g} after Holm's correction."


def _nothing(comparisons: Any) -> str:
    sentence = comparisons.verdict.sentence
    return sentence or "There are no two groups of networks to compare."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
