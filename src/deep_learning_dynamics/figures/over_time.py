"""How paths go through weight space: speed, turning and distances over steps."""

from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from deep_learning_dynamics.figures.figure import FIGURES, EmptyFigureError, FigureKind
from deep_learning_dynamics.figures.groups import Groups, groups_of
from deep_learning_dynamics.figures.page import panels
from deep_learning_dynamics.figures.series import Series, curve_entries, draw_series, series_of
from deep_learning_dynamics.figures.style import QUIET, Style
from deep_learning_dynamics.formatting import count, listed, number
from deep_learning_dynamics.results import Results
from deep_learning_dynamics.store.schema import last_phase

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
        found = _panels(results)
        of_groups = [each for series in found.values() for each in series if each.group >= 0]
        figure, axes = panels(
            style,
            list(found),
            self.title,
            "Euclidean distances over all weights and biases; unrelated directions are at 90°.",
            count(last_phase(results.measures.over_time)["network"].nunique(), "network"),
            results,
            curve_entries(of_groups, groups_of(results, results.measures.networks)),
            aspect=0.76,
        )
        for key, series in found.items():
            angle = key == "turning_angle"
            ticks = [0.0, 45.0, 90.0, 135.0, 180.0] if angle else None
            draw_series(axes[key], series, key, style, title=_TITLES[key], ticks=ticks)
            if angle:
                axes[key].axhline(90, color=QUIET, linewidth=0.7, linestyle=(0, (1, 2)))
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        groups = groups_of(results, results.measures.networks)
        starts = _panels(results)["distance_to_start"]
        ends = [f"{groups.title(each.group)} {number(each.last)}" for each in starts]
        return (
            f"Median distance from the start at the end: {listed(ends)}. Lines: medians of the "
            "networks of a group; bands: the middle half of them. Speed and turning depend on how "
            "many steps lie between snapshots: compare groups at one step, not steps of one group."
        )


def _panels(results: Results) -> dict[str, list[Series]]:
    """The series of each panel by its key, of what is known.

    Raises:
        EmptyFigureError: no network has a path.
    """
    groups = groups_of(results, results.measures.networks)
    table = results.measures.over_time
    if len(table):
        table = last_phase(table[table["parameter"] == ""])
    found = {key: series_of(table, groups, key) for key in _TITLES if key in table}
    found["distance_to_partner"] = _partners(results)
    if not found.get("distance_to_start"):
        raise EmptyFigureError(
            "No network has two finite snapshots, so that there is no path to measure."
        )
    return {key: found[key] for key in _TITLES if found.get(key)}


def _partners(results: Results) -> list[Series]:
    """Distances within pairs, in the colour of none of the groups."""
    distances: pd.DataFrame = results.measures.distances
    ours = set(last_phase(results.measures.networks)["network"])
    rows = distances[
        (distances["relation"] == "pair")
        & (distances["parameter"] == "")
        & distances["network"].isin(ours)
        & distances["other"].isin(ours)
    ]
    rows = rows.assign(network=rows["network"] + " " + rows["other"], outcome="")
    return [replace(each, group=-1) for each in series_of(rows, Groups("", {"": ""}), "distance")]
