"""The exact isometry: n vectors of P numbers become n vectors of at most n − 1 numbers.

All pairwise distances stay as they are, so every projector that looks at nothing else gives the
same result on the short vectors. It is the first step of every projection.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from deep_learning_dynamics.errors import ProjectionError
from deep_learning_dynamics.projection.threads import processors, threads_for
from deep_learning_dynamics.tracked_weights import (
    TrackedWeights,
    read,
    read_as_stored,
    shape_of,
    spans,
)

IN_CACHE = 2**11  # columns that are multiplied at once
IN_TREE = 2**15  # columns by which neighbours are found


class Isometry(TransformerMixin, BaseEstimator):
    """Turns rows of weights into their principal coordinates, without loss.

    It works like a kernel method, from inner products alone, in one pass over blocks of weights:
    rows may be a NumPy array or, on disk, ``deep_learning_dynamics.tracked_weights.TrackedWeights``
    that do not fit into memory. It keeps a reference to the rows it was fitted on instead of P × r
    components.

    The inner products are those of *differences along a short spanning tree* of the rows, not of
    rows with the centre taken off. Their matrix would hold squared distances with an error of
    about 1e-16 of the *largest* one, so that two rows 1e-6 times closer to each other than to the
    rest come out 1e-4 wrong. Along the tree each row is compared with one that is near, so that
    small distances are as exact as large ones, and equal rows stay equal.

    ``transform`` of rows that were not fitted is exact within the affine span of those that were;
    what is orthogonal to the span is lost, so distances to such rows come out too small.
    """

    # Attributes (r: the numerical rank, at most rows − 1):
    #   coordinates_  [row, r]  fitted rows, centred; columns by decreasing variance
    #   parents_      [row]     each row's neighbour in the tree; the root's is itself
    #   lengths_      [row]     distance to it
    #   pivots_       [r]       rows whose differences from their parents span all
    #   basis_        [r, r]    coordinates from inner products with those (unit) differences

    def __init__(self, block_bytes: int = 256 * 2**20) -> None:
        self.block_bytes = block_bytes

    def fit(self, X: Any, y: None = None) -> "Isometry":
        self.fit_transform(X)
        return self

    def fit_transform(self, X: Any, y: None = None) -> Float[np.ndarray, "row component"]:
        """Coordinates of the rows, row × component.

        Raises:
            ProjectionError: there are no two rows, or a weight is not finite.
        """
        rows, width = shape_of(X)
        if rows < 2:
            raise ProjectionError(
                f"There are {rows} rows of finite weights; expected at least 2 to compare. "
                "Keep more snapshots (train.snapshots) or train more networks (train.networks)."
            )
        with threads_for(rows, width):
            self._fit(X, rows, width)
        return self.coordinates_

    def _fit(self, X: Any, rows: int, width: int) -> None:
        from scipy.linalg import lapack, solve_triangular

        order, parents, gram = self._tree_and_gram(X)
        lengths = np.sqrt(np.diag(gram))
        _check_finite(lengths)
        unit = np.where(lengths > 0, lengths, 1.0)
        cosines = gram / np.outer(unit, unit)
        # Pivoted Cholesky decides the rank: it stops where every further unit difference is within
        # √(10 n ε) of the span of those before: no squared length changes by more than 10 n ε.
        factor, pivots, rank, _ = lapack.dpstrf(
            cosines, lower=1, tol=10 * rows * np.finfo(float).eps, overwrite_a=1
        )
        rank = min(rank, width)
        factor, pivots = np.tril(factor)[:, :rank], pivots - 1
        steps = np.empty((rows, rank))
        steps[pivots] = factor
        steps *= lengths[:, None]
        coordinates = np.zeros((rows, rank))
        for row in order[1:]:
            coordinates[row] = coordinates[parents[row]] + steps[row]
        coordinates -= coordinates.mean(axis=0)
        rotation = _principal_axes(coordinates)
        self.coordinates_ = coordinates @ rotation
        # A product of matrices may round equal rows differently, depending on where they stand.
        for row in order[1:]:
            if lengths[row] == 0:
                self.coordinates_[row] = self.coordinates_[parents[row]]
        self.parents_, self.lengths_, self.pivots_ = parents, lengths, pivots[:rank]
        self.basis_ = solve_triangular(factor[:rank], rotation, lower=True, trans="T").T
        self._rows = X

    def _tree_and_gram(self, X: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The spanning tree, and the inner products of the differences along it."""
        from threadpoolctl import threadpool_limits

        first, *others = self._spans(X)
        block = read_as_stored(X, first)
        order, parents = _short_tree(np.asarray(block[:, :IN_TREE], np.float64))

        # Blocks are read and multiplied side by side, each by one thread, and added in their order:
        # the sum does not depend on the number of threads, and reading and multiplying overlap.
        def product(span: slice) -> np.ndarray:
            return _inner_products(read_as_stored(X, span), parents)

        workers = processors()
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as pool:
            waiting = deque([pool.submit(_inner_products, block, parents)])
            del block
            gram = np.zeros((len(order),) * 2)
            for span in others:
                if len(waiting) == workers:  # no more than that in memory
                    gram += waiting.popleft().result()
                waiting.append(pool.submit(product, span))
            for future in waiting:
                gram += future.result()
        return order, parents, gram

    def _spans(self, *matrices: Any) -> Iterator[slice]:
        return spans(self.block_bytes, *matrices)

    def transform(self, X: Any) -> Float[np.ndarray, "new component"]:
        """Coordinates of other rows in the same space."""
        check_is_fitted(self, "coordinates_")
        self._check_width(X)
        if X is self._rows:
            return self.coordinates_
        products = np.zeros((shape_of(X)[0], len(self.pivots_)))
        for columns in self._spans(X, self._rows):
            new, fitted = read(X, columns), read(self._rows, columns)
            if columns.start == 0:
                nearest = _squared_distances(new, fitted).argmin(axis=1)
            differences = fitted[self.pivots_] - fitted[self.parents_[self.pivots_]]
            # From the nearest fitted row on, for the same reason as in the tree.
            products += (new - fitted[nearest]) @ differences.T
        _check_finite(products.sum(axis=1))
        products /= self.lengths_[self.pivots_]
        return self.coordinates_[nearest] + products @ self.basis_.T

    def inverse_transform(
        self, X: Float[np.ndarray, "new component"]
    ) -> Float[np.ndarray, "new weight"]:
        """Weights at given coordinates, row × weight, in memory."""
        check_is_fitted(self, "coordinates_")
        shares = (np.asarray(X) - self.coordinates_[0]) @ self.basis_
        shares /= self.lengths_[self.pivots_]
        parents = self.parents_[self.pivots_]
        parts = []
        for columns in self._spans(self._rows):
            fitted = read(self._rows, columns)
            parts.append(fitted[0] + shares @ (fitted[self.pivots_] - fitted[parents]))
        return np.hstack(parts)

    def attach(self, rows: Any) -> "Isometry":
        """Give back the fitted rows to a projector that was loaded from disk without them."""
        if shape_of(rows)[0] != len(self.coordinates_):
            raise ProjectionError(
                f"The projector was fitted on {len(self.coordinates_)} rows, {shape_of(rows)[0]} "
                "were given; expected the same rows. Give those of view.usable."
            )
        end = int(self.lengths_.argmax())
        ends = np.array([end, self.parents_[end]])
        both = rows.take(ends) if isinstance(rows, TrackedWeights) else np.asarray(rows)[ends]
        if not np.isclose(pairwise_distances(both)[0, 1], self.lengths_[end], rtol=1e-6):
            raise ProjectionError(
                f"Rows {ends[0]} and {ends[1]} are not as far apart as those that it was fitted "
                "on; expected the same rows in the same order, of the same layers (track in "
                "params.yaml). Give those of view.usable."
            )
        self._rows = rows
        return self

    def _check_width(self, rows: Any) -> None:
        found, expected = shape_of(rows)[1], shape_of(self._rows)[1]
        if found != expected:
            raise ProjectionError(
                f"Rows have {found} weights; expected {expected}, as the rows it was fitted on. "
                "Track the same layers (track in params.yaml)."
            )


