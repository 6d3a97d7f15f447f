"""The exact isometry: n rows of P weights become n rows of at most n − 1 principal components.

All pairwise distances stay as they are, however small some are beside others. It works like a
kernel method, from inner products alone, in one pass over blocks of columns. They are those of
*differences along a short spanning tree* of the rows: a matrix of inner products of centred rows
would hold squared distances with an error of 1e-16 of the largest one, so that two rows that are
1e-6 times closer to each other than to the rest come out 1e-4 wrong.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from deep_learning_dynamics.environment import cores
from deep_learning_dynamics.errors import ProjectionError
from deep_learning_dynamics.execution import connected, run_tasks
from deep_learning_dynamics.projection.distances import Vectors, squared_distances
from deep_learning_dynamics.store.matrix import StoredWeights

Usable = Int[np.ndarray, " usable"]  # numbers of rows
Stray = Int[np.ndarray, " stray"]  # likewise, of the others
Progress = Callable[[float], None]

BLOCK_BYTES = 256 * 2**20  # of weights, as float64, that are read at once
IN_CACHE = 2**11  # columns that are multiplied at once


@dataclass(frozen=True)
class Components:
    """Rows along their principal axes."""

    vectors: Float64[np.ndarray, "row component"]  # centred on the usable rows, NaN where unknown
    variance: Float64[np.ndarray, " component"]  # of the usable rows, falling
    total_variance: float  # of the usable rows, in the components or not


def principal_components(
    weights: Any, usable: Usable, stray: Stray, progress: Progress
) -> Components:
    """All principal components of the usable rows; stray rows are projected onto their span.

    Libraries of linear algebra must be limited to one thread: it reads with several of its own.

    Raises:
        ProjectionError: a usable row is not finite.
    """
    rows, width = weights.shape
    if width < len(usable):
        fitted, others, equal = _read_whole(weights, usable, stray)
    else:
        fitted, others, equal = _along_tree(weights, usable, stray, progress)
    mean = fitted.mean(axis=0)
    axes = principal_axes(fitted - mean)
    fitted, others = (fitted - mean) @ axes, (others - mean) @ axes
    # A product of matrices may round equal rows differently, depending on where they stand.
    fitted = fitted[equal]
    spread = np.linalg.norm(fitted, axis=0)
    kept = spread > max(rows, width) * np.finfo(float).eps * spread.max(initial=0)
    vectors = np.empty((rows, int(kept.sum())))
    vectors[usable], vectors[stray] = fitted[:, kept], others[:, kept]
    variance = spread[kept] ** 2 / (len(usable) - 1)
    return Components(vectors, variance, float(variance.sum()))


def principal_axes(centred: Vectors) -> Float64[np.ndarray, "component axis"]:
    """An orthogonal matrix that turns centred rows to their principal axes."""
    if centred.shape[1] == 0:
        return np.zeros((0, 0))
    _, axes = np.linalg.eigh(centred.T @ centred)
    return oriented(axes[:, ::-1], centred)


def oriented(
    axes: Float[np.ndarray, "component axis"], centred: Vectors
) -> Float64[np.ndarray, "component axis"]:
    """The axes with the row that is farthest out on the positive side; their sign is arbitrary."""
    along = centred @ axes
    farthest = along[np.abs(along).argmax(axis=0), np.arange(axes.shape[1])]
    return axes * np.where(farthest < 0, -1.0, 1.0)


def numbers_of_equal(rows: Float[np.ndarray, "row column"]) -> Int[np.ndarray, " row"]:
    """Which of the different rows each row is, numbered in the order in which they appear."""
    return numbered([row_digest(row) for row in rows])


def row_digest(row: Float[np.ndarray, " column"], before: bytes = b"") -> bytes:
    """A digest of the row's numbers, after that of columns before these."""
    # Adding zero turns −0.0 into 0.0, which is equal to it.
    return hashlib.blake2b(before + (row + 0.0).tobytes(), digest_size=16).digest()


def numbered(digests: list[bytes]) -> Int[np.ndarray, " row"]:
    """Equal digests by one number, in the order in which they appear."""
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(each, len(numbers)) for each in digests], int)


def check_finite(finite: Bool[np.ndarray, " usable"], usable: Usable) -> None:
    """Raise a ProjectionError that names the first usable row that is not finite."""
    if not finite.all():
        raise ProjectionError(
            f"{int((~finite).sum())} usable rows hold weights that are not finite (the first is "
            f"row {int(usable[finite.argmin()])}); expected finite ones. Mark their networks as "
            "diverged (usable=False), or leave them out."
        )


def _read_whole(weights: Any, usable: Usable, stray: Stray) -> tuple[np.ndarray, ...]:
    """Fewer weights than rows: the rows themselves, relative to the first, are coordinates."""
    block = np.asarray(weights.read(slice(0, weights.shape[1])), np.float64)
    fitted, others = block[usable], block[stray]
    check_finite(np.isfinite(fitted).all(axis=1), usable)
    others[~np.isfinite(others).all(axis=1)] = np.nan
    _, first, of_row = np.unique(numbers_of_equal(fitted), return_index=True, return_inverse=True)
    return fitted - fitted[0], others - fitted[0], first[of_row]


@dataclass(frozen=True)
class _Tree:
    """A spanning tree of the usable rows, and from which of them each stray row is taken away."""

    usable: Usable
    stray: Stray
    order: Usable  # in which rows join
    parents: Usable  # among the usable
    nearest: Stray  # among the usable


