"""Null trajectories keep what they promise, lose the rest, and look as theory says."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial.distance import cdist

from deep_learning_dynamics.measures.nulls import random_walk, shuffled
from deep_learning_dynamics.measures.paths import Path
from deep_learning_dynamics.nulls import (
    chains,
    directions,
    random_walks,
    shuffled_steps,
    standing,
)

SIZE = 500


def stream(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def table():
    """Two pairs: pre-training of 6 snapshots, then both arms of 9."""
    rows = [("pretrain", "pretrained", pair, 6) for pair in range(2)]
    rows += [("train", arm, pair, 9) for arm in ("scratch", "pretrained") for pair in range(2)]
    return pd.DataFrame(
        [
            {"phase": phase, "arm": arm, "pair": pair, "layer": 0}
            for phase, arm, pair, count in rows
            for _ in range(count)
        ]
    )


@pytest.fixture(scope="module")
def rows(table):
    """Smooth paths, those of a pair from one start, training from where pre-training ended."""
    rng, result = stream(1), np.empty((len(table), SIZE))
    starts = rng.normal(size=(2, SIZE))
    for (phase, arm, pair), mine in table.groupby(["phase", "arm", "pair"]).groups.items():
        start = starts[pair]
        if phase == "train" and arm == "pretrained":
            start = result[table.query("phase == 'pretrain' and pair == @pair").index[-1]]
        time = np.linspace(0, 1, len(mine))[:, None]
        result[mine] = start + time * rng.normal(size=SIZE) + time**2 * rng.normal(size=SIZE)
    return result


def step_lengths(points, chain):
    return np.linalg.norm(np.diff(points[np.concatenate(chain)], axis=0), axis=1)


def test_chains_follow_each_network_from_pre_training_into_training(table):
    found = chains(table)
    assert len(found) == 4
    assert sorted(len(chain) for chain in found) == [1, 1, 2, 2]
    assert sorted(np.concatenate([row for chain in found for row in chain])) == list(range(48))
    first = found[0]
    assert table.loc[first[0], "phase"].unique() == ["pretrain"]
    assert table.loc[first[1], ["phase", "arm", "pair"]].drop_duplicates().to_numpy().tolist() == [
        ["train", "pretrained", 0]
    ]


def test_random_walks_keep_starts_and_the_length_of_every_step(rows, table):
    networks = chains(table)
    walks = random_walks(rows, networks, SIZE, stream())
    for chain in networks:
        real = step_lengths(rows, chain)
        np.testing.assert_allclose(step_lengths(walks, chain), real, atol=1e-9)
    starts = [chain[0][0] for chain in networks]
    np.testing.assert_allclose(
        cdist(walks[starts], walks[starts]), cdist(rows[starts], rows[starts]), atol=1e-5
    )
    before, after = networks[0]
    np.testing.assert_allclose(walks[after[0]], walks[before[-1]], atol=1e-9)


def test_random_walks_lose_the_direction_that_the_real_paths_have(rows, table):
    networks = chains(table)
    walks = random_walks(rows, networks, SIZE, stream())
    path = networks[-1][0]
    real = Path.through(rows[path], np.arange(len(path)))
    null = Path.through(walks[path], np.arange(len(path)))
    assert real.straightness > 0.9
    assert real.mean_turning < 30
    assert null.straightness < 0.6
    assert null.mean_turning == pytest.approx(90, abs=5)


def test_networks_walk_in_directions_of_their_own(rows, table):
    networks = chains(table)
    walks = random_walks(rows, networks, SIZE, stream())
    moves = np.concatenate([np.diff(walks[np.concatenate(chain)], axis=0) for chain in networks])
    moves = moves[np.linalg.norm(moves, axis=1) > 0]
    unit = moves / np.linalg.norm(moves, axis=1, keepdims=True)
    between = (unit @ unit.T)[np.triu_indices(len(unit), 1)]
    assert between.std() == pytest.approx(SIZE**-0.5, rel=0.15)
    assert np.abs(between).max() < 6 * SIZE**-0.5


def test_random_walks_need_only_coordinates_of_the_same_distances(rows, table):
    coordinates = np.linalg.qr((rows - rows.mean(axis=0)).T)[1].T
    networks = chains(table)
    one = random_walks(rows, networks, SIZE, stream(5))
    other = random_walks(coordinates, networks, SIZE, stream(5))
    assert one.shape == other.shape
    lengths = [step_lengths(walks, networks[0]) for walks in (one, other)]
    np.testing.assert_allclose(*lengths, atol=1e-9)
    assert one.shape[1] <= len(rows)  # far fewer than weights


def test_shuffled_steps_keep_both_ends_and_every_step_but_not_their_order(rows, table):
    networks = chains(table)
    null = shuffled_steps(rows, networks, stream())
    for chain in networks:
        for path in chain:
            np.testing.assert_array_equal(null[path[[0, -1]]], rows[path[[0, -1]]])
            real, found = np.diff(rows[path], axis=0), np.diff(null[path], axis=0)
            lengths = [np.sort(np.linalg.norm(moves, axis=1)) for moves in (real, found)]
            np.testing.assert_allclose(*lengths)
            assert not np.allclose(real, found)


def test_shuffling_does_not_change_the_rows_that_were_given(rows, table):
    before = rows.copy()
    shuffled_steps(rows, chains(table), stream())
    np.testing.assert_array_equal(rows, before)


@pytest.mark.parametrize(
    ("count", "size", "explicit"), [(4, 3, 0), (3, 8, 0), (5, 9, 4), (6, 4, 4)]
)
def test_directions_are_distributed_as_those_of_long_vectors(count, size, explicit):
    """The angles between them, and to the axes that were not turned, against a plain simulation."""
    rng = stream(2)
    plain = rng.normal(size=(4000, count, size))
    plain /= np.linalg.norm(plain, axis=2, keepdims=True)
    short = np.array([directions(count, size, rng, explicit) for _ in range(4000)])
    np.testing.assert_allclose(np.linalg.norm(short, axis=2), 1)
    assert short.shape[2] == explicit + min(count, size - explicit) <= size
    cosines = [np.einsum("ti,ti->t", of[:, 0], of[:, -1]) for of in (plain, short)]
    assert stats.ks_2samp(*cosines).pvalue > 0.001
    if explicit:
        assert stats.ks_2samp(plain[:, -1, 0], short[:, -1, 0]).pvalue > 0.001
        wrong = rng.normal(0, 0.9 * size**-0.5, 4000)  # the control
        assert stats.ks_2samp(plain[:, -1, 0], wrong).pvalue < 0.001


def test_the_first_components_of_a_random_walk_have_the_shares_that_theory_says():
    """6/π²k² of the variance in component k: 61 % and 15 % (Antognini & Sohl-Dickstein, 2018)."""
    straight = np.arange(400.0)[:, None] * np.eye(1, 3)
    walk = random_walks(straight, [[np.arange(400)]], 100_000, stream(3))
    values = np.linalg.svd(walk - walk.mean(axis=0), compute_uv=False) ** 2
    shares = values / values.sum()
    np.testing.assert_allclose(shares[:3], 6 / np.pi**2 / np.arange(1, 4) ** 2, rtol=0.05)


def test_one_path_has_the_nulls_of_its_measures():
    angles = np.linspace(0, np.pi, 201)
    real = Path.through(np.column_stack([np.cos(angles), np.sin(angles)]), np.arange(201))
    walk, order = random_walk(real, 50_000, stream()), shuffled(real, stream())
    np.testing.assert_allclose(walk.lengths, real.lengths)
    assert walk.dimension == pytest.approx(2.5, rel=0.05)
    assert walk.mean_turning == pytest.approx(90, abs=1)
    assert order.length == pytest.approx(real.length)
    assert order.displacement == pytest.approx(real.displacement)
    assert order.mean_turning > 30 * real.mean_turning
    np.testing.assert_allclose(np.sort(order.lengths), np.sort(real.lengths))


def test_steps_all_in_one_direction_are_the_same_in_any_order():
    """The control: shuffling changes nothing where order means nothing."""
    real = Path.through(np.arange(10.0)[:, None] * np.ones(4), np.arange(10))
    order = shuffled(real, stream())
    assert order.straightness == pytest.approx(1)
    assert order.dimension == pytest.approx(real.dimension)


def test_a_number_stands_out_if_few_nulls_are_as_far_out():
    nulls = np.arange(99.0)
    assert standing(200.0, nulls).p_value == 2 / 100
    assert standing(-5.0, nulls).p_value == 2 / 100
    middle = standing(49.0, nulls)
    assert middle.p_value == 1
    assert middle.median == 49
    assert not middle.stands_out
    assert standing(200.0, nulls).stands_out


def test_among_its_own_kind_a_number_stands_out_once_in_twenty():
    rng = stream(4)
    out = [
        standing(float(values[0]), values[1:]).stands_out for values in rng.normal(size=(2000, 40))
    ]
    possible = 2 / 40  # ranks 1 and 40 of 40
    assert abs(np.mean(out) - possible) < 3.5 * np.sqrt(possible * (1 - possible) / 2000)


def test_nulls_without_a_value_are_left_out_and_nothing_is_made_up():
    found = standing(1.0, np.array([0.0, np.nan, 2.0]))
    assert (found.nulls, found.p_value) == (2, 1)
    assert np.isnan(standing(1.0, np.array([np.nan])).p_value)
    assert np.isnan(standing(float("nan"), np.arange(5.0)).p_value)
