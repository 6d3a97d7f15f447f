"""Stores of trajectories: writing, opening, recording and collecting them."""

import importlib
from typing import Any

from deep_learning_dynamics.store.opening import open, read_scores, scores_table
from deep_learning_dynamics.store.schema import Parameters, networks_table, score_names
from deep_learning_dynamics.store.writer import StoreWriter

_ELSEWHERE = {  # imported when they are asked for
    "Recorder": "recorder",
    "Schedule": "schedule",
    "collect": "collecting",
    "audit": "auditing",
}

__all__ = [
    "Parameters",
    "StoreWriter",
    "networks_table",
    "open",
    "read_scores",
    "score_names",
    "scores_table",
    *_ELSEWHERE,
]


def __getattr__(name: str) -> Any:
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_ELSEWHERE[name]}"), name)
