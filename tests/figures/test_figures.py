"""What every figure promises: it can be drawn of anything, at any width, and the same each time."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from made_results import projection_of, trajectories, words

from deep_learning_dynamics import figures
from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.figures.figure import FIGURES, AnalysisFigure, FigureKind
from deep_learning_dynamics.figures.groups import groups_of
from deep_learning_dynamics.geometry import Geometry
from deep_learning_dynamics.results import Results


def without_scores(results):
    gone = ["test_accuracy", "test_loss", "epoch"]
    projection = results.projections["pca"]
    bare = dataclasses.replace(projection, coordinates=projection.coordinates.drop(columns=gone))
    return dataclasses.replace(
        results, projections={"pca": bare}, scores=results.scores.drop(columns=gone)
    )


def unusual(name, make):
    """Results of stores that nobody would wish for."""
    match name:
        case "one network":
            return make(pairs=1, conditions=("scratch",), robust=False)
        case "one group":
            return dataclasses.replace(make(pairs=3, robust=False), by="")
        case "no such coordinate":
            return dataclasses.replace(make(pairs=3, robust=False), by="optimiser")
        case "one snapshot":
            return make(steps=np.array([0.0]), robust=False)
        case "everything failed":
            return make(pairs=1, earlier=False,
                        failed={"scratch-0": "dead", "pretrained-0": "diverged"})  # fmt: skip
        case "nothing is finite" | "constant weights":
            table, vectors = trajectories(pairs=2, earlier=False)
            projection = projection_of(table, vectors, robust=False)
            fill = np.nan if name == "nothing is finite" else 0.5
            coordinates = projection.coordinates.assign(x=fill, y=fill)
            if name == "nothing is finite":
                coordinates["outcome"] = "diverged"
            lost = dataclasses.replace(projection, coordinates=coordinates)
            scores = table.assign(test_accuracy=fill, test_loss=fill)
            scores = scores.drop(columns=["path", "position", "usable"])
            return Results("condition", {}, scores=scores, projections={"pca": lost})
        case "no scores":
            return without_scores(make(pairs=2))
        case "twelve groups":
            return make(pairs=2, conditions=tuple("abcdefghijkl"), earlier=False, robust=False)


UNUSUAL = ("one network", "one group", "no such coordinate", "one snapshot", "everything failed",
           "nothing is finite", "constant weights", "no scores", "twelve groups")  # fmt: skip


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_results_are_drawn_with_a_caption(name, make_results):
    results = unusual(name, make_results)
    drawn = list(figures.available(results))
    assert {"paths", "sheet", "learning_curves"} <= {key for _, key, _ in drawn}
    for _, key, variant in drawn:
        figure = figures.draw(key, results, variant=variant, width=3.35)
        figure.canvas.draw()
        assert words(figure).strip()
        assert figures.caption(key, results, variant).endswith(".")


def test_a_plane_without_places_says_why(make_results):
    results = unusual("nothing is finite", make_results)
    assert "Every network diverged" in words(figures.draw("paths", results))
    assert "No finite score" in words(figures.draw("learning_curves", results))


@pytest.mark.parametrize("width", [3.35, 7.0])
def test_every_figure_keeps_its_width_and_its_text_inside(
    width, results, measured, of_bowls, of_layers
):
    drawn = set()
    for each in (results, measured, of_bowls, of_layers):
        for name, key, variant in figures.available(each):
            figure = figures.draw(key, each, variant=variant, width=width)
            assert figure.get_size_inches()[0] == width
            figure.draw_without_rendering()  # computes the layout
            box = figure.get_tightbbox()
            assert box.x0 >= -0.01, name
            assert box.x1 <= width + 0.01, name
            assert box.y0 >= -0.01, name
            assert box.y1 <= figure.get_size_inches()[1] + 0.01, name
            drawn.add(key)
    assert drawn == set(FIGURES) - {"comparison"}  # which is of results with runs


def test_an_analysis_that_was_not_made_has_no_figure(of_bowls):
    bare = dataclasses.replace(of_bowls, geometry=Geometry({}))
    of_analyses = {key for key, kind in FIGURES.items() if issubclass(kind, AnalysisFigure)}
    assert len(of_analyses) == 6
    assert not of_analyses & {key for _, key, _ in figures.available(bare)}
    for key in of_analyses:
        with pytest.raises(ParamsError, match="cannot be drawn of these"):
            figures.draw(key, bare)


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_a_figure_drawn_twice_has_the_same_bytes(form, results, tmp_path):
    for name in ("first", "second"):
        figures.save(figures.draw("paths", results, variant="som"), tmp_path / name, (form,), 80)
    first, second = ((tmp_path / f"{name}.{form}").read_bytes() for name in ("first", "second"))
    assert first == second
    assert len(first) > 1000


def test_a_persons_own_settings_change_nothing(results, tmp_path):
    import matplotlib as mpl

    figures.save(figures.draw("paths", results), tmp_path / "plain", dpi=60)
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9, "axes.facecolor": "red"}):
        figures.save(figures.draw("paths", results), tmp_path / "own", dpi=60)
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "own.png").read_bytes()


def test_drawing_needs_no_pyplot(results):
    import sys

    sys.modules.pop("matplotlib.pyplot", None)
    figures.draw("sheet", results)
    assert "matplotlib.pyplot" not in sys.modules


def test_titles_can_be_left_out_but_stand_ins_are_always_named(results):
    stand_in = ({"label": "MNIST", "original": True}, {"label": "glyphs", "original": False})
    named = dataclasses.replace(results, provenance=stand_in)
    for key in ("paths", "learning_curves"):
        assert "Data: MNIST" in words(figures.draw(key, results))
        bare = words(figures.draw(key, results, title=False))
        assert FIGURES[key].title not in bare
        assert "Data:" not in bare
        assert "trustworthiness" not in bare
        assert "glyphs (stand-in, not the original)" in words(figures.draw(key, named, title=False))


def test_missing_parts_and_unknown_names_are_explained(results):
    with pytest.raises(ParamsError, match=r"forest needs comparisons.*Results\.of"):
        figures.draw("forest", results)
    with pytest.raises(ParamsError, match=r"paths of 'umap'.*pca, som"):
        figures.draw("paths", results, variant="umap")
    with pytest.raises(ParamsError, match=r"'pths' is not a known figure.*Did you mean paths"):
        figures.draw("pths", results)
    with pytest.raises(ParamsError, match="comparison cannot be drawn"):
        figures.draw("comparison", results)
    with pytest.raises(ParamsError, match="expected png, svg or pdf"):
        figures.save(figures.draw("paths", results), Path("x"), ("jpg",))


def test_a_plug_in_figure_is_drawn_with_all_others(make_results, tmp_path):
    results = make_results(pairs=1, robust=False, earlier=False)

    @FIGURES.register
    class Blank(FigureKind):
        key, title = "blank", "Nothing"

        def draw(self, results, style, variant=""):
            return style.figure(1.0)

        def caption(self, results, variant=""):
            return "Nothing."

    try:
        captions = figures.draw_all(results, tmp_path, figures.Style(dpi=50, formats=("svg",)))
    finally:
        FIGURES._variants.pop("blank")
    assert captions["blank"] == "Nothing."
    files = {path.name for path in tmp_path.iterdir()}
    names = {"paths-pca", "sheet", "learning_curves", "blank"}
    assert files == {f"{name}.svg" for name in names} | {"animation-pca.gif", "captions.json"}


def test_a_notebook_shows_a_figure(results):
    figure = results.projections["pca"].plot(color="test_loss", width=3.35, dpi=60)
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert "Test loss (nats)" in words(figure)


def test_colours_follow_the_order_of_groups_in_every_figure(measured):
    expected = ("scratch", "pretrained", "permuted")
    tables = (measured.measures.networks, measured.projections["pca"].coordinates)
    bare = dataclasses.replace(measured, scores=None)
    for known in (measured, bare):
        for table in tables:
            assert groups_of(known, table).values == expected
    assert measured.comparisons.groups == expected
