"""One measure in two groups of networks: what is compared, what it says, and how sure that is.

A network is the unit; snapshots of one network are not independent and are never counted as
observations. Everything goes by ranks: one network that dies after a jump of its loss may have ten
times the path of all others, and would decide a mean alone.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Float64

from deep_learning_dynamics.formatting import ALPHA

RESAMPLES = 9_999  # of the bootstrap
FEWEST_RESAMPLED = 5  # networks; effects of fewer have no interval
PERMUTATIONS = 99_999  # where the distribution under no difference is not known exactly


@dataclass(frozen=True)
class Sample:
    """One measure of some networks.

    Of a time to an event, a value is ∞ where the event was not seen until ``limits``, which is NaN
    for other measures. ±∞ without a limit is the worst that can be: the value of a network that
    failed.
    """

    values: Float64[np.ndarray, " network"]
    limits: Float64[np.ndarray, " network"]

    @classmethod
    def of(cls, values: Float64[np.ndarray, " network"]) -> "Sample":
        """Of a measure that is no time to an event."""
        return cls(values, np.full(len(values), np.nan))

    def __len__(self) -> int:
        return len(self.values)

    def take(self, chosen: Bool[np.ndarray, " network"]) -> "Sample":
        return Sample(self.values[chosen], self.limits[chosen])

    @property
    def unseen(self) -> Bool[np.ndarray, " network"]:
        """The event was not seen."""
        return np.isinf(self.values) & np.isfinite(self.limits)

    @property
    def lowest(self) -> Float64[np.ndarray, " network"]:
        """The least that each value can be."""
        return np.where(self.unseen, self.limits, self.values)

    @property
    def median(self) -> float | None:
        """``None`` where it is not finite; of times Kaplan and Meier's (1958)."""
        if len(self) == 0:
            return None
        value = _median_time(self) if self.unseen.any() else float(np.median(self.values))
        return value if np.isfinite(value) else None


@dataclass(frozen=True)
class Evidence:
    """What two samples say of the other one minus the reference; ``None``: not defined."""

    difference: float | None
    low: float | None
    high: float | None
    effect: float | None
    effect_low: float | None
    effect_high: float | None
    p: float | None
    smallest_p: float  # the least that so many networks could give
    higher: int | None  # pairs in which the other network certainly has more
    lower: int | None


def holm(p_values: Float[np.ndarray, " test"]) -> Float64[np.ndarray, " test"]:
    """P-values adjusted by Holm's (1979) step-down method: any false alarm at most ``ALPHA``.

    What could not be tested (NaN) stays so, but counts: how many are tested was decided before
    anything was seen.
    """
    order = np.argsort(p_values, kind="stable")  # NaN comes last
    factors = len(p_values) - np.arange(len(p_values))
    steps = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1)
    result = np.empty(len(p_values))
    result[order] = steps
    return np.where(np.isnan(p_values), np.nan, result)


def median_and_interval(
    values: Float64[np.ndarray, " value"], outside: int
) -> tuple[float | None, float | None, float | None]:
    """Median, and interval without ``outside`` values at each end; None: not finite."""
    ordered = np.sort(values)
    ends = (ordered[outside], ordered[-1 - outside]) if outside >= 0 else (np.nan, np.nan)
    found = (float(value) for value in (np.median(ordered), *ends))
    return tuple(value if np.isfinite(value) else None for value in found)  # type: ignore[return-value]


def permutation_p(
    samples: tuple[np.ndarray, ...],
    statistic: Callable[..., Any],
    kind: Literal["samples", "independent"],
    rng: np.random.Generator,
) -> float:
    from scipy.stats import permutation_test

    found = permutation_test(
        samples,
        statistic,
        permutation_type=kind,
        vectorized=True,
        n_resamples=PERMUTATIONS,
        batch=5_000,
        rng=rng,
    )
    return float(found.pvalue)


def bootstrap(
    samples: tuple[np.ndarray, ...],
    statistic: Callable[..., Any],
    rng: np.random.Generator,
    resamples: int,
    batch: int | None = None,
) -> tuple[float | None, float | None]:
    """Bias-corrected and accelerated (Efron, 1987): plain percentiles of bounded effects are too
    narrow. ``None`` with few networks, and where resamples are alike, as those of pairs that all
    differ in one direction.
    """
    from scipy import stats

    if min(len(sample) for sample in samples) < FEWEST_RESAMPLED:
        return None, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that resamples are alike
        found = stats.bootstrap(
            samples,
            statistic,
            vectorized=True,
            n_resamples=resamples,
            confidence_level=1 - ALPHA,
            method="BCa",
            batch=batch,
            rng=rng,
        ).confidence_interval
    low, high = float(found.low), float(found.high)
    return (low, high) if high > low else (None, None)


def _median_time(sample: Sample) -> float:
    """The time at which half of the networks have reached it; ∞ if fewer did."""
    from scipy.stats import CensoredData, ecdf

    seen = sample.values[~sample.unseen]
    if len(seen) == 0:
        return float("inf")
    data = CensoredData(uncensored=seen, right=sample.limits[sample.unseen])
    survival = ecdf(data).sf
    below = np.flatnonzero(survival.probabilities < 0.5 - 1e-12)
    half = np.flatnonzero(np.abs(survival.probabilities - 0.5) <= 1e-12)
    after = float(survival.quantiles[below[0]]) if len(below) else float("inf")
    return float(survival.quantiles[half[0]] + after) / 2 if len(half) else after
