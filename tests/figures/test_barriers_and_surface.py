"""What the figures of barriers and of the loss surface say is so."""

import re
from dataclasses import replace

import numpy as np
import pytest
from analysed import Bowls
from made_results import words

from deep_learning_dynamics import figures
from deep_learning_dynamics.geometry import analyse
from deep_learning_dynamics.geometry.analysis import Finding, Geometry, Subject
from deep_learning_dynamics.geometry.barriers import Barriers
from deep_learning_dynamics.geometry.surface import Surface
from deep_learning_dynamics.results import Results


def test_the_first_sentence_counts_who_is_connected(of_bowls):
    caption = figures.caption("barriers", of_bowls)
    assert caption.startswith(
        "5 of 6 networks are connected to their rounding twin without a barrier (at most 2 % "
        "error), 0 of 3 to their partner and 0 of 6 to another of their group."
    )
    assert caption.split(". ")[0] in words(figures.draw("barriers", of_bowls)).replace("\n", " ")


def test_the_caption_gives_medians_of_barriers_with_and_without_matching(of_bowls):
    pairs = of_bowls.geometry.get("barriers").tables["pairs"]
    caption = figures.caption("barriers", of_bowls)
    said = re.search(r"barrier to the partner is ([\d.]+) points, and ([\d.]+) once units", caption)
    for number, aligned in zip(said.groups(), (False, True), strict=True):
        rows = pairs[(pairs["kind"] == "partners") & (pairs["aligned"] == aligned)]
        assert float(number) == pytest.approx(100 * rows["error_barrier"].median(), rel=5e-3)


def test_the_caption_says_when_networks_of_each_group_commit(of_bowls):
    caption = figures.caption("barriers", of_bowls)
    steps = of_bowls.geometry.get("barriers").measures.query("measure == 'commitment_step'")
    scratch = steps[steps["network"].str.startswith("scratch")]["value"]
    assert np.isinf(scratch).sum() == 1
    assert f"a median of {np.median(scratch):g} steps from scratch (2 of 3 networks)" in caption
    assert "pre-trained (3 of 3 networks)" in caption


def test_lines_in_the_figure_are_the_medians_of_the_table(of_bowls):
    figure = figures.draw("barriers", of_bowls)
    panel = next(axes for axes in figure.axes if axes.get_title("left") == "Partners")
    lines = of_bowls.geometry.get("barriers").tables["lines"].query("kind == 'partners'")
    drawn = [line.get_ydata() for line in panel.lines]
    assert len(drawn) == 2
    for values, aligned in zip(drawn, (False, True), strict=True):
        rows = lines[lines["aligned"] == aligned]
        np.testing.assert_allclose(values, 100 * rows["error_median"])


def test_the_answer_on_the_surface_follows_its_error(bowls, of_bowls):
    runs, ends = bowls
    wide = analyse(runs, analyses=["surface"], forward=Bowls(ends, 1e6))
    far, near = (
        figures.caption("surface", each) for each in (of_bowls, replace(of_bowls, geometry=wide))
    )
    assert far.startswith(
        "The surface under the paths does not show the networks' loss at their ends: "
    )
    assert near.startswith(
        "The surface under the paths is close to the networks' loss at their ends: "
    )
    numbers = of_bowls.geometry.get("surface").numbers["all"]
    ends = of_bowls.geometry.get("surface").tables["snapshots"].query("plane == 'all'")
    ends = ends[ends["step"] == ends["step"].max()]
    assert len(ends) == 6
    said = re.search(r"the median loss of the ends is ([\d.]+) nats, their own ([\d.]+)", far)
    assert float(said[1]) == pytest.approx(ends["surface_loss"].median(), rel=5e-3)
    assert float(said[2]) == pytest.approx(ends["loss"].median(), rel=5e-3)
    assert f"hold {100 * numbers['share']:.0f} % of the variance" in far
    parts = re.search(r"Of the (\d+) parts .* in (\d+)\.", near)
    assert parts[1] == parts[2]


