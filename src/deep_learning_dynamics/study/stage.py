"""The door of every stage: settings in, one clear line out if something is wrong.

What the system and the libraries raise (a full disk, a memory limit, a damaged file) is turned
into one message that says which file or limit it was and what to do.
"""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

INTERRUPTED = 130


def run(main: Callable[..., Any], *arguments: Any) -> None:
    """Call ``main`` with the settings that this stage depends on, and the arguments.

    Which sections of ``params.yaml`` these are is read from ``dvc.yaml``, so that a stage cannot
    use a setting whose change would not have DVC run it again.

    An error that a person can put right is printed as one message, without a traceback, and ends
    the process with its exit status.
    """
    os.environ["MPLBACKEND"] = "Agg"  # figures are files, whatever a notebook had set
    # What is imported may fail or be interrupted, too, so it is imported behind the door.
    try:
        from deep_learning_dynamics.errors import DynamicsError
        from deep_learning_dynamics.workspace import enter_stage

        try:
            enter_stage(Path())
            from deep_learning_dynamics.study import params

            sections = declared(Path(sys.argv[0]).stem) or params.SECTIONS
            main(params.load(sections=sections), *arguments)
            sys.stdout.flush()
        except DynamicsError as error:
            fail(str(error), error.exit_status)
    except KeyboardInterrupt:
        fail("interrupted", INTERRUPTED, prefix="")
    except Exception as error:
        message = in_words(error)
        if message is None:
            raise
        fail(message, 1)


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
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError) or "allocate memory" in text:
        from deep_learning_dynamics import environment
        from deep_learning_dynamics.formatting import size

        limit = size(float(environment.memory()))
        return (
            f"memory ran out ({text}); this process may use {limit}. Set pairs or the number of "
            "snapshots lower in params.yaml, or raise the limit (ulimit -v, container)."
        )
    if isinstance(error, OSError) and (error.filename is not None or error.errno is not None):
        return _of_system(error, text)
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


def _of_system(error: OSError, text: str) -> str:
    where = f"{error.filename}: " if error.filename is not None else ""
    reason = error.strerror or text
    remedies = {
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
    return f"{where}{reason}. {remedies.get(error.errno or 0, 'Then run dvc repro again.')}"


def fail(message: str, status: int, prefix: str = "error: ") -> NoReturn:
    """Print a message and end the process."""
    print(f"{prefix}{message}", file=sys.stderr, flush=True)
    sys.exit(status)
