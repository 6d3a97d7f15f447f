"""Where in the network groups differ: the effect on each measure, parameter by parameter."""

from matplotlib.figure import Figure

from deep_learning_dynamics.figures import page as around
from deep_learning_dynamics.figures.figure import FIGURES, FigureKind
from deep_learning_dynamics.figures.forest import contrast_entries, draw_effects, name_of
from deep_learning_dynamics.figures.series import grid
from deep_learning_dynamics.figures.style import Style, with_unit
from deep_learning_dynamics.formatting import ALPHA, count, listed
from deep_learning_dynamics.geometry.measures import MEASURES
from deep_learning_dynamics.quantities import quantity
from deep_learning_dynamics.results import Results

MOST_PARAMETERS = 40  # rows of a panel; further ones would be too small to read
MOST_MEASURES = 6


@FIGURES.register
class ByParameter(FigureKind):
    key, title, needs = "by_parameter", "Differences by parameter", ("comparisons",)

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        rows = _rows(results)
        if not rows:
            return around.message_page(style, self.title, _NOTHING)
        parameters = list(dict.fromkeys(row.parameter for row in rows))
        shown = parameters[:MOST_PARAMETERS]
        measures = list(dict.fromkeys(row.measure for row in rows))[:MOST_MEASURES]
        contrasts = list(dict.fromkeys((row.reference, row.other) for row in rows))
        columns = min(len(measures), 2 if style.is_narrow else 3)
        layout = grid(measures, columns)
        pitch = len(contrasts) + 0.3 * (len(contrasts) > 1)
        height = len(shown) * pitch * 1.45 * style.text / 72 + 0.6
        hidden = len(parameters) - len(shown)
        figure, body = around.page(
            style,
            len(layout) * height,
            self.title,
            [answer(results)],
            f"Filled: p ≤ {ALPHA:g} after Holm's correction. Lines: 95 %."
            + (f" The first {len(shown)} of {len(parameters)} parameters." if hidden else ""),
            results,
            contrast_entries(results, contrasts),
        )
        axes = body.subplot_mosaic(layout, sharey=True)
        for number, measure in enumerate(measures):
            mine = [row for row in rows if row.measure == measure and row.parameter in shown]
            places = [
                shown.index(row.parameter) * pitch + contrasts.index((row.reference, row.other))
                for row in mine
            ]
            panel = axes[measure]
            draw_effects(panel, mine, places, results)
            panel.set_ylim(len(shown) * pitch - 0.3, -0.7)
            panel.set_title(with_unit(measure), loc="left", size=style.text, pad=4)
            middle = (len(contrasts) - 1) / 2
            panel.set_yticks([at * pitch + middle for at in range(len(shown))], shown)
            if number % columns:
                panel.tick_params(axis="y", labelleft=False)
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        if not _rows(results):
            return _NOTHING
        return (
            f"{answer(results)} Each row is a parameter, from the input (top) to the output. "
            "Effect: rank-biserial correlation; intervals: bootstrap, 95 %; filled: significant "
            "after Holm's correction over all rows of a contrast."
        )


_NOTHING = "There are no comparisons of single parameters."


def answer(results: Results) -> str:
    """Which measure differs in how many parameters: the one that does in most."""
    rows = _rows(results)
    reference, other = rows[0].reference, rows[0].other
    first = [row for row in rows if (row.reference, row.other) == (reference, other)]
    found: dict[str, list[str]] = {}
    for row in first:
        found.setdefault(row.measure, [])
        if row.significant:
            found[row.measure].append(row.parameter)
    measure = max(found, key=lambda key: len(found[key]))
    total = len({row.parameter for row in first})
    named = f"{name_of(results, other)} and {name_of(results, reference)}"
    if not found[measure]:
        return f"No single parameter differs significantly between {named}."
    where = f": {listed(found[measure])}" if len(found[measure]) <= 4 else ""
    title = quantity(measure).title
    return (
        f"The {title} differs between {named} in {len(found[measure])} of "
        f"{count(total, 'parameter')}{where}."
    )


def _rows(results: Results) -> list:
    len(MEASURES)  # registered, so that their titles and units are known
    return [
        item
        for item in results.comparisons.items
        if item.parameter and item.other and item.effect is not None
    ]
