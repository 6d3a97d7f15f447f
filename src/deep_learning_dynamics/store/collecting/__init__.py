"""Collecting checkpoints of trainings that were not recorded: formats, layouts and scores."""

from deep_learning_dynamics.store.collecting.collect import collect

__all__ = ["collect"]