def test_a_plane_that_is_wrong_where_networks_learn_is_not_praised(of_bowls):
    """The median error hides the few snapshots of a steep loss, which a surface is for."""
    found = of_bowls.geometry.get("surface")
    caption = figures.caption("surface", of_bowls)
    for plane, begins in (("one", "One network's own first two"), ("random", "Two random dir")):
        rows = found.tables["snapshots"]
        rows = rows[rows["plane"] == plane]
        error = (rows["surface_loss"] - rows["loss"]).abs()
        sentence = caption[caption.index(begins) :]
        said = re.search(r"\(90th percentile of the error: (\S+) nats\)\. ", sentence)[1]
        assert float(said.replace("−", "-")) == pytest.approx(error.quantile(0.9), rel=5e-3)


def test_the_surface_is_judged_where_networks_have_learnt(of_bowls):
    """Most snapshots are early ones, whose loss is much the same everywhere."""
    found = of_bowls.geometry.get("surface")
    snapshots = found.tables["snapshots"].assign(surface_loss=2.0)
    last = snapshots["step"] == snapshots["step"].max()
    for late, says in ((0.3, "does not show"), (1.9, "is close to")):
        tables = {**found.tables, "snapshots": snapshots.assign(loss=np.where(last, late, 2.0))}
        geometry = Geometry({"surface": replace(found, tables=tables)})
        answer = figures.caption("surface", replace(of_bowls, geometry=geometry))
        assert answer.startswith(f"The surface under the paths {says} the networks' loss")


def test_ends_are_those_of_networks_that_end_with_a_finite_loss(of_bowls):
    """The last finite snapshot of a network that diverged may be its start."""
    found = of_bowls.geometry.get("surface")

    def answer(failed, surface_loss):
        snapshots = found.tables["snapshots"]
        ill = snapshots["network"].isin(snapshots["network"].unique()[:failed])
        late = snapshots["step"] > 0
        snapshots = snapshots.assign(
            loss=np.where(ill & late, np.inf, np.where(ill, 2.0, 0.3)),
            surface_loss=np.where(ill, 2.0, surface_loss),
        )
        surface = replace(found, tables={**found.tables, "snapshots": snapshots})
        return figures.caption(
            "surface", replace(of_bowls, geometry=Geometry({"surface": surface}))
        )

    assert answer(5, 2.0).startswith(
        "The surface under the paths does not show the loss of 1 of 6 networks at their ends "
        "(others end without a finite loss): "
    )
    assert "of the ends is 0.31 nats, their own 0.3 (" in answer(5, 0.31)
    assert answer(5, 0.31).startswith("The surface under the paths is close to the loss of 1 of 6")
    assert answer(0, 0.31).startswith("The surface under the paths is close to the networks' loss")
    assert answer(6, 2.0).startswith("No network ends with a finite loss. ")


def test_snapshots_are_drawn_in_the_grey_of_their_own_loss(of_bowls):
    figure = figures.draw("surface", of_bowls)
    panel = next(axes for axes in figure.axes if axes.get_title("left") == "All networks")
    snapshots = of_bowls.geometry.get("surface").tables["snapshots"].query("plane == 'all'")
    drawn = np.concatenate([each.get_array() for each in panel.collections[1:]])
    np.testing.assert_allclose(drawn, snapshots["loss"])
    mesh = panel.collections[0]
    assert {each.norm.vmin for each in panel.collections} == {mesh.norm.vmin}


def test_one_group_without_twins_or_matching_is_drawn(bowls):
    runs, ends = bowls
    alone = runs.isel(network=[0, 2, 4]).drop_vars(["condition", "pair", "twin"])
    subject = Subject(alone, None, Bowls(ends))
    findings = {"barriers": Barriers.find(subject), "surface": Surface.find(subject)}
    assert all(isinstance(each, Finding) for each in findings.values())
    results = Results(geometry=Geometry(findings))
    assert figures.caption("barriers", results).startswith(
        "0 of 3 networks are connected to another of their group without a barrier"
    )
    for key in findings:
        assert figures.draw(key, results).axes
