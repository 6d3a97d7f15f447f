"""The answer in words is the right one, short, and says what to do where it is undecided."""

from dataclasses import replace
from math import comb

import numpy as np
import pandas as pd
import pytest
from hand_made_stores import dataset, walks

from deep_learning_dynamics.geometry import measure
from deep_learning_dynamics.inference import Comparison, Comparisons, compare, statistics
from deep_learning_dynamics.inference.sample_size import equivalent
from deep_learning_dynamics.inference.verdict import verdict

TITLES = {
    "condition": {
        "scratch": "from scratch",
        "pretrained": "pre-trained",
        "permuted": "with permuted pre-trained weights",
    }
}
COMMAND = "dynamics run -S pairs={pairs}"
# Without path measures, whose random walks could differ by chance.
MEASURES = ("steps_to_50", "steps_to_80", "steps_to_90", "final_accuracy", "failed")


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch):
    monkeypatch.setattr(statistics, "PERMUTATIONS", 9_999)
    monkeypatch.setattr(statistics, "RESAMPLES", 199)


def verdict_of(delays, pairs=20, spread=6.0, failed=(), titles=TITLES, task="MNIST", paired=True,
               conditions=("scratch", "pretrained", "permuted"), snapshots=10, command=COMMAND,
               analysed=None):  # fmt: skip
    """Conditions whose networks learn so much later than the first one's."""
    rng = np.random.default_rng(1)
    base = rng.normal(30, 6, pairs)
    half = [base + delay + rng.normal(0, spread, pairs) * (i > 0) for i, delay in enumerate(delays)]
    time = 10 * np.arange(snapshots)
    accuracy = 0.95 / (1 + np.exp(-(time - np.concatenate(half)[:, None]) / 8))
    networks = len(accuracy)
    accuracy[list(failed)] = 0.1
    runs = dataset(
        walks(networks, snapshots),
        scores={"test_accuracy": accuracy},
        condition=np.repeat(conditions[: len(delays)], pairs),
        **({"pair": [*range(pairs)] * len(delays)} if paired else {}),
        outcome=["dead" if i in failed else "" for i in range(networks)],
        titles=titles,
        attributes={"task": task} if task else {},
    )
    found = compare(measure(runs, measures=MEASURES, found=analysed), command=command)
    verdict = found.verdict
    assert len(verdict.sentence.split()) <= 30
    assert len(verdict.bullets) <= 3
    assert (verdict.next_step is None) or not verdict.decided
    for text in (verdict.sentence, *verdict.bullets):
        assert text[0].isupper() or text[0].isdigit()
        assert text.endswith(".")
        assert "nan" not in text
        assert "None" not in text
    return verdict


def row(measure, value, low=None, high=None, p=1.0, effect=0.0, design="paired", pairs=10,
        family="network", other="b", **more):  # fmt: skip
    """A measure that is 2 in the first group."""
    independent = {"pairs": None, "smallest_p": 2 / comb(2 * pairs, pairs)}
    paired = {"pairs": pairs, "smallest_p": 2.0 ** (1 - pairs)}
    values = {
        "n_reference": pairs, "n_other": pairs, "reference_value": 2.0, "other_value": value,
        "difference": None if value is None else value - 2, "low": low, "high": high, "p": p, "adjusted_p": p,
        "effect": effect, **(independent if design == "independent" else paired), **more,
    }  # fmt: skip
    return Comparison(measure, "", "a", other, design, family, **values)


def told_of(*rows):
    """The verdict on rows that are made by hand."""
    groups = tuple(dict.fromkeys(["a", *(each.other for each in rows)]))
    counts = {name: {"networks": rows[0].n_reference, "failed": 0} for name in groups}
    contrasts = tuple(("a", other) for other in groups[1:])
    titles = {name: f"of {name}" for name in groups}
    found = Comparisons("model", groups, contrasts, rows, titles, counts=counts)
    return verdict(found, command=COMMAND)


