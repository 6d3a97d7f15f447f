"""The rectified linear unit, max(x, 0)."""

from deep_learning_dynamics.study.activations.activation import ACTIVATIONS, Activation
from deep_learning_dynamics.study.kernel.arithmetic import ONE, ZERO


@ACTIVATIONS.register
class Relu(Activation):
    key, title = "relu", "rectified linear"

    @staticmethod
    def value(x: float) -> float:
        return ZERO if x <= ZERO else x  # NaN stays NaN

    @staticmethod
    def slope(x: float, y: float) -> float:
        return ONE if y > ZERO else ZERO
