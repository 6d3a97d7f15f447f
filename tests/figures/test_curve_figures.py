"""Curves over steps: the median is of all networks, and what the caption says is so."""

import re

import numpy as np
import pandas as pd
import pytest
from made_results import words

from deep_learning_dynamics import figures
from deep_learning_dynamics.figures.groups import Groups
from deep_learning_dynamics.figures.page import grid
from deep_learning_dynamics.figures.series import Series, draw_series, series_of
from deep_learning_dynamics.figures.style import Style


def test_the_median_holds_networks_that_failed():
    series = Series(0, np.arange(3.0), np.array([[1, 2, 3], [1, 3, 5], [1, 1, 1.0]]), (False,) * 3)
    assert series.quartiles[1].tolist() == [1, 2, 3]
    assert series.last == 3


def test_where_most_networks_have_ended_there_is_no_median():
    values = np.array([[1, 2, 9], [1, 2, np.nan], [1, 2, np.nan]], float)
    assert np.isnan(Series(0, np.arange(3.0), values, (False,) * 3).quartiles[1][2])


def test_networks_with_other_steps_are_interpolated():
    table = pd.DataFrame(
        {"network": list("aabbb"), "step": [0, 10, 0, 5, 10], "loss": [4.0, 2, 4, 2, 0]}
    )
    (series,) = series_of(table, Groups.of(table, "", {}), "loss")
    assert series.steps.tolist() == [0, 5, 10]
    assert series.values.tolist() == [[4, 3, 2], [4, 2, 0]]


def test_the_caption_gives_the_medians_at_the_end(make_results):
    results = make_results(pairs=5, failed={"pretrained-1": "dead"})
    caption = figures.caption("learning_curves", results)
    ends = results.scores[results.scores["step"] == 3000]
    ends = ends[~ends["network"].str.startswith("first")]
    medians = ends.groupby("condition")["test_accuracy"].median()
    found = re.search(r"from scratch ([\d.]+) % and pre-trained ([\d.]+) % \(1 of 5 f", caption)
    assert float(found[1]) == pytest.approx(100 * medians["scratch"], abs=0.06)
    assert float(found[2]) == pytest.approx(100 * medians["pretrained"], abs=0.06)
    assert caption.split(".")[0] in words(figures.draw("learning_curves", results))


def test_steps_that_span_decades_are_logarithmic(make_results):
    def scale(steps):
        results = make_results(pairs=2, robust=False, steps=np.asarray(steps, float))
        figure = figures.draw("learning_curves", results)
        return next(a for a in figure.axes if "accuracy" in a.get_title("left")).get_xscale()

    assert scale([0, 1, 10, 100, 1000]) == "symlog"
    assert scale([0, 100, 200, 300]) == "linear"


def test_distances_from_the_start_are_those_of_the_weights(measured):
    over_time = measured.measures.over_time
    ends = over_time[
        (over_time["parameter"] == "") & (over_time["step"] == over_time["step"].max())
    ]
    ours = ends[~ends["network"].str.startswith("first")]
    medians = ours.groupby("condition")["distance_to_start"].median()
    caption = figures.caption("over_time", measured)
    for condition, title in (("scratch", "from scratch"), ("permuted", "permuted")):
        assert f"{title} {medians[condition]:.3g}" in caption


def test_a_mosaic_has_whole_rows():
    assert grid(["a", "b", "c"], 2) == [["a", "b"], ["c", "."]]


def test_curves_of_many_groups_end_with_the_signs_of_the_legend(make_results):
    results = make_results(pairs=1, conditions=tuple("abcdefghij"), earlier=False, robust=False)
    panel = figures.draw("learning_curves", results).axes[0]
    signs = [line.get_marker() for line in panel.lines if line.get_marker() != "None"]
    assert signs == ["s"] * 8 + ["D"] * 2


def test_one_network_far_from_the_others_does_not_make_the_scale_of_their_middle_half():
    steps, near = np.arange(5.0), np.full((19, 5), 10.0)
    with Style().applied():
        axes = Style().figure(3.0).subplots()
        each = Series(0, steps, np.vstack([near, np.full((1, 5), 0.1)]), (False,) * 20)
        draw_series(axes, [each], "within_pairs", Style())
    assert axes.get_yscale() == "linear"
    assert axes.get_ylim()[0] == 0


def test_lines_of_hundreds_of_networks_have_no_more_ink_than_those_of_one_hundred():
    def ink(networks):
        each = Series(0, np.arange(2.0), np.ones((networks, 2)), (False,) * networks)
        with Style().applied():
            axes = Style().figure(3.0).subplots()
            draw_series(axes, [each], "test_loss", Style(), networks=True)
        return sum(line.get_alpha() for line in axes.lines if line.get_linewidth() == 0.5)

    assert ink(20) < ink(100) <= 25
    assert ink(500) == pytest.approx(25)
