"""t-SNE of an autoencoder's code: neighbours become neighbours, long distances mean little."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float
from pydantic import Field

from deep_learning_dynamics.projection.autoencoder import code_of
from deep_learning_dynamics.projection.method import METHODS, Fitted, Method, within_reach
from deep_learning_dynamics.projection.pca import principal_plane
from deep_learning_dynamics.seeds import generator, integer


@METHODS.register
class AutoencoderTSNE(Method):
    """openTSNE (Poličar, Stražar and Zupan, 2024) behind an autoencoder's code of many units.

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
    def fit_rows(
        cls, vectors: Float[np.ndarray, "row component"], seed: int, settings: Any
    ) -> Fitted:
        model = code_of(vectors, settings.code_units, generator(seed, cls.key))
        codes = model.encode(vectors)
        layout = _laid_out(codes, settings, integer(seed, cls.key, "layout"))
        return Fitted(
            coordinates=np.array(layout),
            transform=lambda rows: _placed(layout, within_reach(model.encode(rows), codes)),
            properties={"code_explained_variance": model.explained_variance(vectors)},
        )


def _laid_out(codes: Float[np.ndarray, "row code"], settings: Any, seed: int) -> Any:
    """openTSNE's embedding of the codes."""
    import openTSNE
    from openTSNE.affinity import PerplexityBasedNN

    affinities = PerplexityBasedNN(
        codes,
        perplexity=min(settings.perplexity, (len(codes) - 1) / 3),  # it looks at 3 × as many rows
        method="exact" if len(codes) <= 10_000 else "approx",
        n_jobs=1,  # sums in one order: the same bytes at every repetition
        random_state=seed,
    )
    mean, axes = principal_plane(codes)
    plane = (codes - mean) @ axes
    early = settings.iterations // 3
    layout = openTSNE.TSNE(
        early_exaggeration_iter=early,
        n_iter=settings.iterations - early,
        n_jobs=1,
        random_state=seed,
    ).fit(affinities=affinities, initialization=plane / plane[:, 0].std() * 1e-4)
    # openTSNE centres the embedding like this whenever it transforms; points stay where they were
    # drawn only if that has happened before.
    layout -= (layout.max(axis=0) + layout.min(axis=0)) / 2
    return layout


def _placed(layout: Any, codes: Float[np.ndarray, "row code"]) -> Float[np.ndarray, "row 2"]:
    neighbours = len(layout) - 1
    new = layout.transform(codes, k=min(25, neighbours), perplexity=min(5.0, neighbours / 3))
    return np.array(new)
