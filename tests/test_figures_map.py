"""The map of a self-organising map: its cells, and the points that share one."""

import numpy as np
import pytest
from figure_examples import write_projection

from deep_learning_dynamics.figures import HexagonalMap, Trajectory, read_projection
from deep_learning_dynamics.figures.hexagons import corners, spread, u_matrix_range

GRID = np.array([(c + 0.5 * (r % 2), r * np.sqrt(3) / 2) for r in range(4) for c in range(5)])
CELLS = HexagonalMap(GRID, np.ones(20))


def trajectory(points):
    count = len(points)
    return Trajectory("train", "scratch", 0, 0, "", np.arange(count) * 1.0, np.zeros(count), points)


def cell_of(points, centres):
    return [int(np.argmin(np.hypot(*(centres - point).T))) for point in points]


def test_a_cell_has_six_corners_at_equal_distance_and_an_edge_to_each_neighbour():
    shape = corners(CELLS)
    distances = np.linalg.norm(shape - GRID[:, None], axis=2)
    np.testing.assert_allclose(distances, 1 / np.sqrt(3))
    # Cells 6 and 7 lie side by side, 6 and 10 one above the other: each pair has two common corners.
    for neighbour in (7, 11):
        gaps = np.linalg.norm(shape[6][:, None] - shape[neighbour][None], axis=2)
        assert (gaps < 1e-9).sum() == 2


def test_a_map_that_lies_on_its_side_has_cells_that_lie_on_their_side():
    turned = HexagonalMap(GRID[:, ::-1].copy(), np.ones(20))
    gaps = np.linalg.norm(corners(turned)[6][:, None] - corners(turned)[7][None], axis=2)
    assert (gaps < 1e-9).sum() == 2


@pytest.mark.parametrize("count", [1, 2, 7, 38, 300])
def test_points_that_share_a_cell_are_all_seen_and_stay_in_it(count):
    (moved,) = spread([trajectory(np.repeat(GRID[[7]], count, axis=0))], CELLS)
    assert cell_of(moved.points, GRID) == [7] * count
    gaps = np.linalg.norm(moved.points[:, None] - moved.points[None], axis=2) + 9 * np.eye(count)
    assert gaps.min() > 0.5 / np.sqrt(count)


def test_a_point_alone_in_its_cell_stays_at_the_centre():
    (moved,) = spread([trajectory(GRID[[3, 8]])], CELLS)
    np.testing.assert_array_equal(moved.points, GRID[[3, 8]])


def test_a_network_that_stays_in_a_cell_winds_through_it_instead_of_jumping_across():
    (moved,) = spread([trajectory(np.repeat(GRID[[7]], 60, axis=0))], CELLS)
    steps = np.hypot(*np.diff(moved.points, axis=0).T)
    shuffled = np.random.default_rng(0).permutation(moved.points)
    assert steps.sum() < 0.5 * np.hypot(*np.diff(shuffled, axis=0).T).sum()


def test_every_snapshot_of_a_whole_projection_is_in_its_cell_and_at_its_own_place(tmp_path):
    projection = read_projection(write_projection(tmp_path, "som"), "som")
    before = np.concatenate([t.points for t in projection.trajectories])
    assert len(np.unique(before, axis=0)) < len(before)  # otherwise this shows nothing
    moved = spread(projection.trajectories, projection.map)
    after = np.concatenate([t.points for t in moved])
    assert len(np.unique(after.round(6), axis=0)) == len(after)
    centres = projection.map.centres
    assert cell_of(after, centres) == cell_of(before, centres)


def test_neighbours_that_are_equal_do_not_break_the_scale_of_logarithms():
    assert u_matrix_range(HexagonalMap(GRID, np.zeros(20))) == (1e-3, 1.0)
    assert u_matrix_range(HexagonalMap(GRID, np.linspace(0.1, 2, 20))) == (0.1, 2.0)
