"""Learning curves: every recorded score over steps, for each group and each network."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deep_learning_dynamics.figures.figure import FIGURES, EmptyFigureError, FigureKind
from deep_learning_dynamics.figures.groups import groups_of
from deep_learning_dynamics.figures.page import panels
from deep_learning_dynamics.figures.series import Series, curve_entries, draw_series, series_of
from deep_learning_dynamics.figures.style import Style, with_unit
from deep_learning_dynamics.formatting import count, listed
from deep_learning_dynamics.quantities import quantity
from deep_learning_dynamics.results import Results
from deep_learning_dynamics.store.schema import last_phase, without_twins

MOST_PANELS = 4
_FIRST = ("test_accuracy", "test_loss", "train_accuracy", "train_loss")
_TIMES = ("epoch",)  # recorded like scores, but no scores


@FIGURES.register
class LearningCurves(FigureKind):
    key, title, needs = "learning_curves", "Learning curves", ("scores",)

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        found = _panels(results)
        drawn = [each for series in found.values() for each in series]
        figure, axes = panels(
            style,
            list(found),
            self.title,
            _ends(results),
            count(last_phase(results.scores)["network"].nunique(), "network"),
            results,
            curve_entries(drawn, groups_of(results, results.scores), True),
            aspect=0.8,
            most=4,
        )
        for name, series in found.items():
            key = name.removeprefix(_EARLIER)
            title = with_unit(key)
            if name != key:
                title = f"Earlier training:\n{title[:1].lower()}{title[1:]}"
            draw_series(axes[name], series, key, style, networks=True, title=title)
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        if not (ends := _ends(results)):
            raise EmptyFigureError(_NOTHING)
        return (
            f"{ends}. Thick: median of all networks, those that failed "
            "included; band: the middle half; thin: each network. Steps are logarithmic where they "
            "span decades; shares are in even steps of the logarithm of the error."
        )


_NOTHING = "No finite score was recorded."
_EARLIER = "earlier/"  # begins the names of panels of what came before


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
    return [key for key in dict.fromkeys([*_FIRST, *known]) if key in known]


def _keys(results: Results) -> list[str]:
    """The scores of results.

    Raises:
        EmptyFigureError: there is none.
    """
    keys = score_keys(results.scores)
    if not keys:
        raise EmptyFigureError(_NOTHING)
    return keys


def _panels(results: Results) -> dict[str, list[Series]]:
    """The series of each panel; the first score of what came before is the last."""
    scores, groups = last_phase(results.scores), groups_of(results, results.scores)
    first, *others = _keys(results)
    series = {key: series_of(scores, groups, key) for key in (first, *others)}
    found = dict([item for item in series.items() if item[1]][:MOST_PANELS])
    ours = results.scores["network"].isin(set(scores["network"]))
    earlier = without_twins(results.scores[~ours])
    if before := series_of(earlier, groups, first):
        found = dict(list(found.items())[: MOST_PANELS - 1]) | {_EARLIER + first: before}
    if not found:
        raise EmptyFigureError(_NOTHING)
    return found


def _ends(results: Results) -> str:
    """ "Median test accuracy at the end: from scratch 91.6 % and pre-trained 89.4 %"."""
    groups = groups_of(results, results.scores)
    key = _keys(results)[0]
    parts = []
    for each in series_of(last_phase(results.scores), groups, key):
        name = f"{groups.title(each.group)} " if len(groups) > 1 else ""
        failed = sum(each.failed)
        note = f" ({failed} of {len(each.failed)} failed)" if failed else ""
        parts.append(f"{name}{quantity(key).format(each.last)}{note}")
    return f"Median {quantity(key).title} at the end: {listed(parts)}" if parts else ""
