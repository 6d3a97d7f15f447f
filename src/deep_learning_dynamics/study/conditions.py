"""Conditions: where networks start, and which pre-training they need for that.

Networks of one pair share their initialisation, their output layer and their mini-batches, so that
within a pair the condition is all that differs.
"""

import math
from typing import ClassVar

import numpy as np
from jaxtyping import Float32, Int64
from numpy.random import Generator

from deep_learning_dynamics.registry import Registry
from deep_learning_dynamics.store import Parameters

CONDITIONS: Registry[type["Condition"]] = Registry(
    "condition", "deep_learning_dynamics.study", ("conditions",)
)
Vector = Float32[np.ndarray, " weight"]
Labels = Int64[np.ndarray, " example"]


class Condition:
    """How a group of networks starts; subclasses register with ``@CONDITIONS.register``.

    The output layer is not theirs to change: what :meth:`start` returns for it is replaced by that
    of the pair.
    """

    key: ClassVar[str]
    title: ClassVar[str]  # for people; {pretraining} stands for the dataset of pre-training
    pretraining: ClassVar[str | None] = None  # the condition whose :meth:`labels` are learnt first
    continues: ClassVar[bool] = False  # whether it starts where that pre-training ended

    def labels(self, labels: Labels, rng: Generator) -> Labels:
        """What pre-training teaches, from the labels of its training examples."""
        return labels

    def start(
        self, initial: Vector, pretrained: Vector | None, parameters: Parameters, rng: Generator
    ) -> Vector:
        """Where a network starts: unless a subclass says otherwise, as ``continues`` says.

        Args:
            initial: the initialisation of its pair.
            pretrained: where its pair's pre-training ended, if the condition needs one.
            parameters: which part of the vectors is which tensor.
            rng: random numbers of the network's own.
        """
        return pretrained if self.continues else initial


@CONDITIONS.register
class Scratch(Condition):
    """The reference: nothing was learnt before."""

    key, title = "scratch", "from scratch"


@CONDITIONS.register
class Pretrained(Condition):
    """All but the output layer is taken over from pre-training."""

    key, title = "pretrained", "pre-trained on {pretraining}"
    pretraining, continues = "pretrained", True


# Controls: what of pre-training makes a difference, if any?


@CONDITIONS.register
class Permuted(Condition):
    """Pre-trained weights, permuted within each tensor.

    It keeps the distribution of the weights in each layer and destroys what was learnt: a benefit
    that remains is one of scale (Raghu, Zhang, Kleinberg & Bengio, "Transfusion", NeurIPS 2019,
    section 4).
    """

    key, title = "permuted", "pre-trained on {pretraining}, weights permuted"
    pretraining = "pretrained"

    def start(
        self, initial: Vector, pretrained: Vector | None, parameters: Parameters, rng: Generator
    ) -> Vector:
        weights = pretrained.copy()
        for name in parameters.names:
            part = parameters.slice(name)
            weights[part] = rng.permutation(pretrained[part])
        return weights


@CONDITIONS.register
class Rescaled(Condition):
    """The initialisation, each tensor scaled to the Euclidean norm that it has after pre-training.

    It tells whether pre-trained networks learn otherwise because their weights are larger.
    """

    key, title = "rescaled", "from scratch, at the norms of {pretraining}"
    pretraining = "pretrained"

    def start(
        self, initial: Vector, pretrained: Vector | None, parameters: Parameters, rng: Generator
    ) -> Vector:
        weights = initial.copy()
        for name in parameters.names:
            part = parameters.slice(name)
            norm = _norm(initial[part])
            if norm > 0:
                weights[part] = initial[part] * np.float32(_norm(pretrained[part]) / norm)
        return weights


@CONDITIONS.register
class ShuffledLabels(Condition):
    """Pre-trained on images whose labels were shuffled among them.

    It tells whether a difference needs the classes of pre-training, or only its images and steps
    (compare Maennel et al., "What do neural networks learn when trained with random labels?",
    NeurIPS 2020). All pairs learn the same shuffled labels.
    """

    key, title = "shuffled_labels", "pre-trained on {pretraining}, labels shuffled"
    pretraining, continues = "shuffled_labels", True

    def labels(self, labels: Labels, rng: Generator) -> Labels:
        return rng.permutation(labels)


def _norm(values: Vector) -> float:
    # fsum rounds once, so that the sum is the same on every processor.
    return math.sqrt(math.fsum(np.square(values, dtype=np.float64)))
