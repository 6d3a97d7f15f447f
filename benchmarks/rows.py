"""All rows of the table, in its order, and how long each may take."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.result import Line


@dataclass(frozen=True)
class Effort:
    """How much work a row may do."""

    quick: bool
    seconds: float

    def pick(self, full: Any, quick: Any) -> Any:
        return quick if self.quick else full


@dataclass(frozen=True)
class Row:
    """A row, or several that share their work."""

    name: str  # for --only
    titles: tuple[str, ...]  # as in the table
    module: str  # of the function, which is imported when it is needed
    function: str
    seconds: float  # of the full benchmark, on two cores
    quick_seconds: float  # 0: only in the full benchmark

    def measure(self, quick: bool) -> list[Line]:
        function: Callable[[Effort], list[Line]] = getattr(
            importlib.import_module(f"benchmarks.{self.module}"), self.function
        )
        return function(Effort(quick, self.quick_seconds if quick else self.seconds))


ROWS = (
    Row("train-few", ("train, few",), "training", "few", 20, 4),
    Row("train-many", ("train, many",), "training", "many", 40, 10),
    Row("train-own-order", ("train, own batch order",), "training", "own_order", 25, 5),
    Row("som-2020", ("SOM, 2020 setting",), "som", "setting_of_2020", 40, 10),
    Row("som-minisom", ("SOM, minisom",), "som", "identical", 300, 6),
    Row("som-large", ("SOM, large",), "som", "large", 40, 15),
    Row("autoencoder", ("autoencoder",), "autoencoder", "autoencoder", 25, 12),
    Row("isometry", ("isometry",), "isometry", "isometry", 50, 15),
    Row("out-of-core", ("out of core",), "isometry", "out_of_core", 70, 0),
    Row(
        "pipeline",
        ("pipeline, cold", "pipeline, cold, pictures untested", "pipeline, no-op", "tracking"),
        "pipeline",
        "pipeline",
        200,
        0,
    ),
    Row("scaling", ("scaling",), "scaling", "scaling", 60, 15),
)


def titles() -> list[str]:
    return [title for row in ROWS for title in row.titles]


def chosen(names: list[str] | None, quick: bool) -> list[Row]:
    """The rows of these names, in the table's order; without names all that there are.

    Raises:
        ValueError: there is no row of such a name.
    """
    known = [row.name for row in ROWS]
    for name in names or ():
        if name not in known:
            raise ValueError(f"{name} is not a row; expected some of: {', '.join(known)}")
    if names:
        return [row for row in ROWS if row.name in names]
    return [row for row in ROWS if not quick or row.quick_seconds > 0]
