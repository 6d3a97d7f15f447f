"""Panels of curves over steps: a median and the middle half of each group, networks thin."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from deep_learning_dynamics.figures import style as look
from deep_learning_dynamics.figures.groups import Groups
from deep_learning_dynamics.figures.style import ScoreScale, Style, colour, group_entries
from deep_learning_dynamics.selection import evenly

MOST_STEPS = 400  # of a median: networks with other steps are interpolated to these


@dataclass(frozen=True)
class Series:
    """One value of the networks of one group over steps; NaN where it is not known."""

    group: int
    steps: Float[np.ndarray, " step"]
    values: Float[np.ndarray, "network step"]
    failed: tuple[bool, ...]

    @property
    def quartiles(self) -> Float[np.ndarray, "3 step"]:
        """Lower quartile, median, upper quartile of all networks, those that failed too."""
        found = np.full((3, len(self.steps)), np.nan)
        # Where most networks have ended, the median would be one of the few that go on.
        known = np.isfinite(self.values).sum(axis=0)
        seen = known >= max(1, known.max(initial=0) / 2)
        if seen.any():
            found[:, seen] = np.nanquantile(self.values[:, seen], [0.25, 0.5, 0.75], axis=0)
        return found

    @property
    def last(self) -> float:
        """The last median."""
        known = self.quartiles[1][np.isfinite(self.quartiles[1])]
        return float(known[-1]) if known.size else float("nan")


def series_of(table: pd.DataFrame, groups: Groups, key: str) -> list[Series]:
    """The series of a table with a row per snapshot; groups without a value are left out."""
    found = []
    numbers = groups.numbers(table)
    for number in range(len(groups)):
        rows = table[(numbers == number) & np.isfinite(table[key].to_numpy(float))]
        if not len(rows):
            continue
        steps = evenly(np.unique(rows["step"].to_numpy(float)), MOST_STEPS)
        values, failed = [], []
        for _, network in rows.groupby("network", sort=False):
            ordered = network.sort_values("step")
            own = ordered["step"].to_numpy(float)
            values.append(np.interp(steps, own, ordered[key], left=np.nan, right=np.nan))
            failed.append(bool(ordered["outcome"].iloc[0]) if "outcome" in ordered else False)
        found.append(Series(number, steps, np.array(values), tuple(failed)))
    return found


def draw_series(
    axes: Axes,
    series: Sequence[Series],
    key: str,
    style: Style,
    *,
    networks: bool = False,
    title: str = "",
    ticks: Sequence[float] | None = None,
) -> None:
    """One panel.

    Args:
        networks: whether each network has a thin line, too.
        ticks: of the values, from the lower to the upper end; by default as the values ask.
    """
    axes.set_title(title or look.with_unit(key))
    if not series:  # as where every network diverged
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "no network has any", ha="center", transform=axes.transAxes)
        return
    width = 1.3 if style.is_narrow else 1.7
    signs = look.ends_differ(each.group for each in series)
    for each in series:
        low, middle, high = each.quartiles
        own, many = colour(each.group, 0.75), len(each.values)
        # The lines of 500 networks have as much ink together as those of 100.
        ink = float(np.clip(min((6 / many) ** 0.5, 25 / many), 0.02, 0.8))
        for values, failed in zip(each.values, each.failed, strict=True) if networks else ():
            axes.plot(
                each.steps,
                values,
                color=colour(each.group, 0.45),
                linewidth=0.5,
                alpha=ink,
                linestyle=look.DASHES if failed else "-",
            )
        if many > 2:
            axes.fill_between(each.steps, low, high, color=own, alpha=0.2, linewidth=0, zorder=2)
        for shade, thick in (("white", width + 1), (own, width)):
            axes.plot(each.steps, middle, color=shade, linewidth=thick, zorder=3)
        if signs:
            end = np.flatnonzero(np.isfinite(middle))[-1]
            sign = {"marker": look.end_marker(each.group), "markersize": 4.5, "color": own}
            axes.plot(each.steps[end], middle[end], markeredgecolor="white", zorder=4, **sign)
    scale_steps(axes, np.unique(np.concatenate([each.steps for each in series])))
    if ticks is None:
        every = np.concatenate([each.values.ravel() for each in series])
        halves = np.concatenate([np.ravel(each.quartiles) for each in series])
        # Axes fit what is drawn; but no scale is logarithmic where a network's value is zero.
        _scale_values(axes, key, every if networks or np.nanmin(every) <= 0 else halves)
    else:
        axes.set(ylim=(ticks[0], ticks[-1]), yticks=ticks)
    axes.grid()
    axes.margins(x=0.02)


def scale_steps(axes: Axes, steps: Float[np.ndarray, " step"]) -> None:
    """Logarithmic from the first step on, where steps span decades; with a place for step 0."""
    axes.set_xlabel("Step")
    positive = steps[steps > 0]
    if positive.size and positive[-1] > 30 * positive[0]:
        axes.set_xscale("symlog", linthresh=float(positive[0]), linscale=0.4)
        decades = 10.0 ** np.arange(np.ceil(np.log10(positive[0])), np.log10(positive[-1]) + 0.01)
        ticks = [0.0, *decades]
        axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
        axes.set_xticks([], minor=True)
    else:
        axes.locator_params(axis="x", nbins=5)
        axes.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")


def _scale_values(axes: Axes, key: str, values: Float[np.ndarray, " value"]) -> None:
    scale = ScoreScale.over(key, values)
    if scale is None:
        return
    if scale.spacing == "error":
        axes.set_yscale("function", functions=(scale.forward, scale.backward))
        low, high = scale.forward(np.array([scale.low, scale.high]))
        room = 0.04 * (high - low)
        axes.set_ylim(*scale.backward(np.array([low - room, high + room])))
        ticks = scale.ticks(apart=0.11)
    elif scale.spacing == "log" and scale.high > 10 * scale.low:
        axes.set_yscale("log")
        ticks = ScoreScale(key, *map(float, axes.get_ylim()), "log").ticks(apart=0.1)
    else:
        if scale.low >= 0:
            axes.set_ylim(bottom=0)
        return
    axes.set_yticks(ticks, [scale.label(tick) for tick in ticks])
    axes.set_yticks([], minor=True)


def curve_entries(
    series: Sequence[Series], groups: Groups, networks: bool = False
) -> list[Line2D | Patch]:
    """The legend of panels of curves."""
    entries = group_entries(groups, [each.group for each in series], ends=True)
    entries.append(Line2D([], [], color=look.INK, linewidth=1.8, label="median"))
    if any(len(each.values) > 2 for each in series):
        entries.append(Patch(color=look.INK, alpha=0.2, linewidth=0, label="middle half"))
    if networks:
        entries.append(Line2D([], [], color=look.QUIET, linewidth=0.6, label="one network"))
        if any(any(each.failed) for each in series):
            dashed = {"color": look.QUIET, "linestyle": look.DASHES, "linewidth": 0.8}
            entries.append(Line2D([], [], label="failed", **dashed))
    return entries
