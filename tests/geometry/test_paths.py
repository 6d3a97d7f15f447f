"""Paths of known shape have known lengths, angles and dimensions, in any number of dimensions."""

import numpy as np
import pytest

from deep_learning_dynamics.geometry.paths import Path, degrees


def through(points, steps):
    moves = np.diff(points.astype(float), axis=0)
    return Path(steps, moves @ moves.T)


def path_through(points, steps=None):
    """A path through points that were turned and shifted into 300 dimensions."""
    points = np.asarray(points, float)
    axes, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(300, points.shape[1])))
    steps = np.arange(len(points)) if steps is None else np.asarray(steps)
    return through(points @ axes.T + 3, steps)


def circle(count):
    angles = np.linspace(0, 2 * np.pi, count + 1)
    return np.column_stack([np.cos(angles), np.sin(angles)])


def test_a_straight_line_is_straight_and_does_not_turn():
    path = path_through(np.array([[0.0], [1], [3], [7]]) * [1, 2, 2], steps=[0, 1, 2, 6])
    assert path.length == pytest.approx(21)
    assert path.displacement == pytest.approx(21)
    assert path.straightness == pytest.approx(1)
    np.testing.assert_allclose(path.turning[1:-1], 0, atol=1e-4)
    np.testing.assert_allclose(path.speed[1:], [3, 6, 3])
    assert path.dimension == pytest.approx(1)


def test_around_a_square_every_turn_is_a_right_angle_and_nothing_is_gained():
    path = path_through([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])
    assert path.length == pytest.approx(4)
    assert path.displacement == pytest.approx(0, abs=1e-7)
    assert path.straightness == pytest.approx(0, abs=1e-7)
    np.testing.assert_allclose(path.turning[1:-1], 90)
    np.testing.assert_allclose(path.from_start, [0, 1, np.sqrt(2), 1, 0], atol=1e-7)


def test_a_circle_has_its_circumference_and_turns_by_one_full_turn_in_all():
    path = path_through(circle(360))
    assert path.length == pytest.approx(2 * np.pi, rel=1e-4)
    np.testing.assert_allclose(path.turning[1:-1], 1, rtol=1e-6)
    half = path_through(circle(360)[:181])
    assert half.straightness == pytest.approx(2 / np.pi, rel=1e-4)


def test_a_path_that_turns_back_turns_by_180_degrees():
    path = path_through([[0.0], [1], [0]])
    np.testing.assert_allclose(path.turning[1], 180)
    np.testing.assert_allclose(path.to_end, [0, 1, 0], atol=1e-12)


def test_speed_is_per_step_although_snapshots_are_not_evenly_spaced():
    path = path_through([[0.0], [1], [2]], steps=[0, 10, 110])
    assert np.isnan(path.speed[0])
    np.testing.assert_allclose(path.speed[1:], [0.1, 0.01])


def test_small_moves_far_from_the_origin_are_not_lost_to_rounding():
    rng = np.random.default_rng(2)
    moves = 1e-6 * rng.normal(size=(30, 50))
    points = 1e3 + np.concatenate([np.zeros((1, 50)), moves.cumsum(axis=0)])
    path = through(points, np.arange(31))
    np.testing.assert_allclose(path.lengths, np.linalg.norm(np.diff(points, axis=0), axis=1))
    np.testing.assert_allclose(path.from_start, np.linalg.norm(points - points[0], axis=1))


@pytest.mark.parametrize("dimensions", [1, 2, 5, 12])
def test_a_cloud_that_is_equally_wide_in_d_directions_has_dimension_d(dimensions):
    corners = np.concatenate([np.eye(dimensions), -np.eye(dimensions)])  # covariance ∝ identity
    assert path_through(corners).dimension == pytest.approx(dimensions)


def test_the_dimension_is_the_participation_ratio_of_the_covariance():
    points = np.random.default_rng(3).normal(size=(60, 8)) * np.arange(1, 9)
    values = np.linalg.eigvalsh(np.cov(points.T))
    assert path_through(points).dimension == pytest.approx(values.sum() ** 2 / (values**2).sum())


def test_a_random_walk_in_many_dimensions_has_dimension_five_halves_and_right_angles():
    """Without any learning: the control for a low effective dimension and for angles of 90°."""
    moves = np.random.default_rng(4).normal(size=(300, 20_000))
    path = Path(np.arange(301), moves @ moves.T)
    assert path.dimension == pytest.approx(2.5, rel=0.03)
    assert path.mean_turning == pytest.approx(90, abs=0.5)
    assert path.straightness == pytest.approx(300**-0.5, rel=0.03)


def test_a_network_that_does_not_move_has_no_straightness_angle_or_dimension():
    path = through(np.ones((4, 3)), np.arange(4))
    assert path.length == path.displacement == 0
    assert np.isnan([path.straightness, path.mean_turning, path.dimension]).all()


def test_a_single_snapshot_is_a_path_of_no_length():
    path = through(np.ones((1, 3)), np.array([0]))
    assert path.length == path.displacement == 0
    assert np.isnan(path.speed).all()
    assert np.isnan(path.turning).all()


def test_weights_that_are_not_finite_make_what_follows_undefined_and_nothing_before():
    points = np.arange(12.0).reshape(6, 2)
    points[4:] = np.nan
    path = through(points, np.arange(6))
    assert np.isfinite(path.from_start[:4]).all()
    assert np.isnan(path.from_start[4:]).all()
    assert np.isnan([path.length, path.displacement, path.mean_turning, path.dimension]).all()


def test_angles_are_those_of_arccos():
    cosine = np.concatenate([np.linspace(-1, 1, 10_001), [1 - 1e-12, 1e-12 - 1, 1 + 1e-9]])
    expected = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    np.testing.assert_allclose(degrees(cosine), expected, atol=1e-12)
    assert np.isnan(degrees(np.array([np.nan]))).all()
