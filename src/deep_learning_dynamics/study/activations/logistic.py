"""The logistic function, 1 / (1 + exp(-x))."""

from deep_learning_dynamics.study.activations.activation import ACTIVATIONS, Activation
from deep_learning_dynamics.study.kernel import arithmetic


@ACTIVATIONS.register
class Logistic(Activation):
    key, title = "logistic", "logistic"
    initial_factor = 2.0

    @staticmethod
    def value(x: float) -> float:
        return arithmetic.logistic(x)

    @staticmethod
    def slope(x: float, y: float) -> float:
        return y * (arithmetic.ONE - y)
