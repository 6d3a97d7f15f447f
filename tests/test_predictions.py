"""Predictions as points: closed forms."""

import numpy as np
import pytest

from deep_learning_dynamics import predictions
from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.predictions import distances, inpca, progress, roots_of


def coins(*shares):
    """One probe example with two classes."""
    return roots_of(np.array([[[p, 1 - p]] for p in shares]))


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
    found = inpca(squared, 2)
    coordinates, eigenvalues = found.coordinates, found.eigenvalues
    assert found.signs.tolist() == [1, 1]
    again = ((coordinates[:, None] - coordinates) ** 2).sum(axis=2)
    np.testing.assert_allclose(again, squared, atol=1e-12)
    assert found.explained[1] == pytest.approx(1)
    assert eigenvalues[0] > eigenvalues[1]


def test_signed_squared_lengths_give_the_divergences_exactly():
    """Coins from certain heads to certain tails need negative squared lengths."""
    squared = distances(coins(*np.linspace(0.001, 0.999, 9)))
    found = inpca(squared, 9)
    assert (found.signs < 0).any()
    difference = found.coordinates[:, None] - found.coordinates
    np.testing.assert_allclose((found.signs * difference**2).sum(axis=2), squared, atol=1e-12)


def test_progress_along_the_geodesic_is_its_share():
    labels = np.array([0, 2, 1])
    truth = np.eye(3)[labels]
    angle = np.arccos(1 / np.sqrt(3))
    shares = np.array([0, 0.25, 0.5, 1.0])
    rows = []
    for share in shares:
        a, b = np.sin((1 - share) * angle), np.sin(share * angle)
        rows.append(((a / np.sqrt(3) + b * truth) / np.sin(angle)) ** 2)
    np.testing.assert_allclose(progress(roots_of(np.array(rows)), labels), shares, atol=1e-12)


def test_confidently_wrong_predictions_make_no_progress():
    wrong = np.eye(3)[[1, 0, 0]][None]
    assert progress(roots_of(wrong), np.array([0, 2, 1]))[0] == 0


def some_predictions(rows, probes=7, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(classes, 0.7), size=(rows, probes))


def test_distances_are_the_mean_over_probe_examples_whatever_is_multiplied_together(monkeypatch):
    p = some_predictions(9, probes=45)
    expected = -np.log(np.einsum("ipc,jpc->ijp", np.sqrt(p), np.sqrt(p))).mean(axis=2)
    np.testing.assert_allclose(distances(roots_of(p)), expected, atol=1e-12)
    apart = distances(roots_of(p[:2]), roots_of(p[2:]))
    np.testing.assert_allclose(apart, expected[:2, 2:], atol=1e-12)


def test_a_new_row_is_placed_where_it_would_have_been():
    roots = roots_of(some_predictions(30))
    whole = distances(roots)
    found = inpca(whole, 3)
    np.testing.assert_allclose(found.place(whole), found.coordinates, atol=1e-10)


def test_the_largest_components_of_many_rows_are_those_of_all(monkeypatch):
    apart = distances(roots_of(some_predictions(60)))
    slow = inpca(apart, 3)
    monkeypatch.setattr(predictions, "FEW", 10)
    fast = inpca(apart, 3)
    np.testing.assert_allclose(fast.eigenvalues, slow.eigenvalues, rtol=1e-10)
    np.testing.assert_allclose(np.abs(fast.coordinates), np.abs(slow.coordinates), atol=1e-8)
    np.testing.assert_allclose(fast.explained, slow.explained, rtol=1e-10)


def test_rows_off_the_sphere_are_brought_back_and_others_stay():
    roots = roots_of(some_predictions(5))
    np.testing.assert_allclose(predictions.onto_sphere(roots, 7), roots, atol=1e-14)
    moved = predictions.onto_sphere(-3 * roots, 7)
    np.testing.assert_allclose(moved, roots, atol=1e-14)
    assert predictions.probes_of(moved) == 7


def test_distances_among_no_predictions_are_none():
    assert distances(np.empty((0, 100))).shape == (0, 0)


def test_logits_are_refused():
    for wrong in ([[[2.0, -1.0]]], [[[0.7, 0.7]]]):
        with pytest.raises(StoreError, match=r"no probabilities.*softmax\(runs"):
            roots_of(np.array(wrong))
    assert np.isnan(roots_of(np.array([[[np.nan, np.nan]]]))).all()
