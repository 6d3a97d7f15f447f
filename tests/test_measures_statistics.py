"""The tests and intervals agree with scipy's, hold their level, and claim nothing from few pairs."""

import numpy as np
import pytest
from scipy import stats

from deep_learning_dynamics.measures import statistics
from deep_learning_dynamics.measures.statistics import (
    compare,
    holm,
    interval,
    rank_biserial,
    sign_flip_p,
    signed_ranks,
)


def stream(seed=0):
    return np.random.default_rng(seed)


def within_binomial(rejected, share, deviations=3.5):
    """Is a number of rejections what chance makes of this share?"""
    spread = np.sqrt(share * (1 - share) / len(rejected))
    return abs(np.mean(rejected) - share) <= deviations * spread


@pytest.mark.parametrize("pairs", [2, 5, 8, 11])
def test_the_exact_test_is_scipys_permutation_test(pairs):
    rng = stream(pairs)
    for shift in (0, 0.7):
        first, second = rng.lognormal(size=pairs), rng.lognormal(size=pairs) + shift
        reference = stats.permutation_test(
            (second, first),
            lambda x, y, axis: (x - y).mean(axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=np.inf,
        )
        assert sign_flip_p(second - first, stream()) == pytest.approx(reference.pvalue)


@pytest.mark.parametrize("pairs", [5, 9, 12])
def test_of_signed_ranks_the_exact_test_is_wilcoxons(pairs):
    differences = stream(pairs).normal(0.4, 1, pairs)
    reference = stats.wilcoxon(differences, method="exact").pvalue
    assert sign_flip_p(signed_ranks(differences), stream()) == pytest.approx(reference)


def test_with_ties_and_zeros_it_is_the_permutation_test_of_wilcoxons_statistic():
    differences = np.array([0.0, 1, 1, -1, 2, 2, 2, 3, 0, 5])
    reference = stats.wilcoxon(differences, method=stats.PermutationMethod(n_resamples=np.inf))
    found = sign_flip_p(signed_ranks(differences), stream())
    assert found == pytest.approx(reference.pvalue)


def test_signed_ranks_by_hand():
    found = signed_ranks(np.array([0.0, -3, 1, 1, np.inf, -7, 0]))
    np.testing.assert_array_equal(found, [0, -3, 1.5, 1.5, 5, -4, 0])


def test_on_failures_the_exact_test_is_mcnemars():
    failures = np.array([1.0, 1, 1, 1, 1, 1, -1, 0, 0, 0, 0, 0])
    reference = stats.binomtest(6, 7, 0.5).pvalue
    assert sign_flip_p(failures, stream()) == pytest.approx(reference)


def test_random_flips_come_close_to_the_exact_test(monkeypatch):
    differences = stream(2).normal(0.5, 1, 14)
    exact = sign_flip_p(differences, stream())
    monkeypatch.setattr(statistics, "EXACT_PAIRS", 0)
    assert sign_flip_p(differences, stream()) == pytest.approx(exact, rel=0.1)
    assert sign_flip_p(differences, stream(3)) == sign_flip_p(differences, stream(3))
    assert sign_flip_p(np.full(40, 1.0), stream()) == 1 / 100_000  # never 0


def test_equal_differences_have_the_smallest_p_and_rounding_does_not_hide_it():
    assert sign_flip_p(np.full(5, 0.1), stream()) == 2 / 32
    assert sign_flip_p(np.full(10, 0.1), stream()) == 2 / 1024
    assert sign_flip_p(np.zeros(6), stream()) == 1


def test_without_a_difference_five_percent_of_tests_reject():
    rng = stream(4)
    pairs, tests = 12, 3000
    possible = np.floor(0.05 * 2**pairs / 2) * 2 / 2**pairs  # p-values are multiples of 2 / 2ⁿ
    arms = rng.lognormal(0, 1, size=(tests, 2, pairs)) + rng.normal(0, 3, size=(tests, 1, pairs))
    rejected = [sign_flip_p(second - first, rng) <= 0.05 for first, second in arms]
    assert within_binomial(rejected, possible)


def test_without_a_difference_as_many_tests_of_ranks_reject_as_their_steps_allow():
    """Of heavy-tailed measures too: an arm in which one network in ten jumps far off."""
    rng = stream(15)
    pairs, tests = 10, 2000
    sums = np.zeros(1)
    for rank in range(1, pairs + 1):
        sums = np.concatenate([sums - rank, sums + rank])
    attainable = [(np.abs(sums) >= s).mean() for s in np.unique(np.abs(sums))]
    possible = max(p for p in attainable if p <= 0.05)
    arms = rng.lognormal(0, 1, size=(tests, 2, pairs))
    arms *= np.where(rng.random(arms.shape) < 0.1, 100, 1)
    rejected = [compare_p(first, second, rng) <= 0.05 for first, second in arms]
    assert possible > 0.04
    assert within_binomial(rejected, possible)


def compare_p(first, second, rng):
    return sign_flip_p(signed_ranks(second - first), rng)


def test_ranks_find_what_a_mean_loses_when_one_network_jumps_far_off():
    rng = stream(16)
    differences = rng.normal(1, 0.5, 20)
    differences[3] = -1000
    assert sign_flip_p(signed_ranks(differences), rng) < 0.01
    assert sign_flip_p(differences, rng) > 0.5


def test_with_a_difference_far_more_reject():
    """The control: a test that never rejects would hold its level too."""
    rng = stream(5)
    rejected = [sign_flip_p(rng.normal(1, 1, 12), rng) <= 0.05 for _ in range(300)]
    assert np.mean(rejected) > 0.8


def test_pairing_is_what_finds_a_small_difference_between_unlike_pairs():
    rng = stream(6)
    first = rng.normal(0, 10, 12)
    second = first + rng.normal(1, 0.5, 12)
    assert sign_flip_p(second - first, rng) < 0.01
    assert sign_flip_p(rng.permutation(second) - first, rng) > 0.05


def test_five_pairs_are_never_significant():
    rng = stream(7)
    assert min(sign_flip_p(rng.normal(100, 1, 5), rng) for _ in range(20)) == 0.0625


def test_holm_by_hand():
    found = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    np.testing.assert_allclose(found, [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.4, 0.6, 0.9])), [1, 1, 1])


