"""A control: pre-training in which there is nothing to learn but single examples."""

import numpy as np
from jaxtyping import Float32, Int64

from deep_learning_dynamics.store import Parameters
from deep_learning_dynamics.study.conditions.condition import CONDITIONS, Condition


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

    def start(
        self,
        initial: Float32[np.ndarray, " weight"],
        pretrained: Float32[np.ndarray, " weight"] | None,
        parameters: Parameters,
        rng: np.random.Generator,
    ) -> Float32[np.ndarray, " weight"]:
        assert pretrained is not None
        return pretrained
