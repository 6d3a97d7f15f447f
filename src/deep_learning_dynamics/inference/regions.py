"""Is there a region of good weights? Distances among networks that learnt, and to failed ones.

The unit is the network. Labels are permuted within groups; where groups are paired, the labels of a
pair stay together, as partners start alike and often fail together.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float64, Int

from deep_learning_dynamics import seeds
from deep_learning_dynamics.formatting import ALPHA, number, p_value
from deep_learning_dynamics.inference.statistics import holm
from deep_learning_dynamics.quantities import Quantity, define, quantity

if TYPE_CHECKING:
    import pandas as pd

    from deep_learning_dynamics.geometry import Geometry

PERMUTATIONS = 9_999

define(
    Quantity("distance", "distance"),
    Quantity("aligned", "distance after alignment", meaning="Symmetries of units taken out."),
    Quantity("angle", "angle after alignment", "degrees", meaning="Of the weights as vectors."),
)


@dataclass(frozen=True)
class Region:
    """One kind of distance: medians, and what permutations say."""

    kind: str  # "distance", "aligned" or "angle"
    among: float  # median between two networks that learnt
    between: float  # median from one that learnt to one that failed
    p: float  # two-sided
    adjusted_p: float  # by Holm's method over the kinds
    closer: bool  # those that learnt are closer to each other, by mean ranks

    @property
    def significant(self) -> bool:
        return self.adjusted_p <= ALPHA

    @property
    def numbers(self) -> str:
        """Both medians and the p-value."""
        values = f"{number(self.among)} against {quantity(self.kind).format(self.between)}"
        return f"{values} (p\u00a0=\u00a0{p_value(self.adjusted_p)})"


@dataclass(frozen=True)
class RegionTests:
    """Whether networks that learnt share a region."""

    learnt: int
    failed: int
    items: tuple[Region, ...]

    @property
    def sentence(self) -> str:
        """The answer: its first sentence concerns distances as they are."""
        first, *others = self.items
        verdict = "no closer to each other than to"
        if first.significant:
            closer, farther = "closer to each other than to", "farther from each other than from"
            verdict = closer if first.closer else farther
        sentences = [
            f"Networks that learnt end {verdict} networks that failed: median "
            f"{quantity(first.kind).title} {first.numbers}; {self.learnt} learnt, "
            f"{self.failed} failed."
        ]
        for item in others:
            where = "no closer" if not item.significant else "closer" if item.closer else "farther"
            sentences.append(f"{_LEADS[item.kind]}, they are {where}: {item.numbers}.")
        return " ".join(sentences)


_LEADS = {"aligned": "After alignment", "angle": "By direction alone"}


def regions(
    geometry: "Geometry | None", seed: int = 0, permutations: int = PERMUTATIONS
) -> RegionTests | None:
    """Test whether networks that learnt are closer to each other than to those that failed.

    Returns:
        ``None`` where the analysis ``regions`` found nothing: a run has networks of one kind only.
    """
    finding = geometry.get("regions") if geometry is not None else None
    if finding is None:
        return None
    networks, ends = finding.tables["networks"], finding.tables["ends"]
    by = finding.numbers["by"]
    learnt = networks["learnt"].to_numpy(bool)
    rng = seeds.generator(seed, "regions")
    labels = permuted(learnt, _strata(networks, by), rng, permutations)
    items = []
    for kind in ("distance", "aligned", "angle"):
        if not ends[kind].notna().all():
            continue
        matrix = _ranks(networks, ends, kind)
        mine = ends[["network", "other"]].isin(set(networks["network"][learnt])).sum(axis=1)
        among, between = (float(ends[kind][mine == both].median()) for both in (2, 1))
        (statistic,), nulls = contrast(matrix, learnt), contrast(matrix, labels)
        # Equal but for rounding counts as equal.
        upper, lower = (nulls >= statistic - 1e-9).sum(), (nulls <= statistic + 1e-9).sum()
        p = min(1.0, 2 * (1 + float(min(upper, lower))) / (1 + len(nulls)))
        items.append(Region(kind, among, between, p, p, bool(statistic > np.median(nulls))))
    adjusted = holm(np.array([item.p for item in items])).tolist()
    found = tuple(replace(item, adjusted_p=p) for item, p in zip(items, adjusted, strict=True))
    return RegionTests(int(learnt.sum()), int((~learnt).sum()), found) if found else None


def contrast(
    matrix: Float64[np.ndarray, "network network"], labels: Bool[np.ndarray, "*labelling network"]
) -> Float64[np.ndarray, " labelling"]:
    """Mean rank of distances from networks that learnt to others, minus that among them."""
    labels = np.atleast_2d(labels).astype(np.float64)
    count, failed = labels.sum(axis=1), (1 - labels).sum(axis=1)
    towards = labels @ matrix
    among = (towards * labels).sum(axis=1) / np.maximum(count * (count - 1), 1)
    between = (towards * (1 - labels)).sum(axis=1) / np.maximum(count * failed, 1)
    return between - among


def permuted(
    learnt: Bool[np.ndarray, " network"],
    strata: list[list[Int[np.ndarray, " _"]]],
    rng: np.random.Generator,
    permutations: int,
) -> Bool[np.ndarray, "labelling network"]:
    """Labellings that are as likely if all networks of a stratum are alike.

    Args:
        strata: lists of units that may be exchanged for each other; a unit is one network, or those
            of one pair, which keep their labels together.
    """
    labels = np.tile(learnt, (permutations, 1))
    for units in strata:
        places = np.stack(units)
        order = rng.permuted(np.tile(np.arange(len(units)), (permutations, 1)), axis=1)
        labels[:, places] = learnt[places][order]
    return labels


def _strata(networks: "pd.DataFrame", by: str) -> list[list[Int[np.ndarray, " _"]]]:
    """Pairs that are whole; networks of each group, where there are no pairs."""
    places = np.arange(len(networks))
    groups = networks[by].astype(str).to_numpy() if by in networks else np.full(len(networks), "")
    names = list(dict.fromkeys(groups))
    if "pair" in networks and len(names) > 1:
        # Pairs that lack a network (it diverged) are exchanged among those that lack the same.
        units: dict[tuple[str, ...], list[np.ndarray]] = {}
        for _, mine in networks.assign(_place=places).groupby("pair", sort=False):
            mine = mine["_place"].to_numpy()
            mine = mine[np.argsort([names.index(group) for group in groups[mine]], kind="stable")]
            units.setdefault(tuple(groups[mine]), []).append(mine)
        return list(units.values())
    return [[np.array([place]) for place in places[groups == name]] for name in names]


def _ranks(
    networks: "pd.DataFrame", ends: "pd.DataFrame", kind: str
) -> Float64[np.ndarray, "network network"]:
    """Ranks of the distances, so that one network that jumped far off does not decide alone."""
    from scipy.stats import rankdata

    place = {name: number for number, name in enumerate(networks["network"])}
    one, other = (ends[name].map(place).to_numpy(int) for name in ("network", "other"))
    matrix = np.zeros((len(place), len(place)))
    matrix[one, other] = matrix[other, one] = rankdata(ends[kind].to_numpy())
    return matrix