def test_the_time_of_commitment_is_no_time_of_learning():
    names = [f"network-{index}" for index in range(40)]
    steps = np.where(np.arange(40) < 20, 10.0, 80.0)
    analysed = pd.DataFrame({"network": names, "measure": "commitment_step", "value": steps})
    found = verdict_of([0, 0], analysed=analysed)
    assert "commitment" not in found.sentence
    assert "faster" not in found.sentence
    assert found.sentence.split(":")[-1] == verdict_of([0, 0]).sentence.split(":")[-1]


def test_a_difference_is_told_with_both_times_and_the_pairs_that_agree():
    found = verdict_of([0, 15])
    assert found.sentence == (
        "Pre-trained networks learn MNIST more slowly: 90 % test accuracy after 69 steps instead "
        "of 55, in 20 of 20 pairs."
    )
    assert found.decided
    assert found.bullets[0].startswith("Steps to 90 % test accuracy +14.2 steps (95 % interval +")


def test_groups_that_are_numbers_are_named_with_few_digits():
    groups = ("0.1", "0.4641588833612779")
    rows = [row("final_accuracy", 1.0, p=0.001, effect=-0.9, other=groups[1])]
    rows = (replace(rows[0], reference=groups[0]),)
    counts = {name: {"networks": 10, "failed": 0} for name in groups}
    found = verdict(Comparisons("learning_rate", groups, (groups,), rows, {}, counts=counts))
    assert found.sentence.startswith("Networks with learning rate 0.464 learn less well: ")


def test_the_direction_follows_the_difference():
    assert "learn MNIST faster: " in verdict_of([0, -12]).sentence


def test_groups_that_are_no_pairs_have_a_sentence_too():
    found = verdict_of([0, 15], paired=False)
    assert found.sentence == (
        "Pre-trained networks learn MNIST more slowly: 90 % test accuracy after 69 steps instead "
        "of 55, over 20 and 20 networks."
    )


def test_no_difference_is_told_only_where_the_interval_is_narrow():
    found = verdict_of([0, 0])
    assert found.sentence == (
        "Pre-trained networks learn MNIST as fast as those from scratch: 90 % test accuracy after "
        "55 and 55 steps, over 20 pairs."
    )
    assert found.decided


@pytest.mark.parametrize(("half", "alike"), [(0.015, True), (0.05, False)])
def test_accuracies_are_as_good_only_within_a_part_of_their_errors(half, alike):
    row = Comparison(
        "final_accuracy", "", "a", "b", "paired", "network", 20, 20, 20, 0.92, 0.92,
        difference=0.0, low=-half, high=half,
    )  # fmt: skip
    assert equivalent(row) is alike


def test_a_wide_interval_is_undecided_and_says_what_would_decide():
    found = verdict_of([0, 8], pairs=10, spread=20, snapshots=16)
    assert found.sentence.startswith(
        "Whether pre-trained networks learn MNIST faster or more slowly than those from scratch is "
        "undecided: "
    )
    assert not found.decided
    text, command = found.next_step.split(" would decide: ")
    pairs = int(text.removeprefix("About ").removesuffix(" pairs"))
    assert pairs > 10
    assert command == f"dynamics run -S pairs={pairs}"
    # And they do, most of the time: here with 1.5 times as many.
    assert verdict_of([0, 8], pairs=int(1.5 * pairs), spread=20, snapshots=16).decided


def test_too_few_pairs_say_how_many_are_needed():
    found = verdict_of([0, 15], pairs=5)
    assert found.sentence == (
        "5 pairs are too few to tell whether pre-trained networks learn MNIST faster or more "
        "slowly than those from scratch; at least 8 are needed."
    )
    assert found.next_step.startswith("8 pairs find a difference only if all agree; about ")
    assert " would most likely decide: dynamics run -S pairs=" in found.next_step
    assert verdict_of([0, 15], pairs=1).sentence.startswith("1 pair is too few to tell whether ")


def test_without_a_command_the_number_of_pairs_is_enough():
    step = verdict_of([0, 15], pairs=5, command=None).next_step
    assert step.endswith(" would most likely decide.")


