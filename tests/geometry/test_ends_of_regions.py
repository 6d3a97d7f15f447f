"""Which networks learnt and which failed, and how far their ends are apart."""

import numpy as np
import pytest
from hand_made_stores import SIZE, dataset

from deep_learning_dynamics.geometry import analyse
from deep_learning_dynamics.geometry import regions as module


def store(weights, accuracy, outcome=None, **coordinates):
    outcome = [""] * len(weights) if outcome is None else outcome
    scores = {"test_accuracy": np.repeat(np.array(accuracy)[:, None], weights.shape[1], axis=1)}
    attributes = {"activation": "relu"}
    return dataset(weights, scores=scores, outcome=outcome, attributes=attributes, **coordinates)


def found_in(runs):
    return analyse(runs, by=None, analyses=["regions"]).get("regions")


def weights(networks, seed=0):
    return np.random.default_rng(seed).normal(size=(networks, 2, SIZE))


def permuted_and_rescaled(vector):
    """The same function: units of the hidden layer in another order, and rescaled."""
    order, scale = np.array([3, 0, 5, 1, 2, 4]), np.array([1, 2, 0.5, 3, 1, 0.7])
    first, bias, last = (
        vector[:30].reshape(6, 5),
        vector[30:36],
        vector[36:].reshape(4, 6),
    )
    return np.concatenate(
        [(first[order] * scale[:, None]).ravel(), bias[order] * scale,
         (last[:, order] / scale).ravel()]
    )  # fmt: skip


def test_networks_that_died_or_are_not_half_as_good_as_the_best_have_failed():
    runs = store(
        weights(7), [0.9, 0.5, 0.44, 0.1, 0.9, 0.8, 0.9], ["", "", "", "", "dead", "", "diverged"]
    )
    runs["weights"].values[6, -1] = np.nan
    table = found_in(runs).tables["networks"].set_index("network")
    assert table["learnt"].to_dict() == {
        "network-0": True,
        "network-1": True,
        "network-2": False,
        "network-3": False,
        "network-4": False,
        "network-5": True,
    }
    assert table["accuracy"]["network-2"] == pytest.approx(0.44)


def test_distances_of_ends_before_and_after_alignment():
    made = weights(4)
    made[1, -1] = permuted_and_rescaled(made[0, -1])
    ends = found_in(store(made, [0.9, 0.9, 0.1, 0.1])).tables["ends"]
    ends = ends.set_index(["network", "other"])
    copy = ends.loc["network-0", "network-1"]
    assert copy["distance"] > 1
    assert copy["aligned"] < 1e-5
    assert copy["angle"] < 1e-3
    assert (ends["aligned"] <= ends["distance"]).all()
    other = ends.loc["network-0", "network-2"]
    assert other["distance"] == pytest.approx(np.linalg.norm(made[0, -1] - made[2, -1]), rel=1e-5)
    assert other["aligned"] > 0.5 * other["distance"], "a random network is no copy"
    assert other["angle"] > 20


def test_what_is_no_perceptron_is_not_aligned():
    runs = store(weights(4), [0.9, 0.9, 0.1, 0.1])
    runs["shape"].values[:] = ["5,6", "6", "4,6"]
    ends = found_in(runs).tables["ends"]
    assert np.isfinite(ends["distance"]).all()
    assert ends[["aligned", "angle"]].isna().all(axis=None)


def test_with_one_kind_only_there_is_no_question():
    assert found_in(store(weights(4), [0.9, 0.8, 0.9, 0.1])) is None
    twins = store(weights(5), [0.9, 0.8, 0.9, 0.1, 0.1], twin=[False] * 4 + [True])
    assert found_in(twins) is None


def test_of_many_networks_some_are_compared(monkeypatch):
    monkeypatch.setattr(module, "MOST_NETWORKS", 5)
    accuracy = [0.9, 0.1, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1, 0.9]
    table = found_in(store(weights(9), accuracy)).tables["networks"]
    assert table["network"].tolist() == [f"network-{number}" for number in (0, 2, 4, 6, 8)]
