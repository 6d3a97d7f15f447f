"""A store on disk: its zarr group with the arrays, the tables and the attributes.

Weights lie in chunks with checksums, each of one network, some snapshots and some neighbouring
weights, because readers go through the weights of all snapshots some columns at a time.
"""

import json
import shutil
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.files import read_json
from deep_learning_dynamics.store import schema

if TYPE_CHECKING:
    import pandas as pd

CHUNK_WEIGHTS = 2**17
CHUNK_BYTES = 4 * 2**20  # large enough to stream from disk, small enough to hold many at once
SHARD_CHUNKS = 128  # chunks in one file: 64 MiB
CAPACITY = 32  # snapshots that a store of unknown length begins with; doubled when they are full
SCORES_CHUNK = (64, 1024)  # networks, snapshots


@dataclass(frozen=True)
class Contents:
    """What a store is going to hold."""

    networks: "pd.DataFrame"  # a row per network, named by the index
    parameters: schema.Parameters
    attributes: dict[str, Any]
    snapshots: int | None  # None: not known
    probes: int
    classes: int
    probe_labels: Sequence[int] | None
    buffer_bytes: int  # of snapshots that share chunks and wait for each other

    @property
    def names(self) -> list[str]:
        """Of the networks."""
        return [str(name) for name in self.networks.index]


