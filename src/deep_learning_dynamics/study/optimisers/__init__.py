"""Optimisers of the portable arithmetic, each in a file of its own."""

from deep_learning_dynamics.study.optimisers.rule import OPTIMISERS, Optimisation, Rule

__all__ = ["OPTIMISERS", "Optimisation", "Rule"]
