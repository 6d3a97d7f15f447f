"""Orbax checkpoints (JAX, Flax): restored by Orbax itself, in a process of its own.

Orbax follows the paths that a checkpoint's metadata names, so these are checked first.
"""

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from deep_learning_dynamics.errors import CheckpointError
from deep_learning_dynamics.store.collecting.arrays import NumpyArchive
from deep_learning_dynamics.store.collecting.checkpoint import FORMATS, Checkpoint, Format, Options
from deep_learning_dynamics.store.collecting.converting import CONVERTER, RefusedError

MARKERS = ("_CHECKPOINT_METADATA", "_METADATA")


@FORMATS.register
class OrbaxFolder(Format):
    key, title = "orbax", "a folder of Orbax"

    @staticmethod
    def recognises(path: Path) -> bool:
        return path.is_dir() and any((path / marker).is_file() for marker in MARKERS)

    @staticmethod
    def open(path: Path, options: Options, files: ExitStack) -> Checkpoint:
        _check_paths(path)
        folder = files.enter_context(tempfile.TemporaryDirectory(prefix="dynamics-"))
        converted = Path(folder, "weights.npz")
        CONVERTER.convert(restore, path, converted)
        checkpoint = NumpyArchive.open(converted, options, files)
        checkpoint.path = path
        return checkpoint


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


def restore(path: Path, out: Path) -> dict[str, Any]:
    """Restore the arrays under ``path`` and write them to ``out`` as an ``.npz``."""
    try:
        import jax
        import ml_dtypes
        import orbax.checkpoint as orbax
    except ImportError as error:
        raise RefusedError(
            f"needs Orbax ({error}). Install it with: pip install orbax-checkpoint"
        ) from None

    import numpy as np

    item = path / "default" if (path / "default").is_dir() else path
    checkpointer = orbax.PyTreeCheckpointer()
    content = checkpointer.restore(item)
    arrays = {}
    for keys, value in jax.tree_util.tree_flatten_with_path(content)[0]:
        name = ".".join(str(getattr(k, "key", getattr(k, "idx", k))) for k in keys)
        array = np.asarray(value)
        arrays[name] = array.astype(np.float32) if array.dtype == ml_dtypes.bfloat16 else array
    np.savez(out, **arrays)
    return {}
