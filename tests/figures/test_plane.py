"""Trajectories in a plane: what is framed, marked, numbered and faded."""

import numpy as np
import pytest
from made_results import projection_of, trajectories, words
from matplotlib.colors import to_rgb

from deep_learning_dynamics import figures
from deep_learning_dynamics.figures.groups import Groups
from deep_learning_dynamics.figures.places import moved_apart
from deep_learning_dynamics.figures.plane import Plane, draw_planes
from deep_learning_dynamics.figures.style import INK, Style, colour
from deep_learning_dynamics.figures.trajectories import (
    LEAST_INK,
    Trajectory,
    can_number,
    framed,
    score_scale,
    trajectories_of,
    until,
)


def path(points, group=0, **options):
    points = np.asarray(points, float)
    fields = {"label": "", "outcome": "", "earlier": False} | options
    name = fields.pop("network", f"network {points[-1]}")
    return Trajectory(name, group, points=points, steps=np.arange(len(points)) * 1.0, **fields)


def line(to, **options):
    return path(np.linspace(0, 1, 6)[:, None] * np.asarray(to, float), **options)


def drawn(shown, **options):
    style = Style(width=4.0)
    with style.applied():
        figure = style.figure(4.0)
        plane = Plane(shown, **options)
        plane.place(figure.subplots())
        draw_planes(figure, [plane])
    return plane


def markers(plane, marker):
    return [each for each in plane.axes.lines if each.get_marker() == marker]


SMALL = [line((1, 0)), line((0, 1)), line((-1, 0)), line((0, -1))]


def test_a_network_far_out_does_not_own_the_plane():
    far = line((0, 30))
    assert np.abs(framed([*SMALL, far])).max() == 1
    plane = drawn([*SMALL, far])
    assert plane.axes.get_ylim()[1] < 2
    (sign,) = [each for each in plane.axes.lines if isinstance(each.get_marker(), tuple)]
    x, y = sign.get_xdata()[0], sign.get_ydata()[0]
    assert abs(x) < 0.1
    assert plane.axes.get_ylim()[1] - 0.2 < y < plane.axes.get_ylim()[1]  # at the edge it crossed
    assert sign.get_marker()[2] == pytest.approx(0)  # points upwards, where the path went


def test_two_clusters_are_both_shown():
    clusters = [*SMALL, *(path(each.points + 100) for each in SMALL)]
    assert framed(clusters).max() == 101


@pytest.mark.parametrize(("outcome", "reach"), [("dead", 100), ("diverged", 1e9)])
def test_networks_that_failed_are_marked_where_they_leave(outcome, reach):
    plane = drawn([*SMALL, line((reach, 0), outcome=outcome)])
    assert plane.axes.get_xlim()[1] < 2
    (cross,) = markers(plane, "X")
    assert 0.9 < cross.get_xdata()[0] < plane.axes.get_xlim()[1]
    assert len(markers(plane, "s")) == 4  # a network that failed has no square


def test_a_dead_network_that_stays_near_is_framed():
    assert framed([*SMALL, line((1.2, 0), outcome="dead")])[:, 0].max() == 1.2


def test_equal_distances_are_equally_long_on_paper():
    plane = drawn([line((10, 1)), line((-10, 1))])
    box, axes = plane.axes.get_window_extent(), plane.axes
    assert box.width / np.ptp(axes.get_xlim()) == pytest.approx(
        box.height / np.ptp(axes.get_ylim())
    )


def test_arrowheads_point_in_the_direction_of_learning():
    plane = drawn([line((1, 0)), line((-1, 0))])
    triangles = [
        shape.vertices[:3]
        for collection in plane.axes.collections
        if type(collection).__name__ == "PolyCollection"
        for shape in collection.get_paths()
    ]
    assert triangles
    for head, left, right in triangles:
        direction = head - (left + right) / 2
        assert np.sign(direction[0]) == np.sign(head[0])
        assert abs(direction[1]) < 1e-9


def test_ends_carry_the_numbers_of_few_pairs_only():
    pairs = [line((np.cos(n), np.sin(n)), label=str(n)) for n in range(20)]
    assert can_number(pairs)
    assert {text.get_text() for text in drawn(pairs, numbered=True).axes.texts} == {
        str(n) for n in range(20)
    }
    assert not can_number([line((1, 0), label=str(n)) for n in range(26)])
    assert not can_number([line((1, 0)), line((0, 1))])