def test_one_condition_is_described():
    found = verdict_of([0])
    assert found.sentence == (
        "Only one group was trained, 20 networks from scratch, so there is nothing to compare: "
        "90 % test accuracy after 55 steps (median of 20)."
    )
    assert found.next_step == "Train a second group to compare with."


def test_where_all_failed_nothing_is_compared():
    found = verdict_of([0, 15], pairs=6, failed=range(12))
    assert found.sentence == (
        "All 12 networks stopped learning or diverged (6 from scratch and 6 pre-trained), so "
        "nothing can be compared."
    )
    assert not found.decided


def test_failed_networks_are_counted_in_and_said():
    found = verdict_of([0, 15], failed=(20, 21, 22))
    assert found.bullets[0] == (
        "Failed networks are counted in: 0 of 20 from scratch and 3 of 20 pre-trained."
    )


def test_where_one_group_failed_the_other_learns():
    found = verdict_of([0, 15], failed=range(20, 40))
    assert found.sentence.startswith("Pre-trained networks learn MNIST ")
    assert "more slowly" in found.sentence or "less well" in found.sentence
    assert found.decided


def test_controls_are_told_beside_the_main_answer():
    found = verdict_of([0, 15, 0], spread=3.0)
    assert found.sentence.startswith("Pre-trained networks learn MNIST more slowly: ")
    told = [b for b in found.bullets if b.startswith("Networks with permuted pre-trained weights")]
    assert len(told) == 1
    assert told[0].startswith(
        "Networks with permuted pre-trained weights learn as fast as from scratch ("
    )
    slow = verdict_of([0, 15, 15], spread=3.0)
    assert any("weights learn more slowly than from scratch (" in b for b in slow.bullets)


def test_controls_are_told_by_the_measure_of_the_main_answer_or_name_theirs():
    """A group that reaches 90 % later than another reaches 80 % is not slower for that."""
    early, late = "steps_to_80", "steps_to_90"
    all_do, some_do, few_do = (
        {"reached_reference": 10, "reached_other": reached} for reached in (10, 9, 2)
    )
    found = told_of(
        row(early, 1.5, **some_do),
        row(late, 1.5, **few_do),
        *(row(early, 85.0, other=each, **all_do) for each in "cd"),
        *(row(late, 149.0, other=each, **all_do) for each in "cd"),
        row("final_loss", 0.9, other="e"),
        row(early, None, other="f", **few_do),
    )
    assert found.bullets[0].startswith("Steps to 80 % test accuracy ")
    assert found.bullets[1] == (
        "Whether networks of c learn faster or more slowly than of a is undecided "
        "(80 % test accuracy after 85 and 2 steps); whether networks of d learn faster or more "
        "slowly than of a is undecided (85 and 2 steps); whether networks of e learn better or "
        "less well than of a is undecided (final loss 0.9 and 2); whether networks of f learn "
        "faster or more slowly than of a is undecided (80 % test accuracy reached by 2 networks "
        "instead of 10)."
    )


def test_controls_say_over_how_many_pairs_where_these_are_others():
    bullets = told_of(
        row("final_loss", 0.9),
        row("final_loss", 0.9, other="c"),
        row("final_loss", 0.9, other="d", pairs=7),
    ).bullets
    assert bullets[1] == (
        "Whether networks of c learn better or less well than of a is undecided (final loss 0.9 "
        "and 2); whether networks of d learn better or less well than of a is undecided (0.9 and "
        "2, over 7 pairs)."
    )


def test_groups_without_titles_and_tasks_are_named_by_their_coordinate():
    found = verdict_of([0, 15], titles={}, task="")
    assert found.sentence.startswith("Networks with condition pretrained learn more slowly: ")


def test_an_accuracy_that_few_reach_is_not_what_is_told():
    """90 % is reached by nearly all of the first group, and by few of the other."""
    found = verdict_of([0, 15], snapshots=8)
    assert "80 % test accuracy after" in found.sentence


