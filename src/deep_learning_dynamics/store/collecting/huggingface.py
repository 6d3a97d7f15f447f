"""Folders of Hugging Face: a Trainer's ``checkpoint-N``, saved models, and LoRA adapters.

Only weights and JSON are opened, never ``optimizer.pt`` or ``training_args.bin``.
"""

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
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
    check_fits,
)
from deep_learning_dynamics.store.collecting.safetensors_files import Safetensors
from deep_learning_dynamics.store.collecting.scores_files import trainer_scores
from deep_learning_dynamics.store.collecting.torch_files import TorchFile

WEIGHTS = ("model.safetensors.index.json", "model.safetensors", "pytorch_model.bin")
ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
ADAPTER = "adapter_config.json"


@FORMATS.register
class HuggingFaceFolder(Format):
    key, title = "huggingface", "a folder of Hugging Face"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_dir() and not (path / ADAPTER).exists() and _first(path, WEIGHTS) is not None

    @classmethod
    @contextmanager
    def open(cls, path: Path, options: Options) -> Iterator[Checkpoint]:
        with _open_weights(path, WEIGHTS, options) as checkpoint:
            yield checkpoint


@FORMATS.register
class LoraFolder(Format):
    key, title = "lora", "a folder with a LoRA adapter"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_dir() and (path / ADAPTER).is_file()

    @classmethod
    @contextmanager
    def open(cls, path: Path, options: Options) -> Iterator[Checkpoint]:
        with _open_weights(path, ADAPTER_WEIGHTS, options) as factors:
            yield LoraCheckpoint(path, factors) if options.lora == "delta" else factors


class LoraCheckpoint(Checkpoint):
    """The change ΔW = (α/r) B A of each adapted matrix (Hu et al., 2022).

    A and B alone are defined only up to an invertible matrix between them, so that distances
    between factors mean nothing.
    """

    def __init__(self, path: Path, factors: Checkpoint) -> None:
        self._path, self._factors = path, factors
        self._config = _read_json(path / ADAPTER)
        self.step, self.scores = factors.step, factors.scores
        self._pairs: dict[str, tuple[str, str]] = {}
        self.tensors = {}
        for name in factors.tensors:
            match = re.fullmatch(r"(.+)\.lora_A(\.[^.]+)?\.weight", name)
            if match is None:
                continue
            other = name.replace(".lora_A", ".lora_B")
            if other not in factors.tensors:
                raise CheckpointError(f"{path} has {name} but no {other}; it is incomplete.")
            a, b = factors.tensors[name], factors.tensors[other]
            if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[0] != b.shape[1]:
                raise CheckpointError(
                    f"{path}: {name} has shape {list(a.shape)} and {other} {list(b.shape)}; "
                    "expected [rank, inputs] and [outputs, rank]. Read the factors themselves "
                    "with lora='factors'."
                )
            target = f"{match[1].removeprefix('base_model.model.')}.weight"
            self._pairs[target] = (name, other)
            self.tensors[target] = Tensor((b.shape[0], a.shape[1]), "float32")

    def read(self, name: str) -> np.ndarray:
        check_fits(self._path, name, self.tensors[name])
        a, b = (self._factors.read(factor).astype(np.float32) for factor in self._pairs[name])
        return self._scale(name, len(a)) * (b @ a)

    def _scale(self, name: str, rank: int) -> np.float32:
        module = name.removesuffix(".weight")
        alpha = self._of_pattern("alpha_pattern", module, self._config.get("lora_alpha", rank))
        if not isinstance(alpha, int | float):
            raise CheckpointError(f"{self._path / ADAPTER}: lora_alpha is {alpha!r}, not a number.")
        return np.float32(alpha / (math.sqrt(rank) if self._config.get("use_rslora") else rank))

    def _of_pattern(self, key: str, module: str, default: Any) -> Any:
        patterns = self._config.get(key) or {}
        if isinstance(patterns, dict):
            for suffix, value in patterns.items():
                if module == suffix or module.endswith(f".{suffix}"):
                    return value
        return default


@contextmanager
def _open_weights(folder: Path, names: tuple[str, ...], options: Options) -> Iterator[Checkpoint]:
    weights = _first(folder, names)
    if weights is None:
        raise CheckpointError(f"{folder} has no weights; expected {' or '.join(names)}.")
    reader = TorchFile if weights.suffix == ".bin" else Safetensors
    with reader.open(weights, options) as checkpoint:
        _add_trainer_state(folder, checkpoint)
        yield checkpoint


def _add_trainer_state(folder: Path, checkpoint: Checkpoint) -> None:
    """Set the step, and the scores at it, from a Trainer's log, if there is one."""
    path = folder / "trainer_state.json"
    if not path.is_file():
        return
    state = _read_json(path)
    if type(state.get("global_step")) is int:
        checkpoint.step = state["global_step"]
    history, scores = state.get("log_history"), {}
    for record in history if isinstance(history, list) else []:
        if isinstance(record, dict) and record.get("step") == checkpoint.step:
            scores |= trainer_scores(record)
    checkpoint.scores = scores


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); expected JSON.") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds a {type(content).__name__}; expected a JSON object.")
    return content
