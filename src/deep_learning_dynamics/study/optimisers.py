"""Optimisers of the portable arithmetic: rules for one weight, compiled into the inner loops."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy import float32

from deep_learning_dynamics.registry import Registry

OPTIMISERS: Registry[type["Rule"]] = Registry(
    "optimiser", "deep_learning_dynamics.study", ("optimisers",)
)


@dataclass(frozen=True)
class Optimisation:
    """How networks are trained."""

    optimiser: str  # a key of OPTIMISERS
    learning_rate: float
    # On the matrices, not the biases: scikit-learn's alpha. The penalty is weight_decay / (2 ·
    # examples of the batch) times their squared norm.
    weight_decay: float = 0.0


class Rule(ABC):
    """How a weight follows its gradient; subclasses register with ``@OPTIMISERS.register``."""

    key: ClassVar[str]
    title: ClassVar[str]
    states: ClassVar[int]  # numbers kept for each weight from step to step: 1 or 2

    @staticmethod
    @abstractmethod
    def constants(learning_rate: float, step: int) -> tuple[float, float]:
        """Two numbers for step ``step`` (the first is 1), computed in float64, used as float32.

        Use ``+ - * /`` and ``math.sqrt`` only: powers and exp differ from machine to machine.
        """

    @staticmethod
    @abstractmethod
    def update(
        weight: float, gradient: float, first: float, second: float, constants: tuple[float, float]
    ) -> tuple[float, float, float]:
        """The new weight and states, all float32. States start at zero.

        The gradient includes that of the weight decay. Like activations, rules take functions and
        constants from ``study.kernel.arithmetic`` (see ``study.activations.activation``).
        """


MOMENTUM, NONE = float32(0.9), float32(0)


@OPTIMISERS.register
class StochasticGradientDescent(Rule):
    """With Nesterov momentum 0.9, as in scikit-learn's MLP and torch."""

    key, title = "sgd", "stochastic gradient descent"
    states = 1  # the momentum

    @staticmethod
    def constants(learning_rate: float, step: int) -> tuple[float, float]:
        return learning_rate, 0.0

    @staticmethod
    def update(
        weight: float, gradient: float, first: float, second: float, constants: tuple[float, float]
    ) -> tuple[float, float, float]:
        momentum = MOMENTUM * first + gradient
        return weight - constants[0] * (gradient + MOMENTUM * momentum), momentum, NONE


DECAYS = (0.9, 0.999)  # of Adam's means of gradients and of their squares
MEAN, SQUARE = (float32(decay) for decay in DECAYS)
NEW_MEAN, NEW_SQUARE = (float32(1 - decay) for decay in DECAYS)
EPSILON = float32(1e-8)


@OPTIMISERS.register
class Adam(Rule):
    """Kingma & Ba (2015), with torch's and scikit-learn's default decay rates."""

    key, title = "adam", "Adam"
    states = 2  # the means of gradients and of their squares

    @staticmethod
    def constants(learning_rate: float, step: int) -> tuple[float, float]:
        mean, square = (1 - _power(decay, step) for decay in DECAYS)
        return learning_rate / mean, math.sqrt(square)

    @staticmethod
    def update(
        weight: float, gradient: float, first: float, second: float, constants: tuple[float, float]
    ) -> tuple[float, float, float]:
        mean = MEAN * first + NEW_MEAN * gradient
        square = SQUARE * second + NEW_SQUARE * (gradient * gradient)
        step = mean / (np.sqrt(square) / constants[1] + EPSILON)
        return weight - constants[0] * step, mean, square


def _power(base: float, exponent: int) -> float:
    """By repeated squaring: the library's power differs from machine to machine."""
    result = 1.0
    while exponent:
        if exponent & 1:
            result *= base
        base *= base
        exponent >>= 1
    return result
