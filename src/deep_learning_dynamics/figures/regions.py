"""Regions: how far networks that learnt end from each other and from those that failed."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deep_learning_dynamics.figures import style as look
from deep_learning_dynamics.figures.figure import FIGURES, AnalysisFigure
from deep_learning_dynamics.figures.page import panels
from deep_learning_dynamics.figures.style import Style
from deep_learning_dynamics.geometry.analysis import Finding
from deep_learning_dynamics.inference import regions
from deep_learning_dynamics.results import Results
from deep_learning_dynamics.seeds import generator

ROWS = ("Both learnt", "One failed", "Both failed")
SHADES = (look.colour(3, 0.6), look.colour(1, 0.5), "#a8a8a8")  # green, orange, grey


@FIGURES.register
class RegionsFigure(AnalysisFigure):
    key, title = "regions", "Is there a region of good weights?"

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        found = regions(results.geometry)
        kinds = [item.kind for item in found.items]
        figure, axes = panels(
            style,
            kinds,
            self.title,
            found.sentence,
            "Each point is two networks; bars: medians.",
            results,
            height=1.22 if style.is_narrow else 1.85,
            narrow=1,
        )
        for kind in kinds:
            _draw(axes[kind], self.finding(results), kind)
            if not axes[kind].get_subplotspec().is_first_col():
                axes[kind].tick_params(axis="y", labelleft=False)
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        return (
            f"{regions(results.geometry).sentence} Each p-value is that of a two-sided permutation "
            "test of mean ranks, "
            "in which networks of a pair keep their labels together, with Holm's correction. "
            "Failed: dead, or less than half as accurate at the end as the best network. Alignment "
            "removes permutations of units and, for relu, their scales."
        )


def _draw(axes: Axes, found: Finding, kind: str) -> None:
    ends = found.tables["ends"]
    learnt = found.tables["networks"].set_index("network")["learnt"].astype(bool)
    failed = 2 - ends["network"].map(learnt).astype(int) - ends["other"].map(learnt).astype(int)
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
    axes.set(ylim=(2.55, -0.55), title=look.with_unit(kind))
    axes.tick_params(axis="y", length=0, labelcolor=look.INK)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
