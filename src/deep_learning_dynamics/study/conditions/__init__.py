"""How networks start, each condition a file of its own."""

from deep_learning_dynamics.study.conditions.condition import CONDITIONS, Condition

__all__ = ["CONDITIONS", "Condition"]
