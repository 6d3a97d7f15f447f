"""Checkpoints of plain arrays: NumPy's ``.npz``, and zarr groups written by anyone."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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

STEP_KEYS = ("step", "global_step")


@FORMATS.register
class NumpyArchive(Format):
    key, title = "npz", "NumPy's .npz"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.suffix == ".npz" and path.is_file()

    @classmethod
    @contextmanager
    def open(cls, path: Path, options: Options) -> Iterator[Checkpoint]:
        try:
            with zipfile.ZipFile(path) as archive:
                yield ArchiveCheckpoint(path, archive)
        except (OSError, zipfile.BadZipFile, NotImplementedError) as error:
            raise CheckpointError(
                f"{path} cannot be read as an archive of arrays ({error}). Copy it again, or leave "
                "it out."
            ) from None


class ArchiveCheckpoint(Checkpoint):
    """The arrays of an ``.npz`` file; an array of objects, which needs pickle, is refused."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path, self._archive = path, archive
        headers = {
            name.removesuffix(".npy"): self._header(name)
            for name in archive.namelist()
            if name.endswith(".npy")
        }
        self._names = clean_names(headers, path)
        self.tensors = {name: headers[stored] for name, stored in self._names.items()}
        self.step = next((self._scalar(key) for key in STEP_KEYS if key in self.tensors), None)

    def _header(self, member: str) -> Tensor:
        try:
            with self._archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                if version == (1, 0):
                    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                else:
                    shape, _, dtype = np.lib.format.read_array_header_2_0(file)
        except (ValueError, EOFError, zipfile.BadZipFile) as error:
            raise CheckpointError(f"{self._path}: {member} is damaged ({error}).") from None
        if dtype.hasobject:
            raise CheckpointError(
                f"{self._path}: {member} holds Python objects, which would have to be unpickled; "
                "expected numbers. Save arrays of numbers with numpy.savez."
            )
        tensor = Tensor(tuple(shape), dtype.name)
        if dtype.itemsize * tensor.size > self._archive.getinfo(member).file_size:
            raise CheckpointError(
                f"{self._path}: {member} claims shape {list(shape)}, but has fewer bytes; it is "
                "damaged or cut off. Copy it again, or leave it out."
            )
        return tensor

    def _scalar(self, name: str) -> int | None:
        tensor = self.tensors[name]
        whole = tensor.size == 1 and tensor.dtype.startswith(("int", "uint"))
        return int(self.read(name).item()) if whole else None

    def read(self, name: str) -> np.ndarray:
        check_fits(self._path, name, self.tensors[name])
        member = f"{self._names[name]}.npy"
        try:
            with self._archive.open(member) as file:
                return np.lib.format.read_array(file, allow_pickle=False)
        except (ValueError, EOFError, zipfile.BadZipFile) as error:
            raise CheckpointError(
                f"{self._path}: {member} is damaged ({error}). Copy it again, or leave it out."
            ) from None


@FORMATS.register
class ZarrGroup(Format):
    key, title = "zarr", "a zarr group of arrays"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_dir() and any((path / name).exists() for name in ("zarr.json", ".zgroup"))

    @classmethod
    @contextmanager
    def open(cls, path: Path, options: Options) -> Iterator[Checkpoint]:
        import zarr

        try:
            group = zarr.open_group(path, mode="r", use_consolidated=False)
            yield ZarrCheckpoint(path, group)
        except CheckpointError:
            raise
        except Exception as error:  # zarr and its codecs raise what they like
            raise CheckpointError(f"{path} cannot be read as a zarr group ({error}).") from None


class ZarrCheckpoint(Checkpoint):
    """The arrays of a zarr group and of the groups within it, by their paths."""

    def __init__(self, path: Path, group: object) -> None:
        import zarr

        self._path = path
        arrays = {
            name.replace("/", "."): member
            for name, member in group.members(max_depth=None)  # type: ignore[attr-defined]
            if isinstance(member, zarr.Array)
        }
        self._names = clean_names(arrays, path)
        self._arrays = arrays
        self.tensors = {
            name: Tensor(tuple(arrays[stored].shape), np.dtype(arrays[stored].dtype).name)
            for name, stored in self._names.items()
        }
        step = group.attrs.get("step")  # type: ignore[attr-defined]
        self.step = step if type(step) is int else None

    def read(self, name: str) -> np.ndarray:
        check_fits(self._path, name, self.tensors[name])
        return np.asarray(self._arrays[self._names[name]][...])
