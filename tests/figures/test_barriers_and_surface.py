"""What the figures of barriers and of the loss surface say is so."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_results import TITLES, words

from deep_learning_dynamics import figures
from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.figures.figure import available
from deep_learning_dynamics.geometry.analysis import Finding, Geometry
from deep_learning_dynamics.geometry.barriers import Barriers
from deep_learning_dynamics.geometry.surface import Surface
from deep_learning_dynamics.results import Results
from deep_learning_dynamics.store import Parameters, StoreWriter, open


class Bowls:
    """Every network has a bowl of its own: no loss at its end, more around it."""

    def __init__(self, ends, wide):
        self._ends, self._wide = ends, wide

    def scores(self, weights):
        squared = ((weights[:, None].astype(float) - self._ends) ** 2).sum(axis=2).min(axis=1)
        return 0.1 + squared / self._wide, 1 / (1 + squared / self._wide)

    def activations(self, weights):
        return {}


SHAPES = {"hidden.weight": (3, 4), "hidden.bias": (3,), "output.weight": (2, 3)}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Three pairs of two conditions with twins; the twin of one network ends far from it."""
    rng = np.random.default_rng(0)
    size, rows = Parameters.of(SHAPES).size, []
    for condition in ("scratch", "pretrained"):
        for pair in range(3):
            rows += [(f"{condition}-{pair}", condition, pair, False)]
            rows += [(f"{condition}-{pair}/twin", condition, pair, True)]
    table = pd.DataFrame(rows, columns=["network", "condition", "pair", "twin"])
    ends = np.repeat(rng.normal(size=(6, size)) * 3, 2, axis=0)
    ends[3] += 10
    share = np.linspace(0, 1, 6)[:, None, None]
    paths = (share * ends).swapaxes(0, 1).astype(np.float32)
    path = tmp_path_factory.mktemp("store") / "runs.zarr"
    networks = table.set_index("network")
    attributes = {"titles": TITLES, "activation": "relu"}
    with StoreWriter(path, networks, Parameters.of(SHAPES), attributes) as writer:
        for snapshot in range(6):
            scores = {"test_accuracy": np.full(12, 0.1 * snapshot)}
            writer.add(np.full(12, 100 * snapshot), paths[:, snapshot], scores)
    return open(str(path)), ends


def results_of(stored, wide=1.0):
    from deep_learning_dynamics.geometry import analyse

    runs, ends = stored
    geometry = analyse(runs, analyses=["barriers", "surface"], forward=Bowls(ends, wide))
    return replace(Results.of(runs, methods=()), geometry=geometry)


@pytest.fixture(scope="module")
def found(stored):
    return results_of(stored)


def test_the_first_sentence_counts_who_is_connected(found):
    caption = figures.caption("barriers", found)
    assert caption.startswith(
        "5 of 6 networks are connected to their rounding twin without a barrier (at most 2 % "
        "error), 0 of 3 to their partner and 0 of 6 to another of their group."
    )
    assert caption.split(". ")[0] in words(figures.draw("barriers", found)).replace("\n", " ")


def test_the_caption_gives_medians_of_barriers_with_and_without_matching(found):
    pairs = found.geometry.get("barriers").tables["pairs"]
    caption = figures.caption("barriers", found)
    said = re.search(r"barrier to the partner is ([\d.]+) points, and ([\d.]+) once units", caption)
    for number, aligned in zip(said.groups(), (False, True), strict=True):
        rows = pairs[(pairs["kind"] == "partners") & (pairs["aligned"] == aligned)]
        assert float(number) == pytest.approx(100 * rows["error_barrier"].median(), rel=5e-3)


def test_the_caption_says_when_networks_of_each_group_commit(found):
    caption = figures.caption("barriers", found)
    steps = found.geometry.get("barriers").measures.query("measure == 'commitment_step'")
    scratch = steps[steps["network"].str.startswith("scratch")]["value"]
    assert np.isinf(scratch).sum() == 1
    assert f"a median of {np.median(scratch):g} steps from scratch (2 of 3 networks)" in caption
    assert "pre-trained (3 of 3 networks)" in caption


def test_lines_in_the_figure_are_the_medians_of_the_table(found):
    figure = figures.draw("barriers", found)
    panel = next(axes for axes in figure.axes if axes.get_title("left") == "Partners")
    lines = found.geometry.get("barriers").tables["lines"].query("kind == 'partners'")
    drawn = [line.get_ydata() for line in panel.lines]
    assert len(drawn) == 2
    for values, aligned in zip(drawn, (False, True), strict=True):
        rows = lines[lines["aligned"] == aligned]
        np.testing.assert_allclose(values, 100 * rows["error_median"])


def test_the_answer_on_the_surface_follows_its_error(stored, found):
    far, near = (
        figures.caption("surface", found),
        figures.caption("surface", results_of(stored, 1e6)),
    )
    assert far.startswith("The surface under the paths does not show the networks' loss: ")
    assert near.startswith("The surface under the paths is close to the networks' loss: ")
    numbers = found.geometry.get("surface").numbers["all"]
    said = re.search(r"there the median loss is ([\d.]+) nats, the snapshots' own ([\d.]+)", far)
    assert float(said[1]) == pytest.approx(numbers["median_surface_loss"], rel=5e-3)
    assert float(said[2]) == pytest.approx(numbers["median_loss"], rel=5e-3)
    assert f"hold {100 * numbers['share']:.0f} % of the variance" in far
    parts = re.search(r"Of the (\d+) parts .* in (\d+)\.", near)
    assert parts[1] == parts[2]


def test_snapshots_are_drawn_in_the_grey_of_their_own_loss(found):
    figure = figures.draw("surface", found)
    panel = next(axes for axes in figure.axes if axes.get_title("left") == "All networks")
    snapshots = found.geometry.get("surface").tables["snapshots"].query("plane == 'all'")
    drawn = np.concatenate([each.get_array() for each in panel.collections[1:]])
    np.testing.assert_allclose(drawn, snapshots["loss"])
    mesh = panel.collections[0]
    assert {each.norm.vmin for each in panel.collections} == {mesh.norm.vmin}


@pytest.mark.parametrize("width", [3.35, 7.0])
def test_nothing_is_cut_off(found, width):
    for key in ("barriers", "surface"):
        figure = figures.draw(key, found, width=width)
        figure.canvas.draw()
        box = figure.get_tightbbox()
        assert box.x0 > -0.02
        assert box.x1 < width + 0.02


def test_results_without_a_finding_have_no_such_figure(found):
    bare = replace(found, geometry=Geometry({}))
    keys = {key for _, key, _ in available(bare)}
    assert not {"barriers", "surface"} & keys
    with pytest.raises(ParamsError):
        figures.draw("barriers", bare)


def test_one_group_without_twins_or_matching_is_drawn(stored):
    from deep_learning_dynamics.geometry.analysis import Subject

    runs, ends = stored
    alone = runs.isel(network=[0, 2, 4]).drop_vars(["condition", "pair", "twin"])
    subject = Subject(alone, None, Bowls(ends, 1.0))
    findings = {"barriers": Barriers.find(subject), "surface": Surface.find(subject)}
    assert all(isinstance(each, Finding) for each in findings.values())
    results = Results(geometry=Geometry(findings))
    assert figures.caption("barriers", results).startswith(
        "0 of 3 networks are connected to another of their group without a barrier"
    )
    for key in findings:
        assert figures.draw(key, results).axes
