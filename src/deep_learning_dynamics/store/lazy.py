"""Arrays that are read only where they are used: parts in several stores as one.

This is xarray's interface for backends, one array of which may here span stores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from xarray.backends import BackendArray
from xarray.core import indexing

from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.store.group import files_of
from deep_learning_dynamics.store.matrix import as_slice
from deep_learning_dynamics.store.reading import DAMAGES, damaged


@dataclass(frozen=True)
class StoredPart:
    """The networks of one store."""

    path: str
    array: zarr.Array | None  # [network, snapshot, ...]; None: the store does not have it
    steps: np.ndarray  # [network, snapshot], -1 where there is none
    finite: np.ndarray | None  # [network, snapshot]: weights that are all finite

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the array for itself, wherever it works: connections to object
        storage cannot be sent."""
        path = self.path if "://" in self.path else str(Path(self.path).absolute())
        name = None if self.array is None else self.array.path
        return _opened, (path, name, self.steps, self.finite)

    def read(self, key: tuple[slice | np.ndarray, ...]) -> np.ndarray:
        """
        Raises:
            StoreError: a file is damaged or missing; the message names it.
        """
        try:
            values = self._load(key)
        except DAMAGES as error:
            raise self._damage(key, error) from error
        absent = self.steps[key[0]][:, key[1]] < 0  # of a killed writer, or dropped
        if absent.any():
            values[absent] = np.nan
        return values

    def _load(self, key: tuple[slice | np.ndarray, ...]) -> np.ndarray:
        values = np.asarray(self.array.oindex[key])  # type: ignore[union-attr]
        if self.finite is not None and values.size and np.isnan(values.min()):
            unknown = np.isnan(values).reshape(*values.shape[:2], -1).any(axis=2)
            if (unknown & self.finite[key[0]][:, key[1]]).any():  # the writer saw numbers
                raise OSError("it is missing")
        return values

    def _damage(self, key: tuple[slice | np.ndarray, ...], error: Exception) -> StoreError:
        """With the first file among those to be read that cannot be read."""
        for file, span in files_of(self.array, key):
            try:
                self._load(span)
            except DAMAGES as of_file:
                return damaged(f"{self.path}/{file}", of_file)
        return damaged(f"{self.path}/{self.array.path}", error)  # type: ignore[union-attr]


def _opened(
    path: str, name: str | None, steps: np.ndarray, finite: np.ndarray | None
) -> StoredPart:
    array = None if name is None else zarr.open_group(path, mode="r")[name]
    return StoredPart(path, array, steps, finite)


class JoinedArray(BackendArray):
    """Parts below each other along ``network``, NaN where they are shorter."""

    def __init__(self, parts: Sequence[StoredPart], shape: tuple[int, ...]) -> None:
        self.shape, self.dtype = shape, np.dtype(np.float32)
        self._parts = parts
        self._starts = np.cumsum([0, *(len(part.steps) for part in parts)])

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        """
        Args:
            key: an integer, a slice or an array of integers for each axis.
        """
        single = tuple(
            axis for axis, index in enumerate(key) if isinstance(index, int | np.integer)
        )
        key = tuple(
            slice(index, index + 1) if axis in single else index for axis, index in enumerate(key)
        )
        numbers = [
            range(length)[index] if isinstance(index, slice) else index
            for index, length in zip(key, self.shape, strict=True)
        ]
        networks, snapshots = (np.asarray(each, np.int64) for each in numbers[:2])
        rest = [
            index if isinstance(index, slice) and index.step in (None, 1) else np.asarray(each)
            for index, each in zip(key[2:], numbers[2:], strict=True)
        ]
        shape = tuple(map(len, numbers))
        whole = None
        owners = np.searchsorted(self._starts, networks, side="right") - 1
        for number in np.unique(owners):
            part = self._parts[number]
            mine = np.flatnonzero(owners == number)
            there = np.flatnonzero(snapshots < part.steps.shape[1])
            if part.array is None or not len(there):
                continue
            within = as_slice(networks[mine] - self._starts[number])
            values = part.read((within, as_slice(snapshots[there]), *rest))
            if values.shape == shape:  # all that was asked for: it need not be copied
                whole = values
                break
            if whole is None:
                whole = np.full(shape, np.nan, np.float32)
            whole[np.ix_(mine, there)] = values
        if whole is None:
            whole = np.full(shape, np.nan, np.float32)
        return whole.squeeze(axis=single)


def lazy_array(parts: Sequence[StoredPart], shape: tuple[int, ...]) -> Any:
    """For a variable of xarray."""
    return indexing.LazilyIndexedArray(JoinedArray(parts, shape))
