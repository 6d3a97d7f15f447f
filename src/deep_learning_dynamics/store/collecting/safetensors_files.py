"""safetensors: single files, and sharded ones with an index.

The format (https://github.com/huggingface/safetensors) is a little-endian 64-bit length, a JSON
header of that length, and the tensors. The library checks the header against the file; the tensors
are read here, as its reader for NumPy knows no bfloat16.
"""

import json
from contextlib import ExitStack
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
)

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

    @staticmethod
    def recognises(path: Path) -> bool:
        if path.is_dir():
            return any(path.glob(INDEX))
        return path.suffix == ".safetensors" or path.match(INDEX)

    @staticmethod
    def open(path: Path, options: Options, files: ExitStack) -> Checkpoint:
        if path.is_dir():
            path = sorted(path.glob(INDEX))[0]
        stored: dict[str, Tensor] = {}
        places: dict[str, tuple[Path, int]] = {}  # where each tensor begins
        step = ""
        for shard in _shards(path) if path.match(INDEX) else [path]:
            header, start = _header(shard)
            metadata = header.pop("__metadata__", {})
            step = metadata.get("step", metadata.get("global_step", step))
            for name, entry in header.items():
                if entry["dtype"] not in TYPES:
                    raise CheckpointError(
                        f"{shard}: {name} is of type {entry['dtype']}; expected one of "
                        f"{', '.join(TYPES)}. Convert it to a wider type when you save it."
                    )
                stored[name] = Tensor(tuple(entry["shape"]), TYPES[entry["dtype"]])
                places[name] = shard, start + entry["data_offsets"][0]

        def load(name: str) -> np.ndarray:
            tensor, (shard, offset) = stored[name], places[name]
            wide = tensor.dtype != "bfloat16"
            kind = np.dtype(tensor.dtype if wide else "uint16").newbyteorder("<")
            values = np.fromfile(shard, kind, tensor.size, offset=offset).reshape(tensor.shape)
            # bfloat16 is the upper half of float32.
            return values if wide else (values.astype(np.uint32) << 16).view(np.float32)

        known = step.isascii() and step.isdigit() and len(step) < 19
        return Checkpoint(path, stored, load, int(step) if known else None)


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The header, and where the tensors begin."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np"), path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            return json.loads(file.read(length)), 8 + length
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} is damaged or cut off ({error}). Copy it again, or leave it out."
        ) from None


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
