"""The project folder that a process works in: its root, its git, and who else is there.

Stages call :func:`enter_stage` first. A copy of a project in which DVC or ``dynamics`` computes
lies under ``.dvc/tmp`` of the project itself, its *home*.
"""

import codecs
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

from deep_learning_dynamics import files
from deep_learning_dynamics.errors import DynamicsError

SCRATCH = Path(".dvc/tmp/dynamics")  # what commands and stages of one working copy leave there
PARENT = "DYNAMICS_PARENT"  # environment: the process id without which stages must not go on
PATIENCE = 10.0  # seconds that a stage has to end by itself


def project_root(start: Path) -> Path:
    """The nearest folder from ``start`` upwards that has a ``dvc.yaml``.

    Raises:
        DynamicsError: there is none.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / "dvc.yaml").exists():
            return folder
    raise DynamicsError(
        f"There is no dvc.yaml in {start} nor in a folder above it; expected to be inside a "
        "project. Change to the folder of Deep Learning Dynamics."
    )


def home_of(root: Path) -> Path:
    """The project that ``root`` is a temporary copy of; ``root`` itself if it is none."""
    root = root.resolve()
    for folder in root.parents:
        if folder.name == "tmp" and folder.parent.name == ".dvc":
            return home_of(folder.parent.parent)
    return root


def git(root: Path, *arguments: str) -> str | None:
    """What a git command prints; None where it fails or git is not installed.

    A checkout that belongs to another user, as in a container, counts as ours.
    """
    command = ["git", "-c", "safe.directory=*", "-C", str(root), *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return result.stdout.rstrip("\n") if result.returncode == 0 else None


def commit_of(root: Path) -> tuple[str, str]:
    """The git commit at ``root``, and whether the code there is as committed."""
    root = home_of(root)
    # An archive unpacked somewhere inside another repository is not of that repository's commit.
    known = git(root, "ls-files", "--error-unmatch", "dvc.yaml") is not None
    commit = git(root, "rev-parse", "--verify", "--quiet", "HEAD") if known else None
    if commit is None:
        return "unknown", "unknown"
    changes = git(root, "status", "--porcelain", "--", "src", "pipeline", "dvc.yaml")
    return commit, "differs from the commit" if changes else "as committed"


def working(root: Path) -> str | None:
    """The command of another process that runs this project's pipeline, if there is one."""
    import psutil

    ours = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter(["cwd", "cmdline"]):
        folder, words = process.info["cwd"], process.info["cmdline"] or []
        names = [Path(word).name for word in words[:3]]  # python -m dvc, or dvc
        if process.pid in ours or folder is None or "dvc" not in names:
            continue
        given = words[names.index("dvc") + 1 :]
        act = " ".join(word for word in given if not word.startswith("-"))
        folder = Path(folder)
        if (
            act.startswith(("repro", "exp run"))
            and folder.is_relative_to(root)
            and home_of(folder) == folder  # not a copy in .dvc/tmp
        ):
            return f"{' '.join(['dvc', *given])} (process {process.pid})"
    return None


def locked(path: Path, patience: float) -> AbstractContextManager[bool]:
    """Hold a lock file, which is made where it is not; see :func:`files.locked`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return files.locked(path, patience)


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Hold the project's lock.

    Raises:
        DynamicsError: another process runs the pipeline here.
    """
    with ExitStack() as stack:
        try:
            held = stack.enter_context(locked(root / SCRATCH / "lock", patience=0.0))
        except OSError as error:
            raise DynamicsError(
                f"{root / SCRATCH} cannot be written and locked ({error.strerror}); expected a "
                "project to compute in. Copy it to where you may write."
            ) from None
        other = working(root) or (None if held else "another dynamics command")
        if other is not None:
            raise DynamicsError(
                f"{other} is at work in this project; expected to be alone, because both write the "
                "same files. Wait until it ends, or stop it with Ctrl-C."
            )
        yield


def enter_stage() -> None:
    """What every stage does first, so that it ends when whoever started it is gone."""
    print_anywhere()
    end_like_ctrl_c()
    watch_parents()


def print_anywhere() -> None:
    """Let output get through any encoding: where only ASCII is known, "−" becomes "-"."""
    plain = {"−": "-", "–": "-", "×": "x", "·": "-", "…": "...", "✓": "+", "✗": "x", "∞": "inf"}

    def replace(error: UnicodeEncodeError) -> tuple[str, int]:
        text = error.object[error.start : error.end]
        return "".join(plain.get(letter, "?") for letter in text), error.end

    codecs.register_error("dynamics", replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="dynamics")


def end_like_ctrl_c() -> None:
    """Let SIGTERM and SIGHUP end this process as Ctrl-C does: tidied up, with status 130.

    A signal that is ignored, as under ``nohup``, stays so.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, interrupt)


def watch_parents() -> None:
    """End this process when the ``dvc`` or ``dynamics`` that it works for ends before it."""
    import psutil

    watched = []
    for parent in psutil.Process().parents():
        try:
            names = [Path(word).name for word in parent.cmdline()[:3]]
        except psutil.Error:
            continue
        if "dvc" in names or str(parent.pid) == os.environ.get(PARENT):
            watched.append(parent)
    if watched:
        threading.Thread(target=_watch, args=(watched,), daemon=True).start()


def _watch(parents: list) -> None:
    while all(parent.is_running() and parent.status() != "zombie" for parent in parents):
        time.sleep(0.5)
    with suppress(OSError):  # whoever read it is gone, too
        print("interrupted: whoever started this stage has ended", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(PATIENCE)
    os._exit(130)
