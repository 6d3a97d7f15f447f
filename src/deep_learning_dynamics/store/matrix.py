"""Weights as a matrix, row × weight, of a store or of memory: read where and when they are needed.

A selection has one beside its table of rows.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Int

if TYPE_CHECKING:
    import xarray as xr

BLOCK_BYTES = 128 * 2**20
READ_BYTES = 64 * 2**20  # read from a store at once


class Matrix(ABC):
    """Weights, row × weight, read where and when they are needed."""

    shape: tuple[int, int]
    chunk: int = 1  # neighbouring weights that are stored in one piece

    @abstractmethod
    def read(
        self, columns: slice, rows: Int[np.ndarray, " chosen"] | None = None
    ) -> Float[np.ndarray, "row block"]:
        """Neighbouring columns of all rows, or of some, in the precision they are stored in."""

    @abstractmethod
    def take(self, rows: Int[np.ndarray, " chosen"] | Bool[np.ndarray, " row"]) -> "Matrix":
        """Some of the rows; nothing is read."""

    def spans(self, max_bytes: int = BLOCK_BYTES) -> Iterator[slice]:
        """All columns from left to right, some at a time; those of all rows have at most
        ``max_bytes`` as float64."""
        rows, width = self.shape
        columns = max(1, max_bytes // (8 * max(1, rows)))
        if columns > self.chunk:  # then no chunk is read twice
            columns -= columns % self.chunk
        for start in range(0, width, columns):
            yield slice(start, min(start + columns, width))

    def finite_rows(self) -> Bool[np.ndarray, " row"]:
        """Rows whose weights are all finite; all of them are read."""
        finite = np.ones(self.shape[0], bool)
        for columns in self.spans():
            finite &= np.isfinite(self.read(columns)).all(axis=1)
        return finite

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        whole = self.read(slice(0, self.shape[1]))
        return whole if dtype is None else whole.astype(dtype, copy=False)


@dataclass(frozen=True)
class ArrayWeights(Matrix):
    """Weights that are in memory, or in any array that can be sliced, such as a memory map."""

    values: Any
    chosen: Int[np.ndarray, " row"]

    @property
    def shape(self) -> tuple[int, int]:  # type: ignore[override]
        return len(self.chosen), self.values.shape[1]

    def take(self, rows: np.ndarray) -> "ArrayWeights":
        return replace(self, chosen=self.chosen[rows])

    def read(
        self, columns: slice, rows: Int[np.ndarray, " chosen"] | None = None
    ) -> Float[np.ndarray, "row block"]:
        chosen = self.chosen if rows is None else self.chosen[rows]
        return np.asarray(self.values[as_slice(chosen), columns])


@dataclass(frozen=True)
class StoredWeights(Matrix):
    """Weights of a store: columns are those of some of its parameters."""

    array: "xr.DataArray"  # network × snapshot × weight
    segments: list[list[slice]]  # the columns in the store, for each group of parameters
    sources: Int[np.ndarray, "row 3"]  # network, snapshot, group

    @property
    def shape(self) -> tuple[int, int]:  # type: ignore[override]
        width = sum(part.stop - part.start for part in self.segments[0])
        return len(self.sources), width

    @cached_property
    def chunk(self) -> int:  # type: ignore[override]
        chunks = self.array.encoding.get("chunks") or self.array.shape
        return max(1, min(int(chunks[-1]), self.shape[1]))

    def take(self, rows: np.ndarray) -> "StoredWeights":
        return replace(self, sources=self.sources[rows])

    def read(
        self, columns: slice, rows: Int[np.ndarray, " chosen"] | None = None
    ) -> Float[np.ndarray, "row block"]:
        sources = self.sources if rows is None else self.sources[rows]
        start, stop, _ = columns.indices(self.shape[1])
        block = np.empty((len(sources), max(0, stop - start)), self.array.dtype)
        for group, segments in enumerate(self.segments):
            mine = np.flatnonzero(sources[:, 2] == group)
            offset = 0
            for segment in segments:
                length = segment.stop - segment.start
                first, last = max(start, offset), min(stop, offset + length)
                if first < last and len(mine):
                    within = slice(segment.start + first - offset, segment.start + last - offset)
                    self._fill(block[:, first - start : last - start], mine, sources, within)
                offset += length
        return block

    def _fill(
        self,
        block: Float[np.ndarray, "row part"],
        mine: Int[np.ndarray, " mine"],
        sources: Int[np.ndarray, "row 3"],
        columns: slice,
    ) -> None:
        """Put neighbouring columns of the store into the rows ``mine`` of a block."""
        owners, snapshots = (np.unique(sources[mine, axis]) for axis in (0, 1))
        bytes_each = self.array.dtype.itemsize * len(snapshots) * (columns.stop - columns.start)
        together = max(1, READ_BYTES // max(1, bytes_each))
        for begin in range(0, len(owners), together):
            networks = owners[begin : begin + together]
            asked = mine[np.isin(sources[mine, 0], networks)]
            taken = np.unique(sources[asked, 1])
            values = self.array.variable[as_slice(networks), as_slice(taken), columns].values
            network = np.searchsorted(networks, sources[asked, 0])
            snapshot = np.searchsorted(taken, sources[asked, 1])
            block[as_slice(asked)] = values[network, snapshot]


def as_slice(numbers: Int[np.ndarray, " number"]) -> slice | Int[np.ndarray, " number"]:
    """The same choice as a slice where the numbers follow each other: read at once, not copied."""
    if len(numbers) and (np.diff(numbers) == 1).all():
        return slice(int(numbers[0]), int(numbers[-1]) + 1)
    return numbers
