"""Barriers on lines whose loss is known in advance, and between copies in other coordinates."""

import threading

import numpy as np
import pandas as pd
import pytest
from hand_made_stores import SIZE, dataset, walks

from deep_learning_dynamics.execution import tasks
from deep_learning_dynamics.geometry import analyse, barriers
from deep_learning_dynamics.geometry.alignment import Alignment, Perceptron
from deep_learning_dynamics.geometry.measuring import measure
from deep_learning_dynamics.store.schema import Parameters

RELU = {"activation": "relu"}


class LossOnly:
    """A forward function of a loss; the error is the loss, up to 1."""

    def __init__(self, loss):
        self._loss, self.calls = loss, 0

    def scores(self, weights):
        self.calls += 1
        loss = np.array([self._loss(row.astype(float)) for row in weights])
        return loss, 1 - np.clip(loss, 0, 1)

    def activations(self, weights):
        return {}


def two_wells(weights):
    """0 where the first weight is −1 or 1, and 1 between them."""
    return (weights[0] ** 2 - 1) ** 2


def network_outputs(weights, inputs):
    hidden = np.maximum(inputs @ weights[:30].reshape(6, 5).T + weights[30:36], 0)
    return hidden @ weights[36:].reshape(4, 6).T


class Taught:
    """Networks of hand-made stores, whose right answers are those of one of them."""

    def __init__(self, teacher):
        self._inputs = np.random.default_rng(0).normal(size=(400, 5))
        self._labels = network_outputs(teacher, self._inputs).argmax(axis=1)

    def scores(self, weights):
        logits = np.stack([network_outputs(row.astype(float), self._inputs) for row in weights])
        logits -= logits.max(axis=2, keepdims=True)
        chances = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
        right = chances[:, np.arange(400), self._labels]
        return -np.log(right).mean(axis=1), (logits.argmax(2) == self._labels).mean(axis=1)

    def activations(self, weights):
        return {}


def found(runs, forward, **options):
    return analyse(runs, analyses=["barriers"], forward=forward, **options).get("barriers")


def paths(first_weights):
    """Networks that differ in their first weight alone: [network][snapshot]."""
    weights = np.zeros((len(first_weights), len(first_weights[0]), SIZE), np.float32)
    weights[:, :, 0] = first_weights
    weights[:, 0, 1] = 5  # so that every network moved
    return weights


def test_a_quadratic_loss_has_no_barrier():
    weights = walks(4, 3)
    weights[:, -1] /= np.linalg.norm(weights[:, -1], axis=1, keepdims=True)  # equal losses
    finding = found(dataset(weights), LossOnly(lambda row: (row**2).sum()))
    np.testing.assert_allclose(finding.tables["pairs"]["loss_barrier"], 0, atol=1e-6)


def test_between_two_wells_the_barrier_is_as_high_as_the_ridge():
    runs = dataset(paths([[0, -1], [0, 1]]))
    finding = found(runs, LossOnly(two_wells))
    plain = finding.tables["pairs"].query("not aligned")
    assert plain["loss_barrier"].tolist() == pytest.approx([1])
    assert plain["error_barrier"].tolist() == pytest.approx([1])
    lines = finding.tables["lines"].query("not aligned")
    np.testing.assert_allclose(
        lines["loss_median"], (np.linspace(-1, 1, len(lines)) ** 2 - 1) ** 2, atol=1e-6
    )


def test_a_height_is_above_the_mean_of_the_ends():
    values = np.array([[1.0, 5, 3], [2, 2, 2]])
    assert barriers.heights(values).tolist() == [3, 0]


