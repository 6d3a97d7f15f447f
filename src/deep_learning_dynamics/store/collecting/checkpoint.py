"""An opened checkpoint, and the registry of formats that can be opened.

A checkpoint is data: nothing in it is ever executed, and what it says of itself (sizes, paths) is
checked against the file before memory is used for it.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from deep_learning_dynamics import formatting
from deep_learning_dynamics.environment import memory
from deep_learning_dynamics.errors import CheckpointError
from deep_learning_dynamics.registry import Registry
from deep_learning_dynamics.store.sources import WRAPPERS

MEMORY_SHARE = 0.4  # of the memory that this process may use, for one tensor


@dataclass(frozen=True)
class Tensor:
    """What a checkpoint says of one of its tensors."""

    shape: tuple[int, ...]
    dtype: str  # NumPy's name, or "bfloat16"

    @property
    def is_floating(self) -> bool:
        return self.dtype.startswith(("float", "bfloat"))

    @property
    def size(self) -> int:
        return math.prod(self.shape)


class Checkpoint(ABC):
    """The tensors of one checkpoint by their names, each read when it is asked for."""

    tensors: Mapping[str, Tensor]
    step: int | None = None  # that the checkpoint itself knows
    scores: Mapping[str, float] = MappingProxyType({})  # at its step

    @abstractmethod
    def read(self, name: str) -> np.ndarray:
        """One tensor; bfloat16 is widened to float32."""


class Format(ABC):
    """A format of checkpoints. Subclasses register themselves and are used as classes."""

    key: str
    title: str

    @classmethod
    @abstractmethod
    def recognises(cls, path: Path) -> bool:
        """Whether a file or folder is of this format, by its name and what lies in it."""

    @classmethod
    @abstractmethod
    def open(cls, path: Path, options: "Options") -> AbstractContextManager[Checkpoint]:
        """
        Raises:
            CheckpointError: the checkpoint is damaged, unsafe or of another format.
        """


@dataclass(frozen=True)
class Options:
    """How checkpoints are read."""

    key: str | None = None  # where in a nested checkpoint the weights are: "model", "ema.weights"
    lora: str = "delta"  # "delta": the change of each weight matrix; "factors": A and B themselves


FORMATS: Registry[type[Format]] = Registry(
    "checkpoint format",
    "deep_learning_dynamics.store.collecting",
    (
        "orbax_folders",  # formats of folders come first: they look at what lies inside
        "huggingface",
        "safetensors_files",
        "torch_files",
        "keras_files",
        "arrays",
        "refused",  # last: known, but not to be read
    ),
)


def format_of(path: Path) -> type[Format] | None:
    """The format of a file or folder; ``None`` where it is no checkpoint."""
    return next((found for found in FORMATS.values() if found.recognises(path)), None)


def open_checkpoint(
    path: Path, options: Options | None = None
) -> AbstractContextManager[Checkpoint]:
    """Open a file or folder in its format.

    Raises:
        CheckpointError: it is missing, of no known format, damaged or unsafe.
    """
    if not path.exists():
        raise CheckpointError(f"{path} does not exist; expected a checkpoint.")
    found = format_of(path)
    if found is None:
        known = formatting.listed([each.title for each in FORMATS.values()], "or")
        raise CheckpointError(f"{path} is no checkpoint of a known format; expected {known}.")
    return found.open(path, options or Options())


def clean_name(name: str) -> str:
    """A parameter's name in the bare model, without what torch's wrappers put into it."""
    name = ".".join(part for part in name.split(".") if part not in WRAPPERS)
    while name.startswith("module."):  # DataParallel; further in, it may be somebody's own name
        name = name.removeprefix("module.")
    return name


def clean_names(names: Iterable[str], path: Path) -> dict[str, str]:
    """The bare names of tensors, with the names under which they are stored.

    Raises:
        CheckpointError: two tensors would have one name.
    """
    cleaned: dict[str, str] = {}
    for name in names:
        bare = clean_name(name)
        if bare in cleaned:
            raise CheckpointError(
                f"{path} holds {cleaned[bare]} and {name}, which are both {bare} without "
                "the names of wrappers; expected one. Export the bare model's state_dict()."
            )
        cleaned[bare] = name
    return cleaned


def check_fits(path: Path, name: str, tensor: Tensor) -> None:
    """Refuse a tensor that would not fit in memory, whatever its header claims.

    Raises:
        CheckpointError: it would take too large a share of the memory.
    """
    bytes_, allowed = 8 * tensor.size, MEMORY_SHARE * memory()
    if bytes_ > allowed:
        raise CheckpointError(
            f"{path}: {name} has shape {list(tensor.shape)}, for which {formatting.size(bytes_)} "
            f"are needed; expected at most {formatting.size(allowed)}. Leave it out with "
            "parameters=..., or use a machine with more memory."
        )


def widen_bfloat16(bits: np.ndarray) -> np.ndarray:
    """bfloat16 given as uint16 bits, in float32: exact, as it is float32's upper half."""
    return (bits.astype(np.uint32) << 16).view(np.float32)
