"""An autoencoder with two code units: the plane from which weights can best be rebuilt."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float
from pydantic import Field

from deep_learning_dynamics.projection import autoencoder_training
from deep_learning_dynamics.projection.autoencoder_training import Autoencoder
from deep_learning_dynamics.projection.method import METHODS, Fitted, Method
from deep_learning_dynamics.seeds import generator

# Behind many code units there is little left to learn, so one short training is enough.
CODE_HIDDEN_UNITS, CODE_ITERATIONS = 64, 20


@METHODS.register
class AutoencoderPlane(Method):
    """The code of an autoencoder that starts as principal components (see its training)."""

    key, title, axes = "autoencoder", "Autoencoder", ("code unit 1", "code unit 2")
    merges_equal_rows = False
    most_rows = 50_000
    reads = "Smooth courses: near points are rebuilt as near weights, with less loss than by PCA."
    cautions = (
        "Distances and directions: the plane is bent, and another seed may bend it otherwise."
    )

    @dataclass(frozen=True)
    class Settings:
        """The size of the network and of its training."""

        hidden_units: Annotated[int, Field(ge=1, le=4096)] = 64
        iterations: Annotated[int, Field(ge=1, le=1_000_000)] = 100
        restarts: Annotated[int, Field(ge=1, le=1000)] = 1  # the best one counts

    @classmethod
    def fit_rows(
        cls, vectors: Float[np.ndarray, "row component"], seed: int, settings: Any
    ) -> Fitted:
        model = autoencoder_training.train(
            vectors,
            2,
            settings.hidden_units,
            settings.iterations,
            settings.restarts,
            generator(seed, cls.key),
        )
        return Fitted(
            coordinates=model.encode(vectors),
            transform=model.encode,
            properties={"explained_variance": model.explained_variance(vectors)},
        )


def code_of(
    vectors: Float[np.ndarray, "row component"], code_units: int, rng: np.random.Generator
) -> Autoencoder:
    """An autoencoder with many code units, for methods that go from its code to the plane."""
    return autoencoder_training.train(
        vectors, code_units, CODE_HIDDEN_UNITS, CODE_ITERATIONS, 1, rng
    )
