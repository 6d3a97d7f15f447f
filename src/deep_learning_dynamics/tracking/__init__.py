"""What was found, in MLflow: a run is one execution.

Importing this package is cheap: MLflow itself (seconds) is imported where a store is contacted.
"""

import importlib
from typing import Any

from deep_learning_dynamics.tracking.dvc_files import (
    flattened,
    read_lock,
    remove_leftovers,
    stage_names,
)
from deep_learning_dynamics.tracking.identity import NOTE, SWEEP
from deep_learning_dynamics.tracking.runs import LATEST, Record, local_files, records, resolve
from deep_learning_dynamics.tracking.store import EXPERIMENT, Store, connect, is_off, store_of

__all__ = [
    "EXPERIMENT",
    "LATEST",
    "NOTE",
    "SWEEP",
    "Record",
    "Store",
    "attempt",
    "connect",
    "flattened",
    "is_off",
    "local_files",
    "log",
    "log_live",
    "logged",
    "logged_last",
    "mark",
    "read_lock",
    "records",
    "remove_leftovers",
    "resolve",
    "stage_names",
    "store_of",
]

# What needs numpy or pandas is imported when it is asked for.
_ELSEWHERE = {"log_live": "live", "mark": "live"}
_ELSEWHERE |= dict.fromkeys(("attempt", "log", "logged", "logged_last"), "complete")


def __getattr__(name: str) -> Any:
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_ELSEWHERE[name]}"), name)
