"""Paths are told apart from those of nothing where they differ, and not where they do not."""

import numpy as np
import pandas as pd
import pytest

from deep_learning_dynamics.measures import Measures, against_nulls
from deep_learning_dynamics.measures.nulls import measures_of, random_walk, shuffled
from deep_learning_dynamics.measures.paths import Path
from deep_learning_dynamics.measures.tables import TrainedPath

SIZE = 300
MOVES = 12


def measured(points_of, pairs=3, arms=("scratch",), seed=1):
    """Networks whose path goes through ``points_of(rng)`` [snapshot, weight]."""
    rng = np.random.default_rng(seed)
    paths = tuple(
        TrainedPath(arm, pair, SIZE, Path.through(points_of(rng), np.arange(MOVES + 1)))
        for arm in arms
        for pair in range(pairs)
    )
    return Measures(pd.DataFrame(), pd.DataFrame(), paths)


def walk(rng):
    return np.cumsum(rng.normal(size=(MOVES + 1, SIZE)) * rng.uniform(0.1, 1), axis=0)


def line(rng):
    return np.outer(np.arange(MOVES + 1.0), rng.normal(size=SIZE))


def circle(rng):
    angles = np.linspace(0, 2 * np.pi, MOVES + 1)
    return np.column_stack([np.cos(angles), np.sin(angles)]) @ rng.normal(size=(2, SIZE))


@pytest.mark.parametrize("points_of", [walk, line, circle])
def test_many_paths_at_once_have_the_measures_of_each_alone(points_of):
    rng = np.random.default_rng(2)
    paths = [Path.through(points_of(rng), np.arange(MOVES + 1)) for _ in range(4)]
    found = measures_of(np.stack([path.products for path in paths]))
    alone = {
        "straightness": [path.straightness for path in paths],
        "turning_angle": [path.mean_turning for path in paths],
        "effective_dimension": [path.dimension for path in paths],
        "displacement": [path.displacement for path in paths],
    }
    assert found.keys() == alone.keys()
    for name, values in alone.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-9, atol=1e-9, err_msg=name)


def test_what_is_not_defined_alone_is_not_defined_among_many():
    points = np.zeros((MOVES + 1, SIZE))
    points[3:, 0] = 1  # one move, and no angle
    still, once = np.zeros((MOVES, MOVES)), Path.through(points, np.arange(MOVES + 1))
    found = measures_of(np.stack([still, once.products]))
    assert np.isnan([values[0] for name, values in found.items() if name != "displacement"]).all()
    assert found["displacement"][0] == 0
    assert np.isnan(once.mean_turning)
    assert np.isnan(found["turning_angle"][1])
    assert found["straightness"][1] == 1


def test_a_real_random_walk_lies_among_its_nulls():
    nulls = against_nulls(measured(walk, seed=5), seed=0)
    assert {kind for _, kind, _ in nulls.standings} == {"random_walk", "shuffled_steps"}
    for (name, kind, _), standing in nulls.standings.items():
        assert standing.low < standing.value < standing.high, (name, kind)
        assert not standing.stands_out
    assert nulls.sentence() == ""


def test_random_walks_stand_out_among_their_nulls_once_in_twenty():
    out = [
        standing.stands_out
        for seed in range(60)
        for standing in against_nulls(measured(walk, 1, seed=seed), 0, 39).standings.values()
    ]
    assert 0.01 < np.mean(out) < 0.09  # of 360, measures of one walk not independent


def test_a_straight_line_is_far_straighter_than_random_walks():
    nulls = against_nulls(measured(line, arms=("scratch", "pretrained")), seed=0)
    for arm in ("scratch", "pretrained"):
        straight = nulls.standings["straightness", "random_walk", arm]
        assert straight.value == pytest.approx(1)
        assert straight.high < 0.4  # about 1/√12
        assert straight.p_value == 2 / 201
        assert nulls.standings["turning_angle", "random_walk", arm].median > 85
    sentence = nulls.sentence()
    assert sentence.startswith("Random walks with the same step lengths would look different")
    assert "straightness 1 scratch (0." in sentence
    assert " and 1 pretrained (0." in sentence
    assert "shuffled" not in sentence


def test_the_sentence_tells_only_what_sets_every_arm_apart():
    """With six comparisons one stands out by chance in every fourth experiment."""
    lines, walks = measured(line), measured(walk, arms=("pretrained",), seed=2)
    both = Measures(lines.networks, lines.over_time, (*lines.paths, *walks.paths))
    nulls = against_nulls(both, seed=0)
    assert nulls.standings["straightness", "random_walk", "scratch"].stands_out
    assert nulls.sentence() == ""


def test_a_circle_turns_less_than_its_shuffled_steps():
    found = against_nulls(measured(circle), seed=0).standings
    turning = found["turning_angle", "shuffled_steps", "scratch"]
    assert turning.value < 40 < turning.low
    assert turning.stands_out


def test_shuffled_steps_keep_the_displacement_and_so_are_not_compared_in_it():
    rng = np.random.default_rng(3)
    path = Path.through(walk(rng), np.arange(MOVES + 1))
    orders = np.stack([shuffled(path, rng).products for _ in range(50)])
    found = measures_of(orders)
    for name in ("displacement", "straightness"):
        np.testing.assert_allclose(found[name], getattr(path, name), rtol=1e-12)
    assert np.ptp(found["turning_angle"]) > 1
    walks = measures_of(np.stack([random_walk(path, SIZE, rng).products for _ in range(50)]))
    assert np.ptp(walks["displacement"]) > 0.01 * path.displacement  # the control
    kinds = {(name, kind) for name, kind, _ in against_nulls(measured(walk), 0).standings}
    assert ("displacement", "random_walk") in kinds
    assert not {("displacement", "shuffled_steps"), ("straightness", "shuffled_steps")} & kinds


def test_a_number_is_the_arms_median_and_the_other_arm_does_not_matter():
    both = against_nulls(measured(walk, pairs=4, arms=("scratch", "pretrained")), seed=0)
    alone = against_nulls(measured(walk, pairs=4), seed=0)
    key = ("straightness", "random_walk", "scratch")
    assert both.standings[key] == alone.standings[key]
    values = [path.path.straightness for path in measured(walk, pairs=4).paths]
    assert alone.standings[key].value == pytest.approx(np.median(values))


def test_a_network_that_never_moves_leaves_the_others_their_comparison():
    moving = measured(line)
    still = TrainedPath("scratch", 3, SIZE, Path(np.arange(MOVES + 1), np.zeros((MOVES, MOVES))))
    found = against_nulls(Measures(moving.networks, moving.over_time, (*moving.paths, still)), 0)
    assert found.standings["straightness", "random_walk", "scratch"].value == pytest.approx(1)
    alone = against_nulls(Measures(moving.networks, moving.over_time, (still,)), 0)
    assert np.isnan(alone.standings["straightness", "random_walk", "scratch"].p_value)
    assert alone.sentence() == ""


def test_another_seed_gives_other_nulls_and_the_same_seed_the_same():
    one, again, other = (against_nulls(measured(walk), seed) for seed in (0, 0, 1))
    assert one == again
    key = ("straightness", "random_walk", "scratch")
    assert one.standings[key].median != other.standings[key].median