def pairwise_distances(X: Any) -> Float[np.ndarray, "row row"]:
    """Exact Euclidean distances between all rows, however far some of them lie from the others."""
    gram = np.zeros((shape_of(X)[0],) * 2)
    for columns in spans(64 * 2**20, X):
        block = read(X, columns)
        if columns.start == 0:
            # Relative to a row in the middle of things, not to one that a divergence took far off.
            root = _squared_distances(block, block).sum(axis=1).argmin()
        offsets = block - block[root]
        gram += offsets @ offsets.T
    squared = np.diag(gram)[:, None] + np.diag(gram) - 2 * gram
    np.fill_diagonal(squared, 0)
    return np.sqrt(np.maximum(squared, 0))


def _inner_products(
    block: Float[np.ndarray, "row block"], parents: Int[np.ndarray, " row"]
) -> Float[np.ndarray, "row row"]:
    """Of the rows' differences from their parents, in float64 whatever the rows are stored in."""
    gram = np.zeros((len(block),) * 2)
    for start in range(0, block.shape[1], IN_CACHE):
        part = block[:, start : start + IN_CACHE]
        differences = np.subtract(part, part[parents], dtype=np.float64)
        # numpy sees that this is a matrix times its own transpose, and computes half of it.
        gram += differences @ differences.T
    return gram


