"""The forest plot: how far groups differ in each measure, and how sure that is.

Everything in a row concerns the same networks: values, difference, interval, effect and p.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deep_learning_dynamics.figures import style as look
from deep_learning_dynamics.figures.effects import (
    MARK,
    blocks_of,
    contrast_entries,
    contrast_of,
    contrasts_of,
    draw_effects,
    marks_of,
    name_of,
    pitch_of,
    rows_of,
)
from deep_learning_dynamics.figures.figure import FIGURES, FigureKind
from deep_learning_dynamics.figures.page import page, wrapped
from deep_learning_dynamics.figures.style import Style
from deep_learning_dynamics.formatting import ALPHA, capital, listed, number, p_value, signed
from deep_learning_dynamics.quantities import quantity
from deep_learning_dynamics.results import Results

if TYPE_CHECKING:
    from deep_learning_dynamics.inference import Comparison


# The rows of partners have a block and heads of their own: both networks of a pair are in each of
# their values.
PARTNERS, PARTNER_HEADS = "Partners against other pairs", ("other pairs", "partners")
_HEAD = ""  # in place of the key of a measure


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
        labels = {
            key: wrapped(look.with_unit(key) if key else PARTNERS, width, style.text)
            for key in _keys(rows)
        }
        figure, body = page(
            style,
            len(labels) * pitch_of(contrasts) * row * style.text / 72 + 0.75,
            title,
            results.comparisons.verdict.sentence,
            f"{_counted(rows)} {marks_of(rows)}",
            results,
            [*contrast_entries(results, contrasts), *_partner_entries(rows)],
        )
        columns = _columns(rows, results, style)
        # Columns of the table have no width but that of their texts.
        ratios = [1, *[1e-3] * len(columns)]
        effects, *axes = body.subplots(1, len(ratios), width_ratios=ratios)
        places = draw_effects(effects, rows, "measure", labels, contrasts, results)
        small = style.text - 0.6
        # Heads stand above all rows, and those of partners in the row that is theirs.
        heads = [effects.get_ylim()[1], *_places_of_heads(labels, contrasts)]
        for column, texts in zip(axes, columns, strict=True):
            column.set(ylim=effects.get_ylim(), xticks=[])
            column.set_yticks([*heads, *places], texts)
            column.tick_params(axis="y", length=0, labelcolor=look.INK, labelsize=small)
            for label in column.get_yticklabels()[: len(heads)]:
                label.set_color(look.QUIET)
            column.get_yticklabels()[0].set_va("bottom")
            column.spines[:].set_visible(False)
        for label, key in zip(effects.get_yticklabels(), labels, strict=True):
            label.set_color(look.INK if key else look.QUIET)
        for row, label in zip(rows, axes[-1].get_yticklabels()[len(heads) :], strict=True):
            label.set_weight("bold" if row.significant else "normal")
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        rows = _rows(results)
        measures, partners = blocks_of(rows)
        paired = any(row.design == "paired" for row in rows)
        sentences = [
            results.comparisons.verdict.sentence,
            _how_many_differ(measures, partners),
            f"Effect: {_meaning_of_effect(rows)}.",
            "Differences are within pairs." if paired else "",
            "Partners: the distance (angle) between the two networks of a pair, against the median "
            "one between either of them and networks of other pairs; effect 1 where partners have "
            "more in every pair."
            if partners
            else "",
            "Intervals: bootstrap, 95 %. "
            "p: two-sided, adjusted by Holm's method over the measures of a contrast"
            f"{' and, apart, over its rows of partners' if partners else ''}; a network that "
            "never reached an accuracy counts as later than any that did, and where half of them "
            "did not, the table says how many did.",
        ]
        return " ".join(filter(None, sentences))


def _how_many_differ(measures: list["Comparison"], partners: list["Comparison"]) -> str:
    """How many rows are significant: in each block, as each is adjusted by itself."""
    count = " and ".join(
        f"{sum(row.significant for row in rows)} of {len(rows)} {words}"
        for rows, words in ((measures, "rows"), (partners, "rows of partners"))
        if rows
    )
    return f"{count} differ at {ALPHA:g} after Holm's correction."


def _meaning_of_effect(rows: Sequence["Comparison"]) -> str:
    """Where it is 1: a matched-pairs correlation is another than that of two samples."""
    where = {
        "paired": "in every pair that differs the network of the other group has more",
        "independent": "every network of the other group has more than every one of the reference",
    }
    found = [words for design, words in where.items() if any(row.design == design for row in rows)]
    return f"rank-biserial correlation, 1 where {listed(found, 'or')}"


def _partner_entries(rows: Sequence["Comparison"]) -> list[Line2D]:
    """What the grey of partners means; of several contrasts each has its own colour there, too."""
    if not blocks_of(rows)[1] or len(contrasts_of(rows)) > 1:
        return []
    return [Line2D([], [], color=look.QUIET, label="← less, → more between partners", **MARK)]


def _keys(rows: Sequence["Comparison"]) -> list[str]:
    """The measures from the top, a head above those of partners."""
    measures, partners = (dict.fromkeys(row.measure for row in block) for block in blocks_of(rows))
    return [*measures, *([_HEAD, *partners] if partners else [])]


def _places_of_heads(
    labels: Mapping[str, str], contrasts: Sequence[tuple[str, str]]
) -> list[float]:
    """Where the head of partners stands; none without them."""
    middle = (len(contrasts) - 1) / 2
    return [
        number * pitch_of(contrasts) + middle for number, key in enumerate(labels) if key == _HEAD
    ]


def _rows(results: Results) -> list["Comparison"]:
    nothing = "There are no two groups of networks to compare."
    return rows_of(results, False, results.comparisons.verdict.sentence or nothing)


def _columns(rows: list["Comparison"], results: Results, style: Style) -> list[tuple[str, ...]]:
    """The heads and the cells of each column; a narrow table has only two."""
    heads, of_partners = ["difference", "p"], ["", ""]
    if not style.is_narrow:
        named = ["reference", "other"]
        if len(contrasts_of(rows)) == 1:
            titles = [name_of(results, group) for group in contrast_of(rows[0])]
            named = [wrapped(title, 0.8, style.text) for title in titles]
        heads, of_partners = [*named, *heads], [*PARTNER_HEADS, *of_partners]
    lines = [heads, *([of_partners] if blocks_of(rows)[1] else [])]
    return list(zip(*lines, *(_cells(row, style.is_narrow) for row in rows), strict=True))


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
