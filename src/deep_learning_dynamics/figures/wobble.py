"""Where refits of a method put the snapshots: ellipses of one standard deviation."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection

from deep_learning_dynamics.figures import palette
from deep_learning_dynamics.figures.frame import Frame
from deep_learning_dynamics.figures.inputs import Trajectory

FILL, EDGE = 0.13, 0.55  # how opaque
_ORDER = 0.6  # below the paths, above a map
_COUNTS = (5, 3, 2)  # of ellipses along a path, as many as there is room for
_ROOM = 0.5  # of the drawing that all ellipses together may take before there are fewer
_MOST = 60  # ellipses
_CROWD = 12  # paths: where there are more, each ellipse is filled less


def draw_wobble(axes: Axes, trajectories: Sequence[Trajectory], frame: Frame) -> None:
    """Ellipses at the start and the end of each path and, where there is room, along it.

    Where there is room for neither, only the end has one. They are centred on the drawn place:
    their size is the root mean squared distance to it, a lasting shift included.
    """
    known = [
        t for t in trajectories if t.wobble is not None and np.isfinite(t.wobble).all(axis=1).any()
    ]
    if not known:
        return
    area = (frame.x[1] - frame.x[0]) * (frame.y[1] - frame.y[0])
    chosen = [_along(trajectory, 1) for trajectory in known]
    for count in _COUNTS:
        more = [_along(trajectory, count) for trajectory in known]
        taken = sum(
            float(np.pi * np.prod(_axes_of(t.wobble[rows])[0], axis=1).clip(0, area).sum())
            for t, rows in zip(known, more, strict=True)
        )
        if taken <= _ROOM * area and sum(map(len, more)) <= _MOST:
            chosen = more
            break
    fill = FILL * min(1.0, _CROWD / len(known)) ** 0.5
    for trajectory, rows in zip(known, chosen, strict=True):
        half, angles = _axes_of(trajectory.wobble[rows])
        colour = palette.colour(trajectory.arm)
        axes.add_collection(
            EllipseCollection(
                *(2 * half.T),
                angles,
                units="xy",
                offsets=trajectory.points[rows],
                transOffset=axes.transData,
                facecolors=[(*colour, fill)],
                edgecolors=[(*colour, EDGE)],
                linewidths=0.6,
                zorder=_ORDER,
            ),
            autolim=False,
        )


def has_wobble(trajectory: Trajectory) -> bool:
    """Whether refits were made and placed any of its snapshots."""
    return trajectory.wobble is not None and bool(np.isfinite(trajectory.wobble).any())


def _along(trajectory: Trajectory, count: int) -> Int[np.ndarray, " row"]:
    """So many snapshots at equal distances along the path, both ends among them; 1: the end."""
    rows = np.flatnonzero(np.isfinite(trajectory.wobble).all(axis=1))
    steps = np.hypot(*np.diff(trajectory.points[rows], axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = np.linspace(0, 1, count) * along[-1] if count > 1 else along[-1:]
    nearest = np.abs(along - wanted[:, None]).argmin(axis=1)
    nearest[-1] = len(rows) - 1  # a path that stays in one place is as long at its start
    return rows[np.unique(nearest)]


def _axes_of(
    moments: Float[np.ndarray, "row 3"],
) -> tuple[Float[np.ndarray, "row 2"], Float[np.ndarray, " row"]]:
    """Half the axes of each ellipse, and the angle of the first in degrees."""
    xx, xy, yy = moments.T
    variances, directions = np.linalg.eigh(
        np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -2)
    )
    # A column is an eigenvector; the variances ascend, and rounding may put one below 0.
    angles = np.degrees(np.arctan2(directions[:, 1, 0], directions[:, 0, 0]))
    return np.sqrt(np.maximum(variances, 0)), angles
