"""The real paths beside paths of nothing."""

import numpy as np
import pytest
from figure_examples import METHODS
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from test_figures import (
    FAILURES,
    GLYPHS,
    MNIST,
    OMNIGLOT,
    assert_readable,
    drawn_texts,
    projection_of,
)

from deep_learning_dynamics.figures import nulls_figure, palette
from deep_learning_dynamics.figures.evidence import Standing
from deep_learning_dynamics.figures.strips import Measure, _draw_strip


def texts(figure):
    return [text for text, _ in drawn_texts(figure)]


@pytest.mark.parametrize("method", METHODS)
def test_nothing_overlaps_whatever_the_method(tmp_path, method):
    projection = projection_of(tmp_path, method, failures=FAILURES, tested=True)
    assert_readable(nulls_figure(projection, MNIST, GLYPHS))


@pytest.mark.parametrize("options", [{"pairs": 50}, {"pairs": 2, "layers": (2, 3, 4, 5, 6)}])
def test_nothing_overlaps_with_many_networks_or_layers(tmp_path, options):
    projection = projection_of(tmp_path, "pca", tested=True, **options)
    assert_readable(nulls_figure(projection, MNIST, OMNIGLOT))


def test_each_panel_has_its_own_paths_and_numbers(tmp_path):
    projection = projection_of(tmp_path, "pca", pairs=2, tested=True)
    figure = nulls_figure(projection, MNIST, OMNIGLOT)
    words = texts(figure)
    assert words.count("random walks") == 2  # above its panel and its column
    assert "trustworthiness 0.996 · distances ρ 0.871\nvariance explained 74.3 %" in words
    medians = projection.quality.nulls["random_walk"]
    assert medians["trustworthiness"].median == pytest.approx(0.9 * 0.99641)
    assert any(
        "trustworthiness 0.896" in text and text.endswith("(medians of 20)") for text in words
    )
    for axes, shown in zip(
        figure.axes[:3], [projection.trajectories, *projection.nulls.values()], strict=True
    ):
        points = np.concatenate([t.points for t in shown])
        low, high = np.transpose([axes.get_xlim(), axes.get_ylim()])
        assert ((points > low) & (points < high)).all()
        # As close as the frame allows: the frame of another panel would not be.
        assert (np.ptp(points, axis=0) / (high - low)).max() > 0.8


def test_paths_of_nothing_have_the_colour_of_their_arm_and_no_network_failed(tmp_path):
    projection = projection_of(tmp_path, "pca", pairs=2, failures=FAILURES, tested=True)
    assert {t.failed for t in projection.nulls["random_walk"]} == {""}
    figure = nulls_figure(projection, MNIST, OMNIGLOT)
    arms = [palette.colour(arm) for arm in ("scratch", "pretrained")]
    for axes in figure.axes[1:3]:
        lines = max(axes.findobj(LineCollection), key=lambda found: len(found.get_paths()))
        colours = {tuple(colour[:3]) for colour in lines.get_colors()} - {(1.0, 1.0, 1.0)}
        np.testing.assert_allclose(sorted(colours), sorted(arms))


def test_a_null_has_the_rows_of_the_real_paths(tmp_path):
    from pyarrow import parquet

    projection = projection_of(tmp_path, "pca", pairs=2, tested=True)
    table = parquet.read_table(tmp_path / "pca" / "coordinates.parquet").to_pandas()
    points = np.load(tmp_path / "pca" / "nulls.npz")["shuffled_steps"]
    rows = (table.phase == "train") & (table.arm == "pretrained") & (table.pair == 1)
    (found,) = [
        t
        for t in projection.nulls["shuffled_steps"]
        if (t.phase, t.arm, t.pair) == ("train", "pretrained", 1)
    ]
    np.testing.assert_array_equal(found.points, points[rows])
    np.testing.assert_array_equal(found.epochs, table.epoch[rows])


def test_a_null_of_a_network_that_diverged_is_not_there(tmp_path):
    diverged = {("pretrained", 0): "diverged"}
    projection = projection_of(tmp_path, "pca", pairs=2, failures=diverged, tested=True)
    found = {(t.arm, t.pair, t.phase): len(t.points) for t in projection.nulls["shuffled_steps"]}
    assert found["pretrained", 0, "train"] == 0
    assert found["scratch", 0, "train"] == 38


def test_a_strip_shows_where_the_real_number_lies():
    measure = Measure(
        "trustworthiness",
        str,
        {
            "random_walk": Standing(10.5, 10.0, 10.25, 10.5, 20),
            "shuffled_steps": Standing(10.5, 10.75, 10.9, 11.0, 20),
        },
    )
    axes = Figure().add_axes((0, 0, 1, 1))
    _draw_strip(axes, 0, measure)
    spans = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]
    assert spans == [pytest.approx((0.04, 0.5)), pytest.approx((0.73, 0.96))]
    (diamond,) = [line for line in axes.lines if line.get_marker() == "D"]
    assert diamond.get_xdata()[0] == pytest.approx(0.5)
    medians = [line.get_xdata()[0] for line in axes.lines[1:3]]
    assert medians == [pytest.approx(0.27), pytest.approx(0.868)]


def test_a_number_that_is_the_same_everywhere_breaks_nothing():
    same = {"random_walk": Standing(1.0, 1.0, 1.0, 1.0, 20)}
    axes = Figure().add_axes((0, 0, 1, 1))
    _draw_strip(axes, 0, Measure("trustworthiness", str, same))
    assert axes.lines[-1].get_xdata()[0] == 0.5


def test_ranges_in_which_the_real_number_does_not_lie_are_bold(tmp_path):
    projection = projection_of(tmp_path, "pca", pairs=1, tested=True)
    figure = nulls_figure(projection, MNIST, OMNIGLOT)
    bold = {
        t.get_text() for t in figure.texts if t.get_weight() == "bold" and " to " in t.get_text()
    }
    nulls = projection.quality.nulls
    assert nulls["random_walk"]["trustworthiness"].is_outside
    assert not nulls["random_walk"]["continuity"].is_outside
    assert "0.8519 to 0.9147" in bold
    assert "0.9377 to 1.0068" not in bold
    assert "0.9377 to 1.0068" in texts(figure)


def test_who_warned_of_random_walks_is_cited(tmp_path):
    figure = nulls_figure(projection_of(tmp_path, pairs=1, tested=True), MNIST, OMNIGLOT)
    assert any("Antognini" in text and "(2018)" in text for text in texts(figure))
