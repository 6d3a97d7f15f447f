"""Independent groups compared: ranks of networks in both, some of whose times are only bounded."""

from collections.abc import Callable
from math import comb
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64

from deep_learning_dynamics.formatting import ALPHA
from deep_learning_dynamics.inference import statistics
from deep_learning_dynamics.inference.statistics import Evidence, Sample


def of_groups(
    reference: Sample,
    other: Sample,
    rng: np.random.Generator,
    centre: Literal["median", "mean"] = "median",
    resamples: int = statistics.RESAMPLES,
) -> Evidence:
    """Compare independent groups.

    Test: Mann and Whitney's (1947); of times to an event, its generalisation by Gehan (1965), by
    permutation. Difference: the median difference between a network of one group and one of the
    other, with the interval that the test gives. Effect: how often the other network of such a
    couple has more, minus how often it has less (rank-biserial correlation, Cliff's delta), with a
    bootstrap interval.
    """
    from scipy.stats import mannwhitneyu

    if len(reference) == 0 or len(other) == 0:
        return Evidence(*[None] * 7, smallest_p=1.0, higher=None, lower=None)
    order = _order(reference, other)
    unseen = bool(reference.unseen.any() and other.unseen.any())
    pooled = Sample(
        np.concatenate([reference.values, other.values]),
        np.concatenate([reference.limits, other.limits]),
    )
    plain = not pooled.unseen.any() and len(np.unique(pooled.values)) == len(pooled)
    of_reference, of_other = np.split(_order(pooled, pooled).sum(axis=0), [len(reference)])
    if plain or min(len(reference), len(other)) < 2:
        p = float(mannwhitneyu(of_other, of_reference).pvalue)
    else:
        p = statistics.permutation_p((of_reference, of_other), _excess(np.sum), "independent", rng)
    with np.errstate(invalid="ignore"):
        between = np.nan_to_num(
            other.values[None] - reference.values[:, None], posinf=np.inf, neginf=-np.inf
        )
    if centre == "mean":
        difference = float(other.values.mean() - reference.values.mean())
        both = (reference.values, other.values)
        low, high = statistics.bootstrap(both, _excess(np.mean), rng, resamples)
    elif unseen:
        difference = low = high = None
    else:
        difference, low, high = _shift(between)

    # Of positions in the samples, because what is resampled is networks, with both values.
    def of_resample(x: np.ndarray, y: np.ndarray, axis: int = -1) -> Any:
        return order[x[..., :, None].astype(int), y[..., None, :].astype(int)].mean(axis=(-2, -1))

    places = np.arange(len(reference)), np.arange(len(other))
    batch = max(1, 2**22 // order.size)
    effect_low, effect_high = statistics.bootstrap(places, of_resample, rng, resamples, batch)
    smallest = min(1.0, 2 / comb(len(pooled), len(reference)))
    return Evidence(
        difference, low, high, float(order.mean()), effect_low, effect_high, p, smallest, None, None
    )


def _shift(
    between: Float64[np.ndarray, "network other"],
) -> tuple[float | None, float | None, float | None]:
    """The median difference between networks of two groups, and the interval of their ranks."""
    from scipy.stats import norm

    first, second = between.shape
    deviation = np.sqrt(first * second * (first + second + 1) / 12)
    outside = int(np.floor(first * second / 2 + norm.ppf(ALPHA / 2) * deviation - 0.5))
    return statistics.median_and_interval(between.ravel(), outside)


def _order(one: Sample, other: Sample) -> Float64[np.ndarray, "network other"]:
    """1 where the other value is certainly larger, −1 where it is certainly smaller, 0 else."""
    with np.errstate(invalid="ignore"):
        sign = np.sign(np.nan_to_num(other.values[None] - one.values[:, None], posinf=1, neginf=-1))
    later = other.unseen[None] & (one.lowest[:, None] > other.lowest[None])
    later |= one.unseen[:, None] & (other.lowest[None] > one.lowest[:, None])
    return np.where(later | (one.unseen[:, None] & other.unseen[None]), 0.0, sign)


def _excess(of: Callable[..., Any]) -> Callable[..., Any]:
    """The sum or mean of the other sample, minus that of the reference."""
    return lambda reference, other, axis=-1: of(other, axis=axis) - of(reference, axis=axis)
