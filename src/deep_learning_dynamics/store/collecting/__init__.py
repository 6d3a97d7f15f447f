"""Collecting checkpoints of trainings that were not recorded: formats, layouts and scores."""

from deep_learning_dynamics.store.collecting.checkpoint import (
    FORMATS,
    Checkpoint,
    Format,
    Options,
    Tensor,
    open_checkpoint,
)
from deep_learning_dynamics.store.collecting.collect import collect

__all__ = ["FORMATS", "Checkpoint", "Format", "Options", "Tensor", "collect", "open_checkpoint"]
