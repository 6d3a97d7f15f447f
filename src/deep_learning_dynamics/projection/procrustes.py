"""Procrustes alignment: whether two layouts of the same rows differ in more than shift, turn and
size."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Alignment:
    """A layout that was brought onto another one."""

    points: Float[np.ndarray, "row 2"]  # in the plane of the other
    matrix: Float[np.ndarray, "2 2"]  # a difference of places before, times this, is that of after
    disparity: float  # 0: the same shape, 1: nothing in common


def align(points: Float[np.ndarray, "row 2"], onto: Float[np.ndarray, "row 2"]) -> Alignment:
    """Shift, turn, reflect and scale a layout so that it lies as near as possible to another one.

    What is minimised is the sum of squared distances between the places of each row (Gower, 1975).
    The disparity is that of ``scipy.spatial.procrustes``: the sum that is left with both layouts
    centred and of unit size, so it does not depend on which of them is moved. A layout of which
    all points are one has nothing in common with any other.
    """
    from scipy.linalg import orthogonal_procrustes

    middle, target = points.mean(axis=0), onto.mean(axis=0)
    size, target_size = np.linalg.norm(points - middle), np.linalg.norm(onto - target)
    if size == 0 or target_size == 0:
        return Alignment(np.tile(target, (len(points), 1)), np.zeros((2, 2)), 1.0)
    # The second result is the sum of singular values, which is the best scale of unit layouts.
    turn, scale = orthogonal_procrustes((points - middle) / size, (onto - target) / target_size)
    matrix = scale * target_size / size * turn
    return Alignment(
        target + (points - middle) @ matrix, matrix, float(np.clip(1 - scale**2, 0, 1))
    )
