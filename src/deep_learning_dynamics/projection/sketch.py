"""The leading principal components of very many rows, by subspace iteration in few passes.

A random subspace is improved by multiplying it with the rows' inner products, read from disk block
by block (Halko, Martinsson and Tropp, 2011). The result is an orthogonal projection of the rows
onto a subspace of weight space, so distances can only become shorter, and how much of them is lost
in total follows from the rows' norms.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int

from deep_learning_dynamics.projection.isometry import (
    Components,
    Progress,
    Stray,
    Usable,
    check_finite,
    numbered,
    principal_axes,
    row_digest,
)
from deep_learning_dynamics.seeds import generator
from deep_learning_dynamics.store.matrix import ArrayWeights

CHUNK_COLUMNS = 2**17  # of a store; narrower bands would read its chunks again and again
MORE = 16  # directions than components
PASSES = 3  # after the first
BLOCK_BYTES = 128 * 2**20
HELD_BYTES = 10**9  # a selection of that size stays in memory between passes


def principal_components(
    weights: Any, usable: Usable, stray: Stray, components: int, progress: Progress
) -> Components:
    """The first principal components of the usable rows; stray rows are projected onto them.

    Raises:
        ProjectionError: a usable row is not finite.
    """
    rows, width = weights.shape
    if 4 * rows * width <= HELD_BYTES:
        whole = np.asarray(weights.read(slice(0, width)), np.float32)
        weights = ArrayWeights(whole, np.arange(rows))
    passes = _Passes(weights, usable, stray, progress)
    size = min(components + MORE, len(usable) - 1, width)
    images = passes.random_images(size)
    for number in range(PASSES):
        directions, _ = np.linalg.qr(images - images.mean(axis=0))
        last = number == PASSES - 1
        images, others, products = passes.multiply(directions, number + 1, last)
    # Rows times an orthonormal basis of the subspace that directions span in weight space.
    factor = np.linalg.cholesky(products + 1e-14 * np.trace(products) * np.eye(size))
    turn = np.linalg.inv(factor).T
    images, others = images @ turn, others @ turn
    mean = images.mean(axis=0)
    axes = principal_axes(images - mean)[:, :components]
    vectors = np.empty((rows, components))
    first = np.unique(passes.equal, return_index=True)[1][passes.equal]
    vectors[usable] = ((images - mean) @ axes)[first]  # equal rows, equal vectors
    vectors[stray] = (others - mean) @ axes
    vectors[stray[~passes.finite]] = np.nan
    variance = (vectors[usable] ** 2).sum(axis=0) / (len(usable) - 1)
    return Components(vectors, variance, passes.total / (len(usable) - 1))


class _Passes:
    """Passes over the weights, relative to the first usable row, in bands of whole chunks.

    Attributes:
        equal [usable]: which of the different rows each usable row is (from the first pass).
        total: the usable rows' squared distances from their mean, summed (from the first pass).
        finite [stray]: whether all weights of a stray row are (from the last pass).
    """

    def __init__(self, weights: Any, usable: Usable, stray: Stray, progress: Progress) -> None:
        self._weights, self._usable, self._stray, self._progress = weights, usable, stray, progress
        width = weights.shape[1]
        self._bands = [
            slice(start, min(start + CHUNK_COLUMNS, width))
            for start in range(0, width, CHUNK_COLUMNS)
        ]
        self._origin = np.asarray(weights.read(slice(0, width), rows=usable[:1])[0], np.float32)
        self.finite = np.ones(len(stray), bool)

    def random_images(self, size: int) -> Float[np.ndarray, "usable direction"]:
        """The usable rows along random directions."""
        rng = generator(0, "sketch")
        count = len(self._usable)
        images = np.zeros((count, size), np.float32)
        digests = [b""] * count
        self.total = 0.0
        for number, band in enumerate(self._bands):
            directions = rng.standard_normal((band.stop - band.start, size), np.float32)
            sums = np.zeros(band.stop - band.start)
            for which, block in self._read(band, self._usable):
                check_finite(np.isfinite(block).all(axis=1), self._usable[which])
                images[which] += block @ directions
                sums += block.sum(axis=0, dtype=np.float64)
                self.total += float(np.einsum("rc,rc->", block, block, dtype=np.float64))
                digests[which] = map(row_digest, block, digests[which])
            self.total -= float(sums @ sums) / count
            self._report(0, number)
        self.equal = numbered(digests)
        return images.astype(np.float64)

    def multiply(
        self, directions: Float[np.ndarray, "usable direction"], passed: int, last: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inner products with all usable rows, times ``directions``, whose columns sum to zero.

        Of usable rows [usable, direction], of stray rows [stray, direction] (in the last pass
        alone), and the square [direction, direction] that is ``directions``' own.
        """
        exact = np.float64 if last else np.float32
        size, narrow = directions.shape[1], directions.astype(exact)
        images = np.zeros((len(self._usable), size))
        others = np.zeros((len(self._stray), size))
        square = np.zeros((size, size))
        for number, band in enumerate(self._bands):
            combined = np.zeros((size, band.stop - band.start))
            for which, block in self._read(band, self._usable):
                combined += narrow[which].T @ block.astype(exact, copy=False)
            basis = combined.T.astype(exact)
            square += combined @ combined.T
            for which, block in self._read(band, self._usable):
                images[which] += block.astype(exact, copy=False) @ basis
            if last:
                for which, block in self._read(band, self._stray):
                    finite = np.isfinite(block).all(axis=1)
                    self.finite[which] &= finite
                    others[which] += np.where(finite[:, None], block, 0).astype(exact) @ basis
            self._report(passed, number)
        return images, others, square

    def _read(
        self, band: slice, rows: Int[np.ndarray, " wanted"]
    ) -> Iterator[tuple[slice, Float32[np.ndarray, "part column"]]]:
        """Parts of the rows, and their weights in the band relative to the first usable row's."""
        step = max(1, BLOCK_BYTES // (4 * (band.stop - band.start)))
        for start in range(0, len(rows), step):
            which = slice(start, min(start + step, len(rows)))
            block = np.asarray(self._weights.read(band, rows=rows[which]), np.float32)
            yield which, block - self._origin[band]

    def _report(self, passed: int, band: int) -> None:
        self._progress((passed + (band + 1) / len(self._bands)) / (PASSES + 1))
