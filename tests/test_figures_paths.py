"""What a drawing shows of a path: where, in which direction, and what it does with failures."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from deep_learning_dynamics.figures import Trajectory, palette
from deep_learning_dynamics.figures.detail import find_detail
from deep_learning_dynamics.figures.frame import Frame, frame_of, shown_points
from deep_learning_dynamics.figures.palette import AccuracyScale
from deep_learning_dynamics.figures.paths import arrowheads, draw_trajectories
from deep_learning_dynamics.figures.style import Sizes

SIZES = Sizes.fitting(10, 5.0)
SCALE = AccuracyScale(0.1, 0.9)


def trajectory(points, pair=0, failed="", arm="scratch", accuracy=None):
    points = np.array(points, float)
    accuracy = np.linspace(0.1, 0.9, len(points)) if accuracy is None else accuracy
    return Trajectory("train", arm, pair, 0, failed, np.arange(len(points)) * 1.0, accuracy, points)


def frame_around(points, margin=0.0):
    return Frame.around(np.array(points, float), 5.0, 5.0, margin)


def test_a_frame_is_the_smallest_that_holds_all_points_at_one_scale_for_both_axes():
    frame = Frame.around(np.array([[0.0, 0.0], [4.0, 1.0]]), width=6.0, height=3.0, margin=1.0)
    assert frame.x == (-1.0, 5.0)  # 4 units on 6 − 2 inches
    assert frame.y == (-1.0, 2.0)
    assert frame.scale == 72


def test_a_frame_around_a_single_place_is_not_empty():
    frame = frame_around([[3.0, 3.0], [3.0, 3.0]])
    assert frame.x[0] < 3 < frame.x[1]


def test_a_diverged_network_has_no_say_in_what_is_shown():
    sound = trajectory([[0, 0], [1, 2]])
    diverged = trajectory([[0.5, 0.5], [1e9, 1e9]], pair=1, failed="diverged")
    shown = shown_points([sound, diverged])
    assert shown.max() == 2
    np.testing.assert_array_equal(shown[-1], [0.5, 0.5])


def test_a_dead_network_is_shown_whole_unless_that_would_dwarf_the_others():
    sound = trajectory([[0, 0], [1, 2]])
    assert shown_points([sound, trajectory([[0, 0], [3, 0]], 1, "dead")]).max() == 3
    assert shown_points([sound, trajectory([[0, 0], [90, 0]], 1, "dead")]).max() == 2


def test_spare_room_is_spent_on_a_dead_network_that_cannot_be_shown_whole():
    tall = trajectory([[0, 0], [1, 10]])
    dead = trajectory([[0, 0], [90, 0]], 1, "dead")
    middle, aside = frame_of([tall], 5.0, 5.0, 0.0), frame_of([tall, dead], 5.0, 5.0, 0.0)
    assert middle.x == (-4.5, 5.5)
    assert aside.x == (0.0, 10.0)
    assert (aside.y, aside.scale) == (middle.y, middle.scale)


def test_a_frame_is_moved_into_another_no_farther_than_needed():
    whole = Frame((0.0, 10.0), (0.0, 10.0), 1.0)
    moved = Frame((-2.0, 2.0), (7.0, 11.0), 2.0).moved_into(whole)
    assert moved == Frame((0.0, 4.0), (6.0, 10.0), 2.0)
    assert moved.moved_into(whole) == moved


def test_a_path_that_leaves_is_last_seen_where_it_crosses_the_edge():
    frame = frame_around([[0, 0], [10, 10]])
    assert frame.last_seen(np.array([[5.0, 5.0], [105.0, 55.0]])).tolist() == [10.0, 7.5]
    assert frame.last_seen(np.array([[5.0, 5.0], [1.0, 2.0]])).tolist() == [1.0, 2.0]


def test_arrowheads_point_where_the_path_goes():
    path = np.column_stack([np.linspace(0, 10, 20), np.zeros(20)])
    frame = frame_around(path)
    forward = list(arrowheads(frame, path, SIZES, spacing=60.0))
    backward = list(arrowheads(frame, path[::-1], SIZES, spacing=60.0))
    assert len(forward) == len(backward) >= 3
    for head, *base in forward:
        assert all(head[0] > corner[0] for corner in base)
    for head, *base in backward:
        assert all(head[0] < corner[0] for corner in base)


def test_arrowheads_keep_clear_of_the_marks_at_both_ends():
    path = np.array([[0.0, 0.0], [10.0, 0.0]])
    frame = frame_around(path)
    triangles = np.array(list(arrowheads(frame, path, SIZES, spacing=20.0)))
    free = 0.5 * SIZES.marker / frame.scale
    assert triangles[..., 0].min() > free
    assert triangles[..., 0].max() < 10 - free


def test_there_is_no_arrowhead_where_a_path_has_no_direction():
    to_and_fro = np.array([[0.0, 0.0], [0.05, 0.0]] * 100)
    assert not list(arrowheads(frame_around([[0, 0], [10, 10]]), to_and_fro, SIZES, spacing=60.0))


def drawn(trajectories, frame, **options):
    axes = Figure(figsize=(5, 5)).add_axes((0, 0, 1, 1))
    draw_trajectories(axes, trajectories, frame, SCALE, SIZES, **options)
    return axes


def colours_of(axes):
    """The colours of the widest collection of lines but for the white edges."""
    lines = max(axes.findobj(LineCollection), key=lambda found: len(found.get_paths()))
    colours = lines.get_colors()[:, :3]
    return colours[colours.min(axis=1) < 1]


@pytest.mark.parametrize("arm", ["scratch", "pretrained"])
def test_a_path_runs_through_the_colours_of_its_arm_as_accuracy_grows(arm):
    path = trajectory([[0, 0], [1, 0], [2, 0]], arm=arm)
    colours = colours_of(drawn([path], frame_around(path.points)))
    np.testing.assert_allclose(colours, palette.ramp(arm))


def test_a_path_whose_accuracy_stays_has_one_colour():
    path = trajectory([[0, 0], [1, 0], [2, 0]], accuracy=np.full(3, 0.9))
    np.testing.assert_allclose(
        colours_of(drawn([path], frame_around(path.points))), palette.ramp("scratch")[-1:]
    )


def test_the_colour_changes_halfway_between_two_snapshots():
    one_step = SCALE.low + np.array([0.0, 0.03])
    assert (SCALE.position(one_step) * (palette.LEVELS - 1)).round().tolist() == [0, 1]
    path = trajectory([[0, 0], [10, 0]], accuracy=one_step)
    axes = drawn([path], frame_around(path.points))
    lines = max(axes.findobj(LineCollection), key=lambda found: len(found.get_paths()))
    _white, before, after = (found.vertices[:, 0].tolist() for found in lines.get_paths())
    assert (before, after) == ([0, 5], [5, 10])


def marks(axes):
    """The places of the marks of failure."""
    cross = 13  # vertices of matplotlib's filled X
    return [
        found.get_offsets()[0].tolist()
        for found in axes.collections
        if [len(path.vertices) for path in found.get_paths()] == [cross]
    ]


def test_a_failed_network_is_marked_where_it_ended_or_left_the_drawing():
    sound = trajectory([[0, 0], [10, 10]])
    frame = frame_around(sound.points)
    dead = trajectory([[1, 1], [4, 5]], 1, "dead")
    (mark,) = marks(drawn([sound, dead], frame))
    assert mark == [4, 5]
    diverged = trajectory([[5, 5], [1e9, 5]], 1, "diverged")
    (mark,) = marks(drawn([sound, diverged], frame))
    assert 9.5 < mark[0] < 10
    assert mark[1] == 5


def test_a_magnified_part_does_not_mark_a_failure_that_happened_elsewhere():
    sound = trajectory([[0, 0], [10, 10]])
    dead = trajectory([[1, 1], [40, 5]], 1, "dead")
    axes = drawn([sound, dead], frame_around(sound.points), magnified=True)
    assert marks(axes) == []


def fan(count, length=1.0):
    angles = 2 * np.pi * np.arange(count) / count
    return [
        trajectory(np.outer(np.linspace(0, length, 10), [np.cos(a), np.sin(a)]), pair)
        for pair, a in enumerate(angles)
    ]


@pytest.mark.parametrize("slope", np.linspace(-1, 1, 9))
@pytest.mark.parametrize("count", [1, 2])
def test_where_few_networks_went_far_the_others_are_magnified_over_an_empty_corner(slope, count):
    way = np.array([1.0, slope])
    far = [
        trajectory(np.outer(np.linspace(0, 20, 10), way + 0.02 * n), 10 + n) for n in range(count)
    ]
    near = fan(9)
    frame = frame_around(shown_points([*near, *far]), margin=0.2)
    detail = find_detail([*near, *far], frame, 5.0, 5.0)
    assert detail.frame.inside(np.concatenate([t.points for t in near])).all()
    assert detail.magnification > 3
    corners = np.transpose([detail.frame.x, detail.frame.y])
    assert frame.inside(corners).all()

    # Neither the inset nor its caption, 5 % of the height, lies over a path.
    low, size = np.array([frame.x[0], frame.y[0]]), frame.x[1] - frame.x[0]
    every = [np.linspace(t.points[0], t.points[-1], 500) for t in (*near, *far)]
    place = (np.concatenate(every) - low) / size - [detail.left, detail.bottom]
    below, above = (0.05, 0) if detail.bottom > 0.1 else (0, 0.05)
    covered = (place > [0, -below]) & (place < [detail.size, detail.size + above])
    assert not covered.all(axis=1).any()


def test_where_all_networks_went_equally_far_nothing_is_magnified():
    networks = fan(8)
    frame = frame_around(shown_points(networks), margin=0.2)
    assert find_detail(networks, frame, 5.0, 5.0) is None


def test_where_nearly_half_of_the_networks_went_far_nothing_is_magnified():
    far = [trajectory(np.outer(np.linspace(0, 12, 10), [1.0, 0.1 * n]), 10 + n) for n in range(4)]
    networks = [*fan(5), *far]
    frame = frame_around(shown_points(networks), margin=0.2)
    assert find_detail(networks, frame, 5.0, 5.0) is None
    # The control: with one of the four it is.
    assert find_detail(networks[:6], frame_around(shown_points(networks[:6]), 0.2), 5.0, 5.0)


def test_a_failed_network_is_no_reason_to_magnify_the_others():
    networks = [*fan(8), trajectory([[0, 0], [1e6, 0]], 9, "diverged")]
    frame = frame_around(shown_points(networks), margin=0.2)
    assert find_detail(networks, frame, 5.0, 5.0) is None
