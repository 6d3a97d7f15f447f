"""Stochastic gradient descent with Nesterov momentum 0.9, as in scikit-learn's MLP and torch."""

from numpy import float32

from deep_learning_dynamics.study.kernel.arithmetic import ZERO
from deep_learning_dynamics.study.optimisers.rule import OPTIMISERS, Rule

MOMENTUM = float32(0.9)


@OPTIMISERS.register
class StochasticGradientDescent(Rule):
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
        return weight - constants[0] * (gradient + MOMENTUM * momentum), momentum, ZERO
