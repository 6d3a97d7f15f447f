"""Each arm's paths among those of nothing: would random walks have the same measures?"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from deep_learning_dynamics import seeds
from deep_learning_dynamics.measures.nulls import measures_of, random_walk, shuffled
from deep_learning_dynamics.measures.paths import Path
from deep_learning_dynamics.measures.statistics import ALPHA
from deep_learning_dynamics.measures.tables import Measures, TrainedPath
from deep_learning_dynamics.measures.words import WORDS, listed, number
from deep_learning_dynamics.nulls import Standing, standing

NULLS = 200
RANDOM_WALK, SHUFFLED_STEPS = "random_walk", "shuffled_steps"
# What a null keeps by construction says nothing: all nulls the path length, shuffled steps also
# the displacement, and with both of them the straightness.
COMPARED = {
    RANDOM_WALK: ("straightness", "turning_angle", "effective_dimension", "displacement"),
    SHUFFLED_STEPS: ("turning_angle", "effective_dimension"),
}
# The displacement is the straightness, times a length that is the same.
TOLD = ("straightness", "turning_angle", "effective_dimension")


@dataclass(frozen=True)
class AgainstNulls:
    """Where the median of an arm's networks lies among those of as many nulls."""

    standings: dict[tuple[str, str, str], Standing]  # by measure, kind of null and arm

    def sentence(self) -> str:
        """What sets every arm apart from random walks with the same step lengths; may be empty."""
        told = []
        for name in TOLD:
            known = {
                arm: found
                for (measure, kind, arm), found in self.standings.items()
                if (measure, kind) == (name, RANDOM_WALK) and np.isfinite(found.p_value)
            }
            # In one arm alone, one of so many comparisons would stand out by chance too often.
            if known and all(found.stands_out for found in known.values()):
                told.append(f"{WORDS[name]} {listed([_told(*each) for each in known.items()])}")
        if not told:
            return ""
        return (
            "Random walks with the same step lengths would look different (in brackets where "
            f"{100 * (1 - ALPHA):g} % of them lie): {'; '.join(told)}."
        )


def against_nulls(measures: Measures, seed: int, nulls: int = NULLS) -> AgainstNulls:
    """Compare the paths of training, over all weights, with those of nothing.

    A null of an arm has a null of each of its networks. Networks that diverged are left out.
    """
    standings = {}
    arms = dict.fromkeys(path.arm for path in measures.paths)
    for kind, names in COMPARED.items():
        for arm in arms:
            mine = [path for path in measures.paths if path.arm == arm]
            real = _medians([measures_of(path.path.products[None]) for path in mine])
            null = _medians([_null_measures(path, kind, seed, nulls) for path in mine])
            for name in names:
                value = float(real[name][0]) if name in real else float("nan")
                standings[name, kind, arm] = standing(value, null.get(name, np.empty(0)))
    return AgainstNulls(dict(sorted(standings.items(), key=lambda item: _order(item[0]))))


def _null_measures(
    trained: TrainedPath, kind: str, seed: int, nulls: int
) -> dict[str, Float64[np.ndarray, " null"]]:
    rng = seeds.generator(seed, "measure", kind, trained.arm, trained.pair)
    make: dict[str, Callable[[], Path]] = {
        RANDOM_WALK: lambda: random_walk(trained.path, trained.weights, rng),
        SHUFFLED_STEPS: lambda: shuffled(trained.path, rng),
    }
    return measures_of(np.stack([make[kind]().products for _ in range(nulls)]))


def _medians(
    networks: list[dict[str, Float64[np.ndarray, " null"]]],
) -> dict[str, Float64[np.ndarray, " null"]]:
    """Over the networks that have a measure; nothing of measures that none has."""
    medians = {}
    for name in networks[0] if networks else ():
        values = np.stack([measured[name] for measured in networks])
        known = np.isfinite(values).any(axis=1)  # a path that never moves has no straightness
        if known.any():
            medians[name] = np.nanmedian(values[known], axis=0)
    return medians


def _told(arm: str, found: Standing) -> str:
    return f"{number(found.value)} {arm} ({number(found.low)} to {number(found.high)})"


def _order(key: tuple[str, str, str]) -> tuple[int, int]:
    measure, kind, _ = key
    return COMPARED[RANDOM_WALK].index(measure), list(COMPARED).index(kind)
