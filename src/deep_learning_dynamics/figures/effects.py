"""Effects of comparisons as dots with intervals, for all figures that show them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from deep_learning_dynamics.figures import style as look
from deep_learning_dynamics.figures.figure import EmptyFigureError
from deep_learning_dynamics.figures.groups import titles_for
from deep_learning_dynamics.formatting import ALPHA, MINUS, listed
from deep_learning_dynamics.geometry.measures import MEASURES
from deep_learning_dynamics.inference.statistics import FEWEST_RESAMPLED
from deep_learning_dynamics.results import Results

if TYPE_CHECKING:
    from deep_learning_dynamics.inference import Comparison

MARK: dict[str, Any] = {"marker": "o", "markersize": 4.6, "linewidth": 1.4}  # of an effect


def name_of(results: Results, group: str) -> str:
    """A group's title."""
    known = results.comparisons
    names = results.titles.get(results.by, {}) | (known.titles or {})
    return titles_for(known.by or "", known.groups, names).get(group, group)


def contrasts_of(rows: Sequence["Comparison"]) -> list[tuple[str, str]]:
    """The pairs of groups that rows compare, each once."""
    return list(dict.fromkeys(map(contrast_of, rows)))


def contrast_of(row: "Comparison") -> tuple[str, str]:
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
        keys.index(getattr(row, field)) * pitch + contrasts.index(contrast_of(row)) for row in rows
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
        Line2D([], [], color=_colour(results, group), label=label, **MARK) for group, label in named
    ]


def blocks_of(rows: Sequence["Comparison"]) -> tuple[list["Comparison"], list["Comparison"]]:
    """Rows of measures, and those of partners."""
    partners = [row for row in rows if row.design == "partners"]
    return [row for row in rows if row.design != "partners"], partners


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
