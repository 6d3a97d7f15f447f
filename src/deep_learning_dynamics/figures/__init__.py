"""Figures: a file per figure, registered in ``FIGURES``; drawn without any global state."""

from deep_learning_dynamics.figures.animation import save_animation
from deep_learning_dynamics.figures.figure import (
    FIGURES,
    FigureKind,
    available,
    caption,
    draw,
    draw_all,
    save,
)
from deep_learning_dynamics.figures.paths import paths
from deep_learning_dynamics.figures.style import Style

__all__ = [
    "FIGURES",
    "FigureKind",
    "Style",
    "available",
    "caption",
    "draw",
    "draw_all",
    "paths",
    "save",
    "save_animation",
]
