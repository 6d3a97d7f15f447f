"""Which weights of which snapshots are looked at: parts of the stores, read in blocks."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

if TYPE_CHECKING:
    import xarray as xr

ALL_LAYERS = 0  # the layer number of a row that holds all tracked layers
BLOCK_BYTES = 128 * 2**20


@dataclass(frozen=True)
class Trajectory:
    """Where its rows lie: a network of a store, as it was at each snapshot."""

    store: int  # 0: pretrain, 1: train
    network: int
    snapshots: int
    layer: int  # ALL_LAYERS or the number of the only layer
    output: int | None  # network of the train store whose output layer at step 0 stands in


@dataclass(frozen=True)
class Segment:
    """Neighbouring columns: the mean over ``sources``, equally long slices of the weights."""

    sources: tuple[slice, ...]
    is_output: bool

    @property
    def length(self) -> int:
        return self.sources[0].stop - self.sources[0].start


@dataclass(frozen=True)
class TrackedWeights:
    """The weights of a view, row × weight, read from disk only where and when they are needed.

    ``numpy.asarray(weights)`` reads all of it; :meth:`blocks` goes through it in bounded memory.
    """

    stores: tuple["xr.DataArray", ...]  # pretrain, train; each network × snapshot × weight
    trajectories: tuple[Trajectory, ...]
    segments: dict[int, tuple[Segment, ...]]  # by the paths' layer, all of one total length
    chosen: Int[np.ndarray, " row"]  # rows of all paths, one path after the other

    @property
    def shape(self) -> tuple[int, int]:
        (width,) = {sum(s.length for s in parts) for parts in self.segments.values()}
        return len(self.chosen), width

    def __len__(self) -> int:
        return len(self.chosen)

    def take(self, rows: Int[np.ndarray, " chosen"] | Bool[np.ndarray, " row"]) -> "TrackedWeights":
        """Some of the rows, by number or by mask; nothing is read."""
        return replace(self, chosen=self.chosen[rows])

    def blocks(self, max_bytes: int = BLOCK_BYTES) -> Iterator[Float64[np.ndarray, "row block"]]:
        """All columns from left to right, some at a time; each block has at most ``max_bytes``."""
        for columns in spans(max_bytes, self):
            yield self.read(columns)

    @property
    def chunk(self) -> int:
        """How many neighbouring weights the store keeps in one piece."""
        return self.stores[1].encoding.get("chunks", (1, 1, 1))[2]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        whole = self.read(slice(0, self.shape[1]))
        return whole if dtype is None else whole.astype(dtype)

    @cached_property
    def _starts(self) -> Int[np.ndarray, " boundary"]:
        return np.cumsum([0, *(path.snapshots for path in self.trajectories)])

    def number_type(self, as_stored: bool) -> type[np.floating]:
        """Of what :meth:`read` gives."""
        averaged = any(len(s.sources) > 1 for parts in self.segments.values() for s in parts)
        return np.float32 if as_stored and not averaged else np.float64

    def read(self, columns: slice, as_stored: bool = False) -> Float[np.ndarray, "row block"]:
        """The columns from ``columns.start`` to before ``columns.stop`` of all rows.

        In float64; ``as_stored``: in float32 where that loses nothing, at half of the memory.
        """
        start, stop = columns.start, columns.stop
        block = np.empty((len(self.chosen), stop - start), self.number_type(as_stored))
        owner = np.searchsorted(self._starts, self.chosen, side="right") - 1
        snapshot = self.chosen - self._starts[owner]
        for layer, segments in self.segments.items():
            of_layer = np.array([path.layer == layer for path in self.trajectories], bool)
            offset = 0
            for segment in segments:
                first, last = max(start, offset), min(stop, offset + segment.length)
                if first < last:
                    within = slice(first - offset, last - offset)
                    into = slice(first - start, last - start)
                    rows = _as_slice(np.flatnonzero(of_layer[owner]))
                    part = block[rows, into]  # usually a view: then it is filled in place
                    self._fill(part, segment, within, owner[rows], snapshot[rows])
                    if not isinstance(rows, slice):
                        block[rows, into] = part
                offset += segment.length
        return block

    def _fill(
        self,
        values: Float[np.ndarray, "row block"],
        segment: Segment,
        within: slice,
        owner: Int[np.ndarray, " row"],
        snapshot: Int[np.ndarray, " row"],
    ) -> None:
        """Put columns ``within`` a segment into ``values``, for rows given by path and snapshot."""
        for number, source in enumerate(segment.sources):
            columns = slice(source.start + within.start, source.start + within.stop)
            for index in np.unique(owner):
                path, rows = self.trajectories[index], _as_slice(np.flatnonzero(owner == index))
                if segment.is_output and path.output is not None:
                    # While pre-training, the network has another output layer, of another shape.
                    # The MNIST output layer that it gets afterwards is constant until then.
                    found = self.stores[1][path.output, 0, columns].values
                else:
                    of_network = self.stores[path.store][path.network, :, columns].values
                    found = of_network[_as_slice(snapshot[rows])]
                if number == 0:
                    values[rows] = found
                else:
                    values[rows] += found
        if len(segment.sources) > 1:
            values /= len(segment.sources)


def _as_slice(numbers: Int[np.ndarray, " number"]) -> slice | Int[np.ndarray, " number"]:
    """The same choice as a slice where the numbers follow each other: then nothing is copied."""
    if len(numbers) and (np.diff(numbers) == 1).all():
        return slice(int(numbers[0]), int(numbers[-1]) + 1)
    return numbers


def shape_of(rows: Any) -> tuple[int, int]:
    """Rows and weights of an array or of :class:`TrackedWeights`."""
    return (rows if hasattr(rows, "shape") else np.asarray(rows)).shape


def read_as_stored(rows: Any, columns: slice) -> Float[np.ndarray, "row block"]:
    """As :func:`read`, but in float32 where the numbers are stored so."""
    if isinstance(rows, TrackedWeights):
        return rows.read(columns, as_stored=True)
    block = np.asarray(rows)[:, columns]
    return block if block.dtype == np.float32 else np.asarray(block, np.float64)


def read(rows: Any, columns: slice) -> Float64[np.ndarray, "row block"]:
    """Neighbouring columns of an array or of :class:`TrackedWeights` in float64."""
    if isinstance(rows, TrackedWeights):
        return rows.read(columns)
    return np.asarray(np.asarray(rows)[:, columns], np.float64)


def spans(max_bytes: int, *matrices: Any) -> Iterator[slice]:
    """Cuts matrices of one width into blocks of columns, of at most ``max_bytes`` each.

    Blocks end where a store's own chunks end as far as they fit, so that no chunk is read more
    often than needed.
    """
    rows, width = max(shape_of(matrix)[0] for matrix in matrices), shape_of(matrices[0])[1]
    columns = max(1, max_bytes // (8 * max(1, rows)))
    for matrix in matrices:
        if isinstance(matrix, TrackedWeights) and columns > matrix.chunk:
            columns -= columns % matrix.chunk
    for start in range(0, width, columns):
        yield slice(start, min(start + columns, width))
