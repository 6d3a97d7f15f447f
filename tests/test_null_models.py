"""Null models keep what they promise, lose the rest, and are as theory says."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial.distance import cdist

from deep_learning_dynamics.geometry.paths import Path
from deep_learning_dynamics.null_models import (
    NULL_MODELS,
    _gaussian_vectors,
    _walk,
    expected_products,
    mean_cosine,
    momentum_walk,
    random_walk,
    shuffled_steps,
)
from deep_learning_dynamics.projection.refits import segments_of

WEIGHTS = 500


def expected_walk(lengths, momentum=0.0):
    """What a walk with such steps is expected to be."""
    return Path(np.arange(len(lengths) + 1), expected_products(lengths, momentum))


def walk_with(momentum, points, paths, weights, rng):
    """A walk of that momentum, whatever the points say."""
    return _walk(points, paths, weights, rng, [momentum for path in paths for _ in path])


def stream(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def table():
    """Two pairs: networks from scratch (9 snapshots), and pre-trained (6) and then trained (9)."""
    rows = []
    for pair in range(2):
        rows += [(f"scratch-{pair}", 2 * pair, at) for at in range(9)]
        rows += [
            (f"{'trained' if at >= 6 else 'before'}-{pair}", 2 * pair + 1, at) for at in range(15)
        ]
    return pd.DataFrame(rows, columns=["network", "path", "position"])


@pytest.fixture(scope="module")
def rows(table):
    """Smooth paths; those of a pair start in one place, training where pre-training ended."""
    rng, result = stream(1), np.empty((len(table), WEIGHTS))
    starts = rng.normal(size=(2, WEIGHTS))
    for network, mine in table.groupby("network", sort=False).groups.items():
        start = starts[int(network[-1])]
        if network.startswith("trained"):
            start = result[mine[0] - 1]
        time = np.linspace(0, 1, len(mine))[:, None]
        result[mine] = start + time * rng.normal(size=WEIGHTS) + time**2 * rng.normal(size=WEIGHTS)
    return result


def step_lengths(points, path):
    return np.linalg.norm(np.diff(points[np.concatenate(path)], axis=0), axis=1)


def participation_ratio(points):
    values = np.linalg.svd(points - points.mean(axis=0), compute_uv=False) ** 2
    return values.sum() ** 2 / (values**2).sum()


def straightness(points):
    return (
        np.linalg.norm(points[-1] - points[0])
        / np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    )


def test_a_path_is_in_order_of_time_and_has_a_segment_for_each_network(table):
    mixed = table.sample(frac=1, random_state=0)
    found = segments_of(mixed)
    assert [len(path) for path in found] == [1, 2, 1, 2]
    assert sorted(np.concatenate([row for path in found for row in path])) == list(range(48))
    before, after = found[1]
    assert mixed.iloc[before]["network"].unique() == ["before-0"]
    assert mixed.iloc[after]["position"].tolist() == list(range(6, 15))


@pytest.mark.parametrize("walk", [random_walk, momentum_walk])
def test_walks_keep_starts_and_the_length_of_every_step(rows, table, walk):
    paths = segments_of(table)
    walks = walk(rows, paths, WEIGHTS, stream())
    for path in paths:
        np.testing.assert_allclose(step_lengths(walks, path), step_lengths(rows, path), atol=1e-9)
    starts = [path[0][0] for path in paths]
    np.testing.assert_allclose(
        cdist(walks[starts], walks[starts]), cdist(rows[starts], rows[starts]), atol=1e-5
    )
    np.testing.assert_array_equal(walks[starts[0]], walks[starts[1]])  # one start, to the bit
    before, after = paths[1]
    np.testing.assert_allclose(walks[after[0]], walks[before[-1]], atol=1e-9)


def test_random_walks_lose_the_direction_that_the_real_paths_have(rows, table):
    path = segments_of(table)[0]
    walk = random_walk(rows, segments_of(table), WEIGHTS, stream())[path[0]]
    assert straightness(rows[path[0]]) > 0.9
    assert mean_cosine(rows[path[0]]) > 0.9
    assert straightness(walk) == pytest.approx(8**-0.5, abs=0.1)
    assert mean_cosine(walk) == pytest.approx(0, abs=0.1)


def test_walks_of_different_paths_have_nothing_in_common(rows, table):
    paths = segments_of(table)
    for walk in (random_walk, momentum_walk):
        walks = walk(rows, paths, WEIGHTS, stream())
        ends = np.stack([walks[path[-1][-1]] - walks[path[0][0]] for path in paths])
        ends /= np.linalg.norm(ends, axis=1, keepdims=True)
        assert np.abs((ends @ ends.T)[np.triu_indices(4, 1)]).max() < 6 * WEIGHTS**-0.5


def test_walks_need_only_coordinates_of_the_same_distances(rows, table):
    coordinates = np.linalg.qr((rows - rows.mean(axis=0)).T)[1].T
    paths = segments_of(table)
    one = momentum_walk(rows, paths, WEIGHTS, stream(5))
    other = momentum_walk(coordinates, paths, WEIGHTS, stream(5))
    assert other.shape[1] <= len(rows)  # far fewer than weights
    np.testing.assert_allclose(
        step_lengths(one, paths[0]), step_lengths(other, paths[0]), atol=1e-9
    )


@pytest.mark.parametrize("walk", [random_walk, momentum_walk])
def test_walks_have_the_axes_of_the_rows_where_these_are_all_that_there_are(rows, table, walk):
    """So that they can be brought back to where rows must lie, such as roots of probabilities."""
    paths = segments_of(table)
    walks = walk(rows + 7, paths, WEIGHTS, stream())
    first = [path[0][0] for path in paths]
    np.testing.assert_array_equal(walks[first], rows[first] + 7)
    steps = np.concatenate([np.diff(walks[np.concatenate(path)], axis=0) for path in paths])
    lengths = np.linalg.norm(steps, axis=1, keepdims=True)
    share = ((steps[lengths[:, 0] > 0] / lengths[lengths > 0][:, None]) ** 2).max()
    assert share < 40 / WEIGHTS, "no axis is preferred"


def ring(steps):
    """A path that goes round in a plane: all steps are equally long."""
    angles = np.linspace(0, 2 * np.pi, steps + 1)
    return np.column_stack([np.cos(angles), np.sin(angles)])


@pytest.mark.parametrize("momentum", [-0.5, 0.0, 0.5, 0.9])
def test_the_cosine_between_steps_of_a_momentum_walk_falls_as_powers_of_its_momentum(momentum):
    walk = walk_with(momentum, ring(600), [[np.arange(601)]], 100_000, stream(2))
    steps = np.diff(walk, axis=0)
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    for lag in (1, 2, 5):
        cosine = (steps[lag:] * steps[:-lag]).sum(axis=1).mean()
        assert cosine == pytest.approx(momentum**lag, abs=0.01)


def test_a_momentum_walk_has_its_momentum_from_its_first_step():
    paths = [[np.arange(3 * path, 3 * path + 3)] for path in range(100)]
    walks = walk_with(0.8, np.tile(ring(2), (100, 1)), paths, 100_000, stream(9))
    cosines = [mean_cosine(walks[path[0]]) for path in paths]
    np.testing.assert_allclose(cosines, 0.8, atol=0.02)


def test_a_momentum_walk_turns_as_sharply_as_the_real_network():
    """A network that goes on by a cosine of 0.8 and then, trained on other data, of 0.2."""
    real = np.concatenate(
        [
            walk_with(0.8, ring(400), [[np.arange(401)]], 10_000, stream(3)),
            walk_with(0.2, ring(400), [[np.arange(401)]], 10_000, stream(4)),
        ]
    )
    path = [np.arange(401), np.arange(401, 802)]
    walk = momentum_walk(real, [path], 10_000, stream(5))
    for segment, cosine in zip(path, (0.8, 0.2), strict=True):
        assert mean_cosine(real[segment]) == pytest.approx(cosine, abs=0.02)
        assert mean_cosine(walk[segment]) == pytest.approx(mean_cosine(real[segment]), abs=0.02)


def test_shuffled_steps_keep_both_ends_and_every_step_but_not_their_order(rows, table):
    before = rows.copy()
    null = shuffled_steps(rows, segments_of(table), WEIGHTS, stream())
    np.testing.assert_array_equal(rows, before)  # what was given is left alone
    for segment in (segment for path in segments_of(table) for segment in path):
        np.testing.assert_array_equal(null[segment[[0, -1]]], rows[segment[[0, -1]]])
        real, found = np.diff(rows[segment], axis=0), np.diff(null[segment], axis=0)
        lengths = [np.sort(np.linalg.norm(steps, axis=1)) for steps in (real, found)]
        np.testing.assert_allclose(*lengths)
        assert not np.allclose(real, found)


def test_steps_all_in_one_direction_are_the_same_in_any_order():
    """The control: shuffling changes nothing where order means nothing."""
    line = np.arange(10.0)[:, None] * np.ones(4)
    null = shuffled_steps(line, [[np.arange(10)]], WEIGHTS, stream())
    np.testing.assert_allclose(null, line)


@pytest.mark.parametrize(
    ("count", "size", "explicit"), [(4, 3, 0), (3, 8, 0), (5, 9, 4), (6, 4, 4)]
)
def test_turned_vectors_are_distributed_as_long_ones(count, size, explicit):
    """The angles between them, and to the axes that were not turned, against a plain simulation."""
    rng = stream(2)
    plain = rng.normal(size=(4000, count, size))
    short = np.array([_gaussian_vectors(count, size, rng, explicit) for _ in range(4000)])
    assert short.shape[2] == explicit + min(count, size - explicit) <= size
    lengths = [np.linalg.norm(of[:, -1], axis=1) for of in (plain, short)]
    assert stats.ks_2samp(*lengths).pvalue > 0.001
    products = [np.einsum("ti,ti->t", of[:, 0], of[:, -1]) for of in (plain, short)]
    assert stats.ks_2samp(*products).pvalue > 0.001
    if explicit:
        assert stats.ks_2samp(plain[:, -1, 0], short[:, -1, 0]).pvalue > 0.001
        wrong = rng.normal(0, 0.8, 4000)  # the control
        assert stats.ks_2samp(plain[:, -1, 0], wrong).pvalue < 0.001


@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_formulas_give_the_straightness_and_the_dimension_of_walks(momentum):
    """Steps of very different lengths, in many dimensions and simulated."""
    lengths = stream(6).lognormal(sigma=1, size=60)
    real = np.concatenate([[0], lengths.cumsum()])[:, None] * np.eye(1, 3)
    walks = [
        walk_with(momentum, real, [[np.arange(61)]], 100_000, stream(seed)) for seed in range(20)
    ]
    expected = expected_walk(lengths, momentum).straightness
    assert np.mean([straightness(walk) for walk in walks]) == pytest.approx(expected, rel=0.01)
    if momentum == 0:
        assert expected == pytest.approx(np.sqrt((lengths**2).sum()) / lengths.sum())
    dimension = expected_walk(lengths, momentum).dimension
    found = np.mean([participation_ratio(walk) for walk in walks])
    assert found == pytest.approx(dimension, rel=0.02)


def test_a_long_random_walk_has_the_components_that_theory_says():
    """6/π²k² of the variance in component k, 5/2 dimensions (Antognini & Sohl-Dickstein, 2018)."""
    straight = np.arange(400.0)[:, None] * np.eye(1, 3)
    walk = random_walk(straight, [[np.arange(400)]], 100_000, stream(3))
    values = np.linalg.svd(walk - walk.mean(axis=0), compute_uv=False) ** 2
    np.testing.assert_allclose(
        (values / values.sum())[:3], 6 / np.pi**2 / np.arange(1, 4) ** 2, rtol=0.05
    )
    assert expected_walk(np.ones(2000)).dimension == pytest.approx(2.5, rel=0.001)


def test_a_path_without_a_step_has_no_straightness_and_a_straight_one_has_all():
    assert np.isnan(expected_walk(np.zeros(3)).straightness)
    assert np.isnan(expected_walk(np.zeros(3)).dimension)
    assert expected_walk(np.ones(1)).straightness == 1
    assert expected_walk(np.ones(1)).dimension == pytest.approx(1)


def test_each_null_model_says_what_it_keeps_and_does_not_change_what_it_is_given(rows, table):
    for key, model in NULL_MODELS.items():
        assert model.key == key
        assert len(model.title) > 3
        assert "start" in model.keeps
        before = rows.copy()
        one = model.draw(rows, segments_of(table), WEIGHTS, stream(8))
        np.testing.assert_array_equal(rows, before)
        np.testing.assert_array_equal(one, model.draw(rows, segments_of(table), WEIGHTS, stream(8)))
        assert not np.array_equal(one, model.draw(rows, segments_of(table), WEIGHTS, stream(9)))