def test_numbers_of_ends_do_not_hide_each_other():
    close = [line((1, 0.01 * n), label=str(n)) for n in range(3)]
    far = [line((-1, n), label=str(n + 3)) for n in range(2)]
    plane = drawn([*close, *far], numbered=True)
    squares = markers(plane, "s")
    places = np.array([(each.get_xdata()[0], each.get_ydata()[0]) for each in squares])
    on_paper = plane.axes.transData.transform(places) / plane.axes.figure.dpi * 72
    gaps = np.abs(on_paper[:, None] - on_paper).max(axis=2)[np.triu_indices(5, 1)]
    assert gaps.min() > 0.9 * squares[0].get_markersize()
    np.testing.assert_allclose(places[3:], [each.points[-1] for each in far])  # these did not move
    leads = [each for each in plane.axes.lines if len(each.get_xdata()) == 2]
    ends = [(each.get_xdata()[0], each.get_ydata()[0]) for each in leads]
    assert 2 <= len(ends) <= 3
    assert all(any(np.allclose(end, each.points[-1]) for each in close) for end in ends)


def test_squares_at_one_place_are_moved_apart_but_not_far():
    moved = moved_apart(np.zeros((4, 2)), 9.0)
    gaps = np.abs(moved[:, None] - moved).max(axis=2)[np.triu_indices(4, 1)]
    assert gaps.min() > 0.9 * 9
    assert np.abs(moved_apart(np.zeros((50, 2)), 9.0)).max() <= 1.5 * 9
    apart = np.array([[0.0, 0.0], [0.0, 10.0]])
    np.testing.assert_array_equal(moved_apart(apart, 9.0), apart)


def test_points_fade_as_their_neighbours_are_lost():
    faded = path(np.eye(3)[:, :2], faith=np.array([1.0, 0.75, 0.5]))
    assert faded.inks.tolist() == [1.0, pytest.approx((1 + LEAST_INK) / 2), LEAST_INK]
    assert faded.is_faded
    assert not path(np.eye(3)[:, :2], faith=np.ones(3)).is_faded


def test_ellipses_are_left_out_where_refits_put_ends_anywhere():
    def spread(of, count=3):
        angles = np.linspace(0, np.pi, count)
        ends = np.column_stack([np.cos(angles), np.sin(angles)])
        return [line(to, spread=np.tile([of**2, 0, of**2], (6, 1))) for to in ends]

    assert len(Plane(spread(0.1)).ellipses[0]) == 3
    assert Plane(spread(1.0)).ellipses[0] == []
    assert len(Plane(spread(0.1, 50)).ellipses[0]) == 50
    assert Plane(spread(0.17, 50)).ellipses[0] == [], "each is small, all together cover the plane"


def test_ellipses_are_framed_unless_paths_would_shrink_by_much():
    def with_spread(height):
        long = line((0, 1), spread=np.tile([0.0001, 0, height**2], (6, 1)))
        return Plane([*SMALL[:1], *SMALL[2:], long])

    assert with_spread(0.3).ellipses[0]
    assert with_spread(0.3).high[1] > 1.3
    assert with_spread(0.01).high[1] == pytest.approx(1.1)
    assert with_spread(3.0).ellipses[0]
    assert with_spread(3.0).high[1] < 1.6


def test_ellipses_have_the_axes_of_the_covariance():
    angle = np.radians(30)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    covariance = turn @ np.diag([0.04, 0.01]) @ turn.T
    row = [covariance[0, 0], covariance[0, 1], covariance[1, 1]]
    _, half, angles = Plane([line((3, 0), spread=np.tile(row, (6, 1)))]).ellipses
    assert sorted(half[0]) == pytest.approx([0.1, 0.2])
    longer = (angles[0] + (0 if half[0][0] > half[0][1] else 90)) % 180
    assert longer == pytest.approx(30)


def test_tables_become_trajectories_in_the_order_of_pairs():
    table, vectors = trajectories(pairs=12, failed={"pretrained-3": "diverged"})
    projection = projection_of(table, vectors)
    groups = Groups.of(table, "condition", {})
    shown = trajectories_of(projection.coordinates, groups, "test_accuracy")
    assert [t.label for t in shown if not t.earlier and t.group == 0] == [str(n) for n in range(12)]
    assert sum(t.earlier for t in shown) == 12
    (failed,) = [t for t in shown if not t.sound]
    assert len(failed.points) == len(failed.score) == 35  # three of its snapshots were not finite


