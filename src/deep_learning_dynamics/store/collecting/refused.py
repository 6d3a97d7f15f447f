"""Checkpoints that cannot be read without executing them, or that are not whole: how to export."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, NoReturn

from deep_learning_dynamics.errors import CheckpointError
from deep_learning_dynamics.store.collecting.checkpoint import FORMATS, Format, Options


class Kind(NamedTuple):
    recognises: Callable[[Path], bool]
    message: str


KINDS = (
    Kind(
        lambda path: path.is_file() and path.suffix in (".pkl", ".pickle", ".joblib"),
        "a pickle (scikit-learn's joblib, for example): reading it would execute what is in it. "
        "Export the arrays where you trust it: "
        'numpy.savez("FILE.npz", **{f"w{i}": w for i, w in enumerate(model.coefs_)})',
    ),
    Kind(
        lambda path: (path / ".metadata").is_file() and any(path.glob("*.distcp")),
        "a distributed checkpoint of torch: its tensors lie in pieces that only torch.distributed "
        "puts together. "
        "Export it with: python -m torch.distributed.checkpoint.format_utils dcp_to_torch",
    ),
    Kind(
        lambda path: path.is_dir() and any(path.glob("**/*zero_pp_rank_*")),
        "a checkpoint of DeepSpeed's ZeRO: its tensors lie in pieces, one per rank. "
        "Export it with the zero_to_fp32.py that DeepSpeed put beside it.",
    ),
    Kind(
        lambda path: path.is_dir() and any(path.glob("*.ckpt*.index")),
        "a checkpoint of TensorFlow: only TensorFlow reads its format. "
        'Export it with Keras: model.save_weights("FILE.weights.h5")',
    ),
)


@FORMATS.register
class Refused(Format):
    """A format that is recognised only to say how its weights are exported."""

    key, title = "refused", "a checkpoint that must be exported first"

    @staticmethod
    def recognises(path: Path) -> bool:
        return any(kind.recognises(path) for kind in KINDS)

    @staticmethod
    def open(path: Path, options: Options, files: ExitStack) -> NoReturn:
        message = next(kind.message for kind in KINDS if kind.recognises(path))
        raise CheckpointError(f"{path} is {message}")
