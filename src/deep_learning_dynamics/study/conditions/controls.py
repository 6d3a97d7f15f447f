"""Controls: what of pre-training makes a difference, if any?"""

import math

import numpy as np
from jaxtyping import Float32, Int64

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


@CONDITIONS.register
class ShuffledLabels(Condition):
    """Pre-trained on images whose labels were shuffled among them.

    It tells whether a difference needs the classes of pre-training, or only its images and steps
    (compare Maennel et al., "What do neural networks learn when trained with random labels?",
    NeurIPS 2020). All pairs learn the same shuffled labels.
    """

    key, title = "shuffled_labels", "pre-trained on {pretraining}, labels shuffled"
    pretraining, continues = "shuffled_labels", True

    def labels(
        self, labels: Int64[np.ndarray, " example"], rng: np.random.Generator
    ) -> Int64[np.ndarray, " example"]:
        return rng.permutation(labels)


def _norm(values: Float32[np.ndarray, " weight"]) -> float:
    # fsum rounds once, so that the sum is the same on every processor.
    return math.sqrt(math.fsum(np.square(values, dtype=np.float64)))
