"""A self-organising map of an autoencoder's code."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float
from pydantic import Field

from deep_learning_dynamics.projection.autoencoder import AutoencoderPlane, code_of
from deep_learning_dynamics.projection.method import METHODS, Fitted, Method
from deep_learning_dynamics.projection.som import SelfOrganisingMap
from deep_learning_dynamics.seeds import generator


@METHODS.register
class AutoencoderMap(Method):
    """An autoencoder's code of many units, and a self-organising map of these."""

    key, title = "autoencoder_som", "Autoencoder and self-organising map"
    axes = SelfOrganisingMap.axes
    most_rows = AutoencoderPlane.most_rows
    reads = "Neighbouring cells hold similar codes, and shading shows how far apart cells are."
    cautions = SelfOrganisingMap.cautions

    @dataclass(frozen=True)
    class Settings(SelfOrganisingMap.Settings):
        """The map's, and the size of the code."""

        code_units: Annotated[int, Field(ge=2, le=4096)] = 128

    @classmethod
    def fit_rows(
        cls, vectors: Float[np.ndarray, "row component"], seed: int, settings: Any
    ) -> Fitted:
        model = code_of(vectors, settings.code_units, generator(seed, cls.key))
        found = SelfOrganisingMap.fit_rows(model.encode(vectors), seed, settings)
        explained = {"code_explained_variance": model.explained_variance(vectors)}
        return replace(
            found,
            transform=lambda rows: found.transform(model.encode(rows)),
            properties=explained | found.properties,
        )
