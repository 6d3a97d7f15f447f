"""How paths go through weight space: speed, turning and distances over steps."""

import pandas as pd
from matplotlib.figure import Figure

from deep_learning_dynamics.figures import page as around
from deep_learning_dynamics.figures.figure import FIGURES, FigureKind
from deep_learning_dynamics.figures.series import (
    Series,
    curve_entries,
    draw_series,
    grid,
    series_of,
)
from deep_learning_dynamics.figures.style import QUIET, Groups, Style, last_phase
from deep_learning_dynamics.formatting import count, listed, number
from deep_learning_dynamics.quantities import Quantity, define
from deep_learning_dynamics.results import Results

define(
    Quantity("distance_to_start", "distance from the start"),
    Quantity("distance_to_end", "distance to the end"),
    Quantity("distance_to_partner", "distance within pairs"),
    Quantity("distance_within_group", "median distance within the group"),
)
_TITLES = {
    "distance_to_start": "Distance from the start",
    "speed": "Speed (distance per step)",
    "turning_angle": "Turning angle (degrees)",
    "distance_to_end": "Distance to the end",
    "distance_to_partner": "Distance within pairs",
    "distance_within_group": "Median distance in the group",
}


@FIGURES.register
class OverTime(FigureKind):
    key, title, needs = "over_time", "Paths over time", ("measures",)

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        panels = _panels(results)
        if not panels:
            return around.message_page(style, self.title, _NOTHING)
        groups = _groups(results)
        columns = min(len(panels), 2 if style.is_narrow else 3)
        layout = grid(list(panels), columns)
        ours = [each for key, found in panels.items() if key != "distance_to_partner"
                for each in found]  # fmt: skip
        figure, body = around.page(
            style,
            len(layout) * (style.width / columns * 0.76 + 0.2),
            self.title,
            ["Euclidean distances over all weights and biases; unrelated directions are at 90°."],
            count(last_phase(_table(results))["network"].nunique(), "network"),
            results,
            curve_entries(ours, groups, networks=False),
        )
        axes = body.subplot_mosaic(layout)
        for key, found in panels.items():
            angle = key == "turning_angle"
            ticks = [0.0, 45.0, 90.0, 135.0, 180.0] if angle else None
            draw_series(axes[key], found, key, style, False, _TITLES[key], ticks)
            if angle:
                axes[key].axhline(90, color=QUIET, linewidth=0.7, linestyle=(0, (1, 2)))
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        groups = _groups(results)
        panels = _panels(results)
        if "distance_to_start" not in panels:
            return _NOTHING
        ends = [
            f"{groups.title(each.group)} {number(each.last)}"
            for each in panels["distance_to_start"]
        ]
        return (
            f"Median distance from the start at the end: {listed(ends)}. Lines: medians of the "
            "networks of a group; bands: the middle half of them. Speed and turning depend on how "
            "many steps lie between snapshots: compare groups at one step, not steps of one group."
        )


_NOTHING = "No network has two finite snapshots, so that there is no path to measure."


def _table(results: Results) -> pd.DataFrame:
    table = results.measures.over_time
    return table[table["parameter"] == ""] if len(table) else table


def _groups(results: Results) -> Groups:
    return Groups.of(last_phase(results.measures.networks), results.by, results.titles)


def _panels(results: Results) -> dict[str, list[Series]]:
    """The series of each panel by its key, of what is known."""
    table, groups = last_phase(_table(results)), _groups(results)
    found = {}
    for key in _TITLES:
        if key == "distance_to_partner":
            series = _partners(results, groups)
        else:
            series = series_of(table, groups, key) if key in table else []
        if series:
            found[key] = series
    return found


def _partners(results: Results, groups: Groups) -> list[Series]:
    """Distances within pairs, in the colour of none of the groups."""
    distances = results.measures.distances
    if not len(distances):
        return []
    ours = set(last_phase(results.measures.networks)["network"])
    rows = distances[
        (distances["relation"] == "pair")
        & (distances["parameter"] == "")
        & distances["network"].isin(ours)
        & distances["other"].isin(ours)
    ]
    rows = rows.assign(network=rows["network"] + " " + rows["other"], outcome="")
    everything = Groups("", ("",), {"": ""})
    return [
        Series(-1, each.steps, each.values, each.failed)
        for each in series_of(rows, everything, "distance")
    ]
