"""Procrustes alignment: two layouts of the same rows differ in more than shift, turn and size?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Alignment:
    """A layout that was brought onto another one."""

    points: Float[np.ndarray, "row 2"]  # in the plane of the other
    disparity: float  # 0: the same shape, 1: nothing in common


def align(points: Float[np.ndarray, "row 2"], onto: Float[np.ndarray, "row 2"]) -> Alignment:
    """Shift, turn, reflect and scale ``points`` so that their squared distances from ``onto`` are
    least (Gower, 1975).

    The disparity is that of ``scipy.spatial.procrustes``, the sum of the squared distances that
    are left with both layouts centred and of unit size, so it does not depend on which of them is
    moved. A layout whose points are all one has nothing in common with any other.
    """
    middle, target = points.mean(axis=0), onto.mean(axis=0)
    size, target_size = np.linalg.norm(points - middle), np.linalg.norm(onto - target)
    if size == 0 or target_size == 0:
        return Alignment(np.tile(target, (len(points), 1)), 1.0)
    # orthogonal_procrustes gives the turn and the sum of singular values, which is the scale.
    from scipy.linalg import orthogonal_procrustes

    unit = (points - middle) / size
    turn, scale = orthogonal_procrustes(unit, (onto - target) / target_size)
    moved = target + scale * target_size * unit @ turn
    return Alignment(moved, float(max(0.0, 1 - scale**2)))
