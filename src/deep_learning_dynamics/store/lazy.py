"""Arrays that are read only where they are used: parts in several stores as one.

This is xarray's interface for backends, one array of which may here span stores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from deep_learning_dynamics.errors import StoreError

# What zarr raises for a chunk that is not what it was.
_DAMAGES = (OSError, ValueError, RuntimeError, KeyError, IndexError, TypeError)


@dataclass(frozen=True)
class Part:
    """The networks of one store."""

    path: str
    array: Any | None  # zarr.Array [network, snapshot, ...]; None: the store does not have it
    steps: np.ndarray  # [network, snapshot], -1 where there is none
    finite: np.ndarray | None  # [network, snapshot]: weights that are all finite

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the array for itself, wherever it works: connections to object
        storage cannot be sent."""
        place = self.path if "://" in self.path else str(Path(self.path).absolute())
        name = None if self.array is None else self.array.path
        return _opened, (self.path, place, name, self.steps, self.finite)

    def read(self, key: tuple[Any, ...]) -> np.ndarray:
        """
        Raises:
            StoreError: a file is damaged or missing; the message names it.
        """
        try:
            if all(isinstance(index, slice) for index in key):
                values = self.array[key]
            else:
                values = self.array.oindex[key]
        except _DAMAGES as error:
            raise StoreError(self._damage(key, str(error))) from error
        values = np.asarray(values)
        if self._lacks(values, key):
            raise StoreError(self._damage(key, "a chunk is missing"))
        absent = self.steps[key[0]][:, key[1]] < 0  # of a killed writer, or dropped
        if absent.any():
            values[absent] = np.nan
        return values

    def _lacks(self, values: np.ndarray, key: tuple[Any, ...]) -> bool:
        """Whether there is NaN, as which a missing file reads, where the writer saw numbers."""
        if self.finite is None or not values.size or not np.isnan(values.min()):
            return False
        absent = np.isnan(values).reshape(*values.shape[:2], -1).any(axis=2)
        return bool((absent & self.finite[key[0]][:, key[1]]).any())

    def _damage(self, key: tuple[Any, ...], reason: str) -> str:
        name = self.array.path
        file, reason = self._damaged_file(key) or (name, reason.splitlines()[0] if reason else "")
        return (
            f"{self.path}/{file} is damaged ({reason}). Copy the store again, or record it again."
        )

    def _damaged_file(self, key: tuple[Any, ...]) -> tuple[str, str] | None:
        """The first file among those that were to be read that cannot be read, and why."""
        array = self.array
        files = array.shards or array.chunks
        touched = []
        for index, length, size in zip(key, array.shape, files, strict=True):
            numbers = np.arange(length)[index]
            touched.append(np.unique(numbers // size).tolist())
        for numbers in np.ndindex(*map(len, touched)):
            place = [axis[number] for axis, number in zip(touched, numbers, strict=True)]
            file = f"{array.path}/{array.metadata.encode_chunk_key(tuple(place))}"
            span = tuple(
                slice(number * size, (number + 1) * size)
                for number, size in zip(place, files, strict=True)
            )
            try:
                values = array[span]
            except _DAMAGES as error:
                return file, (str(error).splitlines() or [type(error).__name__])[0]
            if self._lacks(values, span):
                return file, "it is missing"
        return None


def _opened(
    path: str, place: str, name: str | None, steps: np.ndarray, finite: np.ndarray | None
) -> Part:
    import zarr

    array = None if name is None else zarr.open_group(place, mode="r")[name]
    return Part(path, array, steps, finite)


def lazy_array(parts: Sequence[Part], shape: tuple[int, ...]) -> Any:
    """An array for xarray: parts below each other along ``network``, NaN where they are shorter."""
    from xarray.core import indexing

    return indexing.LazilyIndexedArray(_joined(parts, shape))


def _joined(parts: Sequence[Part], shape: tuple[int, ...]) -> Any:
    from xarray.backends import BackendArray
    from xarray.core import indexing

    starts = np.cumsum([0, *(len(part.steps) for part in parts)])

    class Joined(BackendArray):
        def __init__(self) -> None:
            self.shape, self.dtype = shape, np.dtype(np.float32)

        def __reduce__(self) -> tuple[Any, ...]:
            return _joined, (parts, shape)

        def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
            return indexing.explicit_indexing_adapter(
                key, self.shape, indexing.IndexingSupport.OUTER, self._read
            )

        def _read(self, key: tuple[Any, ...]) -> np.ndarray:
            return _read(parts, starts, shape, key)

    return Joined()


def _read(
    parts: Sequence[Part], starts: np.ndarray, shape: tuple[int, ...], key: tuple[Any, ...]
) -> np.ndarray:
    single = tuple(axis for axis, index in enumerate(key) if isinstance(index, int | np.integer))
    key = tuple(
        slice(int(index), int(index) + 1) if axis in single else index
        for axis, index in enumerate(key)
    )
    networks = np.arange(shape[0])[key[0]]
    snapshots = np.arange(shape[1])[key[1]]
    rest = tuple(_positive(index, length) for index, length in zip(key[2:], shape[2:], strict=True))
    sizes = [len(np.arange(length)[index]) for index, length in zip(rest, shape[2:], strict=True)]
    owners = np.searchsorted(starts, networks, side="right") - 1
    whole = None
    for number in np.unique(owners):
        part = parts[number]
        mine = np.flatnonzero(owners == number)
        there = np.flatnonzero(snapshots < part.steps.shape[1])
        values = None
        if part.array is not None and len(there):
            within = as_slice(networks[mine] - starts[number])
            values = part.read((within, as_slice(snapshots[there]), *rest))
            if len(mine) == len(networks) and len(there) == len(snapshots):
                whole = values
                break
        if whole is None:
            whole = np.full((len(networks), len(snapshots), *sizes), np.nan, np.float32)
        if values is not None:
            whole[np.ix_(mine, there)] = values
    if whole is None:
        whole = np.empty((len(networks), len(snapshots), *sizes), np.float32)
    return whole.squeeze(axis=single) if single else whole


def as_slice(numbers: Int[np.ndarray, " number"]) -> slice | Int[np.ndarray, " number"]:
    """The same choice as a slice where the numbers follow each other: read at once, not copied."""
    if len(numbers) and (np.diff(numbers) == 1).all():
        return slice(int(numbers[0]), int(numbers[-1]) + 1)
    return numbers


def _positive(index: Any, length: int) -> Any:
    if isinstance(index, slice) and index.step not in (None, 1):
        return np.arange(length)[index]
    return index
