"""Places in a plane: lengths along paths, where these leave it, and squares that make room."""

import numpy as np
from jaxtyping import Float

from deep_learning_dynamics.figures.trajectories import Points


def moved_apart(places: Points, size: float) -> Points:
    """Centres of squares, moved so that squares of this size do not overlap; by 1.5 sizes at most.

    Pairs that overlap push each other apart, along the axis on which they are farther apart.
    """
    moved = places.copy()
    numbers = np.arange(len(places))
    earlier = np.sign(numbers[:, None] - numbers)  # which of two at the same place goes where
    for _ in range(200):
        gaps = moved[:, None] - moved
        overlap = size - np.abs(gaps).max(axis=2)
        np.fill_diagonal(overlap, 0)
        if overlap.max() < 0.05 * size:
            break
        along = np.abs(gaps).argmax(axis=2)
        sides = np.take_along_axis(np.sign(gaps), along[..., None], axis=2)[..., 0]
        push = 0.3 * np.maximum(overlap, 0) * np.where(sides == 0, earlier, sides)
        moved += np.stack([np.where(along == axis, push, 0).sum(axis=1) for axis in (0, 1)], axis=1)
        moved = places + np.clip(moved - places, -1.5 * size, 1.5 * size)
    return moved


def lengths_along(points: Points) -> Float[np.ndarray, " row"]:
    """How long the path is up to each of its points."""
    return np.concatenate([[0.0], np.hypot(*np.diff(points, axis=0).T).cumsum()])


def last_seen(
    points: Points, inside: np.ndarray, low: np.ndarray, high: np.ndarray
) -> Float[np.ndarray, " 2"]:
    """The end of a path, or where it leaves the plane for the last time."""
    if inside[-1]:
        return points[-1]
    seen = np.flatnonzero(inside)
    if not seen.size:
        return np.clip(points[-1], low, high)
    start = points[seen[-1]]
    step = points[seen[-1] + 1] - start
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(step > 0, (high - start) / step, (low - start) / step)
    return start + step * np.nanmin(np.where(step == 0, np.nan, reach))
