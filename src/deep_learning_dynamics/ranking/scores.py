"""What a picture keeps of weight space and how stable it is, each from 0 to 1."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CHANCE = 0.5  # trustworthiness and continuity of rows that lie anywhere


@dataclass(frozen=True)
class Evidence:
    """The numbers of a quality.json that methods are ranked by; None where not known."""

    neighbourhoods: float | None  # mean of trustworthiness and continuity, 1 at best
    distances: float | None  # Spearman's rank correlation of all distances, −1 to 1
    paths: float | None  # the same of each network's own rows, the median network's
    seeds: float | None  # disparity of refits with other random numbers, 0 to 1
    folds: float | None  # disparity of refits without some networks, 0 to 1
    collapsed: bool  # all rows lie at one place
    # What random walks do at least as well.
    matched_by_chance: tuple[str, ...]
    compared_with_chance: tuple[str, ...]


@dataclass(frozen=True)
class Scores:
    """From 0 (chance, or nothing in common) to 1; None where not known."""

    neighbourhoods: float | None
    distances: float | None
    paths: float | None
    stability: float | None

    @property
    def mean(self) -> float | None:
        """Of what is known: what was left out neither punishes nor rewards."""
        known = [value for value in vars(self).values() if value is not None]
        return sum(known) / len(known) if known else None


# The parts that are compared with random walks, by the names of the nulls.
_AGAINST_CHANCE = {
    "neighbourhoods": "trustworthiness",
    "distances": "distance_correlation",
    "paths": "path_distance_correlation",
}


def evidence_of(quality: Mapping[str, Any]) -> Evidence:
    """Take from a quality.json what methods are ranked by."""
    along, stability = quality.get("along_paths", {}), quality.get("stability", {})
    walks = quality.get("nulls", {}).get("random_walk", {})
    known = {
        part: walks[name]
        for part, name in _AGAINST_CHANCE.items()
        if walks.get(name, {}).get("high") is not None
    }
    distances = quality.get("distance_correlation")
    # Where distances have no correlation although there are rows enough, all in the plane are
    # equal: that is no gap in what is known.
    collapsed = quality.get("trustworthiness") is not None and distances is None
    return Evidence(
        _mean(quality.get("trustworthiness"), quality.get("continuity")),
        0.0 if collapsed else distances,
        along.get("distance_correlation", {}).get("median"),
        stability.get("seeds", {}).get("disparity"),
        stability.get("folds", {}).get("disparity"),
        collapsed,
        tuple(part for part, standing in known.items() if standing["value"] <= standing["high"]),
        tuple(known),
    )


def scores(evidence: Evidence) -> Scores:
    """Bring the evidence to one scale."""
    refits = [value for value in (evidence.seeds, evidence.folds) if value is not None]
    neighbourhoods = evidence.neighbourhoods
    if neighbourhoods is not None:
        neighbourhoods = _clipped((neighbourhoods - CHANCE) / (1 - CHANCE))
    return Scores(
        neighbourhoods,
        _clipped(evidence.distances),
        0.0 if evidence.collapsed else _clipped(evidence.paths),
        _clipped(1 - max(refits)) if refits else None,
    )


def _mean(*values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _clipped(value: float | None) -> float | None:
    return None if value is None else min(max(value, 0.0), 1.0)
