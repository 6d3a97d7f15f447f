"""Views: which weights of which snapshots are projected, as a table and a matrix on disk.

A view has a row per snapshot of each network (and of each layer, if layers are tracked separately)
and a column per tracked weight. It stands between the two stores of trajectories and projection.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from deep_learning_dynamics.errors import SnapshotsError
from deep_learning_dynamics.networks import Architecture, Layer
from deep_learning_dynamics.params import Track
from deep_learning_dynamics.trajectories import (
    SCORES,
    Member,
    architecture_of,
    members_of,
    open_snapshots,
)

if TYPE_CHECKING:
    import pandas as pd
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

    def read(self, columns: slice, as_stored: bool = False) -> Float[np.ndarray, "row block"]:
        """The columns from ``columns.start`` to before ``columns.stop`` of all rows.

        In float64; ``as_stored``: in float32 where that loses nothing, at half of the memory.
        """
        start, stop = columns.start, columns.stop
        averaged = any(len(s.sources) > 1 for parts in self.segments.values() for s in parts)
        number = np.float32 if as_stored and not averaged else np.float64
        block = np.empty((len(self.chosen), stop - start), number)
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


@dataclass(frozen=True)
class View:
    """What is projected: ``table`` and ``weights`` have the same rows, in the same order.

    Rows run phase by phase ("pretrain", "train"), network by network, layer by layer, snapshot by
    snapshot. The table's columns: phase, arm, pair, layer (0: all tracked layers together), step,
    epoch, the four scores, failed.
    """

    table: "pd.DataFrame"
    weights: TrackedWeights
    finite: Bool[np.ndarray, " row"]  # weights and scores are all finite

    @property
    def usable(self) -> Bool[np.ndarray, " row"]:
        """Rows to fit on: a network that diverged is out, with its finite rows as well, because
        they may lie so far away that nothing else would be seen."""
        return self.finite & (self.table["failed"] != "diverged").to_numpy()

    @property
    def of_first_network(self) -> Bool[np.ndarray, " row"]:
        """Rows of the first network of the first arm; a pretrained one includes its pre-training.

        If the first network diverged, its first successor that did not stands in.
        """
        table = self.table
        training = table[(table["phase"] == "train").to_numpy() & self.usable]
        if training.empty:
            return np.zeros(len(table), bool)
        first = training.iloc[0]
        mine = (table["arm"] == first["arm"]) & (table["pair"] == first["pair"])
        return mine.to_numpy()


def view(pretrain: Path, train: Path, track: Track) -> View:
    """The tracked part of the snapshots in two stores.

    Raises:
        SnapshotsError: a store is missing, or the two do not come from one experiment.
    """
    stores = (open_snapshots(pretrain), open_snapshots(train))
    architecture = architecture_of(stores[1])
    _check_same_hidden_layers(pretrain, architecture_of(stores[0]), train, architecture)
    segments = _segments(architecture, track)
    paths = tuple(_paths(stores, tuple(segments), pretrain, train))
    rows = sum(path.snapshots for path in paths)
    weights = TrackedWeights(
        tuple(store["weights"] for store in stores), paths, segments, np.arange(rows)
    )
    table = _table(stores, paths)
    return View(table, weights, _finite(table, weights))


def _segments(architecture: Architecture, track: Track) -> dict[int, tuple[Segment, ...]]:
    last = len(architecture.layers)
    wanted = range(1, last + 1) if track.layers == "all" else track.layers

    def of(*layers: Layer) -> Iterator[Segment]:
        is_output = layers[0].number == last
        yield Segment(tuple(layer.weights for layer in layers), is_output)
        if track.biases:
            yield Segment(tuple(layer.biases for layer in layers), is_output)

    layers = [architecture.layers[number - 1] for number in wanted]
    if track.separately:
        return {layer.number: tuple(of(layer)) for layer in layers}
    groups = [(layer,) for layer in layers]
    if track.average_hidden_layers:
        groups = [(layers[0],), tuple(layers[1:-1]), (layers[-1],)]
    return {ALL_LAYERS: tuple(segment for group in groups for segment in of(*group))}


def _paths(
    stores: tuple["xr.Dataset", "xr.Dataset"], layers: tuple[int, ...], pretrain: Path, train: Path
) -> Iterator[Trajectory]:
    members = members_of(stores[1])
    for index, store in enumerate(stores):
        for network, member in enumerate(members_of(store)):
            output = None
            if index == 0:
                heir = Member("pretrained", member.pair)
                if heir not in members:
                    raise SnapshotsError(
                        f"{pretrain} holds pair {member.pair}, but {train} has no pretrained "
                        "network of that pair; expected both from one experiment. "
                        "Make them again with: dvc repro train"
                    )
                output = members.index(heir)
            for layer in layers:
                yield Trajectory(index, network, store.sizes["snapshot"], layer, output)


def _table(
    stores: tuple["xr.Dataset", "xr.Dataset"], paths: tuple[Trajectory, ...]
) -> "pd.DataFrame":
    import pandas as pd

    members = [members_of(store) for store in stores]
    failed = [[str(value) for value in store["failed"].values] for store in stores]
    names = ("step", "epoch", *SCORES)
    values = [{name: store[name].values for name in names} for store in stores]
    parts = []
    for path in paths:
        member, of_store = members[path.store][path.network], values[path.store]
        columns = {
            "phase": ("pretrain", "train")[path.store],
            "arm": member.arm,
            "pair": member.pair,
            "layer": path.layer,
            "step": of_store["step"],
            "epoch": of_store["epoch"],
        }
        columns |= {name: of_store[name][path.network].astype(float) for name in SCORES}
        columns["failed"] = failed[path.store][path.network]
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def _finite(table: "pd.DataFrame", weights: TrackedWeights) -> Bool[np.ndarray, " row"]:
    finite = np.isfinite(table[list(SCORES)].to_numpy(float)).all(axis=1)
    # Only networks that diverged can have such weights. The others are not read here, because a
    # pass over all weights may take minutes; the isometry refuses them if they are not finite.
    suspects = np.flatnonzero((table["failed"] == "diverged").to_numpy())
    if len(suspects):
        for block in weights.take(suspects).blocks():
            finite[suspects] &= np.isfinite(block).all(axis=1)
    return finite


def _check_same_hidden_layers(
    pretrain: Path, before: Architecture, train: Path, after: Architecture
) -> None:
    if before.widths[:-1] != after.widths[:-1]:
        raise SnapshotsError(
            f"{pretrain} holds networks {list(before.widths)}, {train} holds {list(after.widths)}; "
            "expected the same layers up to the classes. Make both again with: dvc repro train"
        )


def shape_of(rows: Any) -> tuple[int, int]:
    """Rows and weights of an array or of :class:`TrackedWeights`."""
    return (rows if hasattr(rows, "shape") else np.asarray(rows)).shape


def take(rows: Any, chosen: np.ndarray) -> Any:
    """Some rows of an array or of :class:`TrackedWeights`, by number or mask."""
    return rows.take(chosen) if isinstance(rows, TrackedWeights) else np.asarray(rows)[chosen]


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
