"""Which networks are compared: groups, their pairs and their twins."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

from deep_learning_dynamics.geometry.measures import Measure, Measures
from deep_learning_dynamics.inference.statistics import Sample

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Group:
    """Networks of one condition: neither twins nor networks that others continue."""

    name: str
    networks: tuple[str, ...]
    outcomes: tuple[str, ...]
    pairs: tuple[str, ...] | None  # of each network; None unless each is there once
    twins_of: dict[str, str]  # network: its twin

    def __len__(self) -> int:
        return len(self.networks)

    @property
    def failed(self) -> int:
        return sum(outcome != "" for outcome in self.outcomes)

    def paired_with(self, other: "Group") -> bool:
        """Both groups have the same pairs."""
        if self.pairs is None or other.pairs is None:
            return False
        return set(self.pairs) == set(other.pairs)

    def in_order_of(self, other: "Group") -> "Group":
        """The same networks, partners in the places of their partners."""
        assert self.pairs is not None
        assert other.pairs is not None
        places = [self.pairs.index(pair) for pair in other.pairs]
        return self._at(places)

    def take(self, kept: Bool[np.ndarray, " network"]) -> "Group":
        return self._at(np.flatnonzero(kept).tolist())

    def sample(self, measures: Measures, measure: type[Measure], parameter: str) -> Sample:
        """A measure of the networks; the worst where one failed, NaN where it is not known."""
        found = _sample(measures, measure, parameter, self.networks)
        worst = {"lower": np.inf, "higher": -np.inf}.get(measure.better, np.nan)
        failed = np.array([outcome != "" for outcome in self.outcomes], bool)
        return Sample(np.where(np.isnan(found.values) & failed, worst, found.values), found.limits)

    def twins(self, measures: Measures, measure: type[Measure], parameter: str) -> Sample | None:
        """The measure of the twins; ``None`` unless all networks have one and it is known."""
        names = [self.twins_of.get(network) for network in self.networks]
        if not names or any(name is None for name in names):
            return None
        found = _sample(measures, measure, parameter, tuple(str(name) for name in names))
        return None if np.isnan(found.values).all() else found

    def _at(self, places: list[int]) -> "Group":
        return Group(
            self.name,
            tuple(self.networks[place] for place in places),
            tuple(self.outcomes[place] for place in places),
            None if self.pairs is None else tuple(self.pairs[place] for place in places),
            self.twins_of,
        )


def groups_of(measures: Measures, by: str) -> list[Group]:
    """The groups in the order of the store; one of all networks where there is no such coordinate.

    A group that has no coordinate ``pair``, or one twice, is not paired.
    """
    networks = measures.networks
    compared = ~networks["network"].isin(_continued(networks))
    if "twin" in networks:
        compared &= ~networks["twin"].fillna(False).astype(bool)
    networks = networks[compared]
    labels = networks[by].astype(str) if by in networks else networks["network"].map(lambda _: "")
    twins = measures.distances[measures.distances["relation"] == "twin"]
    twins_of = dict(zip(twins["network"], twins["other"], strict=True))
    groups = []
    for label in dict.fromkeys(labels):
        mine = networks[labels == label]
        pairs = tuple(mine["pair"].astype(str)) if "pair" in mine else None
        if pairs is not None and len(set(pairs)) < len(pairs):
            pairs = None
        groups.append(
            Group(
                label, tuple(mine["network"]), tuple(mine["outcome"].astype(str)), pairs, twins_of
            )
        )
    return groups


def _continued(networks: "pd.DataFrame") -> set[str]:
    return set(networks["continues"]) if "continues" in networks else set()


def _sample(
    measures: Measures, measure: type[Measure], parameter: str, networks: tuple[str, ...]
) -> Sample:
    mine = measures.values_and_limits(measure.key, parameter).reindex(list(networks))
    return Sample(
        mine["value"].to_numpy(np.float64, copy=True), mine["limit"].to_numpy(np.float64, copy=True)
    )
