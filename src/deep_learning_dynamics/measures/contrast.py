"""Scratch against pre-trained: every measure compared within pairs, whole networks and layers."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deep_learning_dynamics import seeds
from deep_learning_dynamics.measures.statistics import (
    ALPHA,
    FEWEST_PAIRS,
    Comparison,
    adjusted,
    compare,
)
from deep_learning_dynamics.measures.tables import (
    LEARNING_MEASURES,
    PATH_MEASURES,
    WHOLE_NETWORK,
    Measures,
)

if TYPE_CHECKING:
    import pandas as pd

# A network that never reached an accuracy is later than any that did, one that diverged is worse.
WORST = {name: np.inf for name in LEARNING_MEASURES if name.startswith("steps_to_")}
WORST |= {"area_under_curve": -np.inf, "final_accuracy": -np.inf}
ARMS = ("scratch", "pretrained")  # a difference is the second minus the first


@dataclass(frozen=True)
class Contrast:
    """What differs between the arms, by measure.

    The measures of whole networks are one family of tests, those of all layers another; within
    each, p-values are adjusted for the number of tests.
    """

    pairs: int  # that both arms have, whether or not a network failed
    networks: dict[str, Comparison]  # of whole networks, path measures first
    layers: dict[tuple[int, str], Comparison]  # by layer and path measure

    @property
    def smallest_adjusted_p(self) -> float:
        """The least that could come out if one measure had the same sign in every pair."""
        least = min((found.smallest_p for found in self.networks.values()), default=1.0)
        return min(1.0, least * len(self.networks))

    @property
    def pairs_needed(self) -> int:
        """From how many pairs on a difference can be significant after the correction."""
        family = max(len(self.networks), 1)
        return max(FEWEST_PAIRS, 1 + int(np.ceil(np.log2(family / ALPHA))))

    @property
    def can_conclude(self) -> bool:
        return self.pairs >= FEWEST_PAIRS and self.smallest_adjusted_p <= ALPHA


def contrast(measures: Measures, seed: int) -> Contrast | None:
    """Compare the networks' training in both arms; ``None`` where one arm was trained alone."""
    table = measures.networks
    table = table[table["phase"] == "train"]
    pairs = [set(table.loc[table["arm"] == arm, "pair"]) for arm in ARMS]
    shared = sorted(pairs[0] & pairs[1])
    if not shared:
        return None
    tests = {
        (int(layer), name): _compared(table, int(layer), name, shared, seed)
        for layer in sorted(table["layer"].unique())
        for name in (*PATH_MEASURES, *(LEARNING_MEASURES if layer == WHOLE_NETWORK else ()))
    }
    whole = {key: found for key, found in tests.items() if key[0] == WHOLE_NETWORK}
    by_layer = {key: found for key, found in tests.items() if key[0] != WHOLE_NETWORK}
    families = [
        dict(zip(family, adjusted(list(family.values())), strict=True))
        for family in (whole, by_layer)
    ]
    networks = {name: found for (_, name), found in families[0].items()}
    return Contrast(len(shared), networks, families[1])


def _compared(
    table: "pd.DataFrame", layer: int, name: str, pairs: list[int], seed: int
) -> Comparison:
    mine = table[(table["layer"] == layer) & (table["measure"] == name)]
    first, second = (
        mine[mine["arm"] == arm].set_index("pair")["value"].reindex(pairs).to_numpy(np.float64)
        for arm in ARMS
    )
    # Each test draws from its own stream: another measure or layer more changes no other result.
    rng = seeds.generator(seed, "measure", layer, name)
    # Nearly all networks have 0 failures: the median would say no more than that.
    centre = "mean" if name == "failed" else "median"
    return compare(first, second, rng, WORST.get(name), centre)
