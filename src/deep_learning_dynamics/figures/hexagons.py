"""The map of a self-organising map: hexagonal cells, and the points within a cell spread apart."""

import functools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from deep_learning_dynamics.figures import palette
from deep_learning_dynamics.figures.inputs import HexagonalMap, Trajectory

_PLAIN = 0.92  # lightness of a cell of which nothing is known
_GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))


def corners(cells: HexagonalMap) -> Float[np.ndarray, "unit 6 2"]:
    """The corners of every cell; neighbouring cells share theirs."""
    step = _to_nearest_neighbour(cells)
    # A cell's corners point between its neighbours, at the distance of half a step over cos 30°.
    angles = np.arctan2(step[1], step[0]) + np.radians(30 + 60 * np.arange(6))
    around = np.hypot(*step) / np.sqrt(3) * np.column_stack([np.cos(angles), np.sin(angles)])
    return cells.centres[:, None] + around


def draw_map(axes: Axes, cells: HexagonalMap) -> None:
    """Draw the cells, darker where a unit is far from its neighbours (Ultsch's U-matrix).

    Where no distance is known, all cells are light.
    """
    shades = np.full((len(cells.centres), 3), _PLAIN)
    if np.isfinite(cells.u_matrix).any():
        low, high = u_matrix_range(cells)
        # Logarithms, because one far-off network would otherwise leave all the rest white.
        logarithms = np.log(np.clip(np.nan_to_num(cells.u_matrix, nan=low), low, high) / low)
        shades = palette.shades_of_grey(logarithms / max(np.log(high / low), 1e-12))
    # Edges in the cells' own colour close the seams that anti-aliasing leaves between polygons.
    for face, edge, width, order in ((shades, shades, 0.3, 0.0), ("none", "white", 0.35, 0.1)):
        cells_drawn = PolyCollection(
            corners(cells), facecolors=face, edgecolors=edge, linewidths=width, zorder=order
        )
        axes.add_collection(cells_drawn, autolim=False)


def u_matrix_range(cells: HexagonalMap) -> tuple[float, float]:
    """The distances to neighbouring units that are drawn lightest and darkest."""
    finite = cells.u_matrix[np.isfinite(cells.u_matrix)]
    high = float(finite.max(initial=0.0)) or 1.0
    # Neighbours that are equal have distance 0, which has no logarithm.
    return max(float(finite.min(initial=high)), 1e-3 * high), high


def spread(trajectories: Sequence[Trajectory], cells: HexagonalMap) -> list[Trajectory]:
    """The same trajectories with the points that share a cell moved apart, inside that cell.

    They lie like the seeds of a sunflower (Vogel 1979), evenly however many they are. A network's
    successive snapshots lie side by side, so that its path winds through the cell, not across.
    """
    if not trajectories:
        return []
    points = np.concatenate([trajectory.points for trajectory in trajectories])
    _, cell = np.unique(points, axis=0, return_inverse=True)
    # A seed at the rim still leaves a gap to the next cell.
    radius = 0.78 * np.hypot(*_to_nearest_neighbour(cells)) / 2
    moved = points.copy()
    for rows in np.split(np.argsort(cell, kind="stable"), np.cumsum(np.bincount(cell))[:-1]):
        moved[rows] += radius * _sunflower(len(rows))
    ends = np.cumsum([len(trajectory.points) for trajectory in trajectories])[:-1]
    return [
        replace(trajectory, points=part)
        for trajectory, part in zip(trajectories, np.split(moved, ends), strict=True)
    ]


@functools.cache
def _sunflower(count: int) -> Float[np.ndarray, "row 2"]:
    """So many points in the unit disc, evenly spread, each beside the one before it."""
    if count == 1:
        return np.zeros((1, 2))
    seed = np.arange(count)
    radius, angle = np.sqrt((seed + 0.5) / count), seed * _GOLDEN_ANGLE
    places = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    order, free = [count - 1], np.ones(count, bool)
    for _ in range(count - 1):
        free[order[-1]] = False
        away = np.hypot(*(places - places[order[-1]]).T)
        order.append(int(np.argmin(np.where(free, away, np.inf))))
    return places[order]


def _to_nearest_neighbour(cells: HexagonalMap) -> Float[np.ndarray, " 2"]:
    away = cells.centres - cells.centres[0]
    distance = np.hypot(away[:, 0], away[:, 1])
    distance[0] = np.inf
    return away[np.argmin(distance)]
