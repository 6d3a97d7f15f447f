"""From measures to comparisons: who is compared with whom, and what a row is about."""

import json
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from hand_made_stores import dataset, walks

from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.geometry import measure
from deep_learning_dynamics.inference import (
    Comparison,
    Comparisons,
    compare,
    comparing,
    statistics,
)
from deep_learning_dynamics.inference.statistics import holm


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch):
    monkeypatch.setattr(statistics, "PERMUTATIONS", 499)
    monkeypatch.setattr(statistics, "RESAMPLES", 99)
    monkeypatch.setattr(comparing, "PARAMETER_RESAMPLES", 99)


def runs_of(accuracy, conditions, pairs=None, seed=0, **more):
    """A store of random walks with these learning curves [network, snapshot]."""
    accuracy = np.asarray(accuracy)
    coordinates = {"condition": conditions, **more}
    if pairs is not None:
        coordinates["pair"] = pairs
    weights = coordinates.pop("weights", walks(*accuracy.shape, seed))
    return dataset(weights, scores={"test_accuracy": accuracy}, **coordinates)


def curves(half, snapshots=12):
    """Learning curves that reach half of 95 % after so many snapshots."""
    return 0.95 / (1 + np.exp(-(np.arange(snapshots) - np.asarray(half)[:, None])))


def test_partners_are_compared_whatever_their_order_in_the_store():
    half = np.array([2.0, 3, 4, 2.5, 3.5, 4.5, 5])
    accuracy = curves(np.concatenate([half, half[::-1] + 1]))
    runs = runs_of(accuracy, [*"a" * 7, *"b" * 7], [*range(7), *range(6, -1, -1)])
    found = compare(runs).of("steps_to_50")
    assert (found.design, found.pairs, found.n_reference, found.n_other) == ("paired", 7, 7, 7)
    assert found.difference == pytest.approx(10, abs=0.1)
    assert (found.higher, found.lower, found.p) == (7, 0, 2 / 2**7)
    assert (found.reached_reference, found.reached_other) == (7, 7)


@pytest.mark.parametrize(
    ("pairs", "why"),
    [
        (None, None),
        ([*range(6), *range(4, 10)], "only 4 of 12 networks have a partner"),
        ([*range(12)], "none of 12 networks have a partner"),
        ([0, 0, 1, 2, 3, 4] * 2, "a group has a pair more than once"),
    ],
)
def test_without_complete_pairs_groups_are_compared_as_independent_and_that_is_said(pairs, why):
    accuracy = curves(np.linspace(2, 5, 12))
    runs = runs_of(accuracy, [*"a" * 6, *"b" * 6], pairs)
    comparisons = compare(runs)
    found = comparisons.of("steps_to_50")
    assert (found.design, found.pairs, found.higher) == ("independent", None, None)
    assert (found.n_reference, found.n_other, found.effect) == (6, 6, 1)
    told = f"; networks are compared as independent groups, because {why}."
    assert comparisons.verdict.bullets[0].endswith(told if why else " measures.")


def test_networks_without_a_partner_are_left_out_and_complete_pairs_are_compared():
    """Two of eight pairs have lost a network, which makes no independent groups of the others."""
    half = np.array([2.0, 3, 4, 2.5, 3.5, 4.5, 5, 3.2])
    runs = runs_of(
        curves(np.concatenate([half, half[::-1] + 1])),
        [*"a" * 8, *"b" * 8],
        [*range(8), *range(7, -1, -1)],
    )
    kept = runs.isel(network=[i for i in range(16) if i not in (0, 8)])  # of pairs 0 and 7
    found, complete = compare(kept), runs.isel(network=[*range(1, 7), *range(9, 15)])
    row, expected = found.of("steps_to_50"), compare(complete).of("steps_to_50")
    assert (row.design, row.pairs, row.n_reference, row.n_other) == ("paired", 6, 6, 6)
    assert (row.difference, row.p, row.higher) == (expected.difference, 2 / 2**6, 6)
    assert found.of("partner_distance").pairs == 6
    assert found.verdict.bullets[0].endswith("; 2 networks without a partner are left out.")
    assert found.verdict.sentence.startswith("6 pairs are too few to tell ")
    assert "left out" not in compare(complete).verdict.bullets[0]


