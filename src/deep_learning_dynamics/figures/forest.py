"""The forest plot: how far groups differ in each measure, and how sure that is.

Everything in a row concerns the same networks: values, difference, interval, effect and p.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
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


# The rows of partners have a block and heads of their own: both networks of a pair are in each of
# their values.
PARTNERS, PARTNER_HEADS = "Partners against other pairs", ("other pairs", "partners")
_HEAD = ""  # in place of the key of a measure
_MARK: dict[str, Any] = {"marker": "o", "markersize": 4.6, "linewidth": 1.4}


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
        if alone and row.design == "partners":  # neither group has more of what both have in common
            own = to_rgb(look.QUIET)
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
    return [
        Line2D([], [], color=_colour(results, group), label=label, **_MARK)
        for group, label in named
    ]


def _partner_entries(rows: Sequence["Comparison"]) -> list[Line2D]:
    """What the grey of partners means; of several contrasts each has its own colour there, too."""
    if not blocks_of(rows)[1] or len(contrasts_of(rows)) > 1:
        return []
    return [Line2D([], [], color=look.QUIET, label="← less, → more between partners", **_MARK)]


def blocks_of(rows: Sequence["Comparison"]) -> tuple[list["Comparison"], list["Comparison"]]:
    """Rows of measures, and those of partners."""
    partners = [row for row in rows if row.design == "partners"]
    return [row for row in rows if row.design != "partners"], partners


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
    return "groups do not overlap" if row.design == "independent" else "all pairs agree"


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
    """The heads and the cells of each column; a narrow table has only two."""
    heads, of_partners = ["difference", "p"], ["", ""]
    if not style.is_narrow:
        named = ["reference", "other"]
        if len(contrasts_of(rows)) == 1:
            titles = [name_of(results, group) for group in _contrast(rows[0])]
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
