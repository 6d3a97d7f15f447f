"""What an activation is: two functions of one number, compiled into the training's inner loops.

One of your own is a class in a module that ``plugins`` in ``params.yaml`` names, for example::

    @ACTIVATIONS.register
    class Swish(Activation):
        key, title = "swish", "swish"

        @staticmethod
        def value(x):
            return x * logistic(x)

        @staticmethod
        def slope(x, y):
            return logistic(x) * (ONE + x - y)

Numbers are float32. For the same bits on every processor, take ``exp``, ``log``, ``logistic``,
``tanh`` and constants (``float32(0.5)``) from ``study.kernel.arithmetic`` and never ``math`` or
``numpy``; ``+ - * /``, comparisons and ``np.sqrt`` are exact everywhere.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

from deep_learning_dynamics.registry import Registry

ACTIVATIONS: Registry[type["Activation"]] = Registry(
    "activation", "deep_learning_dynamics.study.activations", ("functions",)
)


class Activation(ABC):
    """How a hidden unit answers; subclasses register with ``@ACTIVATIONS.register``.

    Both functions are static, and numba must be able to compile them. They may use other compiled
    functions and module constants.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    initial_factor: ClassVar[float] = 6.0  # of Glorot & Bengio's bound; as scikit-learn's MLP

    @staticmethod
    @abstractmethod
    def value(x: float) -> float:
        """The unit's output for its input ``x``."""

    @staticmethod
    @abstractmethod
    def slope(x: float, y: float) -> float:
        """The derivative at input ``x``, where the output is ``y``; use what is cheaper."""
