"""Regions: how far networks that learnt end from each other and from those that failed."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deep_learning_dynamics.figures import page as around
from deep_learning_dynamics.figures import style as look
from deep_learning_dynamics.figures.figure import FIGURES, FigureKind
from deep_learning_dynamics.figures.style import Style
from deep_learning_dynamics.inference import regions
from deep_learning_dynamics.quantities import quantity
from deep_learning_dynamics.results import Results
from deep_learning_dynamics.seeds import generator

ROWS = ("Both learnt", "One failed", "Both failed")
SHADES = (look.colour(3, 0.6), look.colour(1, 0.5), "#a8a8a8")  # green, orange, grey


@FIGURES.register
class Regions(FigureKind):
    key, title, needs = "regions", "Is there a region of good weights?", ("geometry",)
    analysis = "regions"

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        found = regions(results.geometry)
        assert found is not None
        kinds = [item.kind for item in found.items]
        stacked = style.is_narrow
        row = 1.05 if stacked else 1.35
        figure, body = around.page(
            style,
            row * (len(kinds) if stacked else 1) + 0.5,
            self.title,
            [found.sentence],
            "Each point is two networks; bars: medians.",
            results,
        )
        layout = [[kind] for kind in kinds] if stacked else [kinds]
        axes = body.subplot_mosaic(layout)
        for number, kind in enumerate(kinds):
            _draw(axes[kind], results, kind)
            title = quantity(kind).title
            if quantity(kind).unit:
                title += f" ({quantity(kind).unit})"
            axes[kind].set_title(title[:1].upper() + title[1:], loc="left", size=style.text, pad=4)
            if number and not stacked:
                axes[kind].tick_params(axis="y", labelleft=False)
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        found = regions(results.geometry)
        assert found is not None
        return (
            f"{found.sentence} Each p-value is that of a two-sided permutation test of mean ranks, "
            "in which networks of a pair keep their labels together, with Holm's correction. "
            "Failed: dead, or less than half as accurate at the end as the best network. Alignment "
            "removes permutations of units and, for relu, their scales."
        )


def _draw(axes: Axes, results: Results, kind: str) -> None:
    assert results.geometry is not None
    tables = results.geometry.get("regions").tables
    ends: pd.DataFrame = tables["ends"]
    learnt = tables["networks"].set_index("network")["learnt"]
    failed = sum(
        (~ends[name].map(learnt).astype(bool)).astype(int) for name in ("network", "other")
    )
    jitter = generator(0, "jitter", kind)
    for row, shade in enumerate(SHADES):
        values = ends[kind][failed == row].to_numpy()
        at = row + jitter.uniform(-0.28, 0.28, len(values))
        axes.plot(values, at, ".", color=shade, markersize=2.2, alpha=0.5, markeredgewidth=0)
        if len(values):
            middle = float(np.median(values))
            axes.plot([middle] * 2, [row - 0.36, row + 0.36], color=look.INK, linewidth=1.6)
    if ends[kind].max() > 10 * ends[kind].median():
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    else:
        axes.locator_params(axis="x", nbins=5)
    axes.set_yticks(range(3), ROWS)
    axes.set_ylim(2.55, -0.55)
    axes.tick_params(axis="y", length=0, labelcolor=look.INK)
    axes.grid(axis="x", color="#ececec", linewidth=0.5)
    axes.spines[["left", "right", "top"]].set_visible(False)
