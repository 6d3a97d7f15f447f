"""How a figure says how far it may be believed: pale paths, ellipses, words, a badge."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from figure_examples import METHODS, write_projection
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.figure import Figure
from test_figures import (
    FAILURES,
    GLYPHS,
    MNIST,
    OMNIGLOT,
    assert_readable,
    drawn_texts,
    legend_of,
    projection_of,
)

from deep_learning_dynamics.figures import (
    Trajectory,
    palette,
    read_projection,
    sheet_figure,
    trajectory_figure,
)
from deep_learning_dynamics.figures.captions import badge, trust_lines
from deep_learning_dynamics.figures.evidence import Refits, Stability, Standing
from deep_learning_dynamics.figures.frame import Frame
from deep_learning_dynamics.figures.palette import AccuracyScale
from deep_learning_dynamics.figures.strokes import (
    LEAST_INK,
    colours_of_points,
    faded,
    is_faded,
    strokes,
)
from deep_learning_dynamics.figures.wobble import draw_wobble

SCALE = AccuracyScale(0.1, 0.9)
PALE, ELLIPSES = "pale: the plane distorts it", "where refits put it (1 s.d.)"


def trajectory(points, faithfulness=None, wobble=None, arm="scratch", pair=0, failed=""):
    points = np.array(points, float)
    count = len(points)
    return Trajectory(
        "train",
        arm,
        pair,
        0,
        failed,
        np.arange(count) * 1.0,
        np.full(count, 0.9),
        points,
        None if faithfulness is None else np.array(faithfulness, float),
        None if wobble is None else np.array(wobble, float),
    )


LINE = [[0, 0], [1, 0], [2, 0]]


class TestPaleness:
    """A point whose neighbours the plane does not keep is mixed with white."""

    def test_ink_falls_from_all_where_neighbours_are_kept_to_a_fifth_at_chance(self):
        colour = np.array([0.2, 0.4, 0.6])
        np.testing.assert_allclose(faded(colour, 1.0), colour)
        np.testing.assert_allclose(faded(colour, 0.5), 1 - 0.2 * (1 - colour))
        np.testing.assert_allclose(faded(colour, 0.0), faded(colour, 0.5))
        np.testing.assert_allclose(faded(colour, 0.7), 1 - (0.2 + 0.8 * 0.4) * (1 - colour))

    def test_only_the_snapshots_that_the_plane_distorts_are_pale(self):
        colours = colours_of_points(trajectory(LINE, [1.0, 0.5, 1.0]), SCALE)
        full = palette.ramp("scratch")[-1]
        np.testing.assert_allclose(colours[[0, 2]], [full, full])
        np.testing.assert_allclose(colours[1], 1 - LEAST_INK * (1 - full))

    def test_a_path_grows_pale_towards_a_distorted_snapshot_and_is_not_cut(self):
        pieces = list(strokes(trajectory(LINE, [1.0, 0.5, 1.0]), SCALE))
        lightness = [colour.mean() for _, colour in pieces]
        middle = int(np.argmax(lightness))
        assert lightness[: middle + 1] == sorted(lightness[: middle + 1])
        assert lightness[middle:] == sorted(lightness[middle:], reverse=True)
        np.testing.assert_allclose(pieces[middle][0][0], [0.9, 0])
        np.testing.assert_allclose(pieces[middle][0][-1], [1.1, 0])
        for (before, _), (after, _) in pairwise(pieces):
            np.testing.assert_array_equal(before[-1], after[0])

    @pytest.mark.parametrize("faithfulness", [None, [np.nan] * 3, [1.0] * 3])
    def test_what_was_not_tested_is_drawn_with_all_ink(self, faithfulness):
        path = trajectory(LINE, faithfulness)
        ((line, colour),) = strokes(path, SCALE)
        np.testing.assert_array_equal(line, LINE)
        np.testing.assert_allclose(colour, palette.ramp("scratch")[-1])
        assert not is_faded(path)

    def test_a_row_is_as_faithful_as_the_lower_of_its_two_measures(self, tmp_path):
        from pyarrow import parquet

        projection = projection_of(tmp_path, pairs=1, arms=("scratch",), tested=True)
        table = parquet.read_table(tmp_path / "pca" / "coordinates.parquet").to_pandas()
        lower = table[["trustworthiness", "continuity"]].min(axis=1)
        np.testing.assert_allclose(projection.trajectories[0].faithfulness, lower)

    def test_failed_paths_are_pale_too(self, tmp_path):
        from deep_learning_dynamics.figures.paths import draw_trajectories
        from deep_learning_dynamics.figures.style import Sizes

        axes = Figure(figsize=(5, 5)).add_axes((0, 0, 1, 1))
        dead = trajectory(LINE, [0.5] * 3, failed="dead")
        draw_trajectories(
            axes, [dead], Frame((0.0, 2.0), (-1.0, 1.0), 72.0), SCALE, Sizes.fitting(2, 5.0)
        )
        colours = [c for lines in axes.findobj(LineCollection) for c in lines.get_colors()[:, :3]]
        pale = 1 - LEAST_INK * (1 - np.array(palette.colour("scratch")))
        assert any(np.allclose(colour, pale) for colour in colours)


def ellipses(axes):
    """The centres and (width, height, angle) of all ellipses."""
    found = axes.findobj(EllipseCollection)
    return (
        np.concatenate([each.get_offsets() for each in found] or [np.empty((0, 2))]),
        [
            shape
            for each in found
            for shape in zip(each.get_widths(), each.get_heights(), each.get_angles(), strict=True)
        ],
    )


def drawn(trajectories, size=100.0):
    axes = Figure(figsize=(5, 5)).add_axes((0, 0, 1, 1))
    draw_wobble(axes, trajectories, Frame((0.0, size), (0.0, size), 360 / size))
    return axes


class TestWobble:
    """Ellipses of one standard deviation where refits put the snapshots."""

    def test_an_ellipse_has_the_axes_and_the_direction_of_the_moments(self):
        # 9 along 30 degrees, 4 across.
        turn = np.radians(30)
        along = np.array([np.cos(turn), np.sin(turn)])
        moments = 9 * np.outer(along, along) + 4 * (np.eye(2) - np.outer(along, along))
        wobble = [[moments[0, 0], moments[0, 1], moments[1, 1]]]
        centres, ((width, height, angle),) = ellipses(drawn([trajectory([[50, 50]], None, wobble)]))
        assert centres.tolist() == [[50, 50]]
        sizes = {round(width, 6): angle % 180, round(height, 6): (angle + 90) % 180}
        assert sizes.keys() == {4.0, 6.0}
        assert sizes[6.0] == pytest.approx(30)

    def test_small_ones_lie_along_the_path_at_equal_distances_both_ends_among_them(self):
        # Ten snapshots at the start, then ten on the way: places count, not snapshots.
        points = [[10, 10]] * 10 + [[10 + 8 * n, 10] for n in range(1, 11)]
        path = trajectory(points, None, np.tile([1.0, 0, 1], (20, 1)))
        centres, _ = ellipses(drawn([path]))
        np.testing.assert_allclose(centres[:, 0], [10, 30, 50, 70, 90], atol=4)

    def test_where_they_would_cover_the_drawing_only_the_ends_have_one(self):
        path = [[20, 20], [50, 50], [80, 80]]
        large = [trajectory(path, None, np.tile([400.0, 0, 400], (3, 1)), pair=n) for n in range(4)]
        centres, _ = ellipses(drawn(large))
        assert centres.tolist() == [[80, 80]] * 4

    def test_there_are_no_more_than_can_be_told_apart(self):
        path = [[20 + 10 * n, 20] for n in range(5)]
        for networks, each in ((12, 5), (20, 3), (30, 2), (50, 1)):
            many = [
                trajectory(path, None, np.tile([0.01, 0, 0.01], (5, 1)), pair=n)
                for n in range(networks)
            ]
            assert len(ellipses(drawn(many))[0]) == networks * each

    def test_what_no_refit_placed_has_none(self):
        never = trajectory(LINE, None, np.full((3, 3), np.nan))
        once = trajectory(LINE, None, [[np.nan] * 3, [0.1, 0, 0.1], [np.nan] * 3])
        assert len(ellipses(drawn([never, trajectory(LINE)]))[0]) == 0
        assert ellipses(drawn([never, once]))[0].tolist() == [[1, 0]]

    def test_figures_have_them_and_the_sheet_has_not(self, tmp_path):
        projection = projection_of(tmp_path, tested=True)
        assert len(ellipses(trajectory_figure(projection, MNIST, OMNIGLOT))[0]) >= 10
        assert len(ellipses(sheet_figure([projection], MNIST, OMNIGLOT))[0]) == 0


def test_the_legend_explains_what_was_tested_and_nothing_else(tmp_path):
    tested = projection_of(tmp_path / "tested", tested=True)
    assert legend_of(trajectory_figure(tested, MNIST, OMNIGLOT))[-2:] == [PALE, ELLIPSES]
    assert PALE in legend_of(sheet_figure([tested], MNIST, OMNIGLOT))
    untested = projection_of(tmp_path / "untested")
    for draw in (trajectory_figure, lambda one, *data: sheet_figure([one], *data)):
        assert not {PALE, ELLIPSES} & {*legend_of(draw(untested, MNIST, OMNIGLOT))}


def test_what_was_not_tested_is_drawn_as_without_tests(tmp_path):
    """NaN in the columns, as where a test was left out, is as good as no columns at all."""
    from pyarrow import parquet

    folder = write_projection(tmp_path / "pca", "pca", pairs=2)
    table = parquet.read_table(folder / "coordinates.parquet").to_pandas()
    plain = trajectory_figure(read_projection(folder, "pca"), MNIST, OMNIGLOT)
    names = ("trustworthiness", "continuity", "wobble_xx", "wobble_xy", "wobble_yy")
    table.assign(**dict.fromkeys(names, np.nan)).to_parquet(folder / "coordinates.parquet")
    again = trajectory_figure(read_projection(folder, "pca"), MNIST, OMNIGLOT)
    pictures = []
    for figure in (plain, again):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pictures.append(np.array(canvas.buffer_rgba()))
    np.testing.assert_array_equal(*pictures)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_overlaps_on_a_figure_of_what_was_tested(tmp_path, method):
    projection = projection_of(tmp_path, method, failures=FAILURES, tested=True)
    assert_readable(trajectory_figure(projection, MNIST, GLYPHS))


@pytest.mark.parametrize("options", [{"pairs": 50}, {"pairs": 2, "layers": (2, 3, 4, 5, 6)}])
def test_nothing_overlaps_with_many_networks_or_layers(tmp_path, options):
    projection = projection_of(tmp_path, "pca", tested=True, **options)
    assert_readable(trajectory_figure(projection, MNIST, OMNIGLOT))


@pytest.mark.parametrize("count", [1, 2, 6])
def test_nothing_overlaps_on_a_sheet_of_what_was_tested(tmp_path, count):
    projections = [projection_of(tmp_path, m, pairs=3, tested=True) for m in METHODS[:count]]
    figure = sheet_figure(projections, MNIST, GLYPHS)
    assert_readable(figure)
    assert [text for text, _ in drawn_texts(figure)].count("refits 0.21") == count


def found_in(projection, seeds=None, folds=None, nulls=None):
    stability = None if seeds is None and folds is None else Stability(seeds, folds)
    quality = replace(projection.quality, stability=stability, nulls=nulls or {})
    return replace(projection, quality=quality)


class TestWords:
    """What is said below the title."""

    def test_refits_are_told_with_the_worst_of_them_where_it_is_another_number(self, tmp_path):
        projection = found_in(
            projection_of(tmp_path, pairs=1), Refits(4, 0.61, 0.84), Refits(10, 0.0001, 0.0002)
        )
        assert trust_lines(projection) == [
            "refits differ (0: not at all, 1: in everything) "
            "with other seeds 0.61, at most 0.84 · without some networks 0.00"
        ]
        assert badge(projection) == "refits 0.61"

    def test_numbers_are_named_in_which_the_picture_is_unlike_pictures_of_nothing(self, tmp_path):
        inside = Standing(0.9, 0.8, 0.9, 0.95, 20)
        outside = Standing(0.97, 0.8, 0.9, 0.95, 20)
        nulls = {
            "random_walk": {"trustworthiness": outside, "explained_variance": outside},
            "shuffled_steps": {"trustworthiness": inside, "explained_variance": inside},
        }
        projection = projection_of(tmp_path, pairs=1)
        assert trust_lines(found_in(projection, nulls=nulls)) == [
            "unlike random walks in trustworthiness, variance · unlike shuffled steps in nothing"
        ]

    def test_a_picture_that_is_like_those_of_nothing_is_said_to_be(self, tmp_path):
        inside = {"trustworthiness": Standing(0.9, 0.8, 0.9, 0.95, 20)}
        projection = projection_of(tmp_path, pairs=1)
        nulls = {"random_walk": inside, "shuffled_steps": inside}
        assert trust_lines(found_in(projection, nulls=nulls)) == [
            "random walks and shuffled steps give pictures as good as this one"
        ]

    def test_nothing_is_said_of_what_was_not_tested(self, tmp_path):
        projection = projection_of(tmp_path, pairs=1)
        assert trust_lines(projection) == []
        assert badge(projection) == ""
