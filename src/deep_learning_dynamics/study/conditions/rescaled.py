"""A control: the scale of pre-trained weights, and nothing else of them."""

import math

import numpy as np
from jaxtyping import Float32

from deep_learning_dynamics.store import Parameters
from deep_learning_dynamics.study.conditions.condition import CONDITIONS, Condition


@CONDITIONS.register
class Rescaled(Condition):
    """The initialisation, each tensor scaled to the Euclidean norm that it has after pre-training.

    It tells whether pre-trained networks learn otherwise because their weights are larger.
    """

    key, title = "rescaled", "from scratch, at the norms of {pretraining}"
    pretraining = "pretrained"

    def start(
        self,
        initial: Float32[np.ndarray, " weight"],
        pretrained: Float32[np.ndarray, " weight"] | None,
        parameters: Parameters,
        rng: np.random.Generator,
    ) -> Float32[np.ndarray, " weight"]:
        assert pretrained is not None
        weights = initial.copy()
        for name in parameters.names:
            part = parameters.slice(name)
            norm = _norm(initial[part])
            if norm > 0:
                weights[part] = initial[part] * np.float32(_norm(pretrained[part]) / norm)
        return weights


def _norm(values: Float32[np.ndarray, " weight"]) -> float:
    # fsum rounds once, so that the sum is the same on every processor.
    return math.sqrt(math.fsum(np.square(values, dtype=np.float64)))
