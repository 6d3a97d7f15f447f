"""Null tests hold their level, find what is there, and say in which direction."""

from types import SimpleNamespace

import numpy as np
import pytest
from hand_made_stores import SIZE, dataset

from deep_learning_dynamics.geometry import measure
from deep_learning_dynamics.inference import null_tests, path_null_tests, statistics
from deep_learning_dynamics.inference.null_tests import against, step_down

KEYS = ("trustworthiness", "continuity", "distance_rank_correlation", "seed_disparity")


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch):
    monkeypatch.setattr(statistics, "PERMUTATIONS", 499)


def nulls_of(count=39, seed=0, keys=KEYS, spread=0.01):
    """Numbers of nulls that depend on each other, as those of one layout do."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=count)
    return {key: 0.8 + spread * (shared + rng.normal(size=count)) for key in keys}


class TestAgainstNulls:
    def test_far_above_is_better_far_below_is_worse_and_among_them_is_as(self):
        real = dict(zip(KEYS, (0.95, 0.6, 0.8, 0.95), strict=True))
        found = {t.quantity: t for t in against("pca", "random_walk", real, nulls_of())}
        directions = {key: test.direction for key, test in found.items()}
        assert directions == {
            "trustworthiness": "better than",
            "continuity": "worse than",
            "distance_rank_correlation": "as",
            "seed_disparity": "worse than",  # lower is better
        }
        assert found["trustworthiness"].p == 1 / 40
        assert found["trustworthiness"].adjusted_p == 1 / 40
        low, high = np.quantile(nulls_of()["trustworthiness"], [0.025, 0.975])
        assert (found["trustworthiness"].low, found["trustworthiness"].high) == (low, high)

    def test_a_quantity_of_which_neither_side_is_better_has_more_or_less(self):
        (found,) = against("pca", "random_walk", {"mystery": 3.0}, nulls_of(keys=("mystery",)))
        assert found.direction == "more than"

    def test_with_fewer_than_39_nulls_nothing_is_tested(self):
        found = against("pca", "random_walk", {"continuity": 5.0}, nulls_of(38))
        assert [test.direction for test in found] == ["not tested"]
        assert found[0].reason == "38 nulls; at least 39 are needed"
        assert found[0].p is None

    def test_numbers_that_all_share_are_as_the_nulls(self):
        same = {"continuity": np.ones(39)}
        (found,) = against("pca", "random_walk", {"continuity": 1.0}, same)
        assert (found.p, found.direction) == (1, "as")

    def test_a_null_itself_is_found_different_in_five_percent_of_families_at_most(self):
        rng = np.random.default_rng(1)
        alarms, uncorrected = [], []
        for _ in range(1000):
            shared = rng.standard_t(4, (40, 1))
            together = shared + rng.standard_t(4, (40, 5))
            p_values, adjusted = step_down(together[0], together[1:])
            alarms.append(adjusted.min() <= 0.05)
            uncorrected.append(p_values.min() <= 0.05)
            assert (adjusted >= p_values).all()
        assert np.mean(alarms) <= 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 1000)
        assert np.mean(alarms) > 0.02  # not idle: 2 of 40 places are significant
        assert np.mean(uncorrected) > 0.1  # the control

    def test_one_family_is_one_method_and_one_model(self):
        real = dict.fromkeys(KEYS, 0.95)
        robustness = SimpleNamespace(
            real=real, nulls={"random_walk": nulls_of(), "momentum_walk": nulls_of(seed=1)}
        )
        untested = SimpleNamespace(numbers=lambda: {"continuity": 0.9})
        found = null_tests(
            {
                "pca": SimpleNamespace(robustness=robustness, quality=untested),
                "umap": SimpleNamespace(robustness=None, quality=untested),
            }
        )
        assert len(found.of("pca")) == 8
        assert len(found.of("pca", "momentum_walk")) == 4
        (umap,) = found.of("umap")
        assert (umap.direction, umap.reason) == ("not tested", "robustness was not tested")
        assert len(found.items) == 9


def path_runs(kind, networks=12, snapshots=40, seed=0):
    """Paths of equal steps in 60 dimensions: independent, with momentum, or along a line."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(networks, snapshots, SIZE)) / np.sqrt(SIZE)
    if kind == "momentum":
        for now in range(1, snapshots):
            steps[:, now] = 0.6 * steps[:, now - 1] + 0.8 * steps[:, now]
    if kind == "directed":
        steps += rng.normal(size=(networks, 1, SIZE)) / np.sqrt(SIZE)
    return dataset(steps.cumsum(axis=1), condition=["a"] * networks)


class TestPaths:
    def directions(self, kind, seed=0):
        measures = ("straightness", "turning_angle", "effective_dimension")
        found = path_null_tests(measure(path_runs(kind, seed=seed), measures=measures))
        return {(t.model, t.quantity): t.direction for t in found.items}

    def test_random_walks_are_as_random_walks_in_all_but_five_percent(self):
        different = [
            any(direction != "as" for direction in self.directions("random", seed).values())
            for seed in range(15)
        ]
        # Two models, each at 5 %.
        assert np.mean(different) <= 0.1 + 3.5 * np.sqrt(0.1 * 0.9 / 15)

    def test_momentum_makes_paths_straighter_than_random_walks_but_not_than_those_with_it(self):
        found = self.directions("momentum")
        assert found["random_walk", "straightness"] == "more than"
        assert found["random_walk", "turning_angle"] == "less than"
        assert found["momentum_walk", "straightness"] == "as"

    def test_a_lasting_direction_makes_paths_straighter_than_their_momentum_does(self):
        found = self.directions("directed")
        assert found["momentum_walk", "straightness"] == "more than"
        assert found["momentum_walk", "effective_dimension"] == "less than"

    def test_five_networks_are_not_tested(self):
        found = path_null_tests(measure(path_runs("directed", networks=5)))
        assert {test.direction for test in found.items} == {"not tested"}
        assert found.items[0].reason == "5 networks of a group; at least 6 are needed"
