"""Writing trajectories: snapshots are appended, and one counts once all of it is on disk.

A snapshot's step is written last, so that a store whose writer was killed ends at the last
snapshot that is whole. Weights lie in chunks with checksums, each of one network, some snapshots
and some neighbouring weights, because readers go through the weights of all snapshots some columns
at a time.
"""

import json
import shutil
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.files import read_json, replacing
from deep_learning_dynamics.store import schema
from deep_learning_dynamics.store.lock import Lock

if TYPE_CHECKING:
    import pandas as pd

CHUNK_WEIGHTS = 2**17
CHUNK_BYTES = 4 * 2**20  # large enough to stream from disk, small enough to hold many at once
SHARD_CHUNKS = 128  # chunks in one file: 64 MiB
BUFFER_BYTES = 256 * 2**20  # of snapshots that are not on disk yet
FLUSH_SECONDS = 5.0  # a snapshot waits this long for others that share its chunks
CAPACITY = 32  # snapshots that a store of unknown length begins with; doubled when they are full
SCORES_CHUNK = (64, 1024)  # networks, snapshots


@dataclass
class Lane:
    """Networks that are written together, and their snapshots that are not in whole chunks yet."""

    networks: slice
    count: int = 0  # snapshots so far
    flushed: int = 0  # of these, on disk
    last: Int[np.ndarray, " network"] = field(default_factory=lambda: np.array([], np.int64))
    weights: Float[np.ndarray, "network block weight"] | None = None  # of the last block
    small: dict[str, list[np.ndarray]] = field(default_factory=dict)  # by variable, not flushed


