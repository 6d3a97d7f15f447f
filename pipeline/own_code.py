"""Imported first by every script: the code that runs is this project's own, whatever is installed.

So a copy, a worktree or one of DVC's temporary workspaces runs what lies in it.
"""

import os
import sys
from pathlib import Path

SOURCE = str(Path(__file__).resolve().parents[1] / "src")
sys.path.insert(0, SOURCE)
os.environ["PYTHONPATH"] = os.pathsep.join(  # for the processes that a stage starts
    [SOURCE, *filter(None, [os.environ.get("PYTHONPATH")])]
)
