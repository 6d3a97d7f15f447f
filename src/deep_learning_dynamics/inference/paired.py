"""Partners compared: signed ranks of the differences within pairs, some of them only bounded."""

from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float64

from deep_learning_dynamics.formatting import ALPHA
from deep_learning_dynamics.inference import statistics
from deep_learning_dynamics.inference.statistics import Evidence, Sample

LARGE = 200  # pairs; above, the sum of ranks is taken for normal in the interval

Numbers = Float64[np.ndarray, " pair"]
Truths = Bool[np.ndarray, " pair"]


def of_pairs(
    reference: Sample,
    other: Sample,
    rng: np.random.Generator,
    centre: Literal["median", "mean"] = "median",
    resamples: int = statistics.RESAMPLES,
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
        p = statistics.permutation_p((scores[signs != 0],), np.sum, "samples", rng)
    resolution = 0.0 if plain else 2 / (statistics.PERMUTATIONS + 1)
    smallest = max(min(1.0, 2.0 ** (1 - len(scores))), resolution if len(scores) > 16 else 0.0)
    if centre == "mean":
        difference = float(differences.mean()) if len(differences) else None
        low, high = statistics.bootstrap((differences,), np.mean, rng, resamples)
    else:
        difference, low, high = _hodges_lehmann(differences) if known.all() else (None,) * 3

    def of_resample(pairs: np.ndarray, axis: int = -1) -> Any:
        return _balance(_sorted_scores(order[pairs], exact[pairs], signs[pairs]))

    effect_low, effect_high = statistics.bootstrap(
        (np.arange(len(scores)),), of_resample, rng, resamples
    )
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
    return statistics.median_and_interval(means, _signed_rank_quantile(len(differences)))


def _signed_rank_quantile(count: int) -> int:
    """How many of the sorted means lie outside the interval, at each end; −1: there is none."""
    if count > LARGE:
        from scipy.stats import norm

        mean, variance = count * (count + 1) / 4, count * (count + 1) * (2 * count + 1) / 24
        return int(mean + norm.ppf(ALPHA / 2) * np.sqrt(variance) - 0.5)
    ways = np.zeros(count * (count + 1) // 2 + 1)
    ways[0] = 1.0
    for rank in range(1, count + 1):  # each rank is positive or not
        shifted = np.concatenate([np.zeros(rank), ways[:-rank]])
        ways = (ways + shifted) / 2
    return int(np.searchsorted(ways.cumsum(), ALPHA / 2, side="right")) - 1


def _balance(scores: np.ndarray) -> np.ndarray:
    """The sum of scores as a share of the sum of their sizes; 0 where there are none."""
    total = np.abs(scores).sum(axis=-1)
    share = np.where(total > 0, scores.sum(axis=-1) / np.where(total > 0, total, 1), 0.0)
    return np.where(np.abs(share) < 1e-12, 0.0, share)  # what is left of rounding
