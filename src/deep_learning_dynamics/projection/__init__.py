"""Trajectories in the plane: an exact isometry, projectors behind it, and their quality."""

from deep_learning_dynamics.projection.methods import make
from deep_learning_dynamics.projection.persistence import load, save
from deep_learning_dynamics.projection.projecting import Map, Projection, project
from deep_learning_dynamics.projection.quality import Quality
from deep_learning_dynamics.projection.trust import put_to_test

__all__ = ["Map", "Projection", "Quality", "load", "make", "project", "put_to_test", "save"]
