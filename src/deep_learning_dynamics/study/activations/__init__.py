"""Activations of hidden units."""

from deep_learning_dynamics.study.activations.activation import ACTIVATIONS, Activation

__all__ = ["ACTIVATIONS", "Activation"]
