"""Function space: networks by what they predict, and how far they come towards the truth."""

import numpy as np
from matplotlib.figure import Figure

from deep_learning_dynamics.figures.figure import FIGURES, AnalysisFigure
from deep_learning_dynamics.figures.groups import Groups, groups_of
from deep_learning_dynamics.figures.page import plane_page
from deep_learning_dynamics.figures.plane import Plane, draw_planes
from deep_learning_dynamics.figures.series import Series, draw_series, series_of
from deep_learning_dynamics.figures.style import Style
from deep_learning_dynamics.figures.trajectories import score_scale, trajectories_of
from deep_learning_dynamics.formatting import count, listed, number, percent
from deep_learning_dynamics.geometry.analysis import ANALYSES, Finding
from deep_learning_dynamics.results import Results

PLANE = 1.45  # how many times as wide as the panel beside it
RELATIONS = {"twin": "rounding twins", "pair": "partners", "": "other networks"}


@FIGURES.register
class FunctionSpaceFigure(AnalysisFigure):
    key, title = "function_space", "Paths through function space"

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        len(ANALYSES)  # registered, so that titles and units are known
        found = self.finding(results)
        table = found.tables["rows"].rename(columns={"c1": "x", "c2": "y"})
        groups = groups_of(results, table)
        trajectories = trajectories_of(table, groups, "progress")
        plane = Plane(trajectories, score_scale(trajectories, "progress"), text=style.text)
        series = _progress(found, groups)
        beside = bool(series) and not style.is_narrow
        width = style.width * (PLANE / (PLANE + 1) if beside else 1) - 0.5
        high = width * float(np.clip(plane.shape, 0.6, 0.95)) + 0.4
        heights = [high, 0.7 * width + 0.4] if series and not beside else [high]
        figure, axes, _ = plane_page(
            style,
            {"plane": plane},
            [["plane", "progress"]] if beside else [["plane"], ["progress"]][: len(heights)],
            sum(heights),
            groups,
            self.title,
            _answer(results, found),
            f"{_stress(found)} {_counts(found)}",
            results,
            width_ratios=[PLANE, 1] if beside else None,
            height_ratios=heights,
        )
        axes["plane"].locator_params(nbins=5)
        signs = ["" if sign > 0 else " (negative)" for sign in found.numbers["signs"]]
        axes["plane"].set(xlabel=f"InPCA 1{signs[0]}", ylabel=f"InPCA 2{signs[1]}")
        if series:
            draw_series(axes["progress"], series, "progress", style, networks=True)
        draw_planes(figure, [plane])
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        found = self.finding(results)
        progress = (
            "Progress: where the nearest point lies on the geodesic from ignorance (all classes "
            "equally likely) to the true labels (Mao et al., 2024). Thick: median of a group; "
            "band: its middle half."
        )
        sentences = [
            _answer(results, found),
            _apart(found),
            _stress(found),
            "Each point is what a network predicts on the probe examples at a snapshot; "
            "distances are Bhattacharyya's, embedded by InPCA (Quinn et al., 2019).",
            *([progress] if "progress" in found.tables["rows"] else []),
            _counts(found),
        ]
        return " ".join(dict.fromkeys(sentences))


def _answer(results: Results, found: Finding) -> str:
    """How far networks come; without labels, how far apart they end."""
    groups = groups_of(results, found.tables["rows"])
    ends = [percent(each.last) + groups.aside(each.group) for each in _progress(found, groups)]
    if ends:
        return f"Networks end {listed(ends)} of the way from ignorance to the truth (medians)."
    return _apart(found)


def _progress(found: Finding, groups: Groups) -> list[Series]:
    table = found.tables["rows"]
    return series_of(table, groups, "progress") if "progress" in table else []


def _apart(found: Finding) -> str:
    medians = found.tables["ends"].groupby("relation")["distance"].median()
    parts = [
        f"{number(medians[kind])} of {words}"
        for kind, words in RELATIONS.items()
        if kind in medians
    ]
    if not parts:
        return "There are no two networks whose last predictions could be compared."
    return f"Median distance between last predictions: {listed(parts)}."


def _stress(found: Finding) -> str:
    share = percent(found.numbers["explained_stress"][1])
    return f"The plane explains {share} of the stress."


def _counts(found: Finding) -> str:
    shown, there = found.numbers["snapshots"], found.numbers["of_snapshots"]
    networks = found.tables["rows"]["network"].nunique()
    some = f" of {there:,}" if there > shown else ""
    return (
        f"{count(networks, 'network')}, {shown:,}{some} snapshots, "
        f"{count(found.numbers['probes'], 'probe example')}."
    )
