"""Regions: a planted one is found, a random network is none, and 5 % are found where there is none."""

import re

import numpy as np
import pandas as pd
import pytest

from deep_learning_dynamics import inference
from deep_learning_dynamics.geometry import Finding, Geometry
from deep_learning_dynamics.inference.regions import contrast, permuted, regions


def geometry(points, learnt, groups=None, pairs=None, kinds=("distance",)):
    """The finding of networks that end at some points."""
    count = len(points)
    networks = pd.DataFrame(
        {"network": [f"n{number}" for number in range(count)], "learnt": learnt}
    )
    if groups is not None:
        networks["condition"] = groups
    if pairs is not None:
        networks["pair"] = pairs
    one, other = np.triu_indices(count, 1)
    apart = np.linalg.norm(points[one] - points[other], axis=1)
    names = networks["network"].to_numpy()
    ends = pd.DataFrame({"network": names[one], "other": names[other]})
    for kind in ("distance", "aligned", "angle"):
        ends[kind] = apart if kind in kinds else np.nan
    by = "" if groups is None else "condition"
    numbers = {"learnt": int(sum(learnt)), "failed": int(sum(~learnt)), "by": by}
    return Geometry({"regions": Finding({"networks": networks, "ends": ends}, numbers)})


def p_of(points, learnt, **options):
    return regions(geometry(points, learnt, **options), permutations=199).items[0].p


def test_a_planted_region_is_found_and_said():
    rng = np.random.default_rng(0)
    learnt = np.arange(20) < 12
    points = rng.normal(size=(20, 50)) * np.where(learnt, 1, 3)[:, None]
    found = regions(geometry(points, learnt))
    (item,) = found.items
    assert item.closer
    assert item.significant
    assert item.p == pytest.approx(2 / 10_000)
    good = [np.linalg.norm(points[i] - points[j]) for i in range(12) for j in range(i)]
    bad = [np.linalg.norm(points[i] - points[j]) for i in range(12) for j in range(12, 20)]
    assert (item.among, item.between) == (
        pytest.approx(np.median(good)),
        pytest.approx(np.median(bad)),
    )
    assert found.sentence.startswith(
        "Networks that learnt end closer to each other than to networks that failed: median "
        f"distance {np.median(good):.3g} against {np.median(bad):.3g} (p\u00a0=\u00a00.0002); "
        "12 learnt, 8 failed."
    )


def test_networks_that_learnt_all_over_are_farther_from_each_other():
    learnt = np.arange(20) < 12
    points = np.random.default_rng(0).normal(size=(20, 50)) * np.where(learnt, 3, 1)[:, None]
    found = regions(geometry(points, learnt))
    assert "farther from each other than from networks that failed" in found.sentence
    assert not found.items[0].closer


def test_random_networks_are_no_region():
    learnt = np.arange(20) < 12
    points = np.random.default_rng(2).normal(size=(20, 50))
    assert "no closer to each other than to networks that failed" in (
        regions(geometry(points, learnt)).sentence
    )


def test_five_percent_are_found_where_there_is_no_difference():
    """Pairs start alike and fail together, and one condition fails more and lies elsewhere."""
    rejected, blind = 0, 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        starts, fate = rng.normal(size=(10, 30)), rng.uniform(size=10)
        points = np.concatenate([starts, starts + 2]) + 0.3 * rng.normal(size=(20, 30))
        learnt = np.concatenate([fate, fate]) < np.repeat([0.8, 0.5], 10)
        if not 2 <= learnt.sum() <= 18:
            continue
        known = {"groups": ["a"] * 10 + ["b"] * 10, "pairs": [*range(10)] * 2}
        rejected += p_of(points, learnt, **known) <= 0.05
        blind += p_of(points, learnt) <= 0.05
    assert 0.02 < rejected / 300 < 0.08
    assert blind > 1.5 * rejected, "without pairs and conditions it would be fooled"


def test_labels_of_a_pair_stay_together():
    learnt = np.array([True, False, True, True, False, False])
    strata = [[np.array([0, 3]), np.array([1, 4]), np.array([2, 5])]]
    labels = permuted(learnt, strata, np.random.default_rng(0), 2000)
    found = {tuple(row) for row in np.stack([labels[:, :3], labels[:, 3:]], 2).reshape(-1, 3, 2)
             .reshape(-1, 2).tolist()}  # fmt: skip
    assert found == {(True, True), (False, False), (True, False)}
    assert (labels.sum(axis=1) == 3).all()
    assert labels[:, 0].mean() == pytest.approx(2 / 3, abs=0.05)


def test_the_contrast_is_the_difference_of_means():
    matrix = np.array([[0.0, 1, 5, 7], [1, 0, 6, 8], [5, 6, 0, 2], [7, 8, 2, 0]])
    assert contrast(matrix, np.array([True, True, False, False])) == [6.5 - 1]


def test_alignment_and_direction_have_sentences_of_their_own_and_are_corrected():
    rng = np.random.default_rng(0)
    learnt = np.arange(20) < 12
    points = rng.normal(size=(20, 50)) * np.where(learnt, 1, 3)[:, None]
    found = regions(geometry(points, learnt, kinds=("distance", "aligned", "angle")))
    assert [item.kind for item in found.items] == ["distance", "aligned", "angle"]
    assert found.items[0].adjusted_p == pytest.approx(3 * found.items[0].p)
    assert "After alignment, they are closer: " in found.sentence
    assert re.search(r"By direction alone, they are closer: .* against .* degrees", found.sentence)


def test_without_both_kinds_there_is_nothing_to_test():
    assert inference.regions(None) is None
    assert inference.regions(Geometry({})) is None
