"""Representations: how alike hidden layers are at the end, and how they came there."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deep_learning_dynamics.figures import style as look
from deep_learning_dynamics.figures.figure import FIGURES, AnalysisFigure
from deep_learning_dynamics.figures.groups import Groups, groups_of
from deep_learning_dynamics.figures.page import panels
from deep_learning_dynamics.figures.series import Series, curve_entries, draw_series, series_of
from deep_learning_dynamics.figures.style import Style
from deep_learning_dynamics.formatting import count, listed, number
from deep_learning_dynamics.geometry.analysis import Finding
from deep_learning_dynamics.results import Results

# Relation: words, colour, marker
RELATIONS = {
    "twin": ("rounding twins", look.INK, "o"),
    "pair": ("partners", "#6f6f6f", "s"),
    "group": ("networks of a group", "#b0b0b0", "D"),
}
TICKS = [0.0, 0.25, 0.5, 0.75, 1.0]


@FIGURES.register
class RepresentationsFigure(AnalysisFigure):
    key, title = "representations", "Similarity of hidden layers"

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        found = self.finding(results)
        groups = groups_of(results, found.tables["over_time"])
        series = _series(found, groups)
        entries = [
            Line2D([], [], color=shade, marker=marker, label=words, linewidth=1, markersize=4)
            for kind, (words, shade, marker) in RELATIONS.items()
            if kind in set(found.tables["ends"]["relation"])
        ]
        figure, axes = panels(
            style,
            ["ends", "time"],
            self.title,
            _answer(found),
            _counts(found),
            results,
            [*entries, *curve_entries(series, groups)],
            aspect=0.55 if style.is_narrow else 0.75,
            narrow=1,
        )
        _draw_ends(axes["ends"], found, style)
        title = "With its own end, mean over layers"
        draw_series(axes["time"], series, "cka", style, title=title, ticks=TICKS)
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        found = self.finding(results)
        groups = groups_of(results, found.tables["over_time"])
        starts = [
            number(float(each.quartiles[1][0]), 2) + groups.aside(each.group)
            for each in _series(found, groups)
        ]
        return (
            f"{_answer(found)} A network's layers before training have a median CKA of "
            f"{listed(starts)} with those at its end. CKA is linear and unbiased: 1 for layers "
            "that differ by rotation and scale alone, about 0 for independent ones. Shown are "
            "medians and middle halves: of pairs of networks at the end, layer by layer, and of "
            f"networks over training. {_counts(found)}"
        )


def _answer(found: Finding) -> str:
    """How alike layers are at the end, by who is compared."""
    medians = found.tables["ends"].groupby("relation")["cka"].median().dropna()
    parts = [
        f"{number(medians[kind], 2)} between {words}"
        for kind, (words, *_) in RELATIONS.items()
        if kind in medians
    ]
    if not parts:
        return "No two networks have hidden layers to compare."
    return f"At the end the median CKA of a layer is {listed(parts)}."


def _series(found: Finding, groups: Groups) -> list[Series]:
    table = found.tables["over_time"]
    keys = [name for name in table if name not in ("layer", "cka")]
    means = table.groupby(keys, sort=False, dropna=False)["cka"].mean().reset_index()
    return series_of(means, groups, "cka")


def _counts(found: Finding) -> str:
    networks = found.tables["over_time"]["network"].nunique()
    return f"{count(networks, 'network')}, {count(found.numbers['examples'], 'example')}."


def _draw_ends(axes: Axes, found: Finding, style: Style) -> None:
    layers, ends = found.numbers["layers"], found.tables["ends"]
    kinds = [kind for kind in RELATIONS if kind in set(ends["relation"])]
    for place, kind in enumerate(kinds):
        _, shade, marker = RELATIONS[kind]
        by_layer = ends[ends["relation"] == kind].groupby("layer")["cka"]
        quartiles = by_layer.quantile([0.25, 0.5, 0.75]).unstack().reindex(layers)
        low, middle, high = quartiles.to_numpy().T
        at = np.arange(len(layers)) + 0.14 * (place - (len(kinds) - 1) / 2)
        axes.vlines(at, low, high, color=shade, linewidth=1.2)
        axes.plot(at, middle, marker, color=shade, markersize=4, linestyle="-", linewidth=0.8)
    names = layers if len(layers) <= 8 else [""] * len(layers)
    axes.set_xticks(range(len(layers)), names, rotation=30 if style.is_narrow else 0)
    axes.set(ylim=(min(-0.02, axes.get_ylim()[0]), 1.03), yticks=TICKS, title="CKA at the end")
    axes.grid(axis="y")
