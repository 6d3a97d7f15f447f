"""A path as strokes: cut where its colour changes, paler where the plane distorts it."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from deep_learning_dynamics.figures import palette
from deep_learning_dynamics.figures.inputs import Trajectory
from deep_learning_dynamics.figures.palette import AccuracyScale

Points = Float[np.ndarray, "row 2"]
Colour = Float[np.ndarray, "3"]

CHANCE = 0.5  # trustworthiness and continuity of points that are put down by lot
LEAST_INK = 0.2  # of a point that lies as if put down by lot: it is still seen
_INKS = 6  # from there to the full ink


def strokes(
    trajectory: Trajectory, accuracies: AccuracyScale | None
) -> Iterator[tuple[Points, Colour]]:
    """The path in pieces of one colour; between two points the colour changes evenly.

    Without a scale of accuracies, the colour is the one that stands for the arm.
    """
    states = np.column_stack([_levels(trajectory, accuracies), _inks(trajectory)])
    points = trajectory.points
    if len(points) < 2:
        return
    line, current = [points[0]], states[0]
    pairs = zip(points[:-1], points[1:], states[:-1], states[1:], strict=True)
    for start, end, before, after in pairs:
        changes = int(np.abs(after - before).max())
        for change in range(changes):
            cut = start + (end - start) * (change + 0.5) / changes
            yield np.array([*line, cut]), _colours(trajectory, current[None])[0]
            line = [cut]
            current = np.rint(before + (after - before) * (change + 1) / changes).astype(np.int64)
        line.append(end)
    yield np.array(line), _colours(trajectory, current[None])[0]


def colours_of_points(
    trajectory: Trajectory, accuracies: AccuracyScale | None
) -> Float[np.ndarray, "snapshot 3"]:
    """The colour of each snapshot."""
    states = np.column_stack([_levels(trajectory, accuracies), _inks(trajectory)])
    return _colours(trajectory, states)


def faded(colour: Colour, faithfulness: float) -> Colour:
    """A colour mixed with white, the more the less a point's place is to be believed."""
    known = not np.isnan(faithfulness)
    return _mixed(colour, int(_ink(np.array([faithfulness]))[0]) if known else _INKS - 1)


def is_faded(trajectory: Trajectory) -> bool:
    """Whether any point of it is so pale that it must be explained."""
    return bool((_inks(trajectory) < _INKS - 2).any())


def _colours(
    trajectory: Trajectory, states: Int[np.ndarray, "row 2"]
) -> Float[np.ndarray, "row 3"]:
    levels, inks = states.T
    return _mixed(palette.ramp(trajectory.arm)[levels], inks[:, None])


def _mixed(colours: np.ndarray, inks: np.ndarray | int) -> np.ndarray:
    ink = LEAST_INK + (1 - LEAST_INK) * inks / (_INKS - 1)
    return 1 - ink * (1 - colours)


def _levels(
    trajectory: Trajectory, accuracies: AccuracyScale | None
) -> Int[np.ndarray, " snapshot"]:
    if accuracies is None:
        return np.full(len(trajectory.points), round(palette.TYPICAL * (palette.LEVELS - 1)))
    position = np.nan_to_num(accuracies.position(trajectory.accuracy))
    return np.rint(position * (palette.LEVELS - 1)).astype(np.int64)


def _inks(trajectory: Trajectory) -> Int[np.ndarray, " snapshot"]:
    full = np.full(len(trajectory.points), _INKS - 1)
    if trajectory.faithfulness is None:
        return full
    known = np.isfinite(trajectory.faithfulness)
    full[known] = _ink(trajectory.faithfulness[known])
    return full


def _ink(faithfulness: Float[np.ndarray, " row"]) -> Int[np.ndarray, " row"]:
    """The step of ink, from 0 at chance or worse to the last where all neighbours are kept."""
    share = np.clip((faithfulness - CHANCE) / (1 - CHANCE), 0, 1)
    return np.rint(share * (_INKS - 1)).astype(np.int64)
