"""Tests and intervals agree with scipy's, hold their level, and are about the same networks."""

import numpy as np
import pytest
from scipy import stats

from deep_learning_dynamics.inference import paired, statistics
from deep_learning_dynamics.inference.independent import of_groups
from deep_learning_dynamics.inference.paired import of_pairs
from deep_learning_dynamics.inference.statistics import Sample, holm


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch):
    monkeypatch.setattr(statistics, "PERMUTATIONS", 499)


def stream(seed=0):
    return np.random.default_rng(seed)


def sample(values, limit=np.nan):
    values = np.asarray(values, np.float64)
    return Sample(values, np.full(len(values), limit))


def times(values, limit):
    """Times to an event, seen until a limit."""
    values = np.asarray(values, np.float64)
    return Sample(np.where(values <= limit, values, np.inf), np.full(len(values), float(limit)))


def pairs(reference, other, seed=0, resamples=199, **options):
    return of_pairs(reference, other, stream(seed), resamples=resamples, **options)


def groups(reference, other, seed=0, resamples=199):
    return of_groups(reference, other, stream(seed), resamples=resamples)


def within_binomial(rejected, share, deviations=3.5):
    """Is a number of rejections what chance makes of this share?"""
    spread = np.sqrt(share * (1 - share) / len(rejected))
    return abs(np.mean(rejected) - share) <= deviations * spread


class TestPairs:
    @pytest.mark.parametrize("count", [5, 9, 12, 40, 60])
    def test_without_ties_the_test_is_wilcoxons(self, count):
        first, second = stream(count).normal(size=(2, count))
        expected = stats.wilcoxon(second + 0.4 - first).pvalue
        assert pairs(sample(first), sample(second + 0.4)).p == pytest.approx(expected)

    def test_with_ties_and_zeros_it_is_the_permutation_test_of_wilcoxons_statistic(self):
        differences = np.array([0.0, 1, 1, -1, 2, 2, 2, 3, 0])
        expected = stats.wilcoxon(differences, method=stats.PermutationMethod(n_resamples=np.inf))
        found = pairs(sample(np.zeros(9)), sample(differences))
        assert found.p == pytest.approx(expected.pvalue)
        assert (found.higher, found.lower) == (6, 1)

    def test_on_failures_it_is_mcnemars(self):
        reference = np.array([0.0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1])
        other = np.array([1.0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1])
        found = pairs(sample(reference), sample(other), centre="mean")
        assert found.p == pytest.approx(stats.binomtest(6, 7, 0.5).pvalue)
        assert found.difference == pytest.approx(5 / 12)
        assert found.effect == pytest.approx(5 / 7)

    def test_one_pair_that_differs_says_nothing(self):
        reached_by_one = sample([np.inf, np.inf, 40.0, np.inf, np.inf], limit=50.0)
        for other in (reached_by_one, sample([0.0, 0, 1, 0, 0])):
            reference = sample(np.full(5, other.values[0]), limit=other.limits[0])
            found = pairs(reference, other)
            assert (found.p, found.higher + found.lower) == (1.0, 1)

    def test_the_difference_is_the_median_of_means_of_two_differences(self):
        differences = np.array([1.0, 2, 4, 8, 16, 32, 64])
        means = [(a + b) / 2 for i, a in enumerate(differences) for b in differences[i:]]
        found = pairs(sample(np.zeros(7)), sample(differences))
        assert found.difference == np.median(means)

    def test_the_interval_excludes_zero_exactly_where_the_test_rejects(self):
        rng = stream(1)
        agreed = []
        for _ in range(200):
            differences = rng.normal(0.7, 1, 12)
            found = pairs(sample(np.zeros(12)), sample(differences), resamples=9)
            agreed.append((found.low > 0 or found.high < 0) == (found.p <= 0.05))
        assert all(agreed)

    @pytest.mark.parametrize("count", [6, 9, 20])
    def test_the_interval_holds_the_true_difference_as_often_as_it_says(self, count):
        rng, held = stream(2), []
        for _ in range(200):
            values = rng.standard_t(2, count) + 3
            found = pairs(sample(np.zeros(count)), sample(values), resamples=9)
            held.append(found.low <= 3 <= found.high)
        assert np.mean(held) >= 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / 200)
        assert np.mean(held) < 0.999

    def test_five_pairs_have_no_interval_and_are_never_significant(self):
        found = pairs(sample(np.zeros(5)), sample(np.arange(100.0, 105)))
        assert (found.low, found.high) == (None, None)
        assert found.p == found.smallest_p == 2 / 32

    def test_without_a_difference_five_percent_of_tests_reject_even_of_heavy_tails(self):
        rng = stream(3)
        sums = np.zeros(1)
        for rank in range(1, 11):
            sums = np.concatenate([sums - rank, sums + rank])
        attainable = [(np.abs(sums) >= s).mean() for s in np.unique(np.abs(sums))]
        possible = max(p for p in attainable if p <= 0.05)
        values = rng.lognormal(0, 1, size=(200, 2, 10))
        values *= np.where(rng.random(values.shape) < 0.1, 100, 1)
        rejected = [pairs(sample(a), sample(b), resamples=9).p <= 0.05 for a, b in values]
        assert possible > 0.04
        assert within_binomial(rejected, possible)

    def test_with_a_difference_far_more_reject_and_ranks_survive_an_outlier(self):
        rng = stream(4)
        rejected = []
        for _ in range(200):
            differences = rng.normal(1.2, 1, 15)
            differences[3] = -1000
            found = pairs(sample(np.zeros(15)), sample(differences), resamples=9)
            rejected.append(found.p <= 0.05)
        assert np.mean(rejected) > 0.7

    def test_the_effect_is_the_rank_biserial_correlation_with_an_interval(self):
        found = pairs(sample(np.zeros(4)), sample([1.0, 2, 3, -4]))
        assert found.effect == pytest.approx((1 + 2 + 3 - 4) / 10)
        rng, held = stream(5), []
        many = rng.normal(0.5, 1, 20_000)
        ranks = stats.rankdata(np.abs(many)) * np.sign(many)
        truth = ranks.sum() / np.abs(ranks).sum()
        for _ in range(200):
            found = pairs(sample(np.zeros(20)), sample(rng.normal(0.5, 1, 20)))
            held.append(found.effect_low <= truth <= found.effect_high)
        assert 0.88 < np.mean(held) < 0.99

    def test_exchanging_the_groups_changes_the_sign_and_not_the_evidence(self):
        first, second = stream(6).normal(size=(2, 9))
        one, other = (
            pairs(sample(first), sample(second)),
            pairs(sample(second), sample(first)),
        )
        assert other.difference == -one.difference
        assert other.effect == pytest.approx(-one.effect)
        assert other.p == one.p

    def test_where_nothing_differs_p_is_1_and_there_is_no_effect(self):
        found = pairs(sample(np.ones(8)), sample(np.ones(8)))
        assert (found.p, found.difference, found.effect) == (1, 0, None)

    def test_no_pair_at_all_is_undefined(self):
        found = pairs(sample([]), sample([]))
        assert (found.p, found.difference, found.effect, found.low) == (None,) * 4