def test_a_measure_that_could_not_be_tested_counts_among_those_that_were():
    np.testing.assert_allclose(holm(np.array([0.01, np.nan, 0.03])), [0.03, np.nan, 0.06])


def test_holm_lies_between_no_correction_and_bonferronis_and_above_benjamini_hochbergs():
    p_values = stream(8).uniform(size=20) ** 3
    found = holm(p_values)
    assert (found >= stats.false_discovery_control(p_values) - 1e-12).all()
    assert (found <= np.minimum(20 * p_values, 1) + 1e-12).all()


def test_without_any_difference_one_family_in_twenty_has_a_false_alarm_at_most():
    rng = stream(9)
    alarms, uncorrected = [], []
    for _ in range(300):
        shared = rng.normal(size=12)  # measures of one network depend on each other
        family = [sign_flip_p(0.5 * shared + rng.normal(size=12), rng) for _ in range(11)]
        alarms.append(holm(np.array(family)).min() <= 0.05)
        uncorrected.append(min(family) <= 0.05)
    assert np.mean(alarms) < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 300)
    assert np.mean(uncorrected) > 0.2  # the control: this is what Holm prevents


def test_the_effect_size_is_the_rank_biserial_correlation():
    differences = np.array([1.0, 2, 3, -4])
    assert rank_biserial(differences) == pytest.approx((1 + 2 + 3 - 4) / 10)
    found = stats.wilcoxon(differences, alternative="greater").statistic  # the positive ranks
    assert rank_biserial(differences) == pytest.approx((found - (10 - found)) / 10)
    assert rank_biserial(np.arange(1.0, 6)) == 1
    assert rank_biserial(-np.arange(1.0, 6)) == -1
    assert np.isnan(rank_biserial(np.zeros(5)))
    assert np.isnan(rank_biserial(np.zeros(0)))


def test_without_a_difference_the_effect_size_is_around_zero():
    effects = rank_biserial(stream(10).normal(size=(4000, 8)))
    assert effects.mean() == pytest.approx(0, abs=0.03)
    shifted = rank_biserial(stream(10).normal(1, 1, size=(4000, 8)))
    assert shifted.mean() > 0.6


