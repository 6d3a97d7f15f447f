"""Three methods with an autoencoder: its code as the plane, and a map or t-SNE of a longer code."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float
from pydantic import Field

from deep_learning_dynamics.projection.autoencoder_training import Autoencoder, train
from deep_learning_dynamics.projection.distances import Points, Vectors
from deep_learning_dynamics.projection.method import METHODS, Fitted, Method, within_reach
from deep_learning_dynamics.projection.pca import principal_plane
from deep_learning_dynamics.projection.som import SelfOrganisingMap
from deep_learning_dynamics.seeds import generator, integer

# Behind many code units there is little left to learn, so one short training is enough.
CODE_HIDDEN_UNITS, CODE_ITERATIONS = 64, 20


@METHODS.register
class AutoencoderPlane(Method):
    """The code of an autoencoder that starts as principal components (see its training)."""

    key, title, axes = "autoencoder", "Autoencoder", ("code unit 1", "code unit 2")
    merges_equal_rows = False
    most_rows = 50_000
    reads = "Smooth courses: near points are rebuilt as near weights."
    cautions = (
        "Distances and directions: the plane is bent. Explained variance: snapshots may have been "
        "learnt by heart."
    )

    @dataclass(frozen=True)
    class Settings:
        """The size of the network and of its training."""

        hidden_units: Annotated[int, Field(ge=1, le=4096)] = 64
        iterations: Annotated[int, Field(ge=1, le=1_000_000)] = 100
        restarts: Annotated[int, Field(ge=1, le=1000)] = 1  # the best one counts

    @classmethod
    def fit_rows(cls, vectors: Vectors, seed: int, settings: Any) -> Fitted:
        sizes = settings.hidden_units, settings.iterations, settings.restarts
        model = train(vectors, 2, *sizes, generator(seed, cls.key))
        explained = {"explained_variance": model.explained_variance(vectors)}
        return Fitted(model.encode(vectors), model.encode, explained)


class _OfCode(Method):
    """From an autoencoder's code of many units to the plane."""

    @classmethod
    def fit_rows(cls, vectors: Vectors, seed: int, settings: Any) -> Fitted:
        sizes = settings.code_units, CODE_HIDDEN_UNITS, CODE_ITERATIONS, 1
        model: Autoencoder = train(vectors, *sizes, generator(seed, cls.key))
        found = cls.fit_codes(model.encode(vectors), seed, settings)
        explained = {"code_explained_variance": model.explained_variance(vectors)}
        return replace(
            found,
            transform=lambda rows: found.transform(model.encode(rows)),
            properties=explained | found.properties,
        )

    @classmethod
    def fit_codes(cls, codes: Float[np.ndarray, "row code"], seed: int, settings: Any) -> Fitted:
        raise NotImplementedError


@METHODS.register
class AutoencoderMap(_OfCode):
    """A self-organising map of the code."""

    key, title = "autoencoder_som", "Autoencoder and self-organising map"
    axes = SelfOrganisingMap.axes
    most_rows = AutoencoderPlane.most_rows
    reads = "Neighbouring cells hold similar codes, and shading shows how far apart cells are."
    cautions = SelfOrganisingMap.cautions
    fit_codes = SelfOrganisingMap.fit_rows

    @dataclass(frozen=True)
    class Settings(SelfOrganisingMap.Settings):
        """The map's, and the size of the code."""

        code_units: Annotated[int, Field(ge=2, le=4096)] = 128


@METHODS.register
class AutoencoderTSNE(_OfCode):
    """openTSNE (Poličar, Stražar and Zupan, 2024) of the code.

    It starts from the first two principal components, so that the coarse layout means something
    (Kobak and Berens, 2019). Further rows are placed among the fitted ones, which stay.
    """

    key, title = "autoencoder_tsne", "Autoencoder and t-SNE"
    axes = ("t-SNE 1", "t-SNE 2")
    least_rows, most_rows = 4, 20_000
    reads = "Which snapshots are close neighbours: points side by side are similar in weights."
    cautions = "Gaps between groups, their sizes and speeds along a path: t-SNE evens them out."

    @dataclass(frozen=True)
    class Settings:
        """The size of the code, and t-SNE's own."""

        code_units: Annotated[int, Field(ge=2, le=4096)] = 128
        perplexity: Annotated[float, Field(ge=1, le=1000)] = 30.0  # about: neighbours of a row
        iterations: Annotated[int, Field(ge=3, le=1_000_000)] = 750  # a third with exaggeration

    @classmethod
    def fit_codes(cls, codes: Float[np.ndarray, "row code"], seed: int, settings: Any) -> Fitted:
        import openTSNE
        from openTSNE.affinity import PerplexityBasedNN

        # With one job sums have one order: the same bytes at every repetition.
        alike = {"n_jobs": 1, "random_state": integer(seed, cls.key, "layout")}
        affinities = PerplexityBasedNN(
            codes,
            perplexity=min(settings.perplexity, (len(codes) - 1) / 3),  # it looks at 3 × as many
            method="exact" if len(codes) <= 10_000 else "approx",
            **alike,
        )
        mean, axes = principal_plane(codes)
        plane = (codes - mean) @ axes
        early = settings.iterations // 3
        layout = openTSNE.TSNE(
            early_exaggeration_iter=early, n_iter=settings.iterations - early, **alike
        ).fit(affinities=affinities, initialization=plane / plane[:, 0].std() * 1e-4)
        # openTSNE centres the embedding like this whenever it transforms; points stay where they
        # were drawn only if that has happened before.
        layout -= (layout.max(axis=0) + layout.min(axis=0)) / 2
        neighbours = len(layout) - 1

        def transform(rows: Float[np.ndarray, "new code"]) -> Points:
            near = within_reach(rows, codes)
            sizes = {"k": min(25, neighbours), "perplexity": min(5.0, neighbours / 3)}
            return np.array(layout.transform(near, **sizes))

        return Fitted(np.array(layout), transform)