def test_a_permuted_and_rescaled_copy_has_a_barrier_until_it_is_aligned():
    weights = walks(2, 3)
    runs = dataset(weights, attributes=RELU)
    perceptron = Perceptron.of(Parameters.from_runs(runs), "relu")
    symmetry = Alignment((np.array([3, 4, 5, 0, 1, 2]),), (np.array([2, 0.5, 3, 1, 0.4, 1.5]),))
    weights[1] = symmetry.apply(perceptron, weights[0])
    finding = found(dataset(weights, attributes=RELU), Taught(weights[0, -1]))
    plain, aligned = (
        finding.tables["pairs"][finding.tables["pairs"]["aligned"] == each].iloc[0]
        for each in (False, True)
    )
    assert plain["error_barrier"] > 0.1
    assert aligned["error_barrier"] == pytest.approx(0, abs=0.01)
    assert aligned["loss_barrier"] == pytest.approx(0, abs=0.01)
    assert aligned["distance"] < 1e-4 * plain["distance"]
    medians = {row["aligned"]: row["connected"] for row in finding.numbers["medians"]}
    assert medians == {False: 0, True: 1}


def twins(*first_weights, **more):
    """A network and its twin."""
    return dataset(paths(first_weights), twin=[False, True], pair=[0, 0], **more)


def test_a_network_commits_at_the_first_snapshot_in_the_well_of_its_twins_end():
    runs = twins([-1, -1, 0.9, 1, 1], [1, 1, 1, 1, 1])
    finding = found(runs, LossOnly(two_wells))
    values = finding.measures.set_index("measure")["value"]
    assert values["commitment_step"] == 30 - 10  # of the third snapshot
    assert values["twin_barrier"] == pytest.approx(0)
    rises = finding.tables["snapshots"]["error_rise"].to_numpy()
    np.testing.assert_allclose(rises[:2], 1, atol=1e-6)
    np.testing.assert_allclose(rises[3:], 0, atol=1e-6)


def test_a_network_that_leaves_the_well_again_has_not_committed():
    finding = found(twins([-1, 1, -1, -1], [1, 1, 1, 1]), LossOnly(two_wells))
    values = finding.measures.set_index("measure")["value"]
    assert np.isinf(values["commitment_step"])
    assert values["twin_barrier"] == pytest.approx(1)
    assert finding.numbers["committed"] == 0


def test_an_error_that_only_falls_towards_the_end_is_no_obstacle():
    values = np.array([[0.9, 0.5, 0.1], [0.9, 0.95, 0.1], [0.1, 0.5, 0.2]])
    np.testing.assert_allclose(barriers.rises(values), [0, 0.05, 0.3])
    slope = LossOnly(lambda weights: 1 - weights[0])  # a single valley: the end lies lowest
    values = found(twins([0, 0.2, 0.6, 1], [0, 0.3, 0.7, 1]), slope).measures
    assert values.set_index("measure")["value"]["commitment_step"] == 0


def test_commitment_is_the_end_of_the_last_rise():
    steps = np.array([0, 10, 20, 30])
    assert barriers.commitment(steps, np.array([0.0, 0, 0.02, 0])) == 0
    assert barriers.commitment(steps, np.array([0.5, 0, 0.5, 0])) == 30
    assert barriers.commitment(steps, np.array([0.5, 0.5, 0.5, np.nan])) == float("inf")


def test_measures_of_networks_take_what_was_found_with_the_limit_of_a_time():
    runs = twins([-1, 1, -1, -1], [1, 1, 1, 1])
    geometry = analyse(runs, analyses=["barriers"], forward=LossOnly(two_wells))
    measures = measure(runs, found=geometry.measures)
    row = measures.values_and_limits("commitment_step").loc["network-0"]
    assert (row["value"], row["limit"]) == (float("inf"), 30)
    assert measures.values("twin_barrier")["network-0"] == pytest.approx(1)
    assert np.isnan(measures.values("twin_barrier")["network-1"])
    assert "twin_barrier" not in set(measure(runs).table["measure"])


def test_partners_and_members_of_groups_are_told_apart_and_failed_networks_left_out():
    runs = dataset(
        walks(6, 3), condition=list("aaabbb"), pair=[0, 1, 2] * 2,
        outcome=["", "", "diverged", "", "", "dead"], attributes=RELU,
    )  # fmt: skip
    table = found(runs, Taught(walks(1, 1)[0, 0])).tables["pairs"].query("not aligned")
    rows = {(row.kind, row.network, row.other) for row in table.itertuples()}
    assert rows == {
        ("partners", "network-0", "network-3"),
        ("partners", "network-1", "network-4"),
        ("members", "network-0", "network-1"),
        ("members", "network-3", "network-4"),
    }
    assert (table["relative_distance"] > 0).all()


