"""An opened checkpoint, and the registry of formats that can be opened.

A checkpoint is data: nothing in it is ever executed, and what it says of itself (sizes, paths) is
checked against the file before memory is used for it.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

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


class Checkpoint:
    """The tensors of one checkpoint, each read when it is asked for.

    They have the names of the bare model, without what torch's wrappers put into them.
    """

    def __init__(
        self,
        path: Path,
        stored: Mapping[str, Tensor],
        load: Callable[[str], np.ndarray],
        step: int | None = None,
    ) -> None:
        """
        Args:
            stored: the tensors by their names in the file.
            load: reads the tensor of such a name; bfloat16 is widened to float32.
            step: that the checkpoint itself knows.

        Raises:
            CheckpointError: two tensors have one name in the bare model.
        """
        self.path, self.step = path, step
        self.scores: dict[str, float] = {}  # at its step
        self.tensors: dict[str, Tensor] = {}
        self._load = load
        self._stored: dict[str, str] = {}
        for name, tensor in stored.items():
            bare = ".".join(part for part in name.split(".") if part not in WRAPPERS)
            while bare.startswith("module."):  # DataParallel; elsewhere it is somebody's own name
                bare = bare.removeprefix("module.")
            if bare in self.tensors:
                raise CheckpointError(
                    f"{path} holds {self._stored[bare]} and {name}, which are both {bare} without "
                    "the names of wrappers; expected one. Export the bare model's state_dict()."
                )
            self.tensors[bare], self._stored[bare] = tensor, name

    def read(self, name: str) -> np.ndarray:
        """
        Raises:
            CheckpointError: the tensor is damaged, or too large for the memory.
        """
        self.check_fits(name)
        stored = self._stored[name]
        with _readable(f"{self.path}: {stored} is damaged"):
            return np.asarray(self._load(stored))

    def check_fits(self, name: str) -> None:
        """Refuse a tensor that would take too large a share of the memory.

        Raises:
            CheckpointError: it would.
        """
        tensor = self.tensors[name]
        needed, allowed = 8 * tensor.size, MEMORY_SHARE * memory()
        if needed > allowed:
            raise CheckpointError(
                f"{self.path}: {name} has shape {list(tensor.shape)}, for which "
                f"{formatting.size(needed)} are needed; expected at most "
                f"{formatting.size(allowed)}. Leave it out with parameters=..., or use a machine "
                "with more memory."
            )


@dataclass(frozen=True)
class Options:
    """How checkpoints are read."""

    key: str | None = None  # where in a nested checkpoint the weights are: "model", "ema.weights"
    lora: str = "delta"  # "delta": the change of each weight matrix; "factors": A and B themselves


class Format(ABC):
    """A format of checkpoints. Subclasses register themselves and are used as classes."""

    key: str
    title: str

    @staticmethod
    @abstractmethod
    def recognises(path: Path) -> bool:
        """Whether a file or folder is of this format, by its name and what lies in it."""

    @staticmethod
    @abstractmethod
    def open(path: Path, options: Options, files: ExitStack) -> Checkpoint:
        """Open a checkpoint of this format; any error says that it cannot be read.

        Args:
            files: closes what the checkpoint reads from, once nobody reads any more.
        """


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


@contextmanager
def open_checkpoint(path: Path, options: Options | None = None) -> Iterator[Checkpoint]:
    """Open a file or folder in its format.

    Raises:
        CheckpointError: it is missing, of no known format, damaged or unsafe.
    """
    if not path.exists():
        raise CheckpointError(f"{path} does not exist; expected a checkpoint.")
    found = format_of(path)
    if found is None:
        titles = [each.title for key, each in FORMATS.items() if key != "refused"]
        known = formatting.listed(titles, "or")
        raise CheckpointError(f"{path} is no checkpoint of a known format; expected {known}.")
    with ExitStack() as files:
        with _readable(f"{path} cannot be read as {found.title}"):
            checkpoint = found.open(path, options or Options(), files)
        yield checkpoint


@contextmanager
def _readable(otherwise: str) -> Iterator[None]:
    """Whatever libraries and their codecs raise becomes one error, which begins with this text."""
    try:
        yield
    except (CheckpointError, MemoryError):
        raise
    except Exception as error:
        raise CheckpointError(f"{otherwise} ({error}). Copy it again, or leave it out.") from error
