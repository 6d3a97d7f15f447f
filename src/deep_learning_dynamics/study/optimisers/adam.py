"""Adam (Kingma & Ba, 2015), with torch's and scikit-learn's default decay rates."""

import math

import numpy as np
from numpy import float32

from deep_learning_dynamics.study.optimisers.rule import OPTIMISERS, Rule

DECAYS = (0.9, 0.999)  # of the means of gradients and of their squares
MEAN, SQUARE = (float32(decay) for decay in DECAYS)
NEW_MEAN, NEW_SQUARE = (float32(1 - decay) for decay in DECAYS)
EPSILON = float32(1e-8)


@OPTIMISERS.register
class Adam(Rule):
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
