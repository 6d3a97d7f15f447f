"""UMAP: a neighbourhood graph of the snapshots, laid out in the plane."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float32
from pydantic import Field

from deep_learning_dynamics.projection.distances import Points, Vectors, squared_distances
from deep_learning_dynamics.projection.method import METHODS, Fitted, Method, within_reach
from deep_learning_dynamics.projection.pca import principal_plane
from deep_learning_dynamics.seeds import generator, integer

FEW = 4096  # rows up to which all distances are computed; beyond, neighbours are searched


@METHODS.register
class UMAP(Method):
    """umap-learn (McInnes, Healy and Melville, 2018).

    It starts from the first two principal components, so that the coarse layout means something
    even where the graph falls into one piece per network (Kobak and Linderman, 2021). Further rows
    are placed among the fitted ones, which stay.
    """

    key, title, axes = "umap", "UMAP", ("UMAP 1", "UMAP 2")
    least_rows, most_rows = 4, 50_000
    reads = "Which snapshots are close neighbours, and where paths branch or join."
    cautions = "Gaps between groups, their sizes and speeds along a path: UMAP evens them out."

    @dataclass(frozen=True)
    class Settings:
        """UMAP's own."""

        neighbours: Annotated[int, Field(ge=2, le=1000)] = 15
        minimum_distance: Annotated[float, Field(ge=0, le=1)] = 0.1  # of points in the plane
        epochs: Annotated[int, Field(ge=1, le=100_000)] = 200  # of the layout

    @classmethod
    def fit_rows(cls, vectors: Vectors, seed: int, settings: Any) -> Fitted:
        import umap

        _keep_compiled()
        mean, axes = principal_plane(vectors)
        plane = (vectors - mean) @ axes
        # umap-learn stretches the start to a square, which a line has not.
        if plane[:, 1].std() <= 1e-9 * plane[:, 0].std():
            sideways = generator(seed, cls.key, "start").normal(size=len(plane))
            plane[:, 1] = 1e-3 * plane[:, 0].std() * sideways
        number = integer(seed, cls.key)
        few = len(vectors) <= FEW
        # umap-learn computes in single precision, which cannot hold the squares of very large
        # distances.
        scale = np.abs(vectors).max()

        def seen(rows: Vectors) -> Float32[np.ndarray, "row column"]:
            """What umap-learn is given: distances to the fitted rows, or rows if there are many."""
            if few:  # of a row to itself exactly 0: rounding would count as its nearest neighbour
                return (np.sqrt(squared_distances(rows, vectors)) / scale).astype(np.float32)
            return (rows / scale).astype(np.float32)

        model = umap.UMAP(
            metric="precomputed" if few else "euclidean",
            n_neighbors=min(settings.neighbours, len(vectors) - 1),
            min_dist=settings.minimum_distance,
            n_epochs=settings.epochs,
            init=plane / np.abs(plane).max() * 10,
            n_jobs=1,  # with more, sums run in any order and no two results are alike
            random_state=number,
            transform_seed=number,
        )

        @_quiet()
        def transform(rows: Vectors) -> Points:
            return model.transform(seen(within_reach(rows, vectors))).astype(float)

        with _quiet():
            model.fit(seen(vectors))
        return Fitted(coordinates=model.embedding_.astype(float), transform=transform)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without its warnings: many trajectories may be several graphs, and that is no mistake."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="umap")
        warnings.filterwarnings("ignore", message="using precomputed metric")
        yield


@cache
def _keep_compiled() -> None:
    """Let numba keep what it compiles of umap-learn beside it, for the processes to come.

    umap-learn asks for that for few of its functions; the rest cost about 10 s in each process.
    """
    from numba.core.dispatcher import Dispatcher
    from umap import layouts, umap_

    for module in (layouts, umap_):
        for function in vars(module).values():
            if isinstance(function, Dispatcher):
                with suppress(RuntimeError):  # there is no folder that it may write to
                    function.enable_caching()
