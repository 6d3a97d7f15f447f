"""safetensors: single files and sharded ones with an index, read through a memory map.

The format (https://github.com/huggingface/safetensors) is a little-endian 64-bit length, a JSON
header of that length, and the tensors. The library's NumPy reader knows no bfloat16, so the header
is read here; everything it claims is checked against the file's size.
"""

import json
import math
import mmap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from deep_learning_dynamics.errors import CheckpointError
from deep_learning_dynamics.store.collecting.checkpoint import (
    FORMATS,
    Checkpoint,
    Format,
    Options,
    Tensor,
    clean_names,
    widen_bfloat16,
)

LONGEST_HEADER = 100 * 2**20  # as in the reference implementation
TYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}
INDEX = "*.safetensors.index.json"


@FORMATS.register
class Safetensors(Format):
    key, title = "safetensors", "safetensors"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        if path.is_dir():
            return any(path.glob(INDEX))
        return path.suffix == ".safetensors" or path.match(INDEX)

    @classmethod
    @contextmanager
    def open(cls, path: Path, options: Options) -> Iterator[Checkpoint]:
        if path.is_dir():
            path = sorted(path.glob(INDEX))[0]
        with ExitStack() as stack:
            if path.match(INDEX):
                files = [stack.enter_context(_File(shard)) for shard in _shards(path)]
            else:
                files = [stack.enter_context(_File(path))]
            yield SafetensorsCheckpoint(path, files)


class SafetensorsCheckpoint(Checkpoint):
    """The tensors of one file or of all shards."""

    def __init__(self, path: Path, files: list["_File"]) -> None:
        owner = {name: file for file in files for name in file.tensors}
        self._names = clean_names(owner, path)
        self._owner = owner
        self.tensors = {name: owner[stored].tensors[stored] for name, stored in self._names.items()}
        self.metadata = {key: text for file in files for key, text in file.metadata.items()}
        step = self.metadata.get("step", self.metadata.get("global_step", ""))
        self.step = int(step) if step.isascii() and step.isdigit() and len(step) < 19 else None

    def read(self, name: str) -> np.ndarray:
        stored = self._names[name]
        return self._owner[stored].read(stored)


class _File:
    """One safetensors file in a memory map."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tensors: dict[str, Tensor] = {}
        self.metadata: dict[str, str] = {}
        self._spans: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> "_File":
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(0)
                length = int.from_bytes(file.read(8), "little")
                if size < 8 or length > min(size - 8, LONGEST_HEADER):
                    raise self._damaged(f"a header of {length:,} bytes in a file of {size:,}")
                header = json.loads(file.read(length).decode("utf-8"))
                self._check(header, size - 8 - length)
                self._start = 8 + length
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise CheckpointError(f"{self.path} cannot be read: {error.strerror}.") from None
        except (ValueError, RecursionError) as error:
            raise self._damaged(f"a header that is not JSON ({error})") from None
        return self

    def __exit__(self, *_: object) -> None:
        self._map.close()

    def read(self, name: str) -> np.ndarray:
        tensor, (start, stop) = self.tensors[name], self._spans[name]
        kind = "uint16" if tensor.dtype == "bfloat16" else tensor.dtype
        bytes_ = self._map[self._start + start : self._start + stop]
        values = np.frombuffer(bytes_, np.dtype(kind).newbyteorder("<")).reshape(tensor.shape)
        return widen_bfloat16(values) if tensor.dtype == "bfloat16" else values

    def _check(self, header: Any, size: int) -> None:
        if not isinstance(header, dict):
            raise self._damaged("a header that is no table of tensors")
        metadata = header.pop("__metadata__", {})
        if isinstance(metadata, dict):
            self.metadata = {str(key): str(text) for key, text in metadata.items()}
        for name, entry in header.items():
            try:
                kind, shape = entry["dtype"], tuple(entry["shape"])
                start, stop = entry["data_offsets"]
                whole = all(type(n) is int and n >= 0 for n in (*shape, start, stop))
            except (TypeError, KeyError, ValueError):
                raise self._damaged(f"an entry {name!r} without dtype, shape and offsets") from None
            if kind not in TYPES:
                raise CheckpointError(
                    f"{self.path}: {name} is of type {kind}; expected one of {', '.join(TYPES)}. "
                    "Convert it to a wider type when you save it."
                )
            width = 2 if TYPES[kind] == "bfloat16" else np.dtype(TYPES[kind]).itemsize
            if not whole or stop > size or stop - start != width * math.prod(shape):
                raise self._damaged(
                    f"{name} with shape {list(shape)} at bytes {start} to {stop} of {size:,}"
                )
            self.tensors[name] = Tensor(shape, TYPES[kind])
            self._spans[name] = (start, stop)

    def _damaged(self, found: str) -> CheckpointError:
        return CheckpointError(
            f"{self.path} is damaged or cut off: it has {found}. Copy it again, or leave it out."
        )


def _shards(index: Path) -> list[Path]:
    """The files that an index names, all of them in its own folder."""
    try:
        names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"{index} cannot be read as an index ({error}); expected JSON with a weight_map of "
            "parameter names to file names. Copy it again."
        ) from None
    folder = index.parent.resolve()
    for name in names:
        if not isinstance(name, str) or (folder / name).resolve().parent != folder:
            raise CheckpointError(
                f"{index} names the file {name!r}, outside of its folder; expected names of files "
                f"in {index.parent}. Do not trust this checkpoint."
            )
        if not (folder / name).is_file():
            raise CheckpointError(
                f"{index.parent / name} does not exist, although {index.name} names it; "
                "the checkpoint is incomplete. Copy it again, or leave it out."
            )
    return [index.parent / name for name in names]
