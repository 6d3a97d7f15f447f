"""Pictures that need no script: each method's final paths, and the cells of a map."""

import base64
from dataclasses import replace
from typing import Any

import numpy as np

from deep_learning_dynamics.figures import hexagons, palette
from deep_learning_dynamics.figures.frame import Frame
from deep_learning_dynamics.figures.inputs import HexagonalMap, Trajectory

Points = np.ndarray
_PLAIN = 0.94  # lightness of a cell of which nothing is known
WIDTH = 1000  # of a picture in its own units


def hexadecimal(colour: Any) -> str:
    """A colour of the palette (0 to 1) as pages write it."""
    return "#" + "".join(f"{round(255 * float(part)):02x}" for part in colour)


def sketch(
    trajectories: list[Trajectory], frame: Frame, cells: HexagonalMap | None, title: str
) -> str:
    """Where every path led, as SVG; ``title`` is read out in its place. No text is drawn."""
    scale = WIDTH / (frame.x[1] - frame.x[0])
    height = round((frame.y[1] - frame.y[0]) * scale)

    def placed(points: Points) -> Points:
        return (points - [frame.x[0], frame.y[1]]) * [scale, -scale]

    parts = []
    if cells is not None:
        parts.append(f'<g stroke="#fff" stroke-width="2">{_cells(cells, placed)}</g>')
    drawn = [t for t in trajectories if len(t.points)]
    width = 7 if len(drawn) <= 30 else 4  # of marks; lines have theirs from the style sheet
    for trajectory in sorted(drawn, key=lambda t: (t.phase != "pretrain", t.pair, t.arm)):
        parts.append(_path(trajectory, frame, placed))
    trained = [t for t in drawn if t.phase == "train"]
    parts += [_marks(trajectory, frame, placed, width) for trajectory in trained]
    return (
        f'<svg class="sketch" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">'
        f"{''.join(parts)}</svg>"
    )


def map_picture(cells: HexagonalMap) -> dict[str, Any]:
    """The map's cells as an image, and the part of the plane that it fills."""
    corners = hexagons.corners(cells).reshape(-1, 2)
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale = WIDTH / float(high[0] - low[0])
    height = round(float(high[1] - low[1]) * scale)

    def placed(points: Points) -> Points:
        return (points - [low[0], high[1]]) * [scale, -scale]

    def image(of: HexagonalMap) -> str:
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" preserveAspectRatio="none">'
            f'<g stroke="#fff" stroke-width="2">{_cells(of, placed)}</g></svg>'
        )
        return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"

    unknown = replace(cells, u_matrix=np.full(len(cells.centres), np.nan))
    return {
        "image": image(cells),
        "plain": image(unknown),
        "x": [round(float(low[0]), 4), round(float(high[0]), 4)],
        "y": [round(float(low[1]), 4), round(float(high[1]), 4)],
    }


def _cells(cells: HexagonalMap, placed: Any) -> str:
    low, high = hexagons.u_matrix_range(cells)
    # Logarithms, because one far-off network would otherwise leave all the rest white.
    logarithms = np.log(np.clip(np.nan_to_num(cells.u_matrix, nan=low), low, high) / low)
    shades = palette.shades_of_grey(logarithms / max(np.log(high / low), 1e-12))
    if not np.isfinite(cells.u_matrix).any():
        shades[:] = _PLAIN
    return "".join(
        f'<path fill="{hexadecimal(shade)}" d="M{_joined(placed(corners))}Z"/>'
        for shade, corners in zip(shades, hexagons.corners(cells), strict=True)
    )


def _path(trajectory: Trajectory, frame: Frame, placed: Any) -> str:
    points = trajectory.points
    if trajectory.failed == "diverged":
        # It ends where it leaves the picture; what follows may be a million times farther off.
        inside = frame.inside(points)
        kept = int(np.argmin(inside)) if not inside.all() else len(points)
        points = np.concatenate([points[:kept], frame.last_seen(points)[None]])
    look = trajectory.arm
    if trajectory.phase == "pretrain":
        look = "pretraining"
    elif trajectory.failed:
        look += " failed"
    return f'<polyline class="{look}" points="{_joined(placed(points))}"/>'


def _marks(trajectory: Trajectory, frame: Frame, placed: Any, width: int) -> str:
    dark = hexadecimal(palette.colour(trajectory.arm, 0.8))
    x, y = _rounded(placed(trajectory.points[:1]))[0]
    size = 2 * width
    start = (
        f'<circle cx="{x}" cy="{y}" r="{size}" fill="#fff" stroke="{dark}" '
        f'stroke-width="{width // 2}"/>'
    )
    last = frame.last_seen(trajectory.points) if trajectory.failed else trajectory.points[-1]
    x, y = _rounded(placed(last[None]))[0]
    # At the edge a mark would be cut in half.
    height = (frame.y[1] - frame.y[0]) / (frame.x[1] - frame.x[0]) * WIDTH
    x, y = min(max(x, 2 * size), WIDTH - 2 * size), min(max(y, 2 * size), int(height) - 2 * size)
    if trajectory.failed:
        cross = f"M{x - size} {y - size}l{2 * size} {2 * size}m{-2 * size} 0l{2 * size} {-2 * size}"
        return f'{start}<path d="{cross}" stroke="{palette.INK}" stroke-width="{width + 1}"/>'
    return (
        f'{start}<rect x="{x - size}" y="{y - size}" width="{2 * size}" height="{2 * size}" '
        f'fill="{dark}" stroke="#fff" stroke-width="{width // 3}"/>'
    )


def _joined(points: Points) -> str:
    return " ".join(f"{x},{y}" for x, y in _rounded(points))


def _rounded(points: Points) -> list[list[int]]:
    return np.rint(np.clip(points, -20 * WIDTH, 20 * WIDTH)).astype(int).tolist()
