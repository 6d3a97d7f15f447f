"""Would nothing but chance look the same? One rule for projections and for paths.

A test has a direction if its adjusted p-value is at most ``ALPHA``: *better than* the null model,
*worse than* it (*more* and *less* where neither side is better), else *as* it. With fewer than
``FEWEST_NULLS`` nulls, or ``FEWEST_NETWORKS`` networks, it was *not tested*.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float, Float64

from deep_learning_dynamics import formatting, seeds
from deep_learning_dynamics.formatting import ALPHA
from deep_learning_dynamics.geometry.measures import WHOLE, Measures
from deep_learning_dynamics.geometry.paths import Path
from deep_learning_dynamics.inference.groups import Group, groups_of
from deep_learning_dynamics.inference.paired import of_pairs
from deep_learning_dynamics.inference.statistics import Sample, holm
from deep_learning_dynamics.null_models import expected_products
from deep_learning_dynamics.quantities import quantity
from deep_learning_dynamics.store.schema import DIVERGED

if TYPE_CHECKING:
    import pandas as pd

    from deep_learning_dynamics.projection.projection import Projection

FEWEST_NULLS = 39  # the least that can be significant at 5 % in both directions
FEWEST_NETWORKS = 6  # likewise of signed ranks

Direction = Literal["better than", "worse than", "more than", "less than", "as", "not tested"]


@dataclass(frozen=True)
class NullTest:
    """One number against one null model."""

    subject: str  # key of a projection method, or name of a group of networks
    quantity: str
    model: str  # key of a null model
    value: float | None
    count: int  # nulls that were drawn; networks, where a formula takes the nulls' place
    reason: str = ""  # why it was not tested
    null_value: float | None = None  # of the median null, or what is expected of it
    low: float | None = None  # the middle 95 % of nulls; None where a formula takes their place
    high: float | None = None
    p: float | None = None  # two-sided
    adjusted_p: float | None = None  # over the family: one subject and one model

    @property
    def direction(self) -> Direction:
        if self.reason:
            return "not tested"
        if self.adjusted_p > ALPHA or self.value == self.null_value:
            return "as"
        more, better = self.value > self.null_value, quantity(self.quantity).better
        if better == "neither":
            return "more than" if more else "less than"
        return "better than" if more == (better == "higher") else "worse than"


@dataclass(frozen=True)
class NullTests:
    """Tests against null models."""

    items: tuple[NullTest, ...]

    def of(self, subject: str, model: str | None = None) -> tuple[NullTest, ...]:
        return tuple(
            item for item in self.items if item.subject == subject and model in (None, item.model)
        )


def null_tests(projections: Mapping[str, "Projection"]) -> NullTests:
    """Test the numbers of projections against those of null models that were projected alike.

    The numbers of one method and one null model are a family, adjusted together by Westfall and
    Young's (1993) step-down method. It bounds false alarms as Holm's does, and takes from the
    nulls themselves how the numbers depend on each other; Holm's could not reach 5 % with 39
    nulls, whatever they are.
    """
    items: list[NullTest] = []
    for method, projection in projections.items():
        robustness = projection.robustness
        models = {} if robustness is None else robustness.nulls
        for model, nulls in models.items():
            real = {key: robustness.real[key] for key in nulls if key in robustness.real}
            items += against(method, model, real, nulls)
        reason = "robustness was not tested" if robustness is None else "no nulls were drawn"
        if not models:
            numbers = projection.quality.numbers().items()
            items += [
                NullTest(method, key, "random_walk", value, 0, reason) for key, value in numbers
            ]
    return NullTests(tuple(items))


def against(
    subject: str,
    model: str,
    real: Mapping[str, float],
    nulls: Mapping[str, Float[np.ndarray, " null"]],
) -> list[NullTest]:
    """Test the numbers of one subject against nulls of one model, each of which has all of them."""
    keys = [key for key in real if real[key] is not None and np.isfinite(real[key])]
    if not keys:
        return []
    values = np.stack([np.asarray(nulls[key], np.float64) for key in keys], axis=1)
    values = values[np.isfinite(values).all(axis=1)]
    count = len(values)
    if count < FEWEST_NULLS:
        reason = f"{formatting.count(count, 'null')}; at least {FEWEST_NULLS} are needed"
        return [NullTest(subject, key, model, real[key], count, reason) for key in keys]
    observed = np.array([real[key] for key in keys], np.float64)
    low, median, high = np.quantile(values, [ALPHA / 2, 0.5, 1 - ALPHA / 2], axis=0)
    columns = np.stack([median, low, high, *step_down(observed, values)], axis=1).tolist()
    return [
        NullTest(subject, key, model, float(real[key]), count, "", *numbers)
        for key, numbers in zip(keys, columns, strict=True)
    ]


def step_down(
    real: Float[np.ndarray, " quantity"], nulls: Float[np.ndarray, "null quantity"]
) -> tuple[Float64[np.ndarray, " quantity"], Float64[np.ndarray, " quantity"]]:
    """P-values from raw nulls, and adjusted for the number of quantities.

    How far out a number is, is measured in standard deviations among all, the real one included:
    it counts as a null would, so that no p-value is 0 (Phipson and Smyth, 2010). A number that all
    share has a p-value of 1.
    """
    together = np.vstack([real[None], nulls]).astype(np.float64)
    deviation = together.std(axis=0)
    same = deviation <= 1e-12 * np.abs(together).max(axis=0)
    distance = np.abs(together - together.mean(axis=0)) / np.where(same, 1, deviation)
    distance = np.round(np.where(same, 0, distance), 9)  # ties are not decided by rounding
    p_values = (distance >= distance[0]).mean(axis=0)
    order = np.argsort(-distance[0], kind="stable")
    adjusted = np.empty(len(order))
    least = 0.0
    for place, key in enumerate(order):
        farthest = distance[:, order[place:]].max(axis=1)
        least = max(least, float((farthest >= distance[0, key]).mean()))
        adjusted[key] = least
    return p_values, adjusted


def path_null_tests(measures: Measures, by: str = "condition", seed: int = 0) -> NullTests:
    """Test the paths of each group of networks against walks with steps of the same lengths.

    What such walks are expected to be follows from the lengths of their steps, and for walks with
    momentum from the mean angle between consecutive steps, which they keep; in very many
    dimensions a single walk hardly differs from it. Test: signed ranks of the networks'
    differences to what is expected of each; Holm's correction over a group and a model. Being
    straighter than a random walk says that steps go on in the direction of those before, as
    momentum and a steady gradient make them; it is no evidence of learning.
    """
    paths = measures.over_time[measures.over_time["parameter"] == WHOLE]
    by_network = dict(tuple(paths.groupby("network", sort=False)))
    items: list[NullTest] = []
    for group in groups_of(measures, by):
        kept = group.take(group.outcomes != DIVERGED)
        expected = [_expected(by_network[network]) for network in kept.networks]
        for model in ("random_walk", "momentum_walk"):
            tests = [
                _path_test(measures, kept, key, model, [of[model][key] for of in expected], seed)
                for key in (expected[0][model] if expected else ())
            ]
            adjusted = holm(np.array([test.p for test in tests], np.float64)).tolist()
            items += [
                test if test.reason else replace(test, adjusted_p=p)
                for test, p in zip(tests, adjusted, strict=True)
            ]
    return NullTests(tuple(items))


def _expected(path: "pd.DataFrame") -> dict[str, dict[str, float]]:
    """Of walks like one network, by null model and measure."""
    steps = path["step"].to_numpy()
    lengths = path["speed"].to_numpy()[1:] * np.diff(steps)
    cosine = np.cos(np.radians(path["turning_angle"].to_numpy(np.float64)))
    momentum = float(np.nanmean(cosine)) if np.isfinite(cosine).any() else 0.0
    random, kept_on = (Path(steps, expected_products(lengths, kept)) for kept in (0.0, momentum))
    return {
        "random_walk": {
            "straightness": random.straightness,
            "turning_angle": 90.0,
            "effective_dimension": random.dimension,
        },
        "momentum_walk": {
            "straightness": kept_on.straightness,
            "effective_dimension": kept_on.dimension,
        },
    }


def _path_test(
    measures: Measures, group: Group, key: str, model: str, expected: Sequence[float], seed: int
) -> NullTest:
    real = measures.values(key).reindex(group.networks).to_numpy(np.float64)
    walks = np.array(expected, np.float64)
    known = np.isfinite(real) & np.isfinite(walks)
    real, walks = real[known], walks[known]
    count = len(real)
    if count < FEWEST_NETWORKS:
        value = float(np.median(real)) if count else None
        of = " of a group" if group.name else ""
        reason = f"{formatting.count(count, 'network')}{of}; at least {FEWEST_NETWORKS} are needed"
        return NullTest(group.name, key, model, value, count, reason)
    rng = seeds.generator(seed, "null test", group.name, key, model)
    found = of_pairs(Sample.of(walks), Sample.of(real), rng, resamples=99)
    value, null_value = float(np.median(real)), float(np.median(walks))
    return NullTest(group.name, key, model, value, count, null_value=null_value, p=found.p)