def test_all_groups_are_compared_with_the_first_or_as_contrasts_say():
    runs = runs_of(curves(np.linspace(2, 5, 9)), [*"aaabbbccc"], [0, 1, 2] * 3)
    measures = measure(runs)
    assert compare(measures).contrasts == (("a", "b"), ("a", "c"))
    found = compare(measures, contrasts=[("c", "b")])
    one = found.of("mean_accuracy", ("c", "b"))
    other = compare(measures, contrasts=[("b", "c")]).of("mean_accuracy")
    assert one.difference == pytest.approx(-other.difference)
    with pytest.raises(ParamsError, match=r"names 'd'; expected values of 'condition'.*a, b, c"):
        compare(measures, contrasts=[("a", "d")])


def test_any_coordinate_makes_groups():
    runs = runs_of(curves(np.linspace(2, 5, 6)), [*"aaaaaa"], optimiser=[*"ssstta"])
    found = compare(runs, by="optimiser")
    assert (found.by, found.groups) == ("optimiser", ("s", "t", "a"))


def test_one_group_is_described_with_each_measure():
    found = compare(runs_of(curves([2.0, 3, 4]), [*"aaa"], [0, 1, 2]))
    assert found.contrasts == ()
    row = found.of("final_accuracy")
    assert (row.design, row.other, row.n_reference, row.difference) == ("described", "", 3, None)
    assert row.reference_value == pytest.approx(0.95, abs=0.01)


def test_networks_without_any_group_are_described_together():
    found = compare(dataset(walks(3, 4)))
    assert (found.by, found.groups) == (None, ("",))
    assert found.of("path_length").n_reference == 3


def test_twins_and_networks_that_others_continue_are_not_compared():
    half = np.array([2.0, 3, 4, 5, 3, 2.5])
    accuracy = curves(np.concatenate([half, half, half]))
    runs = runs_of(
        accuracy,
        [*"aaabbb"] * 3,
        [0, 1, 2] * 6,
        network=[f"n{i}" for i in range(12)] + [f"before{i}" for i in range(6)],
        twin=[False] * 6 + [True] * 6 + [False] * 6,
        phase=["train"] * 12 + ["pretrain"] * 6,
        continues=[f"before{i}" for i in range(6)] * 2 + [""] * 6,
    )
    found = compare(runs)
    assert found.counts == {
        "a": {"networks": 3, "failed": 0},
        "b": {"networks": 3, "failed": 0},
    }
    assert found.of("steps_to_50").pairs == 3


def test_a_row_is_about_the_same_pairs_in_value_difference_and_test():
    """Networks that diverged have no path: their partners leave the row with them."""
    accuracy = curves(np.linspace(2, 5, 16))
    weights = walks(16, 12)
    weights[[1, 12]] = np.nan
    outcome = ["diverged" if i in (1, 12) else "" for i in range(16)]
    runs = runs_of(
        accuracy, [*"a" * 8, *"b" * 8], [*range(8)] * 2, weights=weights, outcome=outcome
    )
    measures = measure(runs)
    row = compare(measures).of("path_length")
    assert (row.pairs, row.failed_reference, row.failed_other) == (6, 0, 0)
    lengths = measures.values("path_length")
    kept = [i for i in range(8) if i not in (1, 4)]
    mine, other = ([lengths[f"network-{i + shift}"] for i in kept] for shift in (0, 8))
    assert row.reference_value == pytest.approx(np.median(mine))
    assert row.higher == sum(b > a for a, b in zip(mine, other, strict=True))
    # Learning counts them in.
    row = compare(measures).of("final_accuracy")
    assert (row.pairs, row.failed_reference, row.failed_other) == (8, 1, 1)


