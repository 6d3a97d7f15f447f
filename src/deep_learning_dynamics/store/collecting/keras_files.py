"""Keras 3: ``.weights.h5`` files and ``.keras`` archives, read with h5py alone.

``load_model`` would build the layers that the file describes; only the arrays are wanted here.
"""

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deep_learning_dynamics.errors import CheckpointError
from deep_learning_dynamics.store.collecting.checkpoint import (
    FORMATS,
    Checkpoint,
    Format,
    Options,
    Tensor,
)

if TYPE_CHECKING:
    import h5py

MEMBER = "model.weights.h5"
LARGEST_RATIO = 100  # of a member's size to its compressed size; weights hardly compress at all


@FORMATS.register
class Keras(Format):
    key, title = "keras", "Keras's .weights.h5 or .keras"

    @staticmethod
    def recognises(path: Path) -> bool:
        return path.is_file() and (path.name.endswith((".weights.h5", ".keras")))

    @staticmethod
    def open(path: Path, options: Options, files: ExitStack) -> Checkpoint:
        import h5py

        content = path
        if path.suffix == ".keras":
            archive = files.enter_context(zipfile.ZipFile(path))
            member = archive.getinfo(MEMBER)
            if member.file_size > LARGEST_RATIO * max(member.compress_size, 1):
                raise CheckpointError(
                    f"{path}: {MEMBER} would grow from {member.compress_size:,} to "
                    f"{member.file_size:,} bytes; expected weights, which hardly compress."
                )
            with archive.open(member) as whole:  # to its end, where its checksum is compared
                while whole.read(2**20):
                    pass
            content = files.enter_context(archive.open(member))
        file = files.enter_context(h5py.File(content, "r"))
        arrays = dict(_arrays(path, file))
        stored = {name: Tensor(tuple(each.shape), each.dtype.name) for name, each in arrays.items()}
        return Checkpoint(path, stored, lambda name: np.asarray(arrays[name][...]))


def _arrays(
    path: Path, group: "h5py.Group", prefix: str = ""
) -> "Iterator[tuple[str, h5py.Dataset]]":
    """The variables of a model's layers by their names, without those of its optimiser."""
    import h5py

    for name in group:
        where = f"{prefix}{name}"
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise _unsafe(path, where, "a link to somewhere else")
        if where == "optimizer":
            continue
        member = group[name]
        if isinstance(member, h5py.Group):
            # Keras puts each layer's variables in a group of their own: dense/vars/0.
            inside = f"{where}.".replace("vars.", "").replace("layers.", "")
            yield from _arrays(path, member, inside)
        elif member.external or member.is_virtual:
            raise _unsafe(path, where, "an array in another file")
        elif member.shape is not None and member.dtype.kind in "fiub":
            yield where, member


def _unsafe(path: Path, name: str, what: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: {name} is {what}; expected all weights in this file. "
        "Do not trust this checkpoint."
    )
