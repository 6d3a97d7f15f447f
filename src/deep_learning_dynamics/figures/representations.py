"""Representations: how alike hidden layers are at the end, and how they came there."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deep_learning_dynamics.figures import page as around
from deep_learning_dynamics.figures import style as look
from deep_learning_dynamics.figures.barriers import groups_of
from deep_learning_dynamics.figures.figure import FIGURES, FigureKind
from deep_learning_dynamics.figures.series import Series, curve_entries, draw_series, series_of
from deep_learning_dynamics.figures.style import Groups, Style
from deep_learning_dynamics.formatting import count, listed, number
from deep_learning_dynamics.geometry.analysis import Finding
from deep_learning_dynamics.results import Results

# Relation: words, colour, marker
RELATIONS = {
    "twin": ("rounding twins", look.INK, "o"),
    "pair": ("partners", "#6f6f6f", "s"),
    "group": ("networks of a group", "#b0b0b0", "D"),
}


@FIGURES.register
class Representations(FigureKind):
    key, title, needs = "representations", "Similarity of hidden layers", ("geometry",)
    analysis = "representations"

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        found = results.geometry.get("representations")
        groups = groups_of(results, found.tables["over_time"])
        series = _series(found, groups)
        marks = {"linewidth": 1, "markersize": 4}
        entries = [
            Line2D([], [], color=shade, marker=marker, label=words, **marks)
            for kind, (words, shade, marker) in RELATIONS.items()
            if kind in set(found.tables["ends"]["relation"])
        ]
        stacked = style.is_narrow
        height = (style.width - 0.5) * 0.6 if stacked else style.width * 0.36
        figure, body = around.page(
            style,
            (2 if stacked else 1) * (height + 0.3),
            self.title,
            [answer(results)],
            _counts(found),
            results,
            [*entries, *curve_entries(series, groups, networks=False)],
        )
        axes = body.subplot_mosaic([["ends"], ["time"]] if stacked else [["ends", "time"]])
        _draw_ends(axes["ends"], found, style)
        draw_series(
            axes["time"], series, "cka", style, False, "With its own end, mean over layers",
            [0.0, 0.25, 0.5, 0.75, 1.0],
        )  # fmt: skip
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        found = results.geometry.get("representations")
        groups = groups_of(results, found.tables["over_time"])
        starts = [
            f"{number(float(each.quartiles[1][0]), 2)}"
            + (f" ({groups.title(each.group)})" if len(groups) > 1 else "")
            for each in _series(found, groups)
        ]
        return (
            f"{answer(results)} A network's layers before training have a median CKA of "
            f"{listed(starts)} with those at its end. CKA is linear and unbiased: 1 for layers "
            "that differ by rotation and scale alone, about 0 for independent ones. Shown are "
            "medians and middle halves: of pairs of networks at the end, layer by layer, and of "
            "networks over training. "
            f"{_counts(found)}"
        )


def answer(results: Results) -> str:
    """How alike layers are at the end, by who is compared."""
    ends = results.geometry.get("representations").tables["ends"]
    parts = [
        f"{number(float(mine.median()), 2)} between {words}"
        for kind, (words, *_) in RELATIONS.items()
        if (mine := ends["cka"][ends["relation"] == kind]).notna().any()
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
        mine: pd.DataFrame = ends[ends["relation"] == kind]
        at = np.arange(len(layers)) + 0.14 * (place - (len(kinds) - 1) / 2)
        low, middle, high = (
            mine.groupby("layer")["cka"].quantile(share).reindex(layers).to_numpy()
            for share in (0.25, 0.5, 0.75)
        )
        axes.vlines(at, low, high, color=shade, linewidth=1.2)
        axes.plot(at, middle, marker, color=shade, markersize=4, linestyle="-", linewidth=0.8)
    names = layers if len(layers) <= 8 else [""] * len(layers)
    axes.set_xticks(range(len(layers)), names, rotation=30 if style.is_narrow else 0)
    axes.set(ylim=(min(-0.02, axes.get_ylim()[0]), 1.03), yticks=[0, 0.25, 0.5, 0.75, 1.0])
    axes.set_title("CKA at the end", loc="left", size=style.text, pad=4)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#ececec", linewidth=0.5)