class TestTimesInPairs:
    def test_without_unseen_events_they_are_compared_like_any_measure(self):
        first, second = stream(7).exponential(size=(2, 12))
        plain = pairs(sample(first), sample(second))
        timed = pairs(times(first, 100), times(second, 100))
        assert timed == plain

    def test_scores_by_hand(self):
        """Differences of 1, at least 1.5 and −2: scores 1 − 3/4, 1 − 3/8 and −(1 − 3/8)."""
        found = pairs(times([1.0, 8.5, 5], 10), times([2.0, 11, 3], 10))
        assert found.effect == pytest.approx((0.25 + 0.625 - 0.625) / (0.25 + 0.625 + 0.625))

    def test_a_network_that_never_got_there_is_later_and_not_left_out(self):
        early = [100.0, 120, 90, 110, 130, 105, 80]
        late = [np.inf, 130, np.inf, np.inf, np.inf, 120, 200]
        found = pairs(times(early, 400), times(late, 400))
        assert found.p == 2 / 2**7  # all seven agree
        assert (found.higher, found.lower, found.effect) == (7, 0, 1)
        assert found.low >= 10  # the smallest difference
        assert found.difference is None  # more than half of the means are not known

    def test_few_that_never_got_there_leave_the_difference_defined(self):
        early = np.arange(100.0, 112)
        late = early + np.arange(10.0, 22)
        late[-1] = np.inf
        found = pairs(times(early, 400), times(late, 400))
        complete = pairs(sample(early[:-1]), sample(late[:-1]))
        assert complete.difference < found.difference < complete.difference + 2

    def test_where_neither_got_there_nothing_is_known_of_the_difference(self):
        early = [100.0, 120, np.inf, 90, 95, 99, 97, 93]
        late = [150.0, 190, np.inf, 91, 99, 105, 112, 101]
        found = pairs(times(early, 400), times(late, 400))
        assert (found.higher, found.lower) == (7, 0)
        assert found.difference is None
        assert found.p == 2 / 2**7

    def test_watched_too_briefly_it_is_not_known_who_was_earlier(self):
        reference = Sample(np.array([np.inf] * 6), np.array([50.0] * 6))
        other = Sample(np.array([60.0, 70, 80, 90, 40, 30]), np.full(6, 400.0))
        found = pairs(reference, other)
        assert (found.higher, found.lower) == (0, 2)

    def test_if_no_network_got_there_nothing_differs(self):
        found = pairs(times([500.0] * 9, 400), times([600.0] * 9, 400))
        assert (found.p, found.effect, found.difference) == (1, None, None)

    def test_under_no_difference_five_percent_reject_and_under_one_most_do(self):
        """Half of the events are not seen; partners depend on each other."""
        rng = stream(8)
        for shift, expected in ((0.0, None), (1.2, 0.75)):
            rejected = []
            for _ in range(200):
                shared = rng.normal(size=14)
                first = np.exp(shared + rng.normal(size=14) * 0.7)
                second = np.exp(shared + shift + rng.normal(size=14) * 0.7)
                found = pairs(times(first, 2.0), times(second, 2.0), resamples=9)
                rejected.append(found.p <= 0.05)
            if expected is None:
                assert np.mean(rejected) < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 200)
            else:
                assert np.mean(rejected) > expected

    def test_the_median_is_kaplan_and_meiers(self):
        assert times([1.0, 2, 3, 4], 10).median == 2.5
        assert times([1.0, 2, 3, 14], 10).median == 2.5
        assert times([1.0, 2, 13, 14], 10).median is None
        assert times([1.0, 2, 3, 14, 15], 10).median == 3
        # Watched for 1.5 steps only, it says little: half of the other four is between 3 and 4.
        uneven = Sample(np.array([np.inf, 2.0, 3, 4, 5]), np.array([1.5, 10, 10, 10, 10]))
        assert uneven.median == 3.5


