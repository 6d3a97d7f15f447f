"""From a glyph's outline to the line that a pen would follow: filled, then thinned.

Whole numbers and exact comparisons throughout, so that every machine finds the same points.
"""

from typing import Any

import numpy as np
from fontTools.pens.basePen import BasePen
from jaxtyping import Bool, Int
from numpy.lib.stride_tricks import sliding_window_view

Point = tuple[float | int, float | int]  # corners are whole numbers, points of curves are not

CURVE_PIECES = 8  # straight pieces to a curve
DOT = 3  # radius in pixels of what is drawn in place of a dot
# The neighbours of a pixel as (row, column), clockwise from the one above.
NEIGHBOURS = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))


class Outline(BasePen):
    """Collects a glyph's outline as polygons, in units of the font."""

    def __init__(self, glyphs: Any) -> None:
        super().__init__(glyphs)
        self.polygons: list[list[Point]] = []

    def _moveTo(self, point: Point) -> None:  # noqa: N802 (fontTools' name)
        self.polygons.append([point])

    def _lineTo(self, point: Point) -> None:  # noqa: N802
        self.polygons[-1].append(point)

    def _qCurveToOne(self, control: Point, end: Point) -> None:  # noqa: N802
        start = self.polygons[-1][-1]
        for piece in range(1, CURVE_PIECES + 1):
            t = piece / CURVE_PIECES
            a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
            x = a * start[0] + b * control[0] + c * end[0]
            y = a * start[1] + b * control[1] + c * end[1]
            self.polygons[-1].append((x, y))


def centre_line(glyphs: Any, name: str, unit: float) -> Int[np.ndarray, "point 2"]:
    """Where a pen goes to write a glyph: neighbouring pixels (x, y), y growing downwards.

    ``glyphs`` is fontTools' glyph set, ``unit`` a pixel's side in units of the font.
    """
    outline = Outline(glyphs)
    glyphs[name].draw(outline)
    line = thinned(filled(outline.polygons, unit))
    # Thinning leaves next to nothing of a dot; a hand draws it as a small blob. A point is of a dot
    # if fewer points are near than even the end of a line has.
    reach = 2 * DOT
    near = sliding_window_view(np.pad(line, reach), (2 * reach + 1, 2 * reach + 1))[line]
    rows, columns = np.argwhere(line)[near.sum((1, 2)) <= reach].T
    for row in range(-DOT, DOT + 1):
        for column in range(-DOT, DOT + 1):
            if row**2 + column**2 <= DOT**2:
                line[rows + row, columns + column] = True
    return np.argwhere(line)[:, ::-1]


def filled(polygons: list[list[Point]], unit: float) -> Bool[np.ndarray, "pixel_row pixel_column"]:
    """The pixels whose centre the polygons wind around, as TrueType fills; the top row first."""
    corners = [np.array(polygon) / unit for polygon in polygons]
    low = np.floor(np.concatenate(corners).min(axis=0)) - DOT - 1
    high = np.ceil(np.concatenate(corners).max(axis=0)) + DOT + 1
    columns, rows = (high - low).astype(int)
    crossings = np.zeros((rows, columns + 1), int)
    middle = np.arange(rows)[:, None] + 0.5
    for polygon in corners:
        start = polygon - low
        end = np.roll(start, -1, axis=0)
        upwards = (start[:, 1] <= middle) & (middle < end[:, 1])
        downwards = (end[:, 1] <= middle) & (middle < start[:, 1])
        row, edge = np.nonzero(upwards | downwards)
        rise, run = end[edge, 1] - start[edge, 1], end[edge, 0] - start[edge, 0]
        x = start[edge, 0] + (row + 0.5 - start[edge, 1]) * run / rise
        column = np.ceil(x - 0.5).astype(int)
        np.add.at(crossings, (row, column), np.where(upwards[row, edge], 1, -1))
    return (np.cumsum(crossings, axis=1)[:, :columns] != 0)[::-1]


def thinned(
    shape: Bool[np.ndarray, "pixel_row pixel_column"],
) -> Bool[np.ndarray, "pixel_row pixel_column"]:
    """Lines one pixel wide in the middle of a shape that touches no edge of its array.

    T. Y. Zhang and C. Y. Suen: A fast parallel algorithm for thinning digital patterns (1984);
    with the bound of 3 in place of 2 of H. E. Lü and P. S. P. Wang (1986), without which lines at
    45° vanish.
    """
    pixels = shape.astype(np.uint8).ravel()
    steps = [row * shape.shape[1] + column for row, column in NEIGHBOURS]
    changed = True
    while changed:
        changed = False
        for removable in REMOVABLE:
            (inked,) = np.nonzero(pixels)
            code = sum(pixels[inked + step] << bit for bit, step in enumerate(steps))
            removed = inked[removable[code]]
            pixels[removed] = 0
            changed |= len(removed) > 0
    return pixels.reshape(shape.shape) == 1


def _removable(second: bool) -> Bool[np.ndarray, " code"]:
    """For each pattern of neighbours, a bit each: does a pass of the thinning take the pixel?"""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    up, right, down, left = bits[:, [0, 2, 4, 6]].T
    starts = ((bits == 0) & (np.roll(bits, -1, axis=1) == 1)).sum(axis=1)
    count = bits.sum(axis=1)
    edge = left * up * (right + down) if second else right * down * (up + left)
    return (count >= 3) & (count <= 6) & (starts == 1) & (edge == 0)


REMOVABLE = (_removable(False), _removable(True))
