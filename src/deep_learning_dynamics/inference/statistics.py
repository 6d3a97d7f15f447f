"""Two groups of networks, one measure: test, difference, interval and effect of the same networks.

A network is the unit; snapshots of one network are not independent and are never counted as
observations. Everything goes by ranks: one network that dies after a jump of its loss may have ten
times the path of all others, and would decide a mean alone.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from math import comb
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Float64

from deep_learning_dynamics.formatting import ALPHA

RESAMPLES = 9_999  # of the bootstrap
FEWEST_RESAMPLED = 5  # networks; effects of fewer have no interval
PERMUTATIONS = 99_999  # where the distribution under no difference is not known exactly
LARGE_PAIRS = 200  # above, it is taken for normal in the interval

Numbers = Float64[np.ndarray, " pair"]
Truths = Bool[np.ndarray, " pair"]
Interval = tuple[float | None, float | None]


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


def of_pairs(
    reference: Sample,
    other: Sample,
    rng: np.random.Generator,
    centre: Literal["median", "mean"] = "median",
    resamples: int = RESAMPLES,
) -> Evidence:
    """Compare within pairs.

    Test: Wilcoxon's signed ranks; of times to an event that some networks did not reach, their
    generalisation by Woolson and Lachenbruch (1980), by flipping signs. Difference: the median of
    the means of any two pairs' differences (Hodges and Lehmann, 1963), with the interval that the
    test gives; a network that did not reach it is later than any that did, and where neither of a
    pair did there is no difference to tell. Effect: what favours the other network, minus what
    favours the reference, as a share of all scores of the test (matched-pairs rank-biserial
    correlation; Kerby, 2014), with a bootstrap interval.

    With ``centre`` "mean", for measures that are 0 or 1, the difference is the mean difference.
    """
    from scipy.stats import wilcoxon

    differences, sizes, exact, known = _differences(reference, other)
    signs = np.where(known, np.sign(differences), 0.0)
    order = _places(sizes, exact, signs)
    scores = _scores(order, exact, signs)
    changed = int((signs != 0).sum())
    plain = bool(exact.all() and len(np.unique(sizes[signs != 0])) == changed)
    p = None
    if len(scores) and changed <= 1:  # either sign of one difference is as likely
        p = 1.0
    elif len(scores) and plain:
        p = float(wilcoxon(scores[signs != 0]).pvalue)
    elif len(scores):
        p = _permutation_p((scores[signs != 0],), np.sum, "samples", rng)
    resolution = 0.0 if plain else 2 / (PERMUTATIONS + 1)
    smallest = max(min(1.0, 2.0 ** (1 - len(scores))), resolution if len(scores) > 16 else 0.0)
    if centre == "mean":
        difference = float(differences.mean()) if len(differences) else None
        low, high = _bootstrap((differences,), np.mean, rng, resamples)
    else:
        difference, low, high = _hodges_lehmann(differences) if known.all() else (None,) * 3

    def of_resample(pairs: np.ndarray, axis: int = -1) -> Any:
        return _balance(_sorted_scores(order[pairs], exact[pairs], signs[pairs]))

    effect_low, effect_high = _bootstrap((np.arange(len(scores)),), of_resample, rng, resamples)
    return Evidence(
        difference,
        low,
        high,
        float(_balance(scores)) if changed else None,
        effect_low,
        effect_high,
        p,
        smallest,
        int((signs > 0).sum()),
        int((signs < 0).sum()),
    )


def of_groups(
    reference: Sample,
    other: Sample,
    rng: np.random.Generator,
    centre: Literal["median", "mean"] = "median",
    resamples: int = RESAMPLES,
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
        p = _permutation_p((of_reference, of_other), _excess(np.sum), "independent", rng)
    with np.errstate(invalid="ignore"):
        between = np.nan_to_num(
            other.values[None] - reference.values[:, None], posinf=np.inf, neginf=-np.inf
        )
    if centre == "mean":
        difference = float(other.values.mean() - reference.values.mean())
        both = (reference.values, other.values)
        low, high = _bootstrap(both, _excess(np.mean), rng, resamples)
    elif unseen:
        difference = low = high = None
    else:
        difference, low, high = _shift(between)

    # Of positions in the samples, because what is resampled is networks, with both values.
    def of_resample(x: np.ndarray, y: np.ndarray, axis: int = -1) -> Any:
        return order[x[..., :, None].astype(int), y[..., None, :].astype(int)].mean(axis=(-2, -1))

    places = np.arange(len(reference)), np.arange(len(other))
    batch = max(1, 2**22 // order.size)
    effect_low, effect_high = _bootstrap(places, of_resample, rng, resamples, batch)
    smallest = min(1.0, 2 / comb(len(pooled), len(reference)))
    return Evidence(
        difference, low, high, float(order.mean()), effect_low, effect_high, p, smallest, None, None
    )


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


def _differences(reference: Sample, other: Sample) -> tuple[Numbers, Numbers, Truths, Truths]:
    """Of each pair: the difference (±∞ if one did not reach it), its least size, whether it has
    exactly this size, and whether its sign is known."""
    with np.errstate(invalid="ignore"):
        differences = np.nan_to_num(other.values - reference.values, posinf=np.inf, neginf=-np.inf)
        bounds = other.lowest - reference.lowest
    exact = ~reference.unseen & ~other.unseen
    sizes = np.abs(np.where(exact, differences, np.nan_to_num(bounds)))
    # Where only one was unseen, it is later if it was watched for longer than the other took.
    later = np.where(other.unseen, bounds, -bounds)
    known = exact | ((reference.unseen != other.unseen) & (later >= 0))
    return np.where(known, differences, 0.0), sizes, exact | ~known, known


def _places(sizes: Numbers, exact: Truths, signs: Numbers) -> Numbers:
    """Numbers in the order of sizes; no difference comes first, at least so large after exactly."""
    _, places = np.unique(sizes, return_inverse=True)
    return np.where(signs == 0, -1.0, 2.0 * places + ~exact)


def _scores(order: Numbers, exact: Truths, signs: Numbers) -> Numbers:
    """Signed scores of differences: of exact ones ranks / (pairs + 1), 0 for no difference.

    1 − G(size), with G the share of larger differences, estimated as of censored data (Prentice,
    1978); of a difference that is known to be at least so large, the mean over larger ones. Equal
    sizes share their mean score.
    """
    scores = np.empty(len(order))
    ascending = np.argsort(order, kind="stable")
    scores[ascending] = np.abs(_sorted_scores(order, exact, signs))
    for place in np.unique(order):
        scores[order == place] = scores[order == place].mean()
    return signs * scores


def _sorted_scores(
    order: Float64[np.ndarray, "*resample pair"],
    exact: Bool[np.ndarray, "*resample pair"],
    signs: Float64[np.ndarray, "*resample pair"],
) -> Float64[np.ndarray, "*resample pair"]:
    """Signed scores in ascending order; equal sizes as they come."""
    ascending = np.argsort(order, axis=-1, kind="stable")
    signs, exact = (np.take_along_axis(each, ascending, axis=-1) for each in (signs, exact))
    at_risk = order.shape[-1] - np.arange(order.shape[-1])
    larger = np.cumprod(np.where(exact & (signs != 0), at_risk / (at_risk + 1), 1.0), axis=-1)
    return signs * np.where(exact, 1 - larger, 1 - larger / 2)


def _hodges_lehmann(differences: Numbers) -> tuple[float | None, float | None, float | None]:
    """The median of all means of two differences, and the interval that the signed ranks give."""
    if not len(differences):
        return None, None, None
    one, other = np.triu_indices(len(differences))
    with np.errstate(invalid="ignore"):
        means = (differences[one] + differences[other]) / 2
    means = np.nan_to_num(means, posinf=np.inf, neginf=-np.inf)
    return _median_and_interval(means, _signed_rank_quantile(len(differences)))


def _signed_rank_quantile(count: int) -> int:
    """How many of the sorted means lie outside the interval, at each end; −1: there is none."""
    if count > LARGE_PAIRS:
        from scipy.stats import norm

        mean, variance = count * (count + 1) / 4, count * (count + 1) * (2 * count + 1) / 24
        return int(mean + norm.ppf(ALPHA / 2) * np.sqrt(variance) - 0.5)
    ways = np.zeros(count * (count + 1) // 2 + 1)
    ways[0] = 1.0
    for rank in range(1, count + 1):  # each rank is positive or not
        shifted = np.concatenate([np.zeros(rank), ways[:-rank]])
        ways = (ways + shifted) / 2
    return int(np.searchsorted(ways.cumsum(), ALPHA / 2, side="right")) - 1


def _shift(
    between: Float64[np.ndarray, "network other"],
) -> tuple[float | None, float | None, float | None]:
    """The median difference between networks of two groups, and the interval of their ranks."""
    from scipy.stats import norm

    first, second = between.shape
    deviation = np.sqrt(first * second * (first + second + 1) / 12)
    outside = int(np.floor(first * second / 2 + norm.ppf(ALPHA / 2) * deviation - 0.5))
    return _median_and_interval(between.ravel(), outside)


def _median_and_interval(
    values: Float64[np.ndarray, " value"], outside: int
) -> tuple[float | None, float | None, float | None]:
    """With so many of the sorted values outside of the interval at each end; None: not finite."""
    ordered = np.sort(values)
    ends = (ordered[outside], ordered[-1 - outside]) if outside >= 0 else (np.nan, np.nan)
    found = (float(value) for value in (np.median(ordered), *ends))
    return tuple(value if np.isfinite(value) else None for value in found)  # type: ignore[return-value]


def _order(one: Sample, other: Sample) -> Float64[np.ndarray, "network other"]:
    """1 where the other value is certainly larger, −1 where it is certainly smaller, 0 else."""
    with np.errstate(invalid="ignore"):
        sign = np.sign(np.nan_to_num(other.values[None] - one.values[:, None], posinf=1, neginf=-1))
    later = other.unseen[None] & (one.lowest[:, None] > other.lowest[None])
    later |= one.unseen[:, None] & (other.lowest[None] > one.lowest[:, None])
    return np.where(later | (one.unseen[:, None] & other.unseen[None]), 0.0, sign)


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


def _permutation_p(
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


def _bootstrap(
    samples: tuple[np.ndarray, ...],
    statistic: Callable[..., Any],
    rng: np.random.Generator,
    resamples: int,
    batch: int | None = None,
) -> Interval:
    """Bias-corrected and accelerated (Efron, 1987): plain percentiles of bounded effects are too
    narrow. ``None`` with few networks, and where resamples are alike, as those of pairs that all
    differ in one direction.
    """
    from scipy.stats import bootstrap

    if min(len(sample) for sample in samples) < FEWEST_RESAMPLED:
        return None, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that resamples are alike
        found = bootstrap(
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


def _excess(of: Callable[..., Any]) -> Callable[..., Any]:
    """The sum or mean of the other sample, minus that of the reference."""
    return lambda reference, other, axis=-1: of(other, axis=axis) - of(reference, axis=axis)


def _balance(scores: np.ndarray) -> np.ndarray:
    """The sum of scores as a share of the sum of their sizes; 0 where there are none."""
    total = np.abs(scores).sum(axis=-1)
    return np.where(total > 0, scores.sum(axis=-1) / np.where(total > 0, total, 1), 0.0)
