"""Spectra and distributions: each layer's weights over training, and the tail of its spectrum."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from deep_learning_dynamics.figures import style as look
from deep_learning_dynamics.figures.figure import FIGURES, AnalysisFigure
from deep_learning_dynamics.figures.groups import Groups, groups_of
from deep_learning_dynamics.figures.page import grid, page
from deep_learning_dynamics.figures.series import scale_steps
from deep_learning_dynamics.figures.style import Style, colour, group_entries
from deep_learning_dynamics.formatting import count, number
from deep_learning_dynamics.geometry.analysis import Finding
from deep_learning_dynamics.results import Results

MOST_PARAMETERS = 8  # panels; further ones would be too small to read
BANDS = (("q05", "q95", 0.12), ("q25", "q75", 0.25))
_HATCHED = {"facecolor": "#f4f4f4", "edgecolor": "#a8a8a8", "hatch": "//////", "linewidth": 0.5}


@FIGURES.register
class SpectraFigure(AnalysisFigure):
    key, title = "spectra", "Weights and their spectra"

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        found = self.finding(results)
        table, groups = found.tables["layers"], groups_of(results, found.tables["layers"])
        parameters = list(dict.fromkeys(table["parameter"]))
        shown, exponents = parameters[:MOST_PARAMETERS], _ends(found)
        columns = min(len(shown), 2 if style.is_narrow else 3)
        layout, hidden = grid(shown, columns), len(parameters) - len(shown)
        heights = [style.width / columns * 0.62] * len(layout)
        bands = Patch(
            color=look.INK, alpha=0.3, linewidth=0, label="middle half and 90 % of weights"
        )
        legend = [*group_entries(groups, range(len(groups))), bands]
        if len(exponents):
            layout = [*layout, ["exponents"] * columns]
            heights.append(1.24)
            legend.append(Patch(**_HATCHED, label="entries in random places"))
        figure, body = page(
            style,
            sum(heights) + 0.3 * len(heights),
            self.title,
            _answer(found),
            f"{count(table['network'].nunique(), 'network')}."
            + (f" The first {len(shown)} of {len(parameters)} parameters." if hidden else ""),
            results,
            legend,
        )
        axes = body.subplot_mosaic(layout, height_ratios=heights)
        for name in shown:
            _draw_quantiles(axes[name], table[table["parameter"] == name], groups)
            axes[name].set_title(name)
            if axes[name].get_subplotspec().is_first_col():
                axes[name].set_ylabel("Weight")
        if len(exponents):
            _draw_exponents(axes["exponents"], exponents, groups, style)
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        found = self.finding(results)
        exponents = _ends(found)
        parts = [_answer(found)]
        if len(exponents):
            sizes = [found.numbers["eigenvalues"][name] for name in set(exponents["parameter"])]
            range_ = " to ".join(f"{size:,}" for size in sorted({min(sizes), max(sizes)}))
            parts.append(
                "The exponent is that of the power law that fits the largest eigenvalues of WᵀW "
                "(Clauset, Shalizi and Newman, 2009); it means something only where it differs "
                "from that of the same entries in random places (hatched). "
                f"{'These layers have' if len(sizes) > 1 else 'The layer has'} "
                f"{range_} eigenvalues"
                f"{': too few for an exponent to mean anything by itself' * (max(sizes) < 50)}."
            )
        parts.append(
            "Lines and bands: the median, the middle half and the middle 90 % of a layer's "
            "weights, each the median over the networks of a group."
        )
        return " ".join(parts)


def _answer(found: Finding) -> str:
    """Whether exponents are those of shuffled entries; without exponents, how weights spread."""
    ends = _ends(found)
    if not len(ends):
        table = found.tables["layers"].assign(spread=lambda of: of["q95"] - of["q05"])
        by_step = table.sort_values("step").groupby(["parameter", "network"], sort=False)["spread"]
        change = (by_step.last() / by_step.first()).groupby("parameter").median()
        wider = int((change > 1).sum())
        return (
            f"The middle 90 % of the weights spread more at the end than at the start in {wider} "
            f"of {count(len(change), 'layer')}; no layer has the {found.numbers['least']} "
            "eigenvalues that a spectral exponent needs."
        )
    below = (ends["spectral_exponent"] < ends["null_exponent"]).groupby(ends["parameter"])
    sided = (below.mean() - 0.5).abs()
    name = sided.idxmax()
    many, networks = int(below.sum()[name]), int(below.size()[name])
    side, many = ("below", many) if 2 * many >= networks else ("above", networks - many)
    mine = ends[ends["parameter"] == name]
    medians = [number(mine[key].median()) for key in ("spectral_exponent", "null_exponent")]
    most = ", more often than that of any other layer" if len(sided) > 1 else ""
    return (
        f"The spectral exponent of {name} lies {side} that of the same entries in random places "
        f"in {many} of {count(networks, 'network')} (median {medians[0]} against {medians[1]})"
        f"{most if (sided == sided.max()).sum() == 1 else ''}."
    )


def _ends(found: Finding) -> pd.DataFrame:
    """The last snapshot of each layer whose exponent is known."""
    table = found.tables["layers"].sort_values("step", kind="stable")
    last = table.groupby(["network", "parameter"], sort=False).tail(1)
    return last[last[["spectral_exponent", "null_exponent"]].notna().all(axis=1)]


def _draw_quantiles(axes: Axes, table: pd.DataFrame, groups: Groups) -> None:
    for place, mine in table.groupby(groups.numbers(table)):
        medians = mine.groupby("step")[["q05", "q25", "q50", "q75", "q95"]].median()
        own = colour(place, 0.75)
        for low, high, alpha in BANDS:
            axes.fill_between(
                medians.index, medians[low], medians[high], color=own, alpha=alpha, linewidth=0
            )
            for edge in (low, high):
                axes.plot(medians.index, medians[edge], color=own, linewidth=0.5)
        axes.plot(medians.index, medians["q50"], color=own, linewidth=1.2)
    scale_steps(axes, np.unique(table["step"].to_numpy(float)))
    axes.locator_params(axis="y", nbins=5)
    axes.grid()


def _draw_exponents(axes: Axes, ends: pd.DataFrame, groups: Groups, style: Style) -> None:
    names = list(dict.fromkeys(ends["parameter"]))[:MOST_PARAMETERS]
    for at, name in enumerate(names):
        here = ends[ends["parameter"] == name]
        low, middle, high = here["null_exponent"].quantile([0.25, 0.5, 0.75])
        axes.fill_between([at - 0.35, at + 0.35], low, high, **_HATCHED)
        axes.plot([at - 0.35, at + 0.35], [middle] * 2, color=look.QUIET, linewidth=0.8)
        for place, mine in here["spectral_exponent"].groupby(groups.numbers(here)):
            x = at + 0.24 * (place - (len(groups) - 1) / 2) / max(1, len(groups) - 1)
            low, middle, high = mine.quantile([0.25, 0.5, 0.75])
            axes.plot([x, x], [low, high], color=colour(place, 0.75), linewidth=1.4)
            axes.plot(x, middle, "o", color=colour(place, 0.75), markersize=4)
    short = [name.removesuffix(".weight") for name in names]
    axes.set_xticks(range(len(names)), short, rotation=30 if style.is_narrow else 0)
    axes.set(xlim=(-0.6, len(names) - 0.4), title="Spectral exponent at the end")
    axes.set_ylabel("Exponent")
    axes.locator_params(axis="y", nbins=4)
    axes.grid(axis="y")
