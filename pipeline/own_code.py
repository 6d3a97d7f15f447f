"""Imported first by every script: the code that runs is this project's own, whatever is installed.

So a copy, a worktree or one of DVC's temporary workspaces runs what lies in it.
"""

import os
import sys
from pathlib import Path
from types import TracebackType

SOURCE = str(Path(__file__).resolve().parents[1] / "src")
sys.path.insert(0, SOURCE)
os.environ["PYTHONPATH"] = os.pathsep.join(  # for the processes that a stage starts
    [SOURCE, *filter(None, [os.environ.get("PYTHONPATH")])]
)


def in_one_line(kind: type, error: BaseException, trace: TracebackType | None) -> None:
    """What goes wrong before the stage's own door: an interruption, or a missing package."""
    if isinstance(error, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
    elif isinstance(error, ImportError | MemoryError):
        print(f"error: {error}. Install what is needed with: make run", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = in_one_line
