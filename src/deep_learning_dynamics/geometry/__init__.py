"""What can be said of trajectories without any projection."""

from deep_learning_dynamics.geometry.measures import MEASURES, Measure, Measures, PathData
from deep_learning_dynamics.geometry.measuring import measure

__all__ = ["MEASURES", "Measure", "Measures", "PathData", "measure"]
