"""Folders of Hugging Face: a Trainer's ``checkpoint-N``, saved models, and LoRA adapters.

Only weights and JSON are opened, never ``optimizer.pt`` or ``training_args.bin``.
"""

import json
import math
import re
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
from deep_learning_dynamics.store.collecting.safetensors_files import Safetensors
from deep_learning_dynamics.store.collecting.scores_files import trainer_scores
from deep_learning_dynamics.store.collecting.torch_files import TorchFile

WEIGHTS = ("model.safetensors.index.json", "model.safetensors", "pytorch_model.bin")
ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
ADAPTER = "adapter_config.json"


@FORMATS.register
class HuggingFaceFolder(Format):
    key, title = "huggingface", "a folder of Hugging Face"

    @staticmethod
    def recognises(path: Path) -> bool:
        return path.is_dir() and not (path / ADAPTER).exists() and _first(path, WEIGHTS) is not None

    @staticmethod
    def open(path: Path, options: Options, files: ExitStack) -> Checkpoint:
        return _open_weights(path, WEIGHTS, options, files)


@FORMATS.register
class LoraFolder(Format):
    key, title = "lora", "a folder with a LoRA adapter"

    @staticmethod
    def recognises(path: Path) -> bool:
        return path.is_dir() and (path / ADAPTER).is_file()

    @staticmethod
    def open(path: Path, options: Options, files: ExitStack) -> Checkpoint:
        factors = _open_weights(path, ADAPTER_WEIGHTS, options, files)
        return _changes(path, factors) if options.lora == "delta" else factors


def _changes(path: Path, factors: Checkpoint) -> Checkpoint:
    """The change ΔW = (α/r) B A of each adapted matrix (Hu et al., 2022).

    A and B alone are defined only up to an invertible matrix between them, so that distances
    between factors mean nothing.
    """
    config = _read_json(path / ADAPTER)
    pairs: dict[str, tuple[str, str]] = {}
    stored = {}
    for name in factors.tensors:
        match = re.fullmatch(r"(.+)\.lora_A(\.[^.]+)?\.weight", name)
        if match is None:
            continue
        other = name.replace(".lora_A", ".lora_B")
        if other not in factors.tensors:
            raise CheckpointError(f"{path} has {name} but no {other}; it is incomplete.")
        a, b = factors.tensors[name].shape, factors.tensors[other].shape
        if len(a) != 2 or len(b) != 2 or a[0] != b[1]:
            raise CheckpointError(
                f"{path}: {name} has shape {list(a)} and {other} {list(b)}; expected "
                "[rank, inputs] and [outputs, rank]. Read the factors themselves with "
                "lora='factors'."
            )
        target = f"{match[1].removeprefix('base_model.model.')}.weight"
        pairs[target] = (name, other)
        stored[target] = Tensor((b[0], a[1]), "float32")

    def load(name: str) -> np.ndarray:
        a, b = (factors.read(factor).astype(np.float32) for factor in pairs[name])
        return _scale(path, config, name.removesuffix(".weight"), len(a)) * (b @ a)

    checkpoint = Checkpoint(path, stored, load, factors.step)
    checkpoint.scores = factors.scores
    return checkpoint


def _scale(path: Path, config: dict[str, Any], module: str, rank: int) -> np.float32:
    alpha = config.get("lora_alpha", rank)
    patterns = config.get("alpha_pattern")
    if isinstance(patterns, dict):
        matching = (suffix for suffix in patterns if f".{module}".endswith(f".{suffix}"))
        alpha = patterns.get(next(matching, None), alpha)
    if not isinstance(alpha, int | float):
        raise CheckpointError(f"{path / ADAPTER}: lora_alpha is {alpha!r}, not a number.")
    return np.float32(alpha / (math.sqrt(rank) if config.get("use_rslora") else rank))


def _open_weights(
    folder: Path, names: tuple[str, ...], options: Options, files: ExitStack
) -> Checkpoint:
    """The weights, with the step and the scores at it from a Trainer's log, if there is one."""
    weights = _first(folder, names)
    if weights is None:
        raise CheckpointError(f"{folder} has no weights; expected {' or '.join(names)}.")
    reader = TorchFile if weights.suffix == ".bin" else Safetensors
    checkpoint = reader.open(weights, options, files)
    log = folder / "trainer_state.json"
    if log.is_file():
        state = _read_json(log)
        if type(state.get("global_step")) is int:
            checkpoint.step = state["global_step"]
        history = state.get("log_history")
        checkpoint.scores = {}
        for record in history if isinstance(history, list) else []:
            if isinstance(record, dict) and record.get("step") == checkpoint.step:
                checkpoint.scores |= trainer_scores(record)
    return checkpoint


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
