"""The tests and intervals agree with scipy's, hold their level, and claim nothing from few pairs."""

import numpy as np
import pytest
from scipy import stats

from deep_learning_dynamics.measures import statistics
from deep_learning_dynamics.measures.statistics import (
    compare,
    effect_size,
    holm,
    interval,
    sign_flip_p,
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


def test_on_ranks_the_exact_test_is_wilcoxons():
    differences = stream(1).normal(0.4, 1, 12)
    ranks = stats.rankdata(np.abs(differences)) * np.sign(differences)
    reference = stats.wilcoxon(differences, method="exact").pvalue
    assert sign_flip_p(ranks, stream()) == pytest.approx(reference)


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


def test_the_effect_size_is_cohens_d_of_differences_less_the_bias_of_few_pairs():
    differences = np.array([1.0, 2, 3, 4])
    cohen = 2.5 / np.std(differences, ddof=1)
    assert effect_size(differences) == pytest.approx(cohen * (1 - 3 / 11))
    means = effect_size(stream(10).normal(0.8, 1, size=(20_000, 6)))
    assert means.mean() == pytest.approx(0.8, abs=0.02)  # without the correction it is 0.95


def test_there_is_no_effect_size_where_there_is_no_spread():
    assert np.isnan(effect_size(np.full(6, 0.1)))
    assert np.isnan(effect_size(np.array([1.0, 2.0])))
    assert np.isnan(interval(np.full(6, 0.1), "mean", stream())).all()


def test_the_interval_holds_the_true_mean_as_often_as_it_says(monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 999)
    rng = stream(11)
    held = []
    for _ in range(400):
        low, high = interval(rng.normal(3, 1, 20), "mean", rng)
        held.append(low <= 3 <= high)
    # The bootstrap is a little too narrow at 20 pairs (Student's t would hold 95 %).
    assert 0.88 < np.mean(held) < 0.97


def test_at_five_pairs_the_interval_is_too_narrow_as_its_docstring_says(monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 999)
    rng = stream(12)
    held = []
    for _ in range(300):
        low, high = interval(rng.normal(3, 1, 5), "mean", rng)
        held.append(low <= 3 <= high)
    assert np.mean(held) < 0.93


def test_the_interval_of_an_effect_holds_it_and_widens_with_fewer_pairs():
    wide = interval(stream(13).normal(1, 1, 8), "effect", stream())
    narrow = interval(stream(13).normal(1, 1, 80), "effect", stream())
    assert wide[1] - wide[0] > narrow[1] - narrow[0]
    assert narrow[0] < 1 < narrow[1]


def test_pairs_without_a_value_are_left_out_and_counted_by_who_lacks_it():
    first = np.array([1.0, 2, np.nan, np.nan, 5, 6, np.nan])
    second = np.array([2.0, np.nan, 3, np.nan, 7, 7, 1])
    found = compare(first, second, stream())
    assert (found.pairs, found.only_first, found.only_second, found.neither) == (3, 1, 2, 1)
    assert found.left_out == 4
    assert found.first == pytest.approx(4)  # means over the pairs that are used, in both arms
    assert found.second == pytest.approx(16 / 3)
    assert found.difference == pytest.approx(4 / 3)
    assert found.p_value == found.smallest_p == 2 / 8


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
