"""Activations of hidden units: the identity, logistic, hyperbolic tangent and rectified linear."""

from deep_learning_dynamics.study.activations.activation import ACTIVATIONS, Activation
from deep_learning_dynamics.study.kernel import arithmetic
from deep_learning_dynamics.study.kernel.arithmetic import ONE, ZERO


@ACTIVATIONS.register
class Identity(Activation):
    """No activation: the network is a product of matrices."""

    key, title = "identity", "identity"

    @staticmethod
    def value(x: float) -> float:
        return x

    @staticmethod
    def slope(x: float, y: float) -> float:
        return ONE


@ACTIVATIONS.register
class Logistic(Activation):
    key, title = "logistic", "logistic"
    initial_factor = 2.0

    @staticmethod
    def value(x: float) -> float:
        return arithmetic.logistic(x)

    @staticmethod
    def slope(x: float, y: float) -> float:
        return y * (ONE - y)


@ACTIVATIONS.register
class Tanh(Activation):
    key, title = "tanh", "hyperbolic tangent"

    @staticmethod
    def value(x: float) -> float:
        return arithmetic.tanh(x)

    @staticmethod
    def slope(x: float, y: float) -> float:
        return ONE - y * y


@ACTIVATIONS.register
class Relu(Activation):
    key, title = "relu", "rectified linear"

    @staticmethod
    def value(x: float) -> float:
        return ZERO if x <= ZERO else x  # NaN stays NaN

    @staticmethod
    def slope(x: float, y: float) -> float:
        return ONE if y > ZERO else ZERO
