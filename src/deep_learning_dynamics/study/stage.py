"""The entry point of every stage: reads its settings, and turns errors into one message.

What the system and the libraries raise (a full disk, a memory limit, a damaged file) is turned
into one message that says which file or limit it was and what to do.
"""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deep_learning_dynamics.errors import DynamicsError

REMEDIES = {
    errno.ENOSPC: "Free some space on the disk.",
    errno.EFBIG: "Raise the limit of a file's size (ulimit -f).",
    errno.EDQUOT: "Free some of your quota.",
    errno.EACCES: "Give this user the right to read and write it.",
    errno.EPERM: "Give this user the right to read and write it.",
    errno.EROFS: "Run the project in a folder that can be written.",
    errno.EMFILE: "Raise the limit of open files (ulimit -n).",
    errno.ENOENT: "Make it with: dvc repro",
    errno.EIO: "Check the disk, and restore the file with: dvc checkout --force",
}


def run(main: Callable[..., Any]) -> None:
    """Call ``main`` with the settings that this stage depends on, and the command's arguments.

    Which sections of ``params.yaml`` these are is read from ``dvc.yaml``, so that a stage cannot
    use a setting whose change would not have DVC run it again.

    An error that a person can put right is printed as one message, without a traceback, and ends
    the process with its exit status.
    """
    os.environ["MPLBACKEND"] = "Agg"  # figures are files, whatever a notebook had set
    try:
        # What is imported may fail or be interrupted, too, so it is imported behind the door.
        from deep_learning_dynamics.workspace import enter_stage

        enter_stage()
        from deep_learning_dynamics.study import params

        sections = declared(Path(sys.argv[0]).stem) or params.SECTIONS
        main(params.load(sections=sections), *sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        message, status = "interrupted", 130
    except Exception as error:
        words = in_words(error)
        if words is None:
            raise
        message, status = f"error: {words}", getattr(error, "exit_status", 1)
    else:
        return
    print(message, file=sys.stderr, flush=True)
    sys.exit(status)


def declared(stage: str, pipeline: Path = Path("dvc.yaml")) -> tuple[str, ...]:
    """The sections of ``params.yaml`` that a stage depends on; none if it depends on the file."""
    from ruamel.yaml import YAML

    if not pipeline.exists():
        return ()
    stages = YAML(typ="safe").load(pipeline)["stages"]
    found = stages.get(stage, {})
    keys = found.get("do", found).get("params", ())
    return tuple(dict.fromkeys(str(key).split(".")[0] for key in keys))


def in_words(error: BaseException) -> str | None:
    """What happened and what to do, for errors of the system and of libraries; or ``None``.

    ``None`` stands for a mistake in the program, whose traceback is needed.
    """
    if isinstance(error, DynamicsError):
        return str(error)
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError) or "allocate memory" in text:
        from deep_learning_dynamics import environment
        from deep_learning_dynamics.formatting import size

        limit = size(float(environment.memory()))
        return (
            f"memory ran out ({text}); this process may use {limit}. Set pairs or the number of "
            "snapshots lower in params.yaml, or raise the limit (ulimit -v, container)."
        )
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which need not be here
        return (
            f"the GPU's memory ran out ({text}). Set pairs or batch_size lower in params.yaml, or "
            "train on the processor with: CUDA_VISIBLE_DEVICES= dvc repro"
        )
    if isinstance(error, OSError) and (error.filename is not None or error.errno is not None):
        where = f"{error.filename}: " if error.filename is not None else ""
        remedy = REMEDIES.get(error.errno or 0, "Then run dvc repro again.")
        return f"{where}{error.strerror or text}. {remedy}"
    module = type(error).__module__.split(".")[0]
    if module in ("zarr", "numcodecs", "pyarrow", "json", "zipfile", "zlib", "lzma", "zstandard"):
        return (
            f"a file of an earlier stage is damaged ({module}: {text}). "
            "Make it again with: dvc repro --force, or dvc checkout --force"
        )
    if isinstance(error, ImportError) and not (error.name or "").startswith(
        "deep_learning_dynamics"
    ):
        return (
            f"{error.name or 'a module'} cannot be imported ({text}). Install what the project "
            "needs with: make run; under a memory limit (ulimit -v), raise it to 16 GB."
        )
    return None