def test_many_networks_are_drawn_each_in_two_pairs_at_most_and_the_same_again():
    count = barriers.MOST_PAIRS + 15
    runs = dataset(walks(count, 2), condition=["a"] * count)
    one, again, other = (
        found(runs, LossOnly(two_wells), seed=seed).tables["pairs"] for seed in (0, 0, 1)
    )
    plain = one.query("not aligned")
    assert len(plain) == barriers.MOST_PAIRS
    both = plain["network"].tolist() + plain["other"].tolist()
    assert max(both.count(name) for name in both) <= 2
    assert one.equals(again)
    assert not one["network"].equals(other["network"])


def test_points_of_lines_are_evaluated_in_blocks_whose_size_changes_nothing(monkeypatch):
    lines = [tuple(line) for line in walks(8, 2).astype(np.float32)]
    forward = LossOnly(two_wells)
    whole, _ = barriers.along(lines, forward, 5)
    assert forward.calls == 1
    monkeypatch.setattr(barriers, "BLOCK_BYTES", 4 * SIZE * 5 * 2)
    in_blocks, _ = barriers.along(lines, forward, 5)
    assert forward.calls == 1 + 4
    np.testing.assert_array_equal(in_blocks, whole)


def test_barriers_found_in_other_processes_are_the_same(monkeypatch):
    runs = dataset(walks(6, 3), twin=[False, True] * 3, pair=["0", "0", "1", "1", "2", "2"])
    here = found(runs, LossOnly(two_wells)).tables
    monkeypatch.setattr(tasks, "WORTH_PROCESSES", 0.0)
    there = found(runs, LossOnly(two_wells)).tables
    assert len(here["pairs"]) > 3
    for name, table in here.items():
        pd.testing.assert_frame_equal(there[name], table, check_exact=True)


def test_a_forward_function_that_no_process_can_be_sent_is_evaluated_here(monkeypatch):
    runs, forward = dataset(walks(6, 3)), LossOnly(two_wells)
    expected = found(runs, forward).tables["pairs"]
    forward.lock = threading.Lock()
    monkeypatch.setattr(tasks, "WORTH_PROCESSES", 0.0)
    pd.testing.assert_frame_equal(found(runs, forward).tables["pairs"], expected)


def test_without_two_networks_there_is_no_finding():
    assert found(dataset(walks(1, 3)), LossOnly(two_wells)) is None
    runs = dataset(walks(2, 3), outcome=["diverged", ""])
    assert found(runs, LossOnly(two_wells)) is None


def test_networks_that_are_no_perceptrons_are_compared_as_they_are():
    runs = dataset(walks(3, 3))
    runs = runs.assign_coords(shape=("parameter", ["6,5", "6", "4,2,3"]))
    table = found(runs, LossOnly(two_wells)).tables["pairs"]
    assert len(table) == 3
    assert not table["aligned"].any()


def test_networks_of_one_snapshot_have_no_relative_distance_and_are_saved(tmp_path):
    geometry = analyse(dataset(walks(3, 1)), analyses=["barriers"], forward=LossOnly(two_wells))
    geometry.save(tmp_path / "geometry")
    for members in geometry.get("barriers").numbers["medians"]:
        assert (members["pairs"], members["relative_distance"]) == (3, None)


def test_a_network_that_ends_in_nan_is_left_out_whatever_its_store_says():
    weights = walks(4, 3)
    weights[1, -1] = np.nan
    pairs = found(dataset(weights, attributes=RELU), Taught(weights[0, -1])).tables["pairs"]
    assert set(pairs["network"]) | set(pairs["other"]) == {"network-0", "network-2", "network-3"}
