"""What is measured of a network without any projection: the registry, and the result.

A measure turns one network's path and scores into one number. Each is a class that registers
itself; :func:`deep_learning_dynamics.geometry.measure` computes all of them in one pass.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path as File
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from deep_learning_dynamics.files import read_json, replacing, write_json
from deep_learning_dynamics.quantities import Quantity, define, quantity
from deep_learning_dynamics.registry import Registry

if TYPE_CHECKING:
    from deep_learning_dynamics.geometry.paths import Path

WHOLE = ""  # the parameter's name where all weights of a network are meant


class Measure:
    """One number of one network; subclasses register with ``@MEASURES.register``."""

    key: str
    title: str
    unit: str = ""
    better: Literal["higher", "lower", "neither"] = "neither"
    meaning: str = ""
    family: Literal["path", "learning"] = "path"
    censored: bool = False  # a time to an event: ∞ where the event was not seen
    per_parameter: bool = False  # of each parameter too, not only of the whole network
    centre: Literal["median", "mean"] = "median"  # how networks are summed up: mean of 0 and 1

    def of(self, data: "PathData") -> float:
        """The number; NaN where it is not defined."""
        raise NotImplementedError


class _Measures(Registry):
    """A measure's title and unit are known to figures and tables as soon as it registers."""

    def register(self, variant: type[Measure]) -> type[Measure]:
        define(Quantity(variant.key, variant.title, variant.unit, variant.better, variant.meaning))
        return super().register(variant)


MEASURES: Registry[type[Measure]] = _Measures(
    "measure",
    "deep_learning_dynamics.geometry",
    ("learning", "paths", "barriers", "function_space", "representations"),
)


@dataclass(frozen=True)
class PathData:
    """What a measure may look at: the snapshots of one network, of one parameter or of all."""

    path: "Path"  # its geometry, from the inner products of the moves between snapshots
    scores: Mapping[str, Float[np.ndarray, " snapshot"]]
    outcome: str  # "", "dead" or "diverged"
    twin_distance: float  # at the end, to the network that differs by rounding alone; or NaN
    read: Callable[[], Float[np.ndarray, "snapshot weight"]]  # the weights themselves
    found: Mapping[str, float] = field(default_factory=dict)  # by analyses of many networks


class OfNetworks(Measure):
    """A number that an analysis of many networks finds (``Finding.measures``), by its key."""

    def of(self, data: PathData) -> float:
        return data.found.get(self.key, float("nan"))


@dataclass(frozen=True)
class Measures:
    """What was measured; tables in long form, whose first columns describe the network.

    ``table``: parameter ("" for the whole network), measure, value, limit. A value is NaN where it
    is not defined; of a censored measure it is ∞ where the event was not seen until step
    ``limit`` (NaN for other measures).

    ``over_time``: parameter, snapshot, step, speed, turning_angle, distance_to_start,
    distance_to_end, distance_within_group (median, to others of the group ``by``).

    ``distances``: network, other, relation ("pair": network of the same pair in another group;
    "twin": differs by rounding alone), parameter, step, distance; at steps that both have.

    ``ends``: network, other, distance (between their ends), angle (between their displacements, in
    degrees); over all weights, each pair of networks once, without twins.

    Distances are Euclidean over the parameter's weights, or all of them.
    """

    by: str | None
    table: pd.DataFrame
    over_time: pd.DataFrame
    distances: pd.DataFrame
    ends: pd.DataFrame
    titles: dict[str, dict[str, str]]  # of coordinate values
    attributes: dict[str, Any]  # of the store: task, optimiser, ...

    @property
    def networks(self) -> pd.DataFrame:
        """A row per network, in the order of the store; its coordinates and outcome."""
        columns = list(self.table.columns[: list(self.table.columns).index("parameter")])
        return self.table[columns].drop_duplicates("network").reset_index(drop=True)

    def values(self, measure: str, parameter: str = WHOLE) -> pd.Series:
        """One measure of all networks, by network; empty where it is not known."""
        return self.values_and_limits(measure, parameter)["value"]

    def values_and_limits(self, measure: str, parameter: str = WHOLE) -> pd.DataFrame:
        """Columns value and limit of one measure, by network."""
        found = self._by_measure.get((measure, parameter))
        return self.table[["value", "limit"]][:0] if found is None else found

    @cached_property
    def _by_measure(self) -> dict[tuple[str, str], pd.DataFrame]:
        columns = self.table.set_index("network")[["measure", "parameter", "value", "limit"]]
        return {
            key: rows[["value", "limit"]]
            for key, rows in columns.groupby(["measure", "parameter"], sort=False)
        }

    def save(self, folder: File | str) -> None:
        """Write four Parquet tables and ``measures.json``; the same measures, the same bytes."""
        with replacing(File(folder)) as partial:
            partial.mkdir()
            for name in _TABLES:
                getattr(self, name).to_parquet(partial / f"{name}.parquet", index=False)
            content = {"by": self.by, "titles": self.titles, "attributes": self.attributes}
            write_json(partial / "measures.json", content)

    @classmethod
    def load(cls, folder: File | str) -> "Measures":
        """Read what :meth:`save` wrote.

        Raises:
            ResultsError: a file is missing or damaged.
        """
        folder = File(folder)
        content = read_json(folder / "measures.json", "dvc repro measure")
        tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in _TABLES}
        return cls(**content, **tables)


_TABLES = ("table", "over_time", "distances", "ends")


def measure_of(key: str) -> type[Measure]:
    """The measure of that key; a neutral one if none is registered.

    So the results of a plug-in can be read where the plug-in is missing.
    """
    if key in MEASURES:
        return MEASURES[key]
    known = quantity(key)
    fields = {name: getattr(known, name) for name in ("key", "title", "unit", "better", "meaning")}
    return type("UnknownMeasure", (OfNetworks,), fields)
