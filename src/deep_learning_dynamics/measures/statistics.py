"""Paired statistics: is there a difference between the arms, and how large may it be?

A network is the unit and networks of a pair are compared, because they share initialisation and
mini-batches; snapshots of one network are not independent and are never counted as observations.
All of it goes by ranks and medians: one network that dies after a jump of its loss may have ten
times the path of all others, and would decide a mean alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

ALPHA = 0.05  # tests are at this level, and intervals hold 1 − ALPHA
FEWEST_PAIRS = 5  # with fewer nothing is said
EXACT_PAIRS = 20  # up to here all 2ⁿ ways to flip signs are tried
FLIPS = 99_999  # tried otherwise
RESAMPLES = 9_999  # of the bootstrap


@dataclass(frozen=True)
class Comparison:
    """One measure in both arms of all pairs: ``first`` and ``second`` minus ``first``.

    NaN: not defined.
    """

    pairs: int  # in which both networks have the measure: the differences and their interval
    tested: int  # pairs that the test and the effect size are about
    only_first: int  # pairs in which the second network alone lacks it
    only_second: int
    neither: int
    first: float  # median (of failures: mean) over ``pairs``
    second: float
    difference: float  # median (of failures: mean) of second − first, in the measure's unit
    low: float  # interval of the difference
    high: float
    effect_size: float  # matched-pairs rank-biserial correlation, −1 to 1
    effect_low: float
    effect_high: float
    p_value: float  # two-sided
    adjusted_p: float  # for the number of measures tested together

    @property
    def smallest_p(self) -> float:
        """The least that the test can say of so many pairs, if all differences have one sign."""
        exact = min(1.0, 2.0 ** (1 - self.tested))
        return exact if self.tested <= EXACT_PAIRS else 1 / (FLIPS + 1)


def compare(
    first: Float[np.ndarray, " pair"],
    second: Float[np.ndarray, " pair"],
    rng: np.random.Generator,
    worst: float | None = None,
    centre: Literal["median", "mean"] = "median",
) -> Comparison:
    """Compare a measure of both networks of each pair; ``adjusted_p`` is not yet adjusted.

    A network that lacks the measure (NaN) has no difference to its partner. If the measure says
    ``worst``, +∞ or −∞, test and effect size count it as worse than any that has it, and two that
    lack it as equal: leaving out networks because they failed would flatter their arm (worst-rank
    analysis; Lachin, 1999). Without ``worst`` such pairs are left out.

    Test: Wilcoxon's signed ranks (1945), all signs flipped. Effect size: the matched-pairs
    rank-biserial correlation (Kerby, 2014): 1 if every second network has more. Intervals:
    percentiles of a bootstrap by pair, of the median as exact as order statistics allow.
    """
    has_first, has_second = np.isfinite(first), np.isfinite(second)
    both = has_first & has_second
    known = second[both] - first[both]
    ranked = known
    if worst is not None:
        above = np.where(has_second, second, worst), np.where(has_first, first, worst)
        with np.errstate(invalid="ignore"):
            ranked = np.where(has_first | has_second, above[0] - above[1], 0.0)
    low, high = interval(known, centre, rng)
    effect_low, effect_high = interval(ranked, "effect", rng)
    p_value = sign_flip_p(signed_ranks(ranked), rng)
    location = np.median if centre == "median" else np.mean
    return Comparison(
        pairs=len(known),
        tested=len(ranked),
        only_first=int((has_first & ~has_second).sum()),
        only_second=int((has_second & ~has_first).sum()),
        neither=int((~has_first & ~has_second).sum()),
        first=float(location(first[both])) if len(known) else float("nan"),
        second=float(location(second[both])) if len(known) else float("nan"),
        difference=float(location(known)) if len(known) else float("nan"),
        low=low,
        high=high,
        effect_size=float(rank_biserial(ranked)),
        effect_low=effect_low,
        effect_high=effect_high,
        p_value=p_value,
        adjusted_p=p_value,
    )


def adjusted(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons with p-values that Holm's method corrects for their number."""
    values = holm(np.array([comparison.p_value for comparison in comparisons], np.float64))
    return [replace(c, adjusted_p=float(p)) for c, p in zip(comparisons, values, strict=True)]


