"""A control: the values of pre-trained weights, but not where they stand."""

import numpy as np
from jaxtyping import Float32

from deep_learning_dynamics.store import Parameters
from deep_learning_dynamics.study.conditions.condition import CONDITIONS, Condition


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
        self,
        initial: Float32[np.ndarray, " weight"],
        pretrained: Float32[np.ndarray, " weight"] | None,
        parameters: Parameters,
        rng: np.random.Generator,
    ) -> Float32[np.ndarray, " weight"]:
        assert pretrained is not None
        weights = pretrained.copy()
        for name in parameters.names:
            part = parameters.slice(name)
            weights[part] = rng.permutation(pretrained[part])
        return weights