def test_there_is_no_interval_where_resampling_always_gives_the_same():
    assert np.isnan(interval(np.full(6, 0.1), "median", stream())).all()
    assert np.isnan(interval(np.arange(1.0, 6), "effect", stream())).all()
    assert np.isnan(interval(np.array([1.0, 2, 3, 4]), "median", stream())).all()
    assert np.isfinite(interval(np.array([1.0, 2, 3, 4, 5]), "median", stream())).all()


@pytest.mark.parametrize("pairs", [5, 9, 20])
def test_the_interval_holds_the_true_median_about_as_often_as_it_says(pairs, monkeypatch):
    """Of a skewed measure. 2.5 standard deviations of so many trials below 95 %: 92 %."""
    monkeypatch.setattr(statistics, "RESAMPLES", 499)
    rng = stream(11)
    held = []
    for _ in range(300):
        low, high = interval(rng.exponential(size=pairs), "median", rng)
        held.append(low <= np.log(2) <= high)
    assert 0.9 < np.mean(held) < 0.985


def test_the_median_of_a_measure_with_outliers_has_an_interval_that_they_do_not_stretch():
    differences = np.append(stream(13).normal(1, 0.1, 19), 1e6)
    low, high = interval(differences, "median", stream())
    assert 0.8 < low < high < 1.2
    assert interval(differences, "mean", stream())[1] > 1e5


def test_the_interval_is_scipys_and_narrows_with_more_pairs():
    differences = stream(14).normal(1, 1, 25)
    reference = stats.bootstrap(
        (differences,), np.median, method="percentile", rng=stream()
    ).confidence_interval
    found = interval(differences, "median", stream())
    np.testing.assert_allclose(found, [reference.low, reference.high])
    few = interval(stream(13).normal(0.5, 1, 8), "effect", stream())
    many = interval(stream(13).normal(0.5, 1, 80), "effect", stream())
    assert few[1] - few[0] > many[1] - many[0]


def test_pairs_without_a_value_are_left_out_and_counted_by_who_lacks_it():
    first = np.array([1.0, 2, np.nan, np.nan, 5, 6, np.nan])
    second = np.array([2.0, np.nan, 3, np.nan, 7, 7, 1])
    found = compare(first, second, stream())
    assert (found.pairs, found.only_first, found.only_second, found.neither) == (3, 1, 2, 1)
    assert found.tested == 3
    assert (found.first, found.second) == (5, 7)  # over the pairs that are used, in both arms
    assert found.difference == 1
    assert found.p_value == found.smallest_p == 2 / 8


def test_a_network_that_never_got_there_is_worse_than_any_that_did_and_not_left_out():
    steps = np.array([100.0, 120, 90, 110, 130, 105, np.nan])
    never = np.array([np.nan, 130, np.nan, np.nan, np.nan, 120, np.nan])
    found = compare(steps, never, stream(), worst=np.inf)
    assert (found.pairs, found.only_first, found.neither, found.tested) == (2, 4, 1, 7)
    assert found.difference == 12.5  # of the two pairs in which both did
    assert found.effect_size == 1
    assert found.p_value == 2 / 2**6  # six pairs agree, the seventh says nothing
    assert compare(steps, never, stream()).p_value == 0.5  # as if the others were unknown
    accuracy = compare(steps, never, stream(), worst=-np.inf)
    assert accuracy.effect_size < 0


def test_if_no_network_got_there_nothing_differs():
    found = compare(np.full(9, np.nan), np.full(9, np.nan), stream(), worst=np.inf)
    assert (found.pairs, found.neither, found.p_value) == (0, 9, 1)
    assert np.isnan([found.difference, found.effect_size]).all()


def test_without_any_pair_everything_is_undefined():
    found = compare(np.full(3, np.nan), np.arange(3.0), stream())
    assert (found.pairs, found.only_second) == (0, 3)
    assert np.isnan([found.difference, found.low, found.effect_size, found.p_value]).all()


def test_exchanging_the_arms_changes_the_sign_and_not_the_evidence():
    first, second = stream(14).normal(size=(2, 9))
    one, other = compare(first, second, stream()), compare(second, first, stream())
    assert other.difference == -one.difference
    assert other.effect_size == -one.effect_size
    assert other.p_value == one.p_value