def test_a_failed_network_without_a_score_counts_as_worse_and_an_unrecorded_one_is_left_out():
    accuracy = curves(np.full(14, 3.0) + np.linspace(0, 1e-3, 14))
    accuracy[10, -1] = np.nan
    for outcome, pairs in (("diverged", 7), ("", 6)):
        outcomes = ["" if i != 10 else outcome for i in range(14)]
        runs = runs_of(accuracy, [*"a" * 7, *"b" * 7], [*range(7)] * 2, outcome=outcomes)
        assert compare(runs).of("final_accuracy").pairs == pairs


def test_an_accuracy_that_some_did_not_reach_compares_all_pairs_and_says_how_many_did():
    accuracy = curves(np.concatenate([np.linspace(2, 4, 8), np.linspace(6, 10.5, 8)]))
    found = compare(runs_of(accuracy, [*"a" * 8, *"b" * 8], [*range(8)] * 2)).of("steps_to_80")
    assert (found.reached_reference, found.reached_other, found.pairs) == (8, 6, 8)
    assert found.p == 2 / 2**8
    assert found.effect == 1
    assert found.difference is not None


def test_failures_are_shares():
    outcome = ["", "dead", "", "", "dead", "dead", "", ""]
    runs = runs_of(curves(np.linspace(2, 4, 8)), [*"aaaabbbb"], [*range(4)] * 2, outcome=outcome)
    found = compare(runs).of("failed")
    assert (found.reference_value, found.other_value, found.difference) == (0.25, 0.5, 0.25)
    assert (found.higher, found.lower) == (1, 0)


def test_p_values_are_adjusted_over_the_family_of_each_contrast():
    runs = runs_of(curves(np.linspace(2, 5, 24)), np.repeat([*"abc"], 8), [*range(8)] * 3)
    found = compare(runs)
    for contrast in found.contrasts:
        for family in ("network", "parameter", "partners"):
            rows = [
                row
                for row in found.items
                if (row.reference, row.other) == contrast and row.family == family
            ]
            assert rows
            expected = holm(np.array([row.p for row in rows]))
            np.testing.assert_allclose([row.adjusted_p for row in rows], expected)


def test_a_measure_more_changes_no_other_result_but_its_correction():
    runs = runs_of(curves(np.linspace(2, 5, 16)), [*"a" * 8, *"b" * 8], [*range(8)] * 2)
    few = compare(measure(runs, measures=("straightness",))).of("straightness")
    many = compare(measure(runs)).of("straightness")
    assert (few.p, few.low, few.effect_low) == (many.p, many.low, many.effect_low)


class TestRounding:
    def twins(self, spread, rounding, pairs=20):
        rng = np.random.default_rng(0)
        half = rng.normal(6, spread, 2 * pairs)
        nearby = half + (rng.normal(0, rounding, 2 * pairs) if rounding else 0)
        accuracy = curves(np.concatenate([half, nearby]), 20)
        twin = [False] * 2 * pairs + [True] * 2 * pairs
        condition = ([*("a" * pairs), *("b" * pairs)]) * 2
        return runs_of(accuracy, condition, [*range(pairs)] * 4, twin=twin)

    def test_twins_that_differ_like_seeds_make_all_of_the_variance(self):
        found = compare(measure(self.twins(0.1, 2.0), measures=("steps_to_50",)))
        assert found.of("steps_to_50").rounding_share > 0.6

    def test_twins_that_hardly_differ_make_as_much_of_it_as_they_should(self):
        """Each differs from the other by 0.1, which is a variance of 0.005 against 1."""
        measures = measure(self.twins(1.0, 0.1, 80), measures=("steps_to_50",))
        found = compare(measures).of("steps_to_50")
        assert found.rounding_share == pytest.approx(0.005, rel=0.4)
        values = measures.values("steps_to_50").to_numpy()
        assert found.rounding_change == pytest.approx(np.abs(values[:160] - values[160:]).max())

    def test_equal_twins_make_none_and_without_twins_nothing_is_known(self):
        found = compare(measure(self.twins(1.0, 0), measures=("steps_to_50",)))
        assert found.of("steps_to_50").rounding_share == 0
        assert found.of("steps_to_50").rounding_change == 0
        runs = runs_of(curves(np.linspace(2, 5, 4)), [*"aabb"], [0, 1] * 2)
        assert compare(runs).of("steps_to_50").rounding_share is None