class StoreGroup:
    """The group, which grows along ``snapshot`` and ``network``."""

    def __init__(self, folder: Path, path: Path, contents: Contents) -> None:
        """
        Args:
            folder: where it is written.
            path: what it is called in messages.
        """
        self._folder, self.path, self._contents = folder, path, contents
        self._coordinates = [*map(str, contents.networks), schema.CONTINUES, schema.OUTCOME]
        self.positions: dict[str, int] = {}  # of the networks in it
        self.block = 1  # snapshots that share a chunk
        self.capacity = 0  # snapshots there is room for
        self._arrays: dict[str, Any] = {}  # those that have snapshots
        self._discard_stillborn()
        if (folder / "zarr.json").exists():
            self._continue()
        else:
            self._create()

    def read(self, name: str, network: slice | int, snapshots: slice | int) -> np.ndarray:
        """Part of an array that has snapshots."""
        return np.asarray(self._arrays[name][network, snapshots])

    def write(self, name: str, networks: slice, snapshots: slice, values: np.ndarray) -> None:
        """Write part of such an array; a score that is new becomes one."""
        if name not in self._arrays:
            self._create_array(name, values.dtype.name, self._score_chunk())
        import zarr

        # The chunks of a file are encoded together: a task for each of them, as by default, is
        # Python code for which a training in another thread would wait.
        with zarr.config.set({"codec_pipeline.batch_size": SHARD_CHUNKS}):
            self._arrays[name][networks, snapshots] = values

    def clear(self, networks: slice, snapshots: slice, known: Collection[str]) -> None:
        """Reset the scores and outputs that the new snapshots do not bring along.

        Old values remain where snapshots were dropped, or a writer was killed before they counted.
        """
        for name, array in self._arrays.items():
            if name not in (schema.WEIGHTS, schema.STEP, *known):
                array[networks, snapshots] = array.fill_value

    def label(self, name: str, values: Mapping[str, Any]) -> None:
        """Write a coordinate of some networks."""
        self._write_coordinate(name, values)
        if name not in self._coordinates:
            self._coordinates.append(name)
            self._name_coordinates()

    def resize(self, capacity: int) -> None:
        """Make room for that many snapshots, of all networks."""
        self.capacity = capacity
        # Steps say what counts, so they come last.
        for name in sorted(self._arrays, key=lambda name: name == schema.STEP):
            array = self._arrays[name]
            shape = (len(self.positions), capacity, *array.shape[2:])
            if array.shape != shape:
                array.resize(shape)

    def trim(self) -> None:
        """End the store where the longest of its networks ends."""
        steps = self.read(schema.STEP, slice(None), slice(None))
        used = np.flatnonzero((steps != schema.ABSENT).any(axis=0))
        length = int(used[-1]) + 1 if len(used) else 0
        if length < self.capacity:
            self.resize(length)

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
        import zarr

        contents, names = self._contents, self._contents.names
        size = contents.parameters.size
        self.positions = {name: position for position, name in enumerate(names)}
        self.capacity = CAPACITY if contents.snapshots is None else contents.snapshots
        columns = min(size, CHUNK_WEIGHTS)
        together = max(1, contents.buffer_bytes // (4 * size * len(names)))
        self.block = max(1, min(self.capacity, CHUNK_BYTES // (4 * columns), together))
        # The schema tells what a writer that is killed here leaves from somebody else's folder.
        self._group = zarr.create_group(
            self._folder, zarr_format=3, attributes={"schema": schema.SCHEMA}
        )
        chunk = (1, self.block, columns)
        per_file = min(-(-size // columns), max(1, SHARD_CHUNKS // self.block))
        shard = (1, self.block, columns * per_file) if per_file > 1 else None
        self._create_array(schema.WEIGHTS, "float32", chunk, {schema.WEIGHT: size}, shard)
        if contents.probes:
            axes = {schema.PROBE: contents.probes, schema.CLASS: contents.classes}
            self._create_array(schema.OUTPUTS, "float32", (1, self.block, *axes.values()), axes)
            if contents.probe_labels is not None:
                self._write_column(schema.LABEL, contents.probe_labels, schema.PROBE)
        self._create_array(schema.FINITE, "bool", self._score_chunk())
        for name, column in contents.parameters.columns().items():
            self._write_column(name, column, schema.PARAMETER)
        for name in contents.networks:
            self._write_coordinate(name, dict(zip(names, contents.networks[name], strict=True)))
        for name in (schema.CONTINUES, schema.OUTCOME):
            if name not in contents.networks:
                self._write_coordinate(name, dict.fromkeys(names, ""))
        self._write_column(schema.NETWORK, names, schema.NETWORK)
        attributes = {"environment": _environment(), **contents.attributes}
        for name, value in attributes.items():
            if isinstance(value, Mapping):
                attributes[name] = json.dumps(value, ensure_ascii=False)
        self._group.attrs.update({"schema": schema.SCHEMA, **attributes})
        self._name_coordinates()
        # Last: what has steps is a store, and what has not was never begun.
        self._create_array(schema.STEP, "int64", self._score_chunk())

    def _continue(self) -> None:
        import zarr

        from deep_learning_dynamics.store.opening import open as open_store

        contents = self._contents
        with open_store(self._folder) as present:  # refuses what is damaged, and names the fix
            theirs = schema.Parameters.from_runs(present)
            known = schema.networks_table(present)
        difference = theirs.difference(contents.parameters, str(self.path), "the network to record")
        if difference:
            raise StoreError(
                f"{difference}; expected the same parameters. Record it in another store."
            )
        self._group = zarr.open_group(self._folder, mode="r+")
        along = (schema.NETWORK, schema.SNAPSHOT)
        for name, array in self._group.arrays():
            if array.metadata.dimension_names[:2] == along:
                self._arrays[name] = array.with_config({"write_empty_chunks": True})
        weights = self._arrays[schema.WEIGHTS]
        self.block, self.capacity = weights.chunks[1], weights.shape[1]
        if contents.probes:
            stored = self._arrays.get(schema.OUTPUTS)
            found = (0, 0) if stored is None else stored.shape[2:]
            if found != (contents.probes, contents.classes):
                raise StoreError(
                    f"{self.path} has {found[0]} probes and {found[1]} classes; the outputs to "
                    f"record have {contents.probes} and {contents.classes}. "
                    "Record them in another store."
                )
        for name in dict.fromkeys([*known.index, *contents.names]):
            self.positions[name] = len(self.positions)
        self.resize(self.capacity)  # also repairs what a killed writer left half resized
        for column in dict.fromkeys([*known, *map(str, contents.networks)]):
            given = contents.networks.get(column, {})
            of_given = {name: given[name] for name in contents.names if name in given}
            self._write_coordinate(column, {**known.get(column, {}), **of_given})
        self._write_column(schema.NETWORK, list(self.positions), schema.NETWORK)
        self._extend_attributes(dict(self._group.attrs))

    def _create_array(
        self,
        name: str,
        dtype: str,
        chunks: tuple[int, ...],
        axes: Mapping[str, int] | None = None,
        shards: tuple[int, ...] | None = None,
    ) -> None:
        """An array along network, snapshot and further axes, which are given with their lengths."""
        from zarr.codecs import Crc32cCodec

        axes = axes or {}
        self._arrays[name] = self._group.create_array(
            name,
            shape=(len(self.positions), self.capacity, *axes.values()),
            chunks=chunks,
            shards=shards,
            dtype=dtype,
            # Trained weights are close to random bits: compressing them only costs time.
            compressors=[Crc32cCodec()],
            fill_value={"f": float("nan"), "b": False, "i": schema.ABSENT}[np.dtype(dtype).kind],
            dimension_names=(schema.NETWORK, schema.SNAPSHOT, *axes),
            config={"write_empty_chunks": True},  # so that a missing file is a damage
        )

    def _score_chunk(self) -> tuple[int, int]:
        networks, snapshots = SCORES_CHUNK
        if self._contents.snapshots is not None:
            snapshots = min(snapshots, self._contents.snapshots)
        return min(networks, len(self._contents.names)), max(1, snapshots)

    def _write_coordinate(self, name: str, values: Mapping[str, Any]) -> None:
        """A column of the networks' table; those that are not in ``values`` keep what they have."""
        names = list(self.positions)
        present = list(self._group[name][:]) if name in self._group else []
        column = {**dict(zip(names, present, strict=False)), **values}
        empty = "" if any(isinstance(value, str) for value in column.values()) else np.nan
        if all(isinstance(value, bool | np.bool_) for value in column.values()):
            empty = False
        self._write_column(name, [column.get(each, empty) for each in names], schema.NETWORK)

    def _write_column(self, name: str, values: Sequence[Any], axis: str) -> None:
        """A column of a table: numbers, true and false, or text."""
        data = np.asarray(list(values))
        text = data.dtype.kind not in "biuf"
        if text:
            data = np.array([str(value) for value in values], np.dtypes.StringDType())
        with warnings.catch_warnings():
            # zarr's strings are not in the specification yet; xarray writes them as well.
            warnings.filterwarnings("ignore", "The data type .* does not have a Zarr V3")
            if name in self._group and self._group[name].shape == data.shape:
                array = self._group[name].with_config({"write_empty_chunks": True})
                if (array.dtype.kind in "TO") == text:
                    array[:] = data
                    return
            self._group.create_array(
                name,
                shape=data.shape,
                chunks=data.shape,
                dtype="string" if text else data.dtype,
                dimension_names=(axis,),
                attributes={"whole": True},  # so that a missing file is a damage
                config={"write_empty_chunks": True},
                overwrite=name in self._group,
            )[:] = data

    def _extend_attributes(self, present: Mapping[str, Any]) -> None:
        """Add titles, and the environment if it is another one."""
        titles = schema.titles_of(present, str(self.path))
        for name, of_values in self._contents.attributes.get("titles", {}).items():
            titles[name] = titles.get(name, {}) | dict(of_values)
        first = json.loads(present.get("environment", "{}"))
        environments = json.loads(present.get("environments", json.dumps([first])))
        environment = self._contents.attributes.get("environment", _environment())
        if environment not in environments:
            environments.append(environment)
        changed = {"titles": json.dumps(titles, ensure_ascii=False)}
        if len(environments) > 1:
            changed["environments"] = json.dumps(environments, sort_keys=True)
        self._group.attrs.update(changed)
        self._name_coordinates()

    def _name_coordinates(self) -> None:
        """Tell xarray, by the convention of climate science, which arrays are coordinates."""
        others = [schema.STEP, schema.FINITE, *schema.COLUMNS]
        others += [schema.LABEL] if schema.LABEL in self._group else []
        known = str(self._group.attrs.get("coordinates", "")).split()
        self._group.attrs["coordinates"] = " ".join(
            dict.fromkeys([*known, *self._coordinates, *others])
        )


def files_of(
    array: Any, key: tuple[slice | np.ndarray, ...]
) -> Iterator[tuple[str, tuple[slice, ...]]]:
    """The files in which a part of a zarr array lies, with what each of them holds."""
    sizes = array.shards or array.chunks
    touched = [
        np.unique(np.asarray(range(length)[index] if isinstance(index, slice) else index) // size)
        for index, length, size in zip(key, array.shape, sizes, strict=True)
    ]
    for place in product(*(numbers.tolist() for numbers in touched)):
        file = f"{array.path}/{array.metadata.encode_chunk_key(place)}"
        corners = zip(place, sizes, strict=True)
        yield file, tuple(slice(number * size, (number + 1) * size) for number, size in corners)


def _environment() -> dict[str, Any]:
    from deep_learning_dynamics.environment import Environment

    return Environment.current().as_json()
