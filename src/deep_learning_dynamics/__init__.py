"""Trajectories of networks while they learn: record, project, measure and compare them.

The public names, each imported when it is first used, so that ``import deep_learning_dynamics as
dld`` costs nothing.
"""

import importlib
import sys
from types import ModuleType
from typing import Any

_PUBLIC = {  # name: the module that has it
    "open": "store",
    "collect": "store",
    "audit": "store",
    "Recorder": "store",
    "Schedule": "store",
    "select": "selection",
    "from_arrays": "selection",
    "reduce": "projection",
    "project": "projection",
    "measure": "geometry",
    "analyse": "geometry",
    "torch_forward": "geometry",
    "compare": "inference",
    "draw": "figures",
    "report": "report",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})


class _Package(ModuleType):
    """A package whose public names stay what they are.

    ``dld.report`` is a function, though its package has the same name: the import system would set
    the attribute to the package.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _PUBLIC and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