class TestGroups:
    @pytest.mark.parametrize("sizes", [(5, 7), (12, 20)])
    def test_without_ties_the_test_is_mann_and_whitneys(self, sizes):
        first, second = (stream(size).normal(size=size) for size in sizes)
        expected = stats.mannwhitneyu(second + 0.5, first).pvalue
        found = groups(sample(first), sample(second + 0.5))
        assert found.p == pytest.approx(expected)
        assert found.difference == pytest.approx(np.median((second + 0.5)[None] - first[:, None]))
        wins = np.sign((second + 0.5)[None] - first[:, None]).mean()
        assert found.effect == pytest.approx(wins)

    def test_the_interval_holds_the_true_difference_as_often_as_it_says(self):
        rng, held, rejected = stream(9), [], []
        for _ in range(200):
            found = groups(
                sample(rng.standard_t(3, 8)), sample(rng.standard_t(3, 11) + 2), resamples=9
            )
            held.append(found.low <= 2 <= found.high)
            rejected.append(
                groups(sample(rng.standard_t(3, 8)), sample(rng.standard_t(3, 11)), resamples=9).p
                <= 0.05
            )
        assert 0.915 < np.mean(held) < 0.995
        assert np.mean(rejected) < 0.09

    def test_unseen_events_count_as_later_and_hide_the_difference_only_in_both_groups(self):
        early, late = times([1.0, 2, 3, 4, 5, 6], 10), times([5.5, 7, 8, 9, 20, 30], 10)
        found = groups(early, late)
        assert found.effect == pytest.approx(34 / 36)
        assert found.difference == pytest.approx(np.median([
            (x if x <= 10 else np.inf) - y for x in (5.5, 7, 8, 9, 20, 30) for y in range(1, 7)
        ]))  # fmt: skip
        both = groups(times([1.0, 2, 3, 40, 50], 10), times([5.0, 7, 20, 30, 40], 10))
        assert both.difference is None
        assert both.p > 0.05

    def test_under_no_difference_unseen_events_make_five_percent_reject(self):
        rng, rejected = stream(10), []
        for _ in range(200):
            first, second = rng.exponential(size=10), rng.exponential(size=13)
            found = groups(times(first, 1.0), times(second, 1.0), resamples=9)
            rejected.append(found.p <= 0.05)
        assert np.mean(rejected) < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 200)


class TestHolm:
    def test_by_hand(self):
        found = holm(np.array([0.01, 0.04, 0.03, 0.005]))
        np.testing.assert_allclose(found, [0.03, 0.06, 0.06, 0.02])
        np.testing.assert_allclose(holm(np.array([0.4, 0.6, 0.9])), [1, 1, 1])

    def test_a_measure_that_could_not_be_tested_counts_among_those_that_were(self):
        np.testing.assert_allclose(holm(np.array([0.01, np.nan, 0.03])), [0.03, np.nan, 0.06])

    def test_without_any_difference_one_family_in_twenty_has_a_false_alarm_at_most(self):
        rng = stream(11)
        alarms, uncorrected = [], []
        for _ in range(200):
            shared = rng.normal(size=12)  # measures of one network depend on each other
            family = [stats.wilcoxon(0.5 * shared + rng.normal(size=12)).pvalue for _ in range(6)]
            alarms.append(holm(np.array(family)).min() <= 0.05)
            uncorrected.append(min(family) <= 0.05)
        assert np.mean(alarms) < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 200)
        assert np.mean(uncorrected) > 0.12  # the control: this is what Holm prevents


def test_an_effect_that_is_rounding_alone_is_none():
    scores = np.array([0.1, 0.2, -0.3])
    assert scores.sum() != 0
    assert paired._balance(scores) == 0
    assert paired._balance(-2 * scores[:2]) == -1
