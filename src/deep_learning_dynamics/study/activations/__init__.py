"""Activations of hidden units, each in a file of its own."""

from deep_learning_dynamics.study.activations.activation import ACTIVATIONS, Activation

__all__ = ["ACTIVATIONS", "Activation"]
