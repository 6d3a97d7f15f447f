"""What people look at: trajectories in the plane, learning curves, and all methods on one sheet."""

from deep_learning_dynamics.figures.inputs import (
    HexagonalMap,
    Projection,
    Provenance,
    Quality,
    Trajectory,
    read_projection,
    read_provenance,
)
from deep_learning_dynamics.figures.learning_curves import learning_curves_figure
from deep_learning_dynamics.figures.scores import Scores, scores_of
from deep_learning_dynamics.figures.sheet import sheet_figure
from deep_learning_dynamics.figures.style import save
from deep_learning_dynamics.figures.trajectories import trajectory_figure

__all__ = [
    "HexagonalMap",
    "Projection",
    "Provenance",
    "Quality",
    "Scores",
    "Trajectory",
    "learning_curves_figure",
    "read_projection",
    "read_provenance",
    "save",
    "scores_of",
    "sheet_figure",
    "trajectory_figure",
]
