"""Checkpoints of plain arrays: NumPy's ``.npz``, and zarr groups written by anyone."""

import zipfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from deep_learning_dynamics.errors import CheckpointError
from deep_learning_dynamics.store.collecting.checkpoint import (
    FORMATS,
    Checkpoint,
    Format,
    Options,
    Tensor,
)

STEP_KEYS = ("step", "global_step")


@FORMATS.register
class NumpyArchive(Format):
    key, title = "npz", "NumPy's .npz"

    @staticmethod
    def recognises(path: Path) -> bool:
        return path.suffix == ".npz" and path.is_file()

    @staticmethod
    def open(path: Path, options: Options, files: ExitStack) -> Checkpoint:
        archive = files.enter_context(zipfile.ZipFile(path))

        def load(name: str) -> np.ndarray:
            with archive.open(f"{name}.npy") as file:
                return np.lib.format.read_array(file, allow_pickle=False)

        members = [name for name in archive.namelist() if name.endswith(".npy")]
        stored = {member.removesuffix(".npy"): _header(path, archive, member) for member in members}
        checkpoint = Checkpoint(path, stored, load)
        for key in STEP_KEYS:
            tensor = checkpoint.tensors.get(key)
            if tensor is not None:
                if tensor.size == 1 and tensor.dtype.startswith(("int", "uint")):
                    checkpoint.step = int(checkpoint.read(key).item())
                break
        return checkpoint


def _header(path: Path, archive: zipfile.ZipFile, member: str) -> Tensor:
    """Shape and type of an array; one of objects, which needs pickle, is refused."""
    with archive.open(member) as file:
        if np.lib.format.read_magic(file) == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    if dtype.hasobject:
        raise CheckpointError(
            f"{path}: {member} holds Python objects, which would have to be unpickled; "
            "expected numbers. Save arrays of numbers with numpy.savez."
        )
    tensor = Tensor(tuple(shape), dtype.name)
    if dtype.itemsize * tensor.size > archive.getinfo(member).file_size:
        raise CheckpointError(
            f"{path}: {member} claims shape {list(shape)}, but has fewer bytes; it is "
            "damaged or cut off. Copy it again, or leave it out."
        )
    return tensor


@FORMATS.register
class ZarrGroup(Format):
    """The arrays of a zarr group and of the groups within it, by their paths."""

    key, title = "zarr", "a zarr group of arrays"

    @staticmethod
    def recognises(path: Path) -> bool:
        return path.is_dir() and any((path / name).exists() for name in ("zarr.json", ".zgroup"))

    @staticmethod
    def open(path: Path, options: Options, files: ExitStack) -> Checkpoint:
        import zarr

        group = zarr.open_group(path, mode="r", use_consolidated=False)
        arrays = {
            name.replace("/", "."): member
            for name, member in group.members(max_depth=None)
            if isinstance(member, zarr.Array)
        }
        stored = {
            name: Tensor(tuple(array.shape), np.dtype(array.dtype).name)
            for name, array in arrays.items()
        }
        step = group.attrs.get("step")
        known = step if type(step) is int else None
        return Checkpoint(path, stored, lambda name: np.asarray(arrays[name][...]), known)