class StoreWriter:
    """Appends snapshots of networks to a store. Use it in a ``with`` block.

    Killed at any moment, it leaves a store that ends at its last whole snapshot. A store that is
    there is continued: networks of its own go on after their last snapshot, others are added. With
    ``replace``, what is there stays until the block ends without an error, and is replaced then;
    the same snapshots give the same bytes.
    """

    def __init__(
        self,
        path: str | Path,
        networks: "pd.DataFrame",
        parameters: schema.Parameters,
        attributes: Mapping[str, Any] | None = None,
        snapshots: int | None = None,
        probes: int = 0,
        classes: int = 0,
        *,
        probe_labels: Sequence[int] | None = None,
        replace: bool = False,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        """
        Args:
            networks: a row per network, indexed by its unique name; columns are its coordinates.
            attributes: of the store. ``titles`` names values for people: {"condition": {"scratch":
                "from scratch"}}. ``environment`` is that of this process unless given.
            snapshots: how many each network will have at most, where it is known.
            probes: examples whose predictions are recorded, with ``classes`` numbers each.
            probe_labels: the class that each of them belongs to.
        """
        self.path = Path(path)
        self._given, self._parameters = networks, parameters
        self._attributes, self._snapshots = dict(attributes or {}), snapshots
        self._probes, self._classes, self._labels = probes, classes, probe_labels
        self._replace, self._buffer_bytes = replace, buffer_bytes
        self._positions: dict[str, int] = {}  # of the networks in the store
        self._lanes: dict[str | None, Lane] = {}  # None: all given networks together
        self._names = [str(name) for name in networks.index]
        self._scores: set[str] = set()  # names that were checked
        self._flushed_at = time.monotonic()
        self._cleanup = ExitStack()

    def __enter__(self) -> "StoreWriter":
        self._check_networks()
        with ExitStack() as stack:  # gives everything back if the store cannot be opened
            if self._replace:
                self._folder = stack.enter_context(replacing(self.path))
            else:
                self._folder = self.path
                # Below an array, so that nobody who lists the group's members meets it.
                lock = Lock(self.path / schema.STEP / ".lock", self.path)
                stack.callback(lock.release)
                lock.acquire()
            self._discard_stillborn()
            if (self._folder / "zarr.json").exists():
                self._continue()
            else:
                self._create()
            self._cleanup = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None and self._replace:  # what was there before stays
            self._cleanup.__exit__(kind, error, trace)
            return
        with self._cleanup:
            self.flush()
            self._trim()

    def add(
        self,
        steps: Int[np.ndarray, " network"],
        weights: Float[np.ndarray, "network weight"],
        scores: Mapping[str, np.ndarray] | None = None,
        outputs: Float[np.ndarray, "network probe class"] | None = None,
    ) -> None:
        """Append one snapshot of every given network.

        Args:
            steps: optimiser steps so far, later than those before; -1: this network has no more.
            scores: a number for each network by name; a score that is left out is not known.
        """
        self._append(self._lane(None), steps, weights, scores or {}, outputs)

    def add_to(
        self,
        network: str,
        step: int,
        weights: Float[np.ndarray, " weight"],
        scores: Mapping[str, float] | None = None,
        outputs: Float[np.ndarray, "probe class"] | None = None,
    ) -> None:
        """Append one snapshot of one network, whose length is then its own."""
        self._append(
            self._lane(network),
            np.array([step], np.int64),
            weights[None],
            {name: np.array([value]) for name, value in (scores or {}).items()},
            None if outputs is None else outputs[None],
        )

    def steps(self, network: str) -> Int[np.ndarray, " snapshot"]:
        """Steps of a network's snapshots that are on disk."""
        stored = np.asarray(self._group[schema.STEP][self._positions[network]])
        return stored[stored != schema.ABSENT]

    def diverged(self, network: str) -> bool:
        """Whether a network's last snapshot on disk has weights that are not finite."""
        position, count = self._positions[network], len(self.steps(network))
        return count > 0 and not bool(self._group[schema.FINITE][position, count - 1])

    def rewind(self, network: str, step: int) -> int:
        """Drop a network's snapshots from that step on, and say how many they were."""
        lane = self._lane(network)
        self.flush()
        steps = self.steps(network)
        lane.count = lane.flushed = int(np.searchsorted(steps, step))
        lane.last, lane.weights = steps[: lane.count][-1:], None
        if lane.count < len(steps):
            self._group[schema.STEP][lane.networks, lane.count : len(steps)] = schema.ABSENT
        return len(steps) - lane.count

    def label(self, name: str, values: Sequence[Any]) -> None:
        """Set a coordinate of the given networks late, such as their outcome."""
        schema.check_names([name], "coordinate")
        column = dict(zip(self._names, values, strict=True))
        self._write_coordinate(name, column)
        if name not in self._given:
            self._given = self._given.assign(**{name: list(values)})
            self._name_coordinates()

    def flush(self) -> None:
        """Put on disk what was added."""
        for lane in self._lanes.values():
            self._flush(lane)
        self._flushed_at = time.monotonic()

    # Buffers

    def _lane(self, network: str | None) -> Lane:
        if network is not None and network not in self._names:
            raise StoreError(
                f"{self.path} was not told of a network {network!r}; expected one of "
                f"{', '.join(self._names[:10])}. Name all networks when opening it."
            )
        if (None in self._lanes) != (network is None) and self._lanes:
            raise StoreError(
                f"{self.path}: add() appends to all networks and add_to() to one; "
                "use the same for a whole block."
            )
        if network not in self._lanes:
            for lane in self._lanes.values():  # another network's buffer would not be bounded
                self._flush(lane)
                lane.weights = None
            names = self._names if network is None else [network]
            positions = [self._positions[name] for name in names]
            if positions != list(range(positions[0], positions[0] + len(positions))):
                raise StoreError(
                    f"{self.path} holds these networks in another order; "
                    "name them in the same order to continue it."
                )
            steps = [self.steps(name) for name in names]
            counts = {len(of_network) for of_network in steps}
            if len(counts) > 1:
                raise StoreError(
                    f"{self.path}: networks have {sorted(counts)} snapshots; expected as many of "
                    "each to continue them together. Continue one at a time, with add_to()."
                )
            (count,) = counts
            last = np.array([of_network[-1] for of_network in steps if count], np.int64)
            networks = slice(positions[0], positions[-1] + 1)
            self._lanes[network] = Lane(networks, count, count, last)
        lane = self._lanes[network]
        if network is not None and lane.weights is None:
            for other in self._lanes.values():
                if other is not lane and other.weights is not None:
                    self._flush(other)
                    other.weights = None
        return lane

    def _append(
        self,
        lane: Lane,
        steps: Int[np.ndarray, " network"],
        weights: Float[np.ndarray, "network weight"],
        scores: Mapping[str, np.ndarray],
        outputs: Float[np.ndarray, "network probe class"] | None,
    ) -> None:
        steps = np.asarray(steps, np.int64)
        self._check_snapshot(lane, steps, weights, scores, outputs)
        slot = lane.count % self._block
        if self._block == 1:
            lane.weights = np.asarray(weights, np.float32)[:, None]
        else:
            self._buffer(lane)[:, slot] = weights
        small = {schema.STEP: steps, schema.FINITE: _finite(weights)}
        small |= {name: _score(values) for name, values in scores.items()}
        if outputs is not None:
            small[schema.OUTPUTS] = np.asarray(outputs, np.float32)
        waiting = lane.count - lane.flushed
        for name, values in small.items():
            if name not in lane.small:  # it was not known until now
                lane.small[name] = [np.full_like(values, np.nan) for _ in range(waiting)]
        for name, rows in lane.small.items():
            rows.append(np.array(small[name]) if name in small else np.full_like(rows[0], np.nan))
        lane.last = np.where(steps == schema.ABSENT, lane.last if len(lane.last) else -1, steps)
        lane.count += 1
        late = not self._replace and time.monotonic() - self._flushed_at > FLUSH_SECONDS
        if lane.count % self._block == 0 or late:
            self._flush(lane)
            self._flushed_at = time.monotonic()
        if lane.count % self._block == 0:
            lane.weights = None if self._block == 1 else lane.weights

    def _buffer(self, lane: Lane) -> Float[np.ndarray, "network block weight"]:
        slot = lane.count % self._block
        if lane.weights is None:
            networks = lane.networks.stop - lane.networks.start
            lane.weights = np.full(
                (networks, self._block, self._parameters.size), np.nan, np.float32
            )
            if slot:  # a block that was begun before: it is on disk
                start = lane.count - slot
                lane.weights[:, :slot] = self._group[schema.WEIGHTS][
                    lane.networks, start : lane.count
                ]
        elif slot == 0:
            lane.weights[:] = np.nan
        return lane.weights

    def _flush(self, lane: Lane) -> None:
        if lane.flushed == lane.count or lane.weights is None:
            return
        if lane.count > self._capacity:
            self._resize(max(lane.count, 2 * self._capacity))
        start = (lane.count - 1) // self._block * self._block
        stop = min(start + self._block, self._capacity)
        # The whole chunk, with what is not known yet as NaN, so that it need not be read first.
        self._group[schema.WEIGHTS][lane.networks, start:stop] = lane.weights[:, : stop - start]
        written = slice(lane.flushed, lane.count)
        steps = lane.small.pop(schema.STEP)
        for name, rows in lane.small.items():
            values = np.stack(rows, axis=1)
            if name not in self._group:
                self._create_score(name, values)
            self._group[name][lane.networks, written] = values
        self._group[schema.STEP][lane.networks, written] = np.stack(steps, axis=1)  # now it counts
        lane.flushed, lane.small = lane.count, {}

    # The store on disk

    def _discard_stillborn(self) -> None:
        """Remove what a writer left that was killed before its store could have a snapshot."""
        steps, metadata = (self._folder / name for name in (schema.STEP, "zarr.json"))
        if (steps / "zarr.json").exists() or not metadata.exists():
            return
        if read_json(metadata, "dld.Recorder").get("attributes", {}).get("schema"):
            for path in [*self._folder.iterdir(), *steps.iterdir()]:
                if path.is_dir() and path != steps:  # the lock is in there
                    shutil.rmtree(path)
            metadata.unlink()

    def _create(self) -> None:
        size, networks = self._parameters.size, len(self._names)
        columns = min(size, CHUNK_WEIGHTS)
        together = max(1, self._buffer_bytes // (4 * size * max(1, networks)))
        self._capacity = CAPACITY if self._snapshots is None else self._snapshots
        self._block = max(1, min(self._capacity, CHUNK_BYTES // (4 * columns), together))
        # The schema tells what a writer that is killed here leaves from somebody else's folder.
        self._group = _zarr().create_group(
            self._folder, zarr_format=3, attributes={"schema": schema.SCHEMA}
        )
        shape = (networks, self._capacity, size)
        chunk = (1, self._block, columns)
        per_file = min(-(-size // columns), max(1, SHARD_CHUNKS // self._block))
        shard = (1, self._block, columns * per_file) if per_file > 1 else None
        self._create_array(schema.WEIGHTS, shape, chunk, "float32", shard, (schema.WEIGHT,))
        if self._probes:
            of_one = (self._probes, self._classes)
            chunk = (1, self._block, *of_one)
            axes = (schema.PROBE, schema.CLASS)
            self._create_array(schema.OUTPUTS, (*shape[:2], *of_one), chunk, "float32", None, axes)
            if self._labels is not None:
                self._write_table({schema.LABEL: list(self._labels)}, schema.PROBE)
        chunk = self._score_chunk()
        self._create_array(schema.FINITE, shape[:2], chunk, "bool")
        self._write_table(self._parameters.columns(), schema.PARAMETER)
        for name in self._given.columns:
            self._write_coordinate(name, dict(zip(self._names, self._given[name], strict=True)))
        for name in (schema.CONTINUES, schema.OUTCOME):
            if name not in self._given:
                self._write_coordinate(name, dict.fromkeys(self._names, ""))
        self._write_table({schema.NETWORK: self._names}, schema.NETWORK)
        self._positions = {name: position for position, name in enumerate(self._names)}
        self._write_attributes()
        # Last: what has steps is a store, and what has not was never begun.
        self._create_array(schema.STEP, shape[:2], chunk, "int64", fill=schema.ABSENT)

    def _continue(self) -> None:
        from deep_learning_dynamics.store.opening import open as open_store

        with open_store(self._folder) as present:  # refuses what is damaged, and names the fix
            theirs = schema.Parameters.from_runs(present)
            names = [str(name) for name in present[schema.NETWORK].values]
            known = schema.networks_table(present)
        difference = theirs.difference(self._parameters, str(self.path), "the network to record")
        if difference:
            raise StoreError(
                f"{difference}; expected the same parameters. Record it in another store."
            )
        self._group = _zarr().open_group(self._folder, mode="r+")
        weights = self._group[schema.WEIGHTS]
        self._block, self._capacity = weights.chunks[1], weights.shape[1]
        if self._probes:
            stored = self._group.get(schema.OUTPUTS)
            found = (0, 0) if stored is None else stored.shape[2:]
            if found != (self._probes, self._classes):
                raise StoreError(
                    f"{self.path} has {found[0]} probes and {found[1]} classes; the outputs to "
                    f"record have {self._probes} and {self._classes}. Record them in another store."
                )
        self._positions = {name: position for position, name in enumerate(names)}
        for name in self._names:
            self._positions.setdefault(name, len(self._positions))
        self._resize(self._capacity)  # also repairs what a killed writer left half resized
        columns = dict.fromkeys([*known.columns, *map(str, self._given.columns)])
        for column in columns:
            told = self._given.get(column, {})
            of_given = {name: told[name] for name in self._names if name in told}
            self._write_coordinate(column, {**known.get(column, {}), **of_given})
        self._write_table({schema.NETWORK: list(self._positions)}, schema.NETWORK)
        self._extend_attributes(dict(self._group.attrs))

    def _resize(self, capacity: int) -> None:
        self._capacity = capacity
        networks = len(self._positions)
        last = {schema.STEP: 1}  # it says what counts
        arrays = dict(self._group.arrays())
        for name in sorted(arrays, key=lambda name: last.get(name, 0)):
            array = arrays[name]
            if array.metadata.dimension_names[:2] == (schema.NETWORK, schema.SNAPSHOT):
                shape = (networks, capacity, *array.shape[2:])
                if array.shape != shape:
                    array.resize(shape)

    def _trim(self) -> None:
        """End the store where the longest of its networks ends."""
        steps = np.asarray(self._group[schema.STEP][:])
        used = np.flatnonzero((steps != schema.ABSENT).any(axis=0))
        length = int(used[-1]) + 1 if len(used) else 0
        if length < self._capacity:
            self._resize(length)

    def _create_array(
        self,
        name: str,
        shape: tuple[int, ...],
        chunks: tuple[int, ...],
        dtype: str,
        shards: tuple[int, ...] | None = None,
        axes: tuple[str, ...] = (),
        fill: Any = None,
    ) -> None:
        from zarr.codecs import Crc32cCodec

        missing = float("nan") if dtype.startswith("float") else False
        self._group.create_array(
            name,
            shape=shape,
            chunks=tuple(max(1, length) for length in chunks),
            shards=shards,
            dtype=dtype,
            # Trained weights are close to random bits: compressing them only costs time.
            compressors=[Crc32cCodec()],
            fill_value=missing if fill is None else fill,
            dimension_names=(schema.NETWORK, schema.SNAPSHOT, *axes),
            config={"write_empty_chunks": True},  # so that a missing file is a damage
        )

    def _create_score(self, name: str, values: np.ndarray) -> None:
        shape = (len(self._positions), self._capacity)
        self._create_array(name, shape, self._score_chunk(), values.dtype.name)

    def _score_chunk(self) -> tuple[int, int]:
        networks, snapshots = SCORES_CHUNK
        length = snapshots if self._snapshots is None else min(snapshots, self._snapshots)
        return min(networks, max(1, len(self._names))), max(1, length)

    def _write_coordinate(self, name: str, values: Mapping[str, Any]) -> None:
        """A column of the networks' table; those that are not in ``values`` keep what they have."""
        names = list(self._positions) or self._names
        if name in self._group:
            present = list(self._group[name][:])
            known = dict(zip(names[: len(present)], present, strict=False))
        else:
            known = {}
        column = {**known, **values}
        empty = "" if any(isinstance(value, str) for value in column.values()) else np.nan
        if all(isinstance(value, bool | np.bool_) for value in column.values()):
            empty = False
        self._write_table({name: [column.get(each, empty) for each in names]}, schema.NETWORK)

    def _write_table(self, columns: Mapping[str, Sequence[Any]], axis: str) -> None:
        for name, values in columns.items():
            data = _column(values)
            text = data.dtype.kind == "T"
            with warnings.catch_warnings():
                # zarr's strings are not in the specification yet; xarray writes them as well.
                warnings.filterwarnings("ignore", "The data type .* does not have a Zarr V3")
                if name in self._group and self._group[name].shape == data.shape:
                    array = self._group[name].with_config({"write_empty_chunks": True})
                    if (array.dtype.kind in "TO") == text:
                        array[:] = data
                        continue
                self._group.create_array(
                    name,
                    shape=data.shape,
                    chunks=(max(1, len(data)),),
                    dtype="string" if text else data.dtype,
                    dimension_names=(axis,),
                    attributes={"whole": True},  # so that a missing file is a damage
                    config={"write_empty_chunks": True},
                    overwrite=name in self._group,
                )[:] = data

    def _write_attributes(self) -> None:
        attributes = {"environment": _environment(), **self._attributes}
        for name, value in attributes.items():
            if isinstance(value, Mapping):
                attributes[name] = json.dumps(value, ensure_ascii=False)
        self._group.attrs.update({"schema": schema.SCHEMA, **attributes})
        self._name_coordinates()

    def _extend_attributes(self, present: Mapping[str, Any]) -> None:
        """Add titles, and the environment if it is another one."""
        titles = json.loads(present.get("titles", "{}"))
        for name, of_values in self._attributes.get("titles", {}).items():
            titles[name] = titles.get(name, {}) | dict(of_values)
        first = json.loads(present.get("environment", "{}"))
        environments = json.loads(present.get("environments", json.dumps([first])))
        environment = self._attributes.get("environment", _environment())
        if environment not in environments:
            environments.append(environment)
        changed = {"titles": json.dumps(titles, ensure_ascii=False)}
        if len(environments) > 1:
            changed["environments"] = json.dumps(environments, sort_keys=True)
        self._group.attrs.update(changed)
        self._name_coordinates()

    def _name_coordinates(self) -> None:
        """Tell xarray, by the convention of climate science, which arrays are coordinates."""
        columns = [*map(str, self._given.columns), schema.CONTINUES, schema.OUTCOME]
        others = [schema.STEP, schema.FINITE, *schema.COLUMNS]
        others += [schema.LABEL] if schema.LABEL in self._group else []
        known = str(self._group.attrs.get("coordinates", "")).split()
        self._group.attrs["coordinates"] = " ".join(dict.fromkeys([*known, *columns, *others]))

    # Checks

    def _check_networks(self) -> None:
        schema.check_names([str(name) for name in self._given.columns], "coordinate")
        if not self._names or len(set(self._names)) < len(self._names):
            raise StoreError(
                f"{self.path}: networks are named {', '.join(self._names[:10]) or 'not at all'}; "
                "expected at least one, and a name of its own for each."
            )

    def _check_snapshot(
        self,
        lane: Lane,
        steps: Int[np.ndarray, " network"],
        weights: np.ndarray,
        scores: Mapping[str, np.ndarray],
        outputs: np.ndarray | None,
    ) -> None:
        networks = lane.networks.stop - lane.networks.start
        if weights.shape != (networks, self._parameters.size) or steps.shape != (networks,):
            raise StoreError(
                f"{self.path}: a snapshot has weights {weights.shape} and steps {steps.shape}; "
                f"expected {(networks, self._parameters.size)} and {(networks,)}."
            )
        present = steps != schema.ABSENT
        if len(lane.last) and (steps[present] <= lane.last[present]).any():
            raise StoreError(
                f"{self.path}: a snapshot of step {int(steps[present].min())} came after one of "
                f"step {int(lane.last.max())}; expected later steps. Record them in order, or "
                "drop what was recorded before with rewind()."
            )
        if self._snapshots is not None and lane.count >= self._snapshots:
            raise StoreError(
                f"{self.path}: more than the {self._snapshots} snapshots that were announced. "
                "Announce as many as there are, or None."
            )
        if not scores.keys() <= self._scores:
            schema.check_names(list(scores), "score")
            self._scores |= scores.keys()
        for name, values in scores.items():
            if np.shape(values) != (networks,):
                raise StoreError(
                    f"{self.path}: score {name} has shape {np.shape(values)}; "
                    f"expected {(networks,)}, a number for each network."
                )
        shape = (networks, self._probes, self._classes)
        if outputs is not None and np.shape(outputs) != shape:
            raise StoreError(
                f"{self.path}: outputs have shape {np.shape(outputs)}; expected {shape}. "
                "Say how many probes and classes there are when opening the store."
            )


def _zarr() -> Any:
    import zarr  # 0.3 s, which an import of the package need not wait for

    return zarr


def _environment() -> dict[str, Any]:
    from deep_learning_dynamics.environment import Environment

    return Environment.current().as_json()


def _finite(weights: Float[np.ndarray, "network weight"]) -> np.ndarray:
    # NaN and infinities show in the extremes, which need no array of their own.
    return np.isfinite(weights.min(axis=1)) & np.isfinite(weights.max(axis=1))


def _score(values: np.ndarray) -> np.ndarray:
    """In double precision, unless it was computed in less."""
    values = np.asarray(values)
    return values.astype(np.float32 if values.dtype in (np.float32, np.float16) else np.float64)


def _column(values: Sequence[Any]) -> np.ndarray:
    """A column as an array: text, numbers, or true and false."""
    if any(isinstance(value, str) for value in values) or not len(values):
        return np.array([str(value) for value in values], np.dtypes.StringDType())
    data = np.asarray(list(values))
    if data.dtype.kind not in "biuf":
        return np.array([str(value) for value in values], np.dtypes.StringDType())
    return data