def test_a_training_with_losses_alone_has_an_answer():
    rng = np.random.default_rng(0)
    loss = np.exp(-np.linspace(0, 3, 6)) * np.repeat([1.0, 1.5], 10)[:, None]
    loss = loss * rng.lognormal(0, 0.05, (20, 1))
    runs = dataset(
        walks(20, 6), scores={"loss": loss}, model=[*"x" * 10, *"y" * 10], pair=[*range(10)] * 2
    )
    measures = measure(runs, by="model", measures=("final_loss", "failed"))
    found = compare(measures, by="model").verdict
    assert found.sentence.startswith("Networks with model y learn less well: final loss 0.0")
    assert found.sentence.endswith("in 10 of 10 pairs.")


@pytest.mark.parametrize(
    ("scores", "late", "undecided"), [(MEASURES, 40, "faster"), (("final_accuracy",), 90, "better")]
)
def test_where_only_the_paths_differ_that_is_told_and_what_is_undecided(scores, late, undecided):
    """Networks of one group move twice as far, and learn neither faster nor better for sure."""
    rng = np.random.default_rng(3)
    half = rng.normal(late, 25, 40)
    time = 10 * np.arange(10)
    runs = dataset(
        walks(40, 10) * np.repeat([1, 2], 20)[:, None, None],
        scores={"test_accuracy": 0.95 / (1 + np.exp(-(time - half[:, None]) / 8))},
        condition=np.repeat(["scratch", "permuted"], 20),
        pair=[*range(20)] * 2,
        titles=TITLES,
        attributes={"task": "handwritten digits"},
    )
    found = compare(measure(runs, measures=(*scores, "path_length"))).verdict
    assert found.sentence.startswith(
        "Networks with permuted pre-trained weights learn handwritten digits along other paths "
        "than those from scratch: path length "
    )
    assert found.sentence.endswith(f", in 20 of 20 pairs; whether {undecided} is undecided.")
    assert len(found.sentence.split()) <= 30
    assert not found.decided


def test_rounding_is_told_where_there_are_twins():
    rng = np.random.default_rng(0)
    half = np.concatenate([rng.normal(30, 6, 12), rng.normal(45, 6, 12)])
    time = 10 * np.arange(10)
    both = np.concatenate([half, half + rng.normal(0, 1, 24)])
    runs = dataset(
        walks(48, 10),
        scores={"test_accuracy": 0.95 / (1 + np.exp(-(time - both[:, None]) / 8))},
        condition=([*("a" * 12), *("b" * 12)]) * 2,
        pair=[*range(12)] * 4,
        twin=[False] * 24 + [True] * 24,
    )
    bullets = compare(measure(runs, measures=MEASURES)).verdict.bullets
    assert any(b.startswith("Rounding alone makes ") and "% of the variance" in b for b in bullets)


@pytest.mark.parametrize(
    ("apart", "interval", "p", "pairs", "told"),
    [
        (1.0, (-1.2, -0.8), 0.001, 10, "Partners end nearer to each other than to networks of "),
        (3.0, (0.8, 1.2), 0.001, 10, "Partners end farther apart than from networks of "),
        (2.0, (-0.1, 0.1), 0.9, 10, "Partners end as far from each other as from networks of "),
        (1.28, (-1.5, 0.1), 0.1, 10, "It is undecided whether partners end nearer to each other "),
        (0.0, (None, None), 0.5, 3, None),  # three pairs cannot tell, though partners are equal
    ],
)
def test_partners_end_as_far_from_each_other_only_where_the_interval_says_so(
    apart, interval, p, pairs, told
):
    """Beside networks of other pairs, which end two displacements apart."""
    distance = {"design": "partners", "family": "partners", "pairs": pairs, "p": p}
    found = told_of(
        row("final_accuracy", 2.0, pairs=pairs),
        row("partner_distance", apart, *interval, **distance),
        row("partner_angle", apart, *interval, **distance),
    )
    about = [bullet for bullet in found.bullets if "artners end" in bullet]
    assert [bullet.startswith(told) for bullet in about] == ([True] if told else [])


