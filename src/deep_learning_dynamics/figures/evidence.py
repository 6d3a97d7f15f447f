"""What a projection was tested by, as figures read it from ``quality.json``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["random_walk", "shuffled_steps"]
KINDS: tuple[Kind, ...] = ("random_walk", "shuffled_steps")


@dataclass(frozen=True)
class Refits:
    """How far refits are from the drawn projection; 0: the same shape, 1: nothing in common."""

    refits: int
    disparity: float  # Procrustes', the median
    maximum: float


@dataclass(frozen=True)
class Stability:
    """Refits of one projection; None where they were left out."""

    seeds: Refits | None  # with other random numbers
    folds: Refits | None  # with some networks left out


@dataclass(frozen=True)
class Standing:
    """Where a number of the real projection lies among those of nulls."""

    value: float
    low: float  # 2.5th percentile of the nulls
    median: float
    high: float  # 97.5th percentile
    nulls: int

    @property
    def is_outside(self) -> bool:
        return not self.low <= self.value <= self.high


Standings = dict[Kind, dict[str, Standing]]  # by kind of null and name of the measure


def stability_of(content: Mapping[str, Any]) -> Stability | None:
    """The stability in ``quality.json``, None where it was not tested."""
    found = content.get("stability")
    if found is None:
        return None
    seeds, folds = (_refits(found.get(name)) for name in ("seeds", "folds"))
    return None if seeds is None and folds is None else Stability(seeds, folds)


def standings_of(content: Mapping[str, Any]) -> Standings:
    """The standings in ``quality.json`` that are whole; empty where there are no nulls."""
    wanted = ("value", "low", "median", "high", "nulls")
    nulls = content.get("nulls") or {}
    found: Standings = {}
    for kind in KINDS:
        whole = {
            name: Standing(*(float(of[key]) for key in wanted[:4]), int(of["nulls"]))
            for name, of in nulls.get(kind, {}).items()
            if all(of.get(key) is not None for key in wanted)
        }
        if whole:
            found[kind] = whole
    return found


def _refits(content: Mapping[str, Any] | None) -> Refits | None:
    if content is None or content.get("disparity") is None:
        return None
    return Refits(int(content["refits"]), float(content["disparity"]), float(content["maximum"]))