def holm(p_values: Float[np.ndarray, " measure"]) -> Float[np.ndarray, " measure"]:
    """Adjusted p-values by Holm's (1979) step-down method: any false alarm at most ``ALPHA``.

    A measure that could not be tested (NaN) stays so, but counts: how many are tested was decided
    before anything was seen.
    """
    order = np.argsort(p_values, kind="stable")  # NaN comes last
    factors = len(p_values) - np.arange(len(p_values))
    steps = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1)
    result = np.empty(len(p_values))
    result[order] = steps
    return np.where(np.isnan(p_values), np.nan, result)


def sign_flip_p(scores: Float[np.ndarray, " pair"], rng: np.random.Generator) -> float:
    """Two-sided p-value of no difference: how often random signs give as large a sum of scores.

    Under no difference the networks of a pair could be exchanged (Fisher, 1935). All signs are
    tried for up to ``EXACT_PAIRS`` pairs, otherwise ``FLIPS`` random ones with the observed among
    them (Phipson & Smyth, 2010). Of signed ranks it is Wilcoxon's exact test, ties included; of
    −1, 0 and 1 it is McNemar's. NaN without pairs.
    """
    if len(scores) == 0:
        return float("nan")
    # What is left of rounding must not decide whether a sum is as large as the observed one.
    observed = abs(scores.sum()) - 1e-10 * np.abs(scores).sum()
    scores = scores[scores != 0]
    if len(scores) <= EXACT_PAIRS:
        sums = scores[:1] if len(scores) else np.zeros(1)
        # The other sign of the first would give the same sums, mirrored.
        for score in scores[1:]:
            sums = np.concatenate([sums + score, sums - score])
        return float((np.abs(sums) >= observed).mean())
    as_large = 0
    for start in range(0, FLIPS, 1000):
        signs = rng.choice([-1.0, 1.0], (min(1000, FLIPS - start), len(scores)))
        as_large += int((np.abs(signs @ scores) >= observed).sum())
    return (1 + as_large) / (1 + FLIPS)


def signed_ranks(
    differences: Float[np.ndarray, "*sample pair"], axis: int = -1
) -> Float[np.ndarray, "*sample pair"]:
    """Ranks of the sizes of differences with their signs; 0 for no difference.

    Equal sizes share their mean rank. An infinite difference is larger than any finite one.
    """
    from scipy.stats import rankdata

    sizes = np.abs(differences)
    # Those without a difference are the smallest of all: their number is taken off the others.
    none = (sizes == 0).sum(axis=axis, keepdims=True)
    return np.sign(differences) * (rankdata(sizes, axis=axis) - none)


def rank_biserial(
    differences: Float[np.ndarray, "*sample pair"], axis: int = -1
) -> Float[np.ndarray, "*sample"] | np.floating:
    """The share of the ranks that favours the second less that which favours the first.

    NaN where there is no difference at all.
    """
    ranks = signed_ranks(differences, axis)
    total = np.abs(ranks).sum(axis=axis)
    return np.where(total > 0, ranks.sum(axis=axis) / np.where(total > 0, total, 1), np.nan)[()]


def interval(
    differences: Float[np.ndarray, " pair"],
    of: Literal["median", "mean", "effect"],
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Where the true median, mean or effect size lies, with a confidence of 1 − ``ALPHA``.

    NaN where resampling cannot tell: with fewer than ``FEWEST_PAIRS`` (of three, even the smallest
    and the largest hold the true median in between but in 75 %), and if it always gives the same,
    as the effect size of differences that all have one sign.
    """
    from scipy.stats import bootstrap

    if len(differences) < FEWEST_PAIRS:
        return float("nan"), float("nan")
    statistic = {"median": np.median, "mean": np.mean, "effect": _effect_of_resample}[of]
    found = bootstrap(
        (differences,),
        statistic,
        vectorized=True,
        n_resamples=RESAMPLES,
        confidence_level=1 - ALPHA,
        method="percentile",
        rng=rng,
    ).confidence_interval
    low, high = float(found.low), float(found.high)
    return (low, high) if high > low else (float("nan"), float("nan"))


def _effect_of_resample(
    differences: Float[np.ndarray, "*sample pair"], axis: int = -1
) -> Float[np.ndarray, "*sample"] | np.floating:
    """A resample that drew nothing but pairs without a difference has no effect."""
    return np.nan_to_num(rank_biserial(differences, axis))
