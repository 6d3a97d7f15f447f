"""The two conditions of the question: networks that start fresh, and where pre-training ended."""

import numpy as np
from jaxtyping import Float32

from deep_learning_dynamics.store import Parameters
from deep_learning_dynamics.study.conditions.condition import CONDITIONS, Condition


@CONDITIONS.register
class Scratch(Condition):
    """The reference: nothing was learnt before."""

    key, title = "scratch", "from scratch"

    def start(
        self,
        initial: Float32[np.ndarray, " weight"],
        pretrained: Float32[np.ndarray, " weight"] | None,
        parameters: Parameters,
        rng: np.random.Generator,
    ) -> Float32[np.ndarray, " weight"]:
        return initial


@CONDITIONS.register
class Pretrained(Condition):
    """All but the output layer is taken over from pre-training."""

    key, title = "pretrained", "pre-trained on {pretraining}"
    pretraining, continues = "pretrained", True

    def start(
        self,
        initial: Float32[np.ndarray, " weight"],
        pretrained: Float32[np.ndarray, " weight"] | None,
        parameters: Parameters,
        rng: np.random.Generator,
    ) -> Float32[np.ndarray, " weight"]:
        assert pretrained is not None
        return pretrained