@pytest.mark.parametrize(
    ("pairs", "effect", "design", "told"),
    [
        (3, 0.0, "paired", "At least 6 pairs are needed to decide anything: "),
        (3, 0.01, "paired", "At least 6 pairs are needed to decide anything: "),
        (5, 1.0, "paired", "6 pairs find a difference only if all agree; about 11 would most "),
        (
            3,
            1.0,
            "independent",
            "4 networks in each group find a difference only if groups hardly ",
        ),
        (9, 0.0, "paired", "How many pairs would decide cannot be told from these."),
        (9, 0.05, "paired", "The difference, if there is one, would take more than 1,000 pairs "),
    ],
)
def test_what_to_do_agrees_with_the_sentence_and_with_what_is_known(pairs, effect, design, told):
    found = told_of(row("final_accuracy", 2.0, effect=effect, pairs=pairs, design=design))
    assert found.next_step.startswith(told)
    if "only if" in told:
        assert f"at least {told[0]} are needed." in found.sentence
    if ": " in told:
        assert found.next_step.endswith("pairs=6")


def time_row(value, low, high, effect, **more):
    """A significant difference in a time that all networks reached."""
    reached = {"reached_reference": 10, "reached_other": 10}
    return row("steps_to_80", value, low, high, 1e-4, effect, **reached, **more)


def test_what_ends_the_other_way_round_is_in_the_sentence():
    faster = time_row(1.0, -1.5, -0.8, -0.9, higher=1, lower=9)
    end = row("final_accuracy", 0.85, -0.08, -0.06, 1e-4, -1.0, higher=0, lower=10)
    end = replace(end, reference_value=0.92, difference=-0.07)
    assert told_of(faster, end).sentence == (
        "Networks of b learn faster, but have a lower final test accuracy: 80 % test accuracy "
        "after 1 steps instead of 2, in 9 of 10 pairs."
    )
    slower = replace(faster, effect=0.9, higher=9, lower=1, other_value=3.0, difference=1.0)
    assert "but" not in told_of(slower, end).sentence  # both say the same
    failed = replace(end, measure="failed", effect=1.0, higher=10, lower=0)
    assert "learn faster, but fail more often: " in told_of(faster, failed).sentence
    later = replace(end, measure="steps_to_90", effect=1.0)
    assert "learn faster, but reach 90 % test accuracy later: " in told_of(faster, later).sentence


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, "80 % test accuracy after 100 steps instead of 120, in 9 of 10 pairs"),
        ({"other_value": 121.0}, "steps to 80 % test accuracy −20 steps, over 10 pairs"),
        ({"higher": 6, "lower": 4}, "steps to 80 % test accuracy −20 steps, over 10 pairs"),
        (
            {"other_value": 121.0, "difference": None},
            "steps to 80 % test accuracy more in 1 and less in 9 of 10 pairs",
        ),
        (
            {"other_value": None, "reached_reference": 4, "reached_other": 8, "difference": None},
            "80 % test accuracy reached by 8 networks instead of 4, in 9 of 10 pairs",
        ),
        (
            {"other_value": None, "reached_reference": 8, "reached_other": 8, "difference": None},
            "steps to 80 % test accuracy more in 1 and less in 9 of 10 pairs",
        ),
    ],
)
def test_numbers_in_the_sentence_point_the_way_that_it_says(change, told):
    faster = time_row(100.0, -50.0, -1.0, -0.9, higher=1, lower=9)
    faster = replace(faster, reference_value=120.0, difference=-20.0)
    assert told_of(replace(faster, **change)).sentence == f"Networks of b learn faster: {told}."


def test_a_small_difference_is_called_so_and_what_counts_as_small_is_said():
    small = time_row(2.1, 0.05, 0.2, 0.9, higher=9, lower=1)
    found = told_of(small)
    assert found.sentence.startswith("Networks of b learn slightly more slowly: ")
    assert "differences within 25 % count as small" in found.bullets[0]
    large = told_of(replace(small, other_value=3.1, difference=1.1, low=0.9, high=1.2))
    assert "slightly" not in large.sentence
    assert "count as small" not in large.bullets[0]
