"""Orbax checkpoints (JAX, Flax): restored by Orbax itself, in a process of its own.

Orbax follows the paths that a checkpoint's metadata names, so these are checked first.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deep_learning_dynamics.errors import CheckpointError
from deep_learning_dynamics.store.collecting.arrays import NumpyArchive
from deep_learning_dynamics.store.collecting.checkpoint import (
    FORMATS,
    Checkpoint,
    Format,
    Options,
)

MARKERS = ("_CHECKPOINT_METADATA", "_METADATA")
SECONDS = 600  # that restoring one checkpoint may take


@FORMATS.register
class OrbaxFolder(Format):
    key, title = "orbax", "a folder of Orbax"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_dir() and any((path / marker).is_file() for marker in MARKERS)

    @classmethod
    @contextmanager
    def open(cls, path: Path, options: Options) -> Iterator[Checkpoint]:
        _check_paths(path)
        with tempfile.TemporaryDirectory(prefix="dynamics-") as folder:
            out = Path(folder, "weights.npz")
            command = [sys.executable, "-m", __name__, str(path.resolve()), str(out)]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
            except subprocess.TimeoutExpired:
                raise CheckpointError(f"{path}: Orbax did not end in {SECONDS} s.") from None
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                raise CheckpointError(
                    f"{path} cannot be restored by Orbax ({reason}). Install it with: "
                    "pip install orbax-checkpoint; if it is there, the checkpoint is damaged."
                )
            with NumpyArchive.open(out, options) as checkpoint:
                yield checkpoint


def _check_paths(path: Path) -> None:
    root = path.resolve()
    for member in path.rglob("*"):
        if member.is_symlink() and not member.resolve().is_relative_to(root):
            raise CheckpointError(
                f"{member} leads out of the checkpoint; expected all of it in {path}. "
                "Do not trust this checkpoint."
            )
    for metadata in path.rglob("_METADATA"):
        try:
            text = json.dumps(json.loads(metadata.read_text("utf-8")))
        except (OSError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{metadata} cannot be read ({error}).") from None
        if "../" in text or '"file://' in text or "gs://" in text or "s3://" in text:
            raise CheckpointError(
                f"{metadata} names a place outside of the checkpoint. Do not trust it."
            )


def restore(path: Path, out: Path) -> None:
    """Restore the arrays under ``path`` and write them to ``out`` as an ``.npz``."""
    import jax
    import ml_dtypes
    import numpy as np
    import orbax.checkpoint as orbax

    item = path / "default" if (path / "default").is_dir() else path
    checkpointer = orbax.PyTreeCheckpointer()
    content = checkpointer.restore(item)
    arrays = {}
    for keys, value in jax.tree_util.tree_flatten_with_path(content)[0]:
        name = ".".join(str(getattr(k, "key", getattr(k, "idx", k))) for k in keys)
        array = np.asarray(value)
        arrays[name] = array.astype(np.float32) if array.dtype == ml_dtypes.bfloat16 else array
    np.savez(out, **arrays)


if __name__ == "__main__":
    restore(Path(sys.argv[1]), Path(sys.argv[2]))
