"""Checkpoints that cannot be read without executing them, or that are not whole: how to export."""

from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from deep_learning_dynamics.errors import CheckpointError
from deep_learning_dynamics.store.collecting.checkpoint import FORMATS, Format, Options


class Refused(Format):
    """A format that is recognised only to say how its weights are exported."""

    message: str

    @classmethod
    def open(cls, path: Path, options: Options, files: ExitStack) -> NoReturn:
        raise CheckpointError(f"{path} is {cls.title}: {cls.message}")


@FORMATS.register
class Pickle(Refused):
    key, title = "pickle", "a pickle (scikit-learn's joblib, for example)"
    message = (
        "reading it would execute what is in it. Export the arrays where you trust it: "
        'numpy.savez("FILE.npz", **{f"w{i}": w for i, w in enumerate(model.coefs_)})'
    )

    @staticmethod
    def recognises(path: Path) -> bool:
        return path.is_file() and path.suffix in (".pkl", ".pickle", ".joblib")


@FORMATS.register
class Distributed(Refused):
    key, title = "dcp", "a distributed checkpoint of torch"
    message = (
        "its tensors lie in pieces that only torch.distributed puts together. "
        "Export it with: python -m torch.distributed.checkpoint.format_utils dcp_to_torch"
    )

    @staticmethod
    def recognises(path: Path) -> bool:
        return path.is_dir() and (path / ".metadata").is_file() and any(path.glob("*.distcp"))


@FORMATS.register
class ZeRO(Refused):
    key, title = "zero", "a checkpoint of DeepSpeed's ZeRO"
    message = (
        "its tensors lie in pieces, one per rank. "
        "Export it with the zero_to_fp32.py that DeepSpeed put beside it."
    )

    @staticmethod
    def recognises(path: Path) -> bool:
        return path.is_dir() and any(path.glob("**/*zero_pp_rank_*"))


@FORMATS.register
class TensorFlow(Refused):
    key, title = "tensorflow", "a checkpoint of TensorFlow"
    message = (
        "only TensorFlow reads its format. "
        'Export it with Keras: model.save_weights("FILE.weights.h5")'
    )

    @staticmethod
    def recognises(path: Path) -> bool:
        return path.is_dir() and any(path.glob("*.ckpt*.index"))
