"""The networks of a store: which snapshots there are, and which networks belong together."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Int

from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.geometry.alignment import Perceptron
from deep_learning_dynamics.store import schema

if TYPE_CHECKING:
    import xarray as xr

# Coordinates that say nothing of who is alike.
_ROLES = [schema.NETWORK, "twin", schema.OUTCOME, schema.CONTINUES]


@dataclass(frozen=True)
class Networks:
    """Networks are numbered in the order of the store; so are the snapshots of each."""

    runs: "xr.Dataset"
    by: str | None = None  # the coordinate whose values are the groups

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per network: its name (``network``) and coordinates."""
        return schema.networks_table(self.runs).reset_index()

    @cached_property
    def names(self) -> np.ndarray:
        return self.table["network"].to_numpy(object)

    @cached_property
    def groups(self) -> list[str]:
        """The group of each network; "" where there are none."""
        if self.by not in self.table:
            return [""] * len(self.table)
        return self.table[self.by].astype(str).tolist()

    def together(self, chosen: Bool[np.ndarray, " network"]) -> list[list[int]]:
        """The chosen networks of each group, phase by phase, in the order of the store."""
        found: dict[tuple[int, str], list[int]] = {}
        for network in np.flatnonzero(chosen).tolist():
            label = self.phases[network], self.groups[network]
            found.setdefault(label, []).append(network)
        return list(found.values())

    @cached_property
    def twin(self) -> Bool[np.ndarray, " network"]:
        """Whether a network differs from another by rounding alone."""
        if "twin" not in self.table:
            return np.zeros(len(self.table), bool)
        return self.table["twin"].fillna(False).to_numpy(bool)

    @cached_property
    def phases(self) -> Int[np.ndarray, " network"]:
        """0 for the last phase of a chain of networks, 1 for the one before, ..."""
        before = dict(zip(self.table["network"], self.table[schema.CONTINUES], strict=True))
        depth = dict.fromkeys(before, 0)
        for start in before:
            network, level = start, 0
            while (network := before.get(network, "")) in depth and level < len(before):
                level += 1
                depth[network] = max(depth[network], level)
        return np.array([depth[network] for network in before], int)

    @cached_property
    def proper(self) -> Bool[np.ndarray, " network"]:
        """Neither twins nor networks that others continue."""
        return ~self.twin & (self.phases == 0)

    @cached_property
    def steps(self) -> Int[np.ndarray, "network snapshot"]:
        return self.runs[schema.STEP].values.astype(np.int64)

    @cached_property
    def snapshots(self) -> list[Int[np.ndarray, " _"]]:
        """Those that each network has."""
        return [np.flatnonzero(row != schema.ABSENT) for row in self.steps]

    @cached_property
    def perceptron(self) -> Perceptron | None:
        """Their layers; None where they cannot be aligned."""
        try:
            return Perceptron.of_runs(self.runs)
        except StoreError:
            return None

    def weights(
        self, network: int, snapshots: int | Int[np.ndarray, " chosen"]
    ) -> Float32[np.ndarray, "*snapshot weight"]:
        """Of one snapshot, or of some."""
        return np.asarray(self.runs[schema.WEIGHTS][network, snapshots].values, np.float32)

    def end(self, network: int) -> Float32[np.ndarray, " weight"]:
        """The last weights."""
        return self.weights(network, int(self.snapshots[network][-1]))

    def sound(self, network: int) -> bool:
        """Whether a network has an end, and that is finite."""
        return len(self.snapshots[network]) > 0 and bool(np.isfinite(self.end(network)).all())

    def with_coordinates(self, numbers: list[int], columns: pd.DataFrame) -> pd.DataFrame:
        """Columns whose rows are of these networks, behind the coordinates of each."""
        return pd.concat([self.table.iloc[numbers].reset_index(drop=True), columns], axis=1)

    def partners(self) -> Iterator[tuple[int, int, str]]:
        """Networks of one pair, in the same phase."""
        if "pair" not in self.table:
            return
        members: dict[tuple[str, int], list[int]] = {}
        for network in np.flatnonzero(~self.twin).tolist():
            key = str(self.table["pair"][network]), self.phases[network]
            members.setdefault(key, []).append(network)
        for together in members.values():
            for place, one in enumerate(together):
                yield from ((one, other, "pair") for other in together[place + 1 :])

    def twins(self) -> Iterator[tuple[int, int, str]]:
        """Each network with its twin: the one of the same coordinates."""
        alike = self.table.drop(columns=_ROLES, errors="ignore")
        keys = [tuple(map(str, row)) for row in alike.itertuples(index=False)]
        often = Counter(keys)
        originals = {key: number for number, key in enumerate(keys) if not self.twin[number]}
        for number in np.flatnonzero(self.twin).tolist():
            key = keys[number]
            if key in originals and often[key] == 2:
                yield originals[key], number, "twin"


def per_network(values: dict[str, pd.Series]) -> pd.DataFrame:
    """One number of each network: values by network, by measure, as the columns network, measure
    and value."""
    parts = [
        pd.DataFrame({"network": of.index, "measure": key, "value": of.to_numpy(float)})
        for key, of in values.items()
    ]
    empty = pd.DataFrame(columns=["network", "measure", "value"])
    return pd.concat(parts, ignore_index=True) if parts else empty
