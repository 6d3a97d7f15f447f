"""Trajectories in the plane: the exact isometry, the methods, their quality and robustness."""

from deep_learning_dynamics.projection.method import METHODS, Fitted, MapCells, Method
from deep_learning_dynamics.projection.projection import Projection, project
from deep_learning_dynamics.projection.reduction import Reduction, reduce

__all__ = [
    "METHODS",
    "Fitted",
    "MapCells",
    "Method",
    "Projection",
    "Reduction",
    "project",
    "reduce",
]
