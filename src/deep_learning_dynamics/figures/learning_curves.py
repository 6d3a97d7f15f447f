"""Learning curves: every recorded score over steps, for each group and each network."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deep_learning_dynamics.figures import page as around
from deep_learning_dynamics.figures.figure import FIGURES, FigureKind
from deep_learning_dynamics.figures.series import (
    Series,
    curve_entries,
    draw_series,
    grid,
    series_of,
)
from deep_learning_dynamics.figures.style import Groups, Style, last_phase, with_unit
from deep_learning_dynamics.formatting import count, listed
from deep_learning_dynamics.quantities import quantity
from deep_learning_dynamics.results import Results

MOST_PANELS = 4
_FIRST = ("test_accuracy", "test_loss", "train_accuracy", "train_loss")
_TIMES = ("epoch",)  # recorded like scores, but no scores


@FIGURES.register
class LearningCurves(FigureKind):
    key, title, needs = "learning_curves", "Learning curves", ("scores",)

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        panels = _panels(results)
        if not panels:
            return around.message_page(style, self.title, _NOTHING)
        groups = _groups(results)
        series = [each for _, _, found in panels for each in found]
        columns = min(len(panels), 2 if style.is_narrow else 3 if len(panels) != 4 else 4)
        layout = grid([f"{title}/{key}" for title, key, _ in panels], columns)
        networks = last_phase(results.scores)["network"].nunique()
        figure, body = around.page(
            style,
            len(layout) * (style.width / columns * 0.8 + 0.2),
            self.title,
            [_ends(results)],
            count(networks, "network"),
            results,
            curve_entries(series, groups, networks=True),
        )
        axes = body.subplot_mosaic(layout)
        for title, key, found in panels:
            name = with_unit(key)
            text = f"{title}:\n{name[:1].lower()}{name[1:]}" if title else name
            draw_series(axes[f"{title}/{key}"], found, key, style, networks=True, title=text)
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        answer = _ends(results)
        if not answer:
            return _NOTHING
        return (
            f"{answer}. Thick: median of all networks, those that failed "
            "included; band: the middle half; thin: each network. Steps are logarithmic where they "
            "span decades; shares are in even steps of the logarithm of the error."
        )


_NOTHING = "No finite score was recorded."


def score_keys(scores: pd.DataFrame) -> list[str]:
    """The scores of a table: the columns after the step that have a number."""
    later = list(scores.columns[list(scores.columns).index("step") + 1 :])
    known = [
        key
        for key in later
        if key not in _TIMES
        and pd.api.types.is_numeric_dtype(scores[key])
        and np.isfinite(scores[key].to_numpy(float)).any()
    ]
    return [key for key in _FIRST if key in known] + [key for key in known if key not in _FIRST]


def _groups(results: Results) -> Groups:
    return Groups.of(last_phase(results.scores), results.by, results.titles)


def _panels(results: Results) -> list[tuple[str, str, list[Series]]]:
    """Title, score and series of each panel; the first score of what came before is the last."""
    scores, groups = last_phase(results.scores), _groups(results)
    keys = score_keys(results.scores)
    panels = [("", key, series_of(scores, groups, key)) for key in keys]
    panels = [panel for panel in panels if panel[2]][:MOST_PANELS]
    earlier = results.scores[~results.scores["network"].isin(set(scores["network"]))]
    if "twin" in earlier:
        earlier = earlier[~earlier["twin"].fillna(False).astype(bool)]
    if len(earlier) and keys and (found := series_of(earlier, groups, keys[0])):
        panels = [*panels[: MOST_PANELS - 1], ("Earlier training", keys[0], found)]
    return panels


def _ends(results: Results) -> str:
    """ "Median test accuracy at the end: from scratch 91.6 % and pre-trained 89.4 %"."""
    groups, keys = _groups(results), score_keys(results.scores)
    if not keys:
        return ""
    known = quantity(keys[0])
    scores = last_phase(results.scores)
    parts = []
    for each in series_of(scores, groups, keys[0]):
        name = f"{groups.title(each.group)} " if len(groups) > 1 else ""
        failed = sum(each.failed)
        note = f" ({failed} of {len(each.failed)} failed)" if failed else ""
        parts.append(f"{name}{known.format(each.last)}{note}")
    return f"Median {known.title} at the end: {listed(parts)}" if parts else ""
