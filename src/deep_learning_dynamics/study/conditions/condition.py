"""What a condition is: where its networks start, and which pre-training they need for that.

Networks of one pair share their initialisation, their output layer and their mini-batches, so that
within a pair the condition is all that differs.
"""

from typing import ClassVar

import numpy as np
from jaxtyping import Float32, Int64

from deep_learning_dynamics.registry import Registry
from deep_learning_dynamics.store import Parameters

CONDITIONS: Registry[type["Condition"]] = Registry(
    "condition",
    "deep_learning_dynamics.study.conditions",
    ("scratch_and_pretrained", "controls"),
)


class Condition:
    """How a group of networks starts; subclasses register with ``@CONDITIONS.register``.

    The output layer is not theirs to change: what :meth:`start` returns for it is replaced by that
    of the pair.
    """

    key: ClassVar[str]
    title: ClassVar[str]  # for people; {pretraining} stands for the dataset of pre-training
    pretraining: ClassVar[str | None] = None  # the condition whose :meth:`labels` are learnt first
    continues: ClassVar[bool] = False  # whether it starts where that pre-training ended

    def labels(
        self, labels: Int64[np.ndarray, " example"], rng: np.random.Generator
    ) -> Int64[np.ndarray, " example"]:
        """What pre-training teaches, from the labels of its training examples."""
        return labels

    def start(
        self,
        initial: Float32[np.ndarray, " weight"],
        pretrained: Float32[np.ndarray, " weight"] | None,
        parameters: Parameters,
        rng: np.random.Generator,
    ) -> Float32[np.ndarray, " weight"]:
        """Where a network starts: unless a subclass says otherwise, as ``continues`` says.

        Args:
            initial: the initialisation of its pair.
            pretrained: where its pair's pre-training ended, if the condition needs one.
            parameters: which part of the vectors is which tensor.
            rng: random numbers of the network's own.
        """
        return pretrained if self.continues else initial
