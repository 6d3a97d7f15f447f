"""Where in the network groups differ: the effect on each measure, parameter by parameter."""

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from deep_learning_dynamics.figures.effects import (
    contrast_entries,
    contrasts_of,
    draw_effects,
    marks_of,
    name_of,
    pitch_of,
    rows_of,
)
from deep_learning_dynamics.figures.figure import FIGURES, FigureKind
from deep_learning_dynamics.figures.page import panels
from deep_learning_dynamics.figures.style import Style, with_unit
from deep_learning_dynamics.formatting import ALPHA, count, listed
from deep_learning_dynamics.quantities import quantity
from deep_learning_dynamics.results import Results

if TYPE_CHECKING:
    from deep_learning_dynamics.inference import Comparison

MOST_PARAMETERS = 40  # rows of a panel; further ones would be too small to read
MOST_MEASURES = 6
_NOTHING = "There are no comparisons of single parameters."


@FIGURES.register
class ByParameter(FigureKind):
    key, title, needs = "by_parameter", "Differences by parameter", ("comparisons",)

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        rows = rows_of(results, True, _NOTHING)
        parameters = list(dict.fromkeys(row.parameter for row in rows))
        shown = parameters[:MOST_PARAMETERS]
        measures = list(dict.fromkeys(row.measure for row in rows))[:MOST_MEASURES]
        contrasts = contrasts_of(rows)
        hidden = len(parameters) - len(shown)
        figure, axes = panels(
            style,
            measures,
            self.title,
            _answer(rows, results),
            marks_of(rows)
            + (f" The first {len(shown)} of {len(parameters)} parameters." if hidden else ""),
            results,
            contrast_entries(results, contrasts),
            height=len(shown) * pitch_of(contrasts) * 1.45 * style.text / 72 + 0.6,
            sharey=True,
        )
        for measure in measures:
            mine = [row for row in rows if row.measure == measure and row.parameter in shown]
            panel, labels = axes[measure], dict(zip(shown, shown, strict=True))
            draw_effects(panel, mine, "parameter", labels, contrasts, results)
            panel.set_title(with_unit(measure))
            if not panel.get_subplotspec().is_first_col():
                panel.tick_params(axis="y", labelleft=False)
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        rows = rows_of(results, True, _NOTHING)
        return (
            f"{_answer(rows, results)} Each row is a parameter, from the input (top) to the "
            "output. Effect: rank-biserial correlation; intervals: bootstrap, 95 %; filled: "
            "significant after Holm's correction over all rows of a contrast."
        )


def _answer(rows: list["Comparison"], results: Results) -> str:
    """Which measure differs in how many parameters: of all contrasts, where most do."""
    contrasts = contrasts_of(rows)
    found: dict[tuple[tuple[str, str], str], list[str]] = {}
    for row in rows:
        key = (row.reference, row.other), row.measure
        found.setdefault(key, []).extend([row.parameter] if row.significant else [])
    (contrast, measure), where = max(found.items(), key=lambda item: len(item[1]))
    if not where:
        return _nothing_found(rows, results)
    total = len({row.parameter for row in rows if (row.reference, row.other) == contrast})
    others = " No other contrast differs in more." if len(contrasts) > 1 else ""
    return (
        f"The {quantity(measure).title} differs between {_named(results, contrast)} in "
        f"{len(where)} of {count(total, 'parameter')}"
        + (f": {listed(where)}." if len(where) <= 4 else ".")
        + others
    )


def _nothing_found(rows: list["Comparison"], results: Results) -> str:
    """That none differs, or that so few networks cannot tell."""
    contrasts, found = contrasts_of(rows), results.comparisons
    able = {
        (item.reference, item.other)
        for item in found.items
        if item.family == "parameter" and found.could_be_significant(item)
    }.intersection(contrasts)
    one = _named(results, contrasts[0])
    if not able:
        of = f"between {one}" if len(contrasts) == 1 else f"in any of {len(contrasts)} contrasts"
        return (
            f"There are too few networks to tell whether single parameters differ {of}: no p-value "
            f"could reach {ALPHA:g} after Holm's correction."
        )
    if len(contrasts) == 1:
        return f"No single parameter differs significantly between {one}."
    text = f"No single parameter differs significantly in any of {len(contrasts)} contrasts"
    if few := len(contrasts) - len(able):
        text += f"; {few} of them {'has' if few == 1 else 'have'} too few networks to tell"
    return f"{text}."


def _named(results: Results, contrast: tuple[str, str]) -> str:
    reference, other = contrast
    return f"{name_of(results, other)} and {name_of(results, reference)}"
