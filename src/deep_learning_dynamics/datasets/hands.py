"""Imaginary hands that draw a line as people do: slanted, bent, large or small, never the same."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from deep_learning_dynamics.datasets.omniglot import SIDE

MIDDLE = SIDE / 2
REACH = 49  # pixels that a line may go from the middle; the pen needs the rest
TYPICAL = 45  # pixels: a glyph of this height or breadth is drawn as large as it is
SMALLEST = 30  # pixels: what is smaller than this is enlarged no more than this is
# How far a line is bent at random, as (distance between two bends, reach of one), in pixels of the
# drawing: the first gives the shape its proportions, the second makes the pen tremble.
BENDS = ((36.0, 14.0), (13.0, 3.0))
PEN_WIDTHS = (4, 5)  # pixels, as in OMNIGLOT


@dataclass(frozen=True)
class Hands:
    """What stays the same in all that a drawer draws."""

    size: Float[np.ndarray, " drawer"]  # times the usual
    breadth: Float[np.ndarray, " drawer"]  # of a letter, times the usual
    slant: Float[np.ndarray, " drawer"]  # to the right, pixels per pixel of height
    unrest: Float[np.ndarray, " drawer"]  # of the bends, times the usual
    pen: Int[np.ndarray, " drawer"]  # width in pixels

    @classmethod
    def random(cls, rng: np.random.Generator, count: int) -> "Hands":
        return cls(
            size=rng.uniform(0.75, 1.25, count),
            breadth=rng.uniform(0.85, 1.15, count),
            slant=rng.uniform(-0.2, 0.3, count),
            unrest=rng.uniform(0.6, 1.4, count),
            pen=rng.choice(PEN_WIDTHS, count),
        )

    def drawn(
        self, line: Int[np.ndarray, "point 2"], rng: np.random.Generator
    ) -> Bool[np.ndarray, "drawer 105 105"]:
        """Each drawer's drawing of a line, whose points lie one pixel of the glyph apart."""
        count = len(self.size)
        low, high = line.min(axis=0), line.max(axis=0)
        # Small letters are drawn larger and large ones smaller, but the order stays.
        extent = max((high - low).max(), SMALLEST)
        points = (line - (low + high) / 2) * np.sqrt(TYPICAL / extent)
        size = self.size * rng.uniform(0.9, 1.1, count)
        breadth = self.breadth * rng.uniform(0.9, 1.1, count)
        slant = self.slant + rng.uniform(-0.1, 0.1, count)
        turn = rng.uniform(-0.1, 0.1, count)
        x, y = points.T
        path = np.stack(
            [
                np.outer(size * breadth, x) - np.outer(size * (slant + turn), y),
                np.outer(size, y) + np.outer(size * turn, x),
            ],
            axis=-1,
        )
        for spacing, reach in BENDS:
            path += self.unrest[:, None, None] * bends(points, count, spacing, reach, rng)
        return inked(placed(path, rng), self.pen)


def bends(
    points: Float[np.ndarray, "point 2"],
    count: int,
    spacing: float,
    reach: float,
    rng: np.random.Generator,
) -> Float[np.ndarray, "drawer point 2"]:
    """Smooth random displacements: a cubic B-spline over a grid of random arrows."""
    position = points / spacing
    position -= np.floor(position.min(axis=0))
    cell = np.floor(position).astype(int)
    columns, rows = cell.max(axis=0) + 4
    # The sum of two uniform numbers is bell-shaped enough. An arrow of all drawers lies in one
    # piece of memory, which is several times faster to gather.
    arrows = rng.uniform(-reach / 2, reach / 2, (2, rows * columns, count * 2)).sum(axis=0)
    weight_x, weight_y = _spline(position - cell).transpose(2, 0, 1)
    total = np.zeros((len(points), count * 2))
    for row in range(4):
        for column in range(4):
            weight = weight_y[row] * weight_x[column]
            at = (cell[:, 1] + row) * columns + cell[:, 0] + column
            total += weight[:, None] * arrows[at]
    return total.reshape(len(points), count, 2).swapaxes(0, 1)


def _spline(t: Float[np.ndarray, "point 2"]) -> Float[np.ndarray, "4 point 2"]:
    """How much each of four neighbouring arrows counts, a share t of the way between the inner."""
    return (
        np.stack([(1 - t) ** 3, (3 * t - 6) * t * t + 4, ((3 - 3 * t) * t + 3) * t + 1, t**3]) / 6
    )


def placed(
    path: Float[np.ndarray, "drawer point 2"], rng: np.random.Generator
) -> Float[np.ndarray, "drawer point 2"]:
    """The paths somewhere on the paper, those that are too large made to fit."""
    low, high = path.min(axis=1, keepdims=True), path.max(axis=1, keepdims=True)
    path = path - (low + high) / 2
    reach = (high - low).max(axis=2, keepdims=True) / 2
    fit = np.minimum(1, REACH / np.maximum(reach, 1))
    room = REACH - fit * (high - low) / 2
    # People aim at the middle and use half of the room that is left.
    return fit * path + MIDDLE + rng.uniform(-0.5, 0.5, room.shape) * room


def inked(
    path: Float[np.ndarray, "drawer point 2"], pen: Int[np.ndarray, " drawer"]
) -> Bool[np.ndarray, "drawer 105 105"]:
    """Paper on which round pens of these widths have touched each point of the paths."""
    ink = np.zeros((len(path), SIDE, SIDE), bool)
    for width in np.unique(pen):
        drawers = np.flatnonzero(pen == width)[:, None]
        # The first pixel under the pen at its top left.
        corner = np.rint(path[drawers[:, 0]] - width / 2).astype(int)
        across = np.arange(width) - (width - 1) / 2
        touched = across[:, None] ** 2 + across**2 <= (width / 2) ** 2
        for row, column in np.argwhere(touched):
            ink[drawers, corner[..., 1] + row, corner[..., 0] + column] = True
    return ink
