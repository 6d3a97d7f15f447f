"""No activation: the network is a product of matrices."""

from deep_learning_dynamics.study.activations.activation import ACTIVATIONS, Activation
from deep_learning_dynamics.study.kernel.arithmetic import ONE


@ACTIVATIONS.register
class Identity(Activation):
    key, title = "identity", "identity"

    @staticmethod
    def value(x: float) -> float:
        return x

    @staticmethod
    def slope(x: float, y: float) -> float:
        return ONE
