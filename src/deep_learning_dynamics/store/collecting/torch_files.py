"""torch's checkpoints: ``.pt``, ``.pth``, ``.bin`` and Lightning's ``.ckpt``."""

import atexit
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deep_learning_dynamics.errors import CheckpointError
from deep_learning_dynamics.store.collecting.checkpoint import (
    FORMATS,
    Checkpoint,
    Format,
    Options,
)
from deep_learning_dynamics.store.collecting.safetensors_files import Safetensors

SUFFIXES = (".pt", ".pth", ".bin", ".ckpt")
# Files that lie beside weights and are none; some of them are pickles.
NO_WEIGHTS = ("optimizer", "scheduler", "training_args", "rng_state", "scaler")


@FORMATS.register
class TorchFile(Format):
    key, title = "torch", "torch's .pt, .pth, .bin or .ckpt"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.suffix in SUFFIXES and path.is_file() and not path.name.startswith(NO_WEIGHTS)

    @classmethod
    @contextmanager
    def open(cls, path: Path, options: Options) -> Iterator[Checkpoint]:
        with tempfile.TemporaryDirectory(prefix="dynamics-") as folder:
            converted = Path(folder, "weights.safetensors")
            found = _PROCESS.convert(path, converted, options.key)
            with Safetensors.open(converted, options) as checkpoint:
                checkpoint.step, checkpoint.scores = found["step"], found["scores"]
                yield checkpoint


class _Process:
    """The converting process, started when it is first needed and again if it dies."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def convert(self, path: Path, out: Path, key: str | None) -> dict[str, Any]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "deep_learning_dynamics.store.collecting.torch_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        process = self._process
        request = {"path": str(path.resolve()), "out": str(out), "key": key}
        try:
            process.stdin.write(json.dumps(request) + "\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            answer = json.loads(process.stdout.readline() or "null")  # type: ignore[union-attr]
        except (OSError, ValueError):
            answer = None
        if answer is None:
            self.close()
            raise CheckpointError(
                f"{path} ended the process that read it; expected a checkpoint of torch. It is "
                "damaged, or too large for the memory, or torch is not installed."
            )
        if "refused" in answer:
            raise CheckpointError(f"{path} {answer['refused']}")
        return answer

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


_PROCESS = _Process()
atexit.register(_PROCESS.close)
