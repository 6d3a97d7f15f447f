"""What an optimiser is: a rule for one weight, compiled into the training's inner loops."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from deep_learning_dynamics.registry import Registry

OPTIMISERS: Registry[type["Rule"]] = Registry(
    "optimiser", "deep_learning_dynamics.study.optimisers", ("sgd", "adam")
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
