"""An activation whose slope needs the input, not only the output."""

from numpy import float32

from deep_learning_dynamics.study.activations import ACTIVATIONS, Activation
from deep_learning_dynamics.study.kernel.arithmetic import ONE, tanh

HALF, FACTOR, CUBE = float32(0.5), float32(0.7978845608), float32(0.044715)
THREE = float32(3)


@ACTIVATIONS.register
class Gelu(Activation):
    """Hendrycks & Gimpel (2016), in the approximation by tanh."""

    key, title = "gelu", "GELU"

    @staticmethod
    def value(x):
        return HALF * x * (ONE + tanh(FACTOR * (x + CUBE * x * x * x)))

    @staticmethod
    def slope(x, y):
        t = tanh(FACTOR * (x + CUBE * x * x * x))
        return HALF * (ONE + t) + HALF * x * (ONE - t * t) * FACTOR * (ONE + THREE * CUBE * x * x)
