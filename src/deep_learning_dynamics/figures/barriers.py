"""What lies between networks: the error along straight lines, and when a path commits."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from deep_learning_dynamics.figures import page as around
from deep_learning_dynamics.figures import style as look
from deep_learning_dynamics.figures.figure import FIGURES, FigureKind
from deep_learning_dynamics.figures.series import draw_series, grid, series_of
from deep_learning_dynamics.figures.style import Groups, Style, colour
from deep_learning_dynamics.formatting import listed, number
from deep_learning_dynamics.geometry.analysis import Finding
from deep_learning_dynamics.quantities import Quantity, define
from deep_learning_dynamics.results import Results

define(Quantity("barrier_percent", "error barrier"))  # in per cent: a linear axis, unlike a score
PANELS = {
    "twins": "Rounding twins",
    "partners": "Partners",
    "members": "Others of the group",
    "commitment": "To the twin's end",
}
WITH = {
    "twins": "their rounding twin",
    "partners": "their partner",
    "members": "another of their group",
}


@FIGURES.register
class Barriers(FigureKind):
    key, title, needs = "barriers", "Barriers between networks", ("geometry",)
    analysis = "barriers"

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        found = results.geometry.get("barriers")
        groups = groups_of(results, found.tables["pairs"])
        lines = found.tables["lines"]
        kinds = [kind for kind in PANELS if kind in set(lines["kind"])]
        approach = _approach(found, groups)
        panels = [*kinds, *(["commitment"] if approach else [])]
        columns = min(len(panels), 2 if style.is_narrow else 4)
        layout = grid(panels, columns)
        figure, body = around.page(
            style,
            len(layout) * (style.width / columns * 0.82 + 0.25),
            self.title,
            [answer(results)],
            "Medians and middle halves. " + _counts(found),
            results,
            _entries(lines, groups),
        )
        axes = body.subplot_mosaic(layout)
        top = 100 * float(lines["error_high"].max()) or 1.0  # where nobody makes an error
        for kind in kinds:
            _draw_lines(axes[kind], lines[lines["kind"] == kind], groups, style)
            axes[kind].set_ylim(0, 1.06 * top)
            axes[kind].set_title(PANELS[kind], loc="left", size=style.text, pad=4)
        for row in layout:
            if row[0] in kinds:
                axes[row[0]].set_ylabel("Error (%)", labelpad=2)
        if approach:
            panel = axes["commitment"]
            draw_series(panel, approach, "barrier_percent", style, False, PANELS["commitment"])
            panel.set_ylabel("Barrier (%)", labelpad=2)
            limit = 100 * found.numbers["threshold"]
            panel.axhline(limit, color=look.QUIET, linewidth=0.7, linestyle=(0, (1, 2)))
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        found = results.geometry.get("barriers")
        sentences = [answer(results)]
        for kind in ("partners", "members"):
            plain, aligned = (_median(found, kind, each) for each in (False, True))
            if plain is not None and aligned is not None:
                sentences.append(
                    f"The median barrier to {WITH[kind].replace('their', 'the')} is "
                    f"{number(plain)} points, and {number(aligned)} once units are matched."
                )
        sentences += _committed(results, found)
        sentences.append(
            "Each curve is the error on the straight line from one network (0) to another (1); a "
            "barrier is the largest error on it minus the mean error of its two ends. Dashed "
            "(units matched): the second network's units are in the order and scale that bring it "
            "closest to the first, which does not change what it computes."
        )
        return " ".join(sentences)


def answer(results: Results) -> str:
    """How many networks are linearly connected to which others."""
    found = results.geometry.get("barriers")
    parts = []
    for kind, who in WITH.items():
        rows = [row for row in found.numbers["medians"] if _is(row, kind, False)]
        if rows:
            connected, pairs = (sum(row[name] for row in rows) for name in ("connected", "pairs"))
            parts.append((f"{connected} of {pairs}", who))
    (many, first), *others = parts
    limit = 100 * found.numbers["threshold"]
    text = f"{many} networks are connected to {first} without a barrier (at most {limit:g} % error)"
    return f"{listed([text, *(f'{some} to {who}' for some, who in others)])}."


def _is(row: dict, kind: str, aligned: bool) -> bool:
    return row["kind"] == kind and row["aligned"] == aligned


def _median(found: Finding, kind: str, aligned: bool) -> float | None:
    """The median error barrier of a kind, in points."""
    pairs = found.tables["pairs"]
    values = pairs["error_barrier"][(pairs["kind"] == kind) & (pairs["aligned"] == aligned)]
    return 100 * float(values.median()) if len(values) else None


def _committed(results: Results, found: Finding) -> list[str]:
    """After how many steps networks commit to the end of their twin."""
    if found.measures is None:
        return []
    steps = found.measures[found.measures["measure"] == "commitment_step"]
    if not len(steps):
        return []
    groups = groups_of(results, found.tables["pairs"])
    pairs = found.tables["pairs"]
    of = dict(zip(pairs["network"], pairs["group"], strict=True))
    parts = []
    for place, name in enumerate(map(str, groups.values)):
        mine = steps["value"][steps["network"].map(of) == name].to_numpy()
        if len(mine):
            middle = float(np.median(mine))
            when = f"{number(middle)} steps" if np.isfinite(middle) else "more than all steps"
            title = f" {groups.title(place)}" if len(groups) > 1 else ""
            parts.append(f"{when}{title} ({np.isfinite(mine).sum()} of {len(mine)} networks)")
    return [
        "A network has committed when no barrier is left between it and the end of its twin: after "
        f"a median of {listed(parts)}."
    ]


def _counts(found: Finding) -> str:
    names = {"twins": "twins", "partners": "partners", "members": "others"}
    numbers = {
        kind: sum(row["pairs"] for row in found.numbers["medians"] if _is(row, kind, False))
        for kind in names
    }
    return "Pairs: " + ", ".join(f"{n} {names[kind]}" for kind, n in numbers.items() if n) + "."


def groups_of(results: Results, table: pd.DataFrame) -> Groups:
    """The groups of an analysis, in the colours that they have in other figures."""
    if results.scores is not None and results.by in results.scores:
        return Groups.of(results.scores, results.by, results.titles)
    if "group" not in table:
        return Groups.of(table, results.by, results.titles)
    names = tuple(dict.fromkeys(table["group"]))
    return Groups(results.by or "group", names, {name: name or "networks" for name in names})


def place_of(groups: Groups, name: str) -> int:
    """The number of a group whose value an analysis wrote as text; −1: of none."""
    names = list(map(str, groups.values))
    return names.index(name) if name in names else -1


def _approach(found: Finding, groups: Groups) -> list:
    table = found.tables["snapshots"]
    table = table[table["towards"] == "twin_end"]
    if not len(table):
        return []
    values = dict(zip(map(str, groups.values), groups.values, strict=True))
    table = table.assign(
        barrier_percent=100 * table["error_barrier"],
        **{groups.by or "group": table["group"].map(values)},
    )
    return series_of(table, groups, "barrier_percent")


def _draw_lines(axes: Axes, lines: pd.DataFrame, groups: Groups, style: Style) -> None:
    width = 1.3 if style.is_narrow else 1.7
    for key, part in lines.groupby(["group", "other_group", "aligned"], sort=False):
        one, other, aligned = key
        own = _colour(groups, str(one), str(other))
        if not aligned:
            axes.fill_between(
                part["share"], 100 * part["error_low"], 100 * part["error_high"],
                color=own, alpha=0.18, linewidth=0,
            )  # fmt: skip
        axes.plot(
            part["share"],
            100 * part["error_median"],
            color=own,
            linewidth=width * (0.75 if aligned else 1),
            linestyle=look.DASHES if aligned else "-",
            zorder=3,
        )
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
    axes.set_xlabel("Share of the way", labelpad=1.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#ececec", linewidth=0.5)


def _colour(groups: Groups, one: str, other: str) -> tuple[float, float, float]:
    """Of lines between two groups: grey, or with more groups the other group's."""
    if one != other and len(groups) <= 2:
        return colour(-1)
    return colour(place_of(groups, other), 0.75)


def _entries(lines: pd.DataFrame, groups: Groups) -> list[Line2D | Patch]:
    within = lines[lines["group"] == lines["other_group"]]
    entries: list[Line2D | Patch] = [
        Line2D([], [], color=colour(place, 0.75), linewidth=1.8, label=groups.title(place))
        for place, name in enumerate(map(str, groups.values))
        if len(groups) > 1 and name in set(within["group"])
    ]
    between = lines[lines["group"] != lines["other_group"]]
    if len(between) and len(groups) <= 2:
        entries.append(Line2D([], [], color=colour(-1), linewidth=1.8, label="one to the other"))
    entries.append(Line2D([], [], color=look.INK, linewidth=1.6, label="as they are"))
    if lines["aligned"].any():
        dashed = {"color": look.INK, "linewidth": 1.2, "linestyle": look.DASHES}
        entries.append(Line2D([], [], label="units matched", **dashed))
    return entries
