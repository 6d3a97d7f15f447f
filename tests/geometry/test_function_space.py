"""Predictions as points: closed forms, and a store's snapshots on the way to the truth."""

import numpy as np
import pytest

from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.geometry.function_space import (
    distances,
    function_space,
    inpca,
    progress,
)


def coins(*shares):
    """One probe example with two classes."""
    return np.array([[[p, 1 - p]] for p in shares])


def test_distances_of_two_coins_have_their_closed_form():
    found = distances(coins(0.5, 0.9, 0.9))
    expected = -np.log(np.sqrt(0.5 * 0.9) + np.sqrt(0.5 * 0.1))
    np.testing.assert_allclose(found[0], [0, expected, expected], atol=1e-15)
    assert found[1, 2] < 1e-15


def test_predictions_that_contradict_each_other_are_far_apart_and_finite():
    assert 10 < distances(coins(0.0, 1.0))[0, 1] < 100


def test_points_in_a_plane_come_back_with_their_distances():
    points = np.random.default_rng(0).normal(size=(12, 2))
    squared = ((points[:, None] - points) ** 2).sum(axis=2)
    coordinates, signs, eigenvalues, explained = inpca(squared, 2)
    assert signs.tolist() == [1, 1]
    again = ((coordinates[:, None] - coordinates) ** 2).sum(axis=2)
    np.testing.assert_allclose(again, squared, atol=1e-12)
    assert explained[1] == pytest.approx(1)
    assert eigenvalues[0] > eigenvalues[1]


def test_signed_squared_lengths_give_the_divergences_exactly():
    """Coins from certain heads to certain tails need negative squared lengths."""
    squared = distances(coins(*np.linspace(0.001, 0.999, 9)))
    coordinates, signs, _, _ = inpca(squared, 9)
    assert (signs < 0).any()
    difference = coordinates[:, None] - coordinates
    np.testing.assert_allclose((signs * difference**2).sum(axis=2), squared, atol=1e-12)


def test_progress_along_the_geodesic_is_its_share():
    labels = np.array([0, 2, 1])
    truth = np.eye(3)[labels]
    angle = np.arccos(1 / np.sqrt(3))
    shares = np.array([0, 0.25, 0.5, 1.0])
    rows = []
    for share in shares:
        a, b = np.sin((1 - share) * angle), np.sin(share * angle)
        rows.append(((a / np.sqrt(3) + b * truth) / np.sin(angle)) ** 2)
    np.testing.assert_allclose(progress(np.array(rows), labels), shares, atol=1e-12)


def test_confidently_wrong_predictions_make_no_progress():
    wrong = np.eye(3)[[1, 0, 0]][None]
    assert progress(wrong, np.array([0, 2, 1]))[0] == 0


def store_of(path, with_outputs=True):
    import pandas as pd

    from deep_learning_dynamics.store import Parameters, StoreWriter, open

    networks = pd.DataFrame({"group": ["a", "b"]}, index=["one", "two"])
    labels = np.array([0, 1, 2, 0])
    sizes = {"probes": 4, "classes": 3, "probe_labels": labels.tolist()} if with_outputs else {}
    with StoreWriter(path, networks, Parameters.of({"w": (2, 2)}), **sizes) as writer:
        for step in range(3):
            sure = np.eye(3)[labels] * step / 2 + (1 - step / 2) / 3
            outputs = np.stack([sure, np.full((4, 3), 1 / 3)]).astype(np.float32)
            weights = np.full((2, 4), step, np.float32)
            writer.add(np.full(2, step), weights, {}, outputs if with_outputs else None)
    return open(path)


def test_a_network_that_learns_goes_to_the_truth_and_one_that_does_not_stays(tmp_path):
    found = function_space(store_of(tmp_path / "runs.zarr"))
    learnt = found.rows[found.rows["network"] == "one"]["progress"].to_numpy()
    stayed = found.rows[found.rows["network"] == "two"]["progress"].to_numpy()
    assert learnt[0] == 0
    assert 0 < learnt[1] < 1
    assert learnt[2] == 1
    assert (stayed == 0).all()
    assert found.coordinates.shape == (6, 3)


def test_networks_can_be_chosen(tmp_path):
    found = function_space(store_of(tmp_path / "runs.zarr"), networks="group == 'a'")
    assert set(found.rows["network"]) == {"one"}


def test_a_store_without_predictions_says_how_to_record_them(tmp_path):
    with pytest.raises(StoreError, match="Recorder"):
        function_space(store_of(tmp_path / "runs.zarr", with_outputs=False))
