"""What lies between networks: the error along straight lines, and when a path commits."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deep_learning_dynamics.figures import style as look
from deep_learning_dynamics.figures.figure import FIGURES, AnalysisFigure
from deep_learning_dynamics.figures.groups import Groups, groups_of
from deep_learning_dynamics.figures.page import panels
from deep_learning_dynamics.figures.series import Series, draw_series, series_of
from deep_learning_dynamics.figures.style import Style, colour, group_entries
from deep_learning_dynamics.formatting import listed, number
from deep_learning_dynamics.geometry.analysis import Finding
from deep_learning_dynamics.results import Results

# Kind of pair: the title of its panel, the other network in a sentence, and both in a count
KINDS = {
    "twins": ("Rounding twins", "their rounding twin", "twins"),
    "partners": ("Partners", "their partner", "partners"),
    "members": ("Others of the group", "another of their group", "others"),
}


@FIGURES.register
class BarriersFigure(AnalysisFigure):
    key, title = "barriers", "Barriers between networks"

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        found = self.finding(results)
        lines, groups = found.tables["lines"], groups_of(results, found.tables["pairs"])
        kinds = [kind for kind in KINDS if kind in set(lines["kind"])]
        approach = _approach(found, groups)
        figure, axes = panels(
            style,
            [*kinds, *(["commitment"] if approach else [])],
            self.title,
            _answer(found),
            "Medians and middle halves. " + _counts(found),
            results,
            _entries(lines, groups),
            aspect=0.85,
            most=4,
        )
        top = 100 * float(lines["error_high"].max()) or 1.0  # where nobody makes an error
        for kind in kinds:
            _draw_lines(axes[kind], lines[lines["kind"] == kind], groups, style)
            axes[kind].set(ylim=(0, 1.06 * top), title=KINDS[kind][0])
            if axes[kind].get_subplotspec().is_first_col():
                axes[kind].set_ylabel("Error (%)")
        if approach:
            panel = axes["commitment"]
            draw_series(panel, approach, "rise_percent", style, title="To the twin's end")
            panel.set_ylabel("Rise (points)")
            limit = 100 * found.numbers["threshold"]
            panel.axhline(limit, color=look.QUIET, linewidth=0.7, linestyle=(0, (1, 2)))
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        found = self.finding(results)
        sentences = [_answer(found)]
        medians = 100 * found.tables["pairs"].groupby(["kind", "aligned"])["error_barrier"].median()
        for kind in ("partners", "members"):
            if (kind, False) in medians and (kind, True) in medians:
                sentences.append(
                    f"The median barrier to {KINDS[kind][1].replace('their', 'the')} is "
                    f"{number(medians[kind, False])} points, and {number(medians[kind, True])} "
                    "once units are matched."
                )
        sentences += _committed(results, found)
        sentences.append(
            "Each curve is the error on the straight line from one network (0) to another (1); a "
            "barrier is the largest error on it minus the mean error of its two ends. Dashed "
            "(units matched): the second network's units are in the order and scale that bring it "
            "closest to the first, which does not change what it computes."
        )
        return " ".join(sentences)


def _answer(found: Finding) -> str:
    """How many networks are linearly connected to which others."""
    limit, pairs = found.numbers["threshold"], _as_they_are(found)
    parts = []
    for kind, (_, other, _) in KINDS.items():
        barriers = pairs["error_barrier"][pairs["kind"] == kind]
        if len(barriers):
            parts.append((f"{(barriers <= limit).sum()} of {len(barriers)}", other))
    (many, first), *others = parts
    text = (
        f"{many} networks are connected to {first} without a barrier (at most {100 * limit:g} % "
        "error)"
    )
    return f"{listed([text, *(f'{some} to {who}' for some, who in others)])}."


def _as_they_are(found: Finding) -> pd.DataFrame:
    """The pairs whose units are not matched."""
    return found.tables["pairs"][~found.tables["pairs"]["aligned"]]


def _committed(results: Results, found: Finding) -> list[str]:
    """After how many steps networks commit to the end of their twin."""
    pairs, groups = found.tables["pairs"], groups_of(results, found.tables["pairs"])
    if found.measures is None:
        return []
    steps = found.measures[found.measures["measure"] == "commitment_step"]
    own = steps["network"].map(dict(zip(pairs["network"], pairs["group"], strict=True)))
    parts = []
    for place, title in enumerate(groups.titles.values()):
        mine = steps["value"][own.map(groups.index) == place].to_numpy()
        if len(mine):
            middle = float(np.median(mine))
            when = f"{number(middle)} steps" if np.isfinite(middle) else "more than all steps"
            who = f" {title}" if len(groups) > 1 else ""
            parts.append(f"{when}{who} ({np.isfinite(mine).sum()} of {len(mine)} networks)")
    return parts and [
        "A network has committed when, from then on, the error on the straight line to the end of "
        "its twin does not rise above that of the line's worse end (by more than "
        f"{100 * found.numbers['threshold']:g} points): after a median of {listed(parts)}."
    ]


def _counts(found: Finding) -> str:
    many = _as_they_are(found)["kind"].value_counts()
    counts = [f"{many[kind]} {both}" for kind, (_, _, both) in KINDS.items() if kind in many]
    return f"Pairs: {', '.join(counts)}."


def _approach(found: Finding, groups: Groups) -> list[Series]:
    """Rises in percentage points: on a linear axis, unlike the shares that scores are."""
    table = found.tables["snapshots"]
    table = table.assign(rise_percent=100 * table["error_rise"].astype(float))
    return series_of(table, groups, "rise_percent")


def _draw_lines(axes: Axes, lines: pd.DataFrame, groups: Groups, style: Style) -> None:
    width = 1.3 if style.is_narrow else 1.7
    for (one, other, aligned), part in lines.groupby(
        ["group", "other_group", "aligned"], sort=False
    ):
        # Of lines between two groups: grey, or with more groups the other group's colour.
        apart = one != other and len(groups) <= 2
        own = colour(-1 if apart else groups.index(other), 0.75)
        percent = 100 * part[["error_low", "error_median", "error_high"]].to_numpy().T
        if not aligned:
            axes.fill_between(
                part["share"], percent[0], percent[2], color=own, alpha=0.18, linewidth=0
            )
        axes.plot(
            part["share"],
            percent[1],
            color=own,
            linewidth=width * (0.75 if aligned else 1),
            linestyle=look.DASHES if aligned else "-",
            zorder=3,
        )
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
    axes.set_xlabel("Share of the way")
    axes.grid()


def _entries(lines: pd.DataFrame, groups: Groups) -> list[Line2D]:
    within = lines["group"] == lines["other_group"]
    entries = group_entries(groups, map(groups.index, lines["group"][within]))
    if not within.all() and len(groups) <= 2:
        entries.append(Line2D([], [], color=colour(-1), linewidth=1.8, label="one to the other"))
    entries.append(Line2D([], [], color=look.INK, linewidth=1.6, label="as they are"))
    if lines["aligned"].any():
        dashed = {"color": look.INK, "linewidth": 1.2, "linestyle": look.DASHES}
        entries.append(Line2D([], [], label="units matched", **dashed))
    return entries
