"""A projection method: the first principal component against the distance from the centre."""

from dataclasses import dataclass

import numpy as np

from deep_learning_dynamics.projection import METHODS
from deep_learning_dynamics.projection.method import Fitted, Method


@METHODS.register
class Polar(Method):
    key, title, axes = "polar", "Polar", ("PC 1", "radius")
    reads = "How far from the centre a network is."
    cautions = "Directions other than the first."

    @dataclass(frozen=True)
    class Settings:
        power: float = 1.0

    @classmethod
    def uses_chance(cls, settings):
        return False

    @classmethod
    def fit_rows(cls, vectors, seed, settings):
        mean = vectors.mean(axis=0)

        def transform(rows):
            centred = rows - mean
            radius = np.linalg.norm(centred, axis=1) ** settings.power
            return np.column_stack([centred[:, 0], radius])

        return Fitted(transform(vectors), transform)