def _along_tree(
    weights: Any, usable: Usable, stray: Stray, progress: Progress
) -> tuple[np.ndarray, ...]:
    """Coordinates of usable and of stray rows, and for each usable row the first that equals it."""
    from scipy.linalg import lapack, solve_triangular

    spans = list(weights.spans(BLOCK_BYTES))
    first = weights.read(spans[0])
    tree = _short_tree(first, usable, stray)
    count = len(usable)
    products, of_stray = np.zeros((count, count)), np.zeros((len(stray), count))
    finite = np.ones(len(stray), bool)
    # Blocks are added in their order: sums do not depend on the number of threads or workers.
    with closing(_multiplied(tree, weights, spans, first)) as blocks:
        for span, block in zip(spans, blocks, strict=True):
            products += block[0]
            of_stray += block[1]
            finite &= block[2]
            progress(span.stop / weights.shape[1])
    lengths = np.sqrt(np.diag(products))
    unit = np.where(lengths > 0, lengths, 1.0)
    # Pivoted Cholesky decides the rank: it stops where every further unit difference is within
    # √(10 n ε) of the span of those before: no squared length changes by more than 10 n ε.
    factor, pivots, rank, _ = lapack.dpstrf(
        products / np.outer(unit, unit), lower=1, tol=10 * count * np.finfo(float).eps
    )
    rank = min(rank, weights.shape[1]) if lengths.any() else 0
    factor, pivots = np.tril(factor)[:, :rank], pivots - 1
    steps = np.empty((count, rank))
    steps[pivots] = factor
    steps *= lengths[:, None]
    coordinates, equal = np.zeros((count, rank)), np.arange(count)
    for row in tree.order[1:]:
        parent = tree.parents[row]
        coordinates[row] = coordinates[parent] + steps[row]
        if lengths[row] == 0:
            equal[row] = equal[parent]
    others = np.zeros((len(stray), rank))
    if len(stray) and rank:
        pivots = pivots[:rank]
        along = (of_stray[:, pivots] / lengths[pivots]).T
        others = coordinates[tree.nearest] + solve_triangular(factor[:rank], along, lower=True).T
    others[~finite] = np.nan
    return coordinates, others, equal


def _multiplied(
    tree: _Tree, weights: Any, spans: list[slice], first: Float[np.ndarray, "row column"]
) -> Iterator[tuple[np.ndarray, ...]]:
    """What each span of columns adds; threads read and multiply at the same time."""
    cluster = connected() if isinstance(weights, StoredWeights) and len(spans) > 1 else None
    if cluster is not None:
        work = partial(_products, tree, weights)
        return run_tasks(work, spans, label="blocks of the isometry", backend=cluster)
    return _by_threads(tree, weights, spans, first)


def _by_threads(
    tree: _Tree, weights: Any, spans: list[slice], first: Float[np.ndarray, "row column"]
) -> Iterator[tuple[np.ndarray, ...]]:
    waiting: deque[Future] = deque()
    with ThreadPoolExecutor(cores()) as threads:
        for span in spans:
            if len(waiting) == cores():  # no more results than that are in memory
                yield waiting.popleft().result()
            block = first if span.start == 0 else None
            waiting.append(threads.submit(_products, tree, weights, span, block))
        while waiting:
            yield waiting.popleft().result()


def _products(
    tree: _Tree, weights: Any, span: slice, block: Float[np.ndarray, "row column"] | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of some columns: inner products of the differences of usable rows from their parents, those
    of differences of stray rows from the nearest usable one with these, and which stray rows are
    finite."""
    block = weights.read(span) if block is None else block
    count, strays = len(tree.usable), len(tree.stray)
    products, of_stray = np.zeros((count, count)), np.zeros((strays, count))
    finite = np.ones(strays, bool)
    for start in range(0, block.shape[1], IN_CACHE):
        part = block[:, start : start + IN_CACHE]
        fitted, others = part[tree.usable], part[tree.stray]
        differences = np.subtract(fitted, fitted[tree.parents], dtype=np.float64)
        # numpy sees that this is a matrix times its own transpose, and computes half of it.
        products += differences @ differences.T
        if strays:
            known = np.isfinite(others).all(axis=1)
            finite &= known
            away = np.subtract(others, fitted[tree.nearest], dtype=np.float64)
            of_stray += np.where(known[:, None], away, 0) @ differences.T
    check_finite(np.isfinite(np.diag(products)), tree.usable)
    return products, of_stray, finite


def _short_tree(block: Float[np.ndarray, "row column"], usable: Usable, stray: Stray) -> _Tree:
    """A minimum spanning tree (Prim, 1957).

    It is judged by the first block of weights alone. Any tree gives the right coordinates; a short
    one only makes them more precise.
    """
    fitted = np.asarray(block[usable], np.float64)
    check_finite(np.isfinite(fitted).all(axis=1), usable)
    squared = squared_distances(fitted)
    equal = numbers_of_equal(fitted)
    squared[equal[:, None] == equal] = -1  # whatever the rounding, they are neighbours
    rows = len(fitted)
    order, parents = np.zeros(rows, int), np.zeros(rows, int)
    closest, joined = squared[0].copy(), np.zeros(rows, bool)
    joined[0] = True
    for position in range(1, rows):
        row = int(np.where(joined, np.inf, closest).argmin())
        order[position], joined[row] = row, True
        closer = squared[row] < closest
        parents[closer & ~joined] = row
        closest = np.where(closer, squared[row], closest)
    others = np.nan_to_num(np.asarray(block[stray], np.float64), posinf=0, neginf=0)
    nearest = squared_distances(others, fitted).argmin(axis=1)
    return _Tree(usable, stray, order, parents, nearest)