class TestPartners:
    def runs(self, pull, seed=0, pairs=10):
        """Two groups whose partners share so much of their displacement."""
        rng = np.random.default_rng(seed)
        start, shared = rng.normal(size=(2, pairs, 60))
        own = rng.normal(size=(2, pairs, 60))
        end = np.concatenate([start + pull * shared + 0.3 * own[g] for g in range(2)])
        line = np.linspace(0, 1, 4)[:, None]
        begin = np.concatenate([start, start])[:, None]
        weights = begin + line * (end[:, None] - begin)
        return dataset(weights, condition=np.repeat([*"ab"], pairs), pair=[*range(pairs)] * 2)

    def test_partners_that_go_together_end_nearer_than_networks_of_other_pairs(self):
        runs = self.runs(1.0)
        found = compare(runs)
        distance, angle = found.of("partner_distance"), found.of("partner_angle")
        assert distance.significant
        assert (distance.lower, distance.design, distance.family) == (10, "partners", "partners")
        assert distance.other_value < 0.7 < 1.5 < distance.reference_value
        assert angle.other_value < 40
        assert 80 < angle.reference_value < 100
        ends = runs["weights"].values[:, -1].astype(float)
        moved = np.linalg.norm(ends - runs["weights"].values[:, 0], axis=1)
        apart = np.linalg.norm(ends[:10, None] - ends[10:], axis=2)
        apart /= (moved[:10, None] + moved[10:]) / 2
        assert distance.other_value == pytest.approx(np.median(apart.diagonal()), rel=1e-5)
        others = [
            np.median([*np.delete(apart[i], i), *np.delete(apart[:, i], i)]) for i in range(10)
        ]
        assert distance.reference_value == pytest.approx(np.median(others), rel=1e-5)

    def test_strangers_are_called_partners_in_five_percent(self):
        """Pairs drawn at random, whose starts and ends have nothing in common."""
        rng, rejected = np.random.default_rng(1), []
        for seed in range(25):
            runs = self.runs(1.0, seed)
            order = rng.permutation(10)
            while (order == np.arange(10)).any():
                order = rng.permutation(10)
            runs = runs.assign_coords(pair=("network", np.concatenate([np.arange(10), order])))
            only = measure(runs, measures=("displacement",))
            rejected.append(compare(only).of("partner_angle").p <= 0.05)
        assert np.mean(rejected) < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 25)


def test_what_was_written_comes_back_and_the_same_bytes_are_written_every_time(tmp_path):
    runs = runs_of(curves(np.linspace(2, 5, 16)), [*"a" * 8, *"b" * 8], [*range(8)] * 2)
    for name in ("one", "two"):
        compare(runs).save(tmp_path / name)
    text = [(tmp_path / name / "comparisons.json").read_text() for name in ("one", "two")]
    assert text[0] == text[1]
    json.loads(text[0], parse_constant=pytest.fail)  # no NaN, no infinity
    found, expected = Comparisons.load(tmp_path / "one"), compare(runs)
    pd.testing.assert_frame_equal(found.table, expected.table, rtol=1e-9)
    assert found.verdict == expected.verdict
    assert (found.contrasts, found.groups, found.by) == ((("a", "b"),), ("a", "b"), "condition")
    assert list(found.table.columns) == [each.name for each in fields(Comparison)]