def _short_tree(
    block: Float[np.ndarray, "row block"],
) -> tuple[Int[np.ndarray, " row"], Int[np.ndarray, " row"]]:
    """A minimum spanning tree (Prim, 1957): the order in which rows join, and each one's parent.

    It is judged by the first block of weights alone. Any tree gives the right coordinates; a short
    one only makes them more precise.
    """
    _check_finite(block.sum(axis=1))
    squared = _squared_distances(block, block)
    rows = len(block)
    order, parents = np.zeros(rows, int), np.zeros(rows, int)
    nearest, joined = squared[0].copy(), np.zeros(rows, bool)
    joined[0] = True
    for position in range(1, rows):
        row = int(np.where(joined, np.inf, nearest).argmin())
        order[position], joined[row] = row, True
        closer = squared[row] < nearest
        parents[closer & ~joined] = row
        nearest = np.where(closer, squared[row], nearest)
    return order, parents


def _squared_distances(
    left: Float[np.ndarray, "left block"], right: Float[np.ndarray, "right block"]
) -> Float[np.ndarray, "left right"]:
    """Rounded where rows are close together; good enough to find neighbours."""
    is_one, origin = left is right, right[0]
    right = right - origin
    left = right if is_one else left - origin  # a matrix times itself takes half of the time
    lengths = [np.einsum("ij,ij->i", rows, rows) for rows in (left, right)]
    squared = lengths[0][:, None] + lengths[1] - 2 * (left @ right.T)
    return np.maximum(squared, 0)


def _principal_axes(
    coordinates: Float[np.ndarray, "row component"],
) -> Float[np.ndarray, "component axis"]:
    """An orthogonal matrix that turns centred coordinates to their principal axes."""
    if coordinates.shape[1] == 0:
        return np.zeros((0, 0))
    _, axes = np.linalg.eigh(coordinates.T @ coordinates)
    axes = axes[:, ::-1]
    # The sign of an axis is arbitrary: let the row that is farthest out lie on its positive side.
    # (By the axis's own entries it would depend on the order in which the Cholesky took rows.)
    along = coordinates @ axes
    farthest = along[np.abs(along).argmax(axis=0), np.arange(axes.shape[1])]
    return axes * np.where(farthest < 0, -1.0, 1.0)


def _check_finite(sums: Float[np.ndarray, " row"]) -> None:
    finite = np.isfinite(sums)
    if not finite.all():
        raise ProjectionError(
            f"{int((~finite).sum())} rows hold weights that are not finite (the first is row "
            f"{int(finite.argmin())}); expected finite ones. Leave out networks that diverged."
        )
