"""The hyperbolic tangent."""

from deep_learning_dynamics.study.activations.activation import ACTIVATIONS, Activation
from deep_learning_dynamics.study.kernel import arithmetic


@ACTIVATIONS.register
class Tanh(Activation):
    key, title = "tanh", "hyperbolic tangent"

    @staticmethod
    def value(x: float) -> float:
        return arithmetic.tanh(x)

    @staticmethod
    def slope(x: float, y: float) -> float:
        return arithmetic.ONE - y * y
