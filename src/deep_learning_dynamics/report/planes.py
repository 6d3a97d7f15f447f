"""Each method's plane as the page's scripts draw it: places, frames, maps, nulls, no colours.

Values lie in lists by path and snapshot; a path is a network in one phase and layer.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from deep_learning_dynamics.figures import captions, hexagons
from deep_learning_dynamics.figures.detail import find_detail
from deep_learning_dynamics.figures.evidence import KINDS
from deep_learning_dynamics.figures.frame import Frame, frame_of
from deep_learning_dynamics.figures.inputs import HexagonalMap, Projection, Trajectory
from deep_learning_dynamics.report.drawing import map_picture
from deep_learning_dynamics.report.networks import Networks
from deep_learning_dynamics.report.numbers import short

FRAME = (6.0, 4.4, 0.25)  # width, height and margin, of which only the proportions matter
_STEPS = 10_000  # places told apart along a frame, more than a screen has pixels


def paths_of(projection: Projection, networks: Networks) -> list[dict[str, Any]]:
    """Who each path is, the same for all projections."""
    return [
        {"phase": t.phase, "network": networks.number(t.arm, t.pair), "layer": t.layer}
        for t in projection.trajectories
    ]


def plane_of(projection: Projection, networks: Networks) -> dict[str, Any]:
    """One method's plane, and those of its nulls."""
    cells, trajectories = projection.map, projection.trajectories
    plane = {
        "method": projection.method,
        "title": captions.TITLES[projection.method],
        "axes": captions.axis_labels(projection.method),
        "quality": captions.short_quality(projection),
        "exact": projection.method == "pca",  # whether the axes' numbers mean something
        "nulls": {
            kind: _places(projection.nulls[kind], cells, networks)
            for kind in KINDS
            if kind in projection.nulls
        },
    }
    plane |= _places(trajectories, cells, networks)
    faithfulness = [t.faithfulness for t in trajectories]
    if any(of is not None and np.isfinite(of).any() for of in faithfulness):
        plane["faithfulness"] = _listed(trajectories, faithfulness, networks, 2)
    wobble = [t.wobble for t in trajectories]
    if any(of is not None and np.isfinite(of).any() for of in wobble):
        digits = 2 * plane["decimals"]
        plane["wobble"] = [
            _listed(trajectories, [_column(of, part) for of in wobble], networks, digits)
            for part in range(3)
        ]
    if cells is not None:
        plane["map"] = map_picture(cells)
    return plane


def frame(trajectories: Sequence[Trajectory], cells: HexagonalMap | None) -> Frame:
    """The part of the plane that is shown at first."""
    if cells is None:
        return frame_of(trajectories, *FRAME)
    return Frame.around(hexagons.corners(cells).reshape(-1, 2), *FRAME[:2], margin=0.06)


def spread(trajectories: Sequence[Trajectory], cells: HexagonalMap | None) -> list[Trajectory]:
    """The same trajectories in the same order; on a map the points of a cell are moved apart."""
    if cells is None:
        return list(trajectories)
    moved = iter(hexagons.spread([t for t in trajectories if len(t.points)], cells))
    return [next(moved) if len(t.points) else t for t in trajectories]


def _places(
    trajectories: Sequence[Trajectory], cells: HexagonalMap | None, networks: Networks
) -> dict[str, Any]:
    shown = frame(trajectories, cells)
    drawn = spread(trajectories, cells)
    detail = None if cells is not None else find_detail(drawn, shown, *FRAME[:2])
    decimals = math.ceil(math.log10(_STEPS / (shown.x[1] - shown.x[0])))
    return {
        "frame": short([*shown.x, *shown.y], decimals),
        "detail": None if detail is None else short([*detail.frame.x, *detail.frame.y], decimals),
        "decimals": decimals,
        "x": _listed(drawn, [t.points[:, 0] for t in drawn], networks, decimals),
        "y": _listed(drawn, [t.points[:, 1] for t in drawn], networks, decimals),
    }


def _listed(
    trajectories: Sequence[Trajectory],
    values: Sequence[np.ndarray | None],
    networks: Networks,
    decimals: int,
) -> list[list[Any]]:
    """Of each path, a value at every snapshot of its phase; null where it has none."""
    listed = []
    for trajectory, found in zip(trajectories, values, strict=True):
        epochs = networks.learning[trajectory.phase].epochs
        whole = np.full(len(epochs), np.nan)
        if found is not None:
            whole[np.searchsorted(epochs, trajectory.epochs - 1e-9)] = found
        listed.append(short(whole, decimals))
    return listed


def _column(values: np.ndarray | None, part: int) -> np.ndarray | None:
    return None if values is None else values[:, part]
