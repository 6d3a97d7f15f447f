"""What can be said of trajectories without any projection."""

from deep_learning_dynamics.geometry.analysis import ANALYSES, Analysis, Finding, Geometry, analyse
from deep_learning_dynamics.geometry.measures import MEASURES, Measure, Measures, PathData
from deep_learning_dynamics.geometry.measuring import measure
from deep_learning_dynamics.geometry.torch_forward import torch_forward

__all__ = [
    "ANALYSES",
    "MEASURES",
    "Analysis",
    "Finding",
    "Geometry",
    "Measure",
    "Measures",
    "PathData",
    "analyse",
    "measure",
    "torch_forward",
]
