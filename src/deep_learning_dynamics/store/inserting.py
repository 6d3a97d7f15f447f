"""Taking over the snapshots of one store on disk into another: parts that were written apart."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deep_learning_dynamics.store import schema
from deep_learning_dynamics.store.group import StoreGroup, files_of
from deep_learning_dynamics.store.reading import DAMAGES, damaged

INSERTED_BYTES = 64 * 2**20  # at once


def insert(store: str | Path, group: StoreGroup) -> None:
    """Take over all snapshots of the networks of a store, which have none in this group yet.

    Raises:
        StoreError: a file of that store is missing or damaged.
    """
    import zarr

    source = zarr.open_group(store, mode="r")
    positions = [group.positions[str(name)] for name in source[schema.NETWORK][:]]
    along = (schema.NETWORK, schema.SNAPSHOT)
    arrays = {
        name: array
        for name, array in source.arrays()
        if array.metadata.dimension_names[:2] == along
    }
    length = arrays[schema.STEP].shape[1]
    if length > group.capacity:
        group.resize(length)
    for name in sorted(arrays, key=lambda name: name == schema.STEP):  # which makes them count
        array = arrays[name]
        _check_whole(Path(store), array)
        in_whole_chunks = -(-array.chunks[1] // group.block) * group.block
        of_network = array.dtype.itemsize * in_whole_chunks * math.prod(array.shape[2:])
        for there, here in _neighbours(positions, INSERTED_BYTES // of_network):
            for start in range(0, length, in_whole_chunks):
                snapshots = slice(start, min(start + in_whole_chunks, length))
                try:
                    values = np.asarray(array[there, snapshots])
                except DAMAGES as error:
                    raise damaged(f"{store}/{name}", error) from error
                group.write(name, here, snapshots, values)


def _neighbours(positions: Sequence[int], most: int) -> Iterator[tuple[slice, slice]]:
    """Runs of networks that are neighbours in both stores: where they are there, and here."""
    start = 0
    for end in range(1, len(positions) + 1):
        split = end == len(positions) or positions[end] != positions[end - 1] + 1
        if split or end - start >= most:
            yield slice(start, end), slice(positions[start], positions[end - 1] + 1)
            start = end


def _check_whole(store: Path, array: Any) -> None:
    """Refuse an array with a missing file: it would read as if nothing had been written.

    A score that came late has no files of the snapshots before it.
    """
    every = tuple(slice(None, None, size) for size in array.shards or array.chunks)
    files = [file for file, _ in files_of(array, every)]
    missing = [file for file in files if not (store / file).exists()]
    is_score = array.ndim == 2 and array.path not in (schema.STEP, schema.FINITE)
    if missing and (not is_score or missing == files):
        raise damaged(f"{store}/{missing[0]}", FileNotFoundError("it is missing"))
