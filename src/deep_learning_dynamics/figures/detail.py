"""A magnified part of a drawing, for when one network went far and the others look like a dot."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from deep_learning_dynamics.figures import palette, style
from deep_learning_dynamics.figures.frame import Frame, extent
from deep_learning_dynamics.figures.inputs import Trajectory

_CROWDED = 1.5  # what a detail must gain; see _crowded_part
_WORTHWHILE = 1.6  # the least magnification
_SIZES = (0.64, 0.58, 0.52, 0.46, 0.4)  # of the inset, in parts of the drawing
_GAP = 0.02  # between the inset and the drawing's edge, likewise
_CAPTION = 0.05  # the caption's height, likewise; it lies on the side away from that edge


@dataclass(frozen=True)
class Detail:
    """What is magnified and where the magnified drawing lies."""

    frame: Frame
    magnification: float
    size: float  # of the inset, in parts of the whole drawing's width and height
    left: float  # of its corner, likewise
    bottom: float


def find_detail(
    trajectories: Sequence[Trajectory], frame: Frame, width: float, height: float
) -> Detail | None:
    """The part worth magnifying, placed over an empty corner; None where there is none.

    ``frame`` is that of the whole drawing, of ``width`` × ``height`` inches.
    """
    core = _crowded_part(trajectories)
    if core is None:
        return None
    low, high = np.transpose([frame.x, frame.y])
    # Every 2 points on paper: a path between two far snapshots also needs its place.
    taken = np.concatenate([_dense(t.points, 2 / frame.scale) for t in trajectories])
    taken = (taken - low) / (high - low)
    for size in _SIZES:
        part = Frame.around(core, size * width, size * height, margin=0.15)
        part = part.moved_into(frame)
        if part.scale < _WORTHWHILE * frame.scale:
            return None
        # The far sides first: paths mostly leave for the right.
        for left in (1 - size - _GAP, _GAP):
            for bottom in (1 - size - _GAP, _GAP):
                low_edge = np.array([left, bottom]) - _GAP
                high_edge = np.array([left, bottom]) + size + _GAP
                if bottom > _GAP:
                    low_edge[1] -= _CAPTION
                else:
                    high_edge[1] += _CAPTION
                covered = (taken > low_edge) & (taken < high_edge)
                if not covered.all(axis=1).any():
                    return Detail(part, part.scale / frame.scale, size, left, bottom)
    return None


def draw_inset(axes: Axes, detail: Detail) -> Axes:
    """Empty axes for the detail, and the rectangle that says what they magnify."""
    inset = axes.inset_axes((detail.left, detail.bottom, detail.size, detail.size), zorder=8)
    inset.set(xticks=[], yticks=[])
    inset.spines[:].set(color=palette.QUIET, linewidth=0.6)
    (x, right), (y, top) = detail.frame.x, detail.frame.y
    indicator = axes.indicate_inset(
        (x, y, right - x, top - y),
        inset,
        edgecolor=palette.QUIET,
        linewidth=0.6,
        alpha=1,
        zorder=0.5,  # below the paths
    )
    for connector in indicator.connectors:
        connector.set(color="#cccccc")
    is_above = detail.bottom > _GAP
    inset.annotate(
        f"{detail.magnification:.1f} times as large",
        (1, 0) if is_above else (1, 1),
        xycoords="axes fraction",
        xytext=(-2, -3 if is_above else 3),
        textcoords="offset points",
        ha="right",
        va="top" if is_above else "bottom",
        size=style.SMALL,
        color=palette.QUIET,
    )
    return inset


def _crowded_part(trajectories: Sequence[Trajectory]) -> Float[np.ndarray, "row 2"] | None:
    """The points of the networks that stayed near each other, where a few others went far."""
    networks: dict[tuple[str, int, int], list[Float[np.ndarray, "row 2"]]] = {}
    for trajectory in trajectories:
        if not trajectory.failed and len(trajectory.points):
            key = (trajectory.arm, trajectory.pair, trajectory.layer)
            networks.setdefault(key, []).append(trajectory.points)
    if len(networks) < 3:
        return None
    points = [np.concatenate(parts) for parts in networks.values()]
    middle = np.median(np.concatenate(points), axis=0)
    points.sort(key=lambda path: float(np.abs(path - middle).max()))
    whole = extent(np.concatenate(points))
    best, core = _CROWDED, None
    for kept in range(len(points) // 2 + 1, len(points)):
        part = np.concatenate(points[:kept])
        # How much larger they are drawn, less with each network that is then missing.
        gain = whole / max(extent(part), 1e-12 * whole) * (kept / len(points)) ** 3
        if gain > best:
            best, core = gain, part
    return core


def _dense(points: Float[np.ndarray, "row 2"], step: float) -> Float[np.ndarray, "place 2"]:
    """The path with points no more than about ``step`` apart."""
    if len(points) < 2:
        return points
    lengths = np.hypot(*np.diff(points, axis=0).T)
    # A diverged network's step is cut off: it leaves the drawing anyway.
    counts = np.clip(np.ceil(lengths / step), 1, 2000).astype(int)
    places = [np.linspace(a, b, n) for a, b, n in zip(points[:-1], points[1:], counts, strict=True)]
    return np.concatenate(places)
