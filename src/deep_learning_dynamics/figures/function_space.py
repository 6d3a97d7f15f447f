"""Function space: networks by what they predict, and how far they come towards the truth."""

import numpy as np
from matplotlib.figure import Figure

from deep_learning_dynamics.figures import page as around
from deep_learning_dynamics.figures.barriers import groups_of
from deep_learning_dynamics.figures.figure import FIGURES, FigureKind
from deep_learning_dynamics.figures.plane import Plane, draw_planes
from deep_learning_dynamics.figures.series import Series, draw_series, series_of
from deep_learning_dynamics.figures.style import Groups, Style
from deep_learning_dynamics.figures.trajectories import score_scale, trajectories_of
from deep_learning_dynamics.formatting import count, listed, number, percent
from deep_learning_dynamics.geometry.analysis import ANALYSES, Finding
from deep_learning_dynamics.results import Results

PLANE = 1.45  # how many times as wide as the panel beside it
RELATIONS = {"twin": "rounding twins", "pair": "partners", "": "other networks"}


@FIGURES.register
class FunctionSpace(FigureKind):
    key, title, needs = "function_space", "Paths through function space", ("geometry",)
    analysis = "function_space"

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        len(ANALYSES)  # registered, so that titles and units are known
        found = results.geometry.get("function_space")
        table = found.tables["rows"].rename(columns={"c1": "x", "c2": "y"})
        groups = groups_of(results, table)
        trajectories = trajectories_of(table, groups, "progress")
        scale = score_scale(trajectories, "progress")
        plane = Plane(trajectories, scale, text=style.text)  # ends lie too close for numbers
        series = _progress(found, groups)
        numbers = [each.group for each in trajectories]
        beside = bool(series) and not style.is_narrow
        width = style.width * (PLANE / (PLANE + 1) if beside else 1) - 0.5
        high = width * float(np.clip(plane.shape, 0.6, 0.95)) + 0.4
        bar = max(len(groups), 2) * 1.3 * style.text / 72 + 0.4
        low = 0.7 * width + 0.4
        heights = [high, *([bar] if scale else []), *([low] if series and not beside else [])]
        figure, body = around.page(
            style,
            sum(heights),
            self.title,
            [answer(results)],
            f"{_stress(found)} {_counts(found)}",
            results,
            [
                *(around.group_entries(groups, numbers) if scale is None else []),
                *around.plane_entries([plane]),
            ],
        )
        # Parts of their own, so that long names beside the colours take no room from the plane.
        parts = list(np.ravel(body.subfigures(len(heights), 1, height_ratios=heights)))
        axes = parts[0].subplot_mosaic(
            [["plane", "progress"] if beside else ["plane"]],
            width_ratios=[PLANE, 1] if beside else [1],
        )
        if scale is not None:
            names = [["score"] if style.is_narrow else ["score", "."]]
            axes |= parts[1].subplot_mosaic(names)
        if series and not beside:
            axes["progress"] = parts[-1].subplots()
        plane.place(axes["plane"])
        axes["plane"].locator_params(nbins=5)
        signs = ["" if sign > 0 else " (negative)" for sign in found.numbers["signs"]]
        axes["plane"].set(xlabel=f"InPCA 1{signs[0]}", ylabel=f"InPCA 2{signs[1]}")
        if scale is not None:
            around.draw_score_bar(axes["score"], groups, numbers, scale)
        if series:
            draw_series(axes["progress"], series, "progress", style, networks=True)
        draw_planes(figure, [plane])
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        found = results.geometry.get("function_space")
        return " ".join(
            part
            for part in (
                answer(results),
                _apart(found),
                _stress(found),
                "Each point is what a network predicts on the probe examples at a snapshot; "
                "distances are Bhattacharyya's, embedded by InPCA (Quinn et al., 2019).",
                "Progress: where the nearest point lies on the geodesic from ignorance (all "
                "classes equally likely) to the true labels (Mao et al., 2024). Thick: median of a "
                "group; band: its middle half."
                if "progress" in found.tables["rows"]
                else "",
                _counts(found),
            )
            if part
        )


def answer(results: Results) -> str:
    """How far networks come; without labels, how far apart they end."""
    found = results.geometry.get("function_space")
    groups = groups_of(results, found.tables["rows"])
    ends = [f"{percent(each.last)}{_of(groups, each.group)}" for each in _progress(found, groups)]
    if ends:
        return f"Networks end {listed(ends)} of the way from ignorance to the truth (medians)."
    return _apart(found)


def _of(groups: Groups, place: int) -> str:
    return f" ({groups.title(place)})" if len(groups) > 1 else ""


def _progress(found: Finding, groups: Groups) -> list[Series]:
    table = found.tables["rows"]
    return series_of(table, groups, "progress") if "progress" in table else []


def _apart(found: Finding) -> str:
    ends = found.tables["ends"]
    medians = [
        f"{number(float(mine.median()))} of {words}"
        for kind, words in RELATIONS.items()
        if len(mine := ends["distance"][ends["relation"] == kind])
    ]
    if not medians:
        return "There are no two networks whose last predictions could be compared."
    return f"Median distance between last predictions: {listed(medians)}."


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
