"""Keras 3: ``.weights.h5`` files and ``.keras`` archives, read with h5py alone.

``load_model`` would build the layers that the file describes; only the arrays are wanted here.
"""

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
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
    check_fits,
    clean_names,
)

if TYPE_CHECKING:
    import h5py

MEMBER = "model.weights.h5"
LARGEST_RATIO = 100  # of a member's size to its compressed size; weights hardly compress at all


@FORMATS.register
class Keras(Format):
    key, title = "keras", "Keras's .weights.h5 or .keras"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_file() and (path.name.endswith((".weights.h5", ".keras")))

    @classmethod
    @contextmanager
    def open(cls, path: Path, options: Options) -> Iterator[Checkpoint]:
        import h5py

        with tempfile.TemporaryDirectory(prefix="dynamics-") as folder:
            weights = _unpacked(path, Path(folder)) if path.suffix == ".keras" else path
            try:
                file = h5py.File(weights, "r")
            except OSError as error:
                raise CheckpointError(
                    f"{path} cannot be read as HDF5 ({error}). Copy it again, or leave it out."
                ) from None
            with file:
                yield KerasCheckpoint(path, file)


class KerasCheckpoint(Checkpoint):
    """The variables of a model's layers, without those of its optimiser."""

    def __init__(self, path: Path, file: "h5py.File") -> None:
        self._path = path
        self._arrays: dict[str, h5py.Dataset] = {}
        self._walk(file, "")
        self._names = clean_names(self._arrays, path)
        self.tensors = {
            name: Tensor(tuple(self._arrays[stored].shape), self._arrays[stored].dtype.name)
            for name, stored in self._names.items()
        }

    def read(self, name: str) -> np.ndarray:
        check_fits(self._path, name, self.tensors[name])
        try:
            return np.asarray(self._arrays[self._names[name]][...])
        except OSError as error:
            raise CheckpointError(
                f"{self._path}: {name} is damaged ({error}). Copy it again, or leave it out."
            ) from None

    def _walk(self, group: "h5py.Group", prefix: str) -> None:
        import h5py

        for name in group:
            link = group.get(name, getlink=True)
            where = f"{prefix}{name}"
            if not isinstance(link, h5py.HardLink):
                raise self._unsafe(where, "a link to somewhere else")
            if not prefix and name == "optimizer":
                continue
            member = group[name]
            if isinstance(member, h5py.Group):
                # Keras puts each layer's variables in a group of their own: dense/vars/0.
                self._walk(member, f"{where}.".replace("vars.", "").replace("layers.", ""))
            elif member.external or member.is_virtual:
                raise self._unsafe(where, "an array in another file")
            elif member.shape is not None and member.dtype.kind in "fiub":
                self._arrays[where] = member

    def _unsafe(self, name: str, what: str) -> CheckpointError:
        return CheckpointError(
            f"{self._path}: {name} is {what}; expected all weights in this file. "
            "Do not trust this checkpoint."
        )


def _unpacked(path: Path, folder: Path) -> Path:
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(MEMBER)
            if member.file_size > LARGEST_RATIO * max(member.compress_size, 1):
                raise CheckpointError(
                    f"{path}: {MEMBER} would grow from {member.compress_size:,} to "
                    f"{member.file_size:,} bytes; expected weights, which hardly compress."
                )
            if member.file_size > shutil.disk_usage(folder).free:
                raise CheckpointError(
                    f"{path}: {MEMBER} needs {member.file_size:,} bytes of temporary space in "
                    f"{folder.parent}, which has fewer. Set TMPDIR to a larger disk."
                )
            with archive.open(member) as source, (folder / MEMBER).open("wb") as target:
                shutil.copyfileobj(source, target)
    except (OSError, KeyError, zipfile.BadZipFile, NotImplementedError) as error:
        raise CheckpointError(
            f"{path} cannot be read as an archive of Keras ({error}). Copy it again, or leave it "
            "out."
        ) from None
    return folder / MEMBER
