"""A condition: scratch weights at half of their size."""

import numpy as np

from deep_learning_dynamics.study.conditions import CONDITIONS, Condition


@CONDITIONS.register
class Halved(Condition):
    key, title = "halved", "from scratch at half the size"

    def start(self, initial, pretrained, parameters, rng):
        return (initial * np.float32(0.5)).astype(np.float32)
