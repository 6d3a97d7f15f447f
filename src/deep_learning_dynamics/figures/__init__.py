"""What people look at: trajectories in the plane, nulls beside them, how they grow, and curves."""

from deep_learning_dynamics.figures.animation import learning_animation
from deep_learning_dynamics.figures.gif import Animation
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
from deep_learning_dynamics.figures.nulls import nulls_figure
from deep_learning_dynamics.figures.saving import save
from deep_learning_dynamics.figures.scores import Scores, scores_of
from deep_learning_dynamics.figures.sheet import sheet_figure
from deep_learning_dynamics.figures.trajectories import trajectory_figure

__all__ = [
    "Animation",
    "HexagonalMap",
    "Projection",
    "Provenance",
    "Quality",
    "Scores",
    "Trajectory",
    "learning_animation",
    "learning_curves_figure",
    "nulls_figure",
    "read_projection",
    "read_provenance",
    "save",
    "scores_of",
    "sheet_figure",
    "trajectory_figure",
]
