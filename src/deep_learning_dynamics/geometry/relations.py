"""Which networks of a store belong together: partners, rounding twins, phases of one training."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_ROLES = ("network", "twin", "outcome", "continues")  # coordinates that say nothing of who is alike


def is_twin(networks: "pd.DataFrame") -> np.ndarray:
    if "twin" not in networks:
        return np.zeros(len(networks), bool)
    return networks["twin"].fillna(False).to_numpy(bool)


def phases(networks: "pd.DataFrame") -> list[str]:
    """ "0" for the last phase of a chain of networks, "1" for the one before, ..."""
    if "continues" not in networks:
        return ["0"] * len(networks)
    before = dict(zip(networks["network"], networks["continues"], strict=True))
    depth = dict.fromkeys(before, 0)
    for start in before:
        network, level = start, 0
        while (network := before.get(network, "")) in depth and level < len(before):
            level += 1
            depth[network] = max(depth[network], level)
    return [str(depth[network]) for network in networks["network"]]


def partners(
    networks: "pd.DataFrame", twin: np.ndarray, phase: list[str]
) -> Iterator[tuple[int, int, str]]:
    """Networks of one pair, in the same phase."""
    if "pair" not in networks:
        return
    members: dict[tuple[str, str], list[int]] = {}
    for index, (pair, of) in enumerate(zip(networks["pair"].astype(str), phase, strict=True)):
        if not twin[index]:
            members.setdefault((pair, of), []).append(index)
    for together in members.values():
        for place, one in enumerate(together):
            yield from ((one, other, "pair") for other in together[place + 1 :])


def twins(networks: "pd.DataFrame", twin: np.ndarray) -> Iterator[tuple[int, int, str]]:
    """Each network with its twin: the one of the same coordinates."""
    alike = networks.drop(columns=[name for name in _ROLES if name in networks])
    keys = [tuple(map(str, row)) for row in alike.itertuples(index=False)]
    originals = {key: index for index, key in enumerate(keys) if not twin[index]}
    alone = {key for key in originals if keys.count(key) == 2}
    for index in np.flatnonzero(twin):
        if keys[index] in alone:
            yield originals[keys[index]], int(index), "twin"