def sparsely_scored(without=""):
    """A projection that has a score at every third snapshot, and none of some networks."""
    table, vectors = trajectories(pairs=2, earlier=False)
    gone = (table["snapshot"] % 3 != 1) | table["network"].str.startswith(without or "none")
    table["test_accuracy"] = (table["step"] / 4000).mask(gone)
    return projection_of(table, vectors, robust=False)


def test_scores_that_were_not_recorded_lie_between_those_that_were():
    table = sparsely_scored().coordinates
    shown = trajectories_of(table, Groups.of(table, "condition", {}), "test_accuracy")
    for t in shown:
        known = np.flatnonzero(t.recorded)
        assert known.tolist() == list(range(1, len(t.steps), 3))
        inner = slice(known[0], known[-1] + 1)
        np.testing.assert_allclose(t.score[inner], t.steps[inner] / 4000)  # linear over steps
        assert t.score[0] == t.score[known[0]]
        assert t.score[-1] == t.score[known[-1]]
        light = Plane(shown, score_scale(shown, "test_accuracy")).colours(t).sum(axis=1)
        assert (np.diff(light) <= 0).all()  # darker and darker: no snapshot looks untrained


def test_networks_without_a_score_are_grey_and_the_legend_says_so():
    projection = sparsely_scored(without="scratch")
    table = projection.coordinates
    shown = trajectories_of(table, Groups.of(table, "condition", {}), "test_accuracy")
    plane = Plane(shown, score_scale(shown, "test_accuracy"))
    for t in shown:
        assert (np.ptp(plane.colours(t), axis=1) == 0).all() == t.network.startswith("scratch")
    text = words(figures.paths(projection))
    assert "no test accuracy recorded" in text
    assert "interpolated where not recorded" in text
    table, vectors = trajectories(pairs=2)
    text = words(figures.paths(projection_of(table, vectors)))
    assert "recorded" not in text


def test_bars_of_many_groups_have_the_signs_of_their_ends():
    names = tuple("abcdefghij")
    table, vectors = trajectories(pairs=1, conditions=names, earlier=False)
    for few, signs in ((10, ["s"] * 8 + ["D"] * 2), (8, [])):
        kept = table["condition"].isin(names[:few]).to_numpy()
        projection = projection_of(table[kept].reset_index(drop=True), vectors[kept], robust=False)
        figure = figures.paths(projection)
        bar = next(axes for axes in figure.axes if axes.get_xlabel() == "Test accuracy (%)")
        assert [each.get_marker() for each in bar.lines if each.get_marker() != "None"] == signs
        assert ("end, with its group's sign" in words(figure)) == bool(signs)


def test_a_trajectory_ends_at_a_moment():
    half = until(path(np.arange(12).reshape(6, 2), score=np.arange(6.0)), 2.0)
    assert half.points.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert half.score.tolist() == [0, 1, 2]


def test_parameters_of_one_network_are_told_apart():
    table, vectors = trajectories(pairs=1, conditions=("scratch",))
    both = [table.assign(parameter=name) for name in ("hidden1", "hidden2")]
    import pandas as pd

    projection = projection_of(pd.concat(both, ignore_index=True), np.tile(vectors, (2, 1)))
    shown = trajectories_of(projection.coordinates, Groups.of(table, "", {}))
    assert [t.label for t in shown] == ["1", "2"]
    assert figures.paths(projection).get_size_inches()[0] == 7


def test_a_start_that_groups_share_has_the_colour_of_none():
    shown = [line([1, 0], group=0), line([0, 1], group=1), path([[2, 2], [3, 3]], group=1)]
    plane = drawn(shown)
    (starts,) = [each for each in plane.axes.collections if len(each.get_offsets()) == 3
                 and (each.get_facecolors()[:, :3] == 1).all()]  # fmt: skip
    edges = [tuple(edge[:3]) for edge in starts.get_edgecolors()]
    assert edges[0] == edges[1] == to_rgb(INK)
    assert edges[2] == pytest.approx(colour(1, 0.7))
