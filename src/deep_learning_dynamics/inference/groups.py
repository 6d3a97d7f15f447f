"""Which networks are compared: groups, their pairs and their twins.

Networks are compared within pairs where at least half of them have a partner in the other group;
those without one are left out. Otherwise, and where a group has a pair more than once, groups are
compared as independent.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Shaped

from deep_learning_dynamics import formatting
from deep_learning_dynamics.geometry.measures import Measure, Measures
from deep_learning_dynamics.inference.statistics import Sample
from deep_learning_dynamics.store.schema import last_phase


@dataclass(frozen=True)
class Group:
    """Networks of one condition: neither twins nor networks that others continue."""

    name: str
    networks: Shaped[np.ndarray, " network"]
    outcomes: Shaped[np.ndarray, " network"]
    pairs: Shaped[np.ndarray, " network"] | None  # of each network; None unless each is there once
    twins_of: dict[str, str]  # network: its twin

    def __len__(self) -> int:
        return len(self.networks)

    @property
    def failed(self) -> int:
        return int((self.outcomes != "").sum())

    def take(self, chosen: Shaped[np.ndarray, " chosen"]) -> "Group":
        """Some of the networks, by mask or by place."""
        return replace(
            self,
            networks=self.networks[chosen],
            outcomes=self.outcomes[chosen],
            pairs=None if self.pairs is None else self.pairs[chosen],
        )

    def sample(self, measures: Measures, measure: type[Measure], parameter: str) -> Sample:
        """A measure of the networks; the worst where one failed, NaN where it is not known."""
        found = _sample(measures, measure, parameter, self.networks)
        worst = {"lower": np.inf, "higher": -np.inf}.get(measure.better, np.nan)
        lacking = np.isnan(found.values) & (self.outcomes != "")
        return Sample(np.where(lacking, worst, found.values), found.limits)

    def twins(self, measures: Measures, measure: type[Measure], parameter: str) -> Sample | None:
        """The measure of the twins; ``None`` unless all networks have one and it is known."""
        if not len(self) or not self.twins_of.keys() >= set(self.networks):
            return None
        twins = np.array([self.twins_of[network] for network in self.networks], object)
        found = _sample(measures, measure, parameter, twins)
        return None if np.isnan(found.values).all() else found


def groups_of(measures: Measures, by: str) -> list[Group]:
    """The groups in the order of the store; one of all networks where there is no such coordinate.

    A group that has no coordinate ``pair``, or one twice, is not paired.
    """
    networks = last_phase(measures.networks)
    labels = networks[by].astype(str) if by in networks else networks["network"].map(lambda _: "")
    twins = measures.distances[measures.distances["relation"] == "twin"]
    twins_of = dict(zip(twins["network"], twins["other"], strict=True))
    groups = []
    for label in dict.fromkeys(labels):
        mine = networks[labels == label]
        paired = "pair" in mine and not mine["pair"].astype(str).duplicated().any()
        groups.append(
            Group(
                label,
                mine["network"].to_numpy(object),
                mine["outcome"].astype(str).to_numpy(object),
                mine["pair"].astype(str).to_numpy(object) if paired else None,
                twins_of,
            )
        )
    return groups


def as_pairs(reference: Group, other: Group) -> tuple[list[Group], bool]:
    """Complete pairs, partners in the same places; or both groups, if too few have partners."""
    common = _common(reference, other)
    if 4 * len(common) < len(reference) + len(other):
        return [reference, other], False
    one = reference.take(np.isin(reference.pairs, common))
    places = {pair: place for place, pair in enumerate(other.pairs)}
    return [one, other.take(np.array([places[pair] for pair in one.pairs]))], True


def _common(reference: Group, other: Group) -> list[str]:
    """The pairs of which both groups have a network."""
    if reference.pairs is None or other.pairs is None:
        return []
    return sorted(set(reference.pairs) & set(other.pairs))


def pairing(measures: Measures, reference: Group, other: Group) -> str:
    """What became of networks without a partner, where networks have pairs."""
    if "pair" not in measures.networks:
        return ""
    networks, partners = len(reference) + len(other), 2 * len(_common(reference, other))
    if as_pairs(reference, other)[1]:
        alone = networks - partners
        are = "is" if alone == 1 else "are"
        without = f"{formatting.count(alone, 'network')} without a partner"
        return f"{without} {are} left out" if alone else ""
    twice = reference.pairs is None or other.pairs is None
    few = f"{f'only {partners}' if partners else 'none'} of {networks} networks have a partner"
    return (
        "networks are compared as independent groups, because "
        f"{'a group has a pair more than once' if twice else few}"
    )


def _sample(
    measures: Measures, measure: type[Measure], parameter: str, networks: np.ndarray
) -> Sample:
    mine = measures.values_and_limits(measure.key, parameter).reindex(networks)
    return Sample(*(mine[name].to_numpy(np.float64, copy=True) for name in ("value", "limit")))
