"""CKA has its known values, and the analysis compares the layers that it says."""

import numpy as np
import pytest
from hand_made_stores import SIZE, dataset

from deep_learning_dynamics.geometry import analyse
from deep_learning_dynamics.geometry.representations import cka, hsic


def layer(examples=60, units=8, seed=0):
    return np.random.default_rng(seed).normal(size=(examples, units)) * np.arange(1, units + 1)


def as_written(one, other):
    """Song et al. (2012), equation 5, term by term."""
    kernels = [each @ each.T for each in (one, other)]
    for kernel in kernels:
        np.fill_diagonal(kernel, 0)
    count, ones = len(one), np.ones(len(one))
    k, l = kernels  # noqa: E741
    trace = np.trace(k @ l)
    sums = (ones @ k @ ones) * (ones @ l @ ones) / (count - 1) / (count - 2)
    return (trace + sums - 2 / (count - 2) * (ones @ k @ l @ ones)) / count / (count - 3)


@pytest.mark.parametrize("units", [5, 90])  # fewer and more than examples
def test_hsic_is_its_definition(units):
    one, other = layer(40, units, 1) + 3, layer(40, 7, 2) - 1
    other[:, 0] += one[:, 1]
    assert hsic(one, other) == pytest.approx(as_written(one, other), rel=1e-9)


def test_a_turned_scaled_and_shifted_layer_is_the_same():
    one = layer()
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(8, 8)))
    assert cka(one, 0.01 * one @ turn + 5) == pytest.approx(1)
    stretched = one @ np.diag([30, *np.ones(7)])
    assert cka(one, stretched) < 0.9, "not the same under any linear map"


def test_independent_layers_have_nothing_in_common_on_average():
    """Not even wide ones of few examples, for which the biased estimate is near 1."""
    values = [cka(layer(20, 50, seed), layer(20, 50, 1000 + seed)) for seed in range(300)]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 4 * error < 0.05


def test_a_layer_that_gives_the_same_for_all_has_no_similarity():
    assert np.isnan(cka(layer(), np.ones((60, 3))))


def test_too_few_examples_are_refused():
    with pytest.raises(ValueError, match="3 examples; expected at least 4"):
        hsic(layer(3), layer(3))


class Linear:
    """Two layers: a matrix of the first 30 weights, and a random one of the sum of the others."""

    inputs = np.random.default_rng(0).normal(size=(50, 5))

    def scores(self, weights):
        raise AssertionError("not needed")

    def activations(self, weights):
        hidden = self.inputs @ weights[:30].reshape(6, 5).T.astype(float)
        rng = np.random.default_rng(abs(int(1000 * weights[30:].sum())))
        return {"one": hidden, "two": rng.normal(size=(50, 4))}


def runs():
    """Two pairs, the second network of each a scaled copy of the first; and a twin."""
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(5, 9, SIZE))
    weights[1, -1, :30] = 2 * weights[0, -1, :30]
    weights[3, -1, :30] = -weights[2, -1, :30]
    weights[4] = weights[0]
    return dataset(
        weights,
        condition=["a", "b", "a", "b", "a"],
        pair=[0, 0, 1, 1, 0],
        twin=[False] * 4 + [True],
        outcome=[""] * 5,
    )


@pytest.fixture(scope="module")
def found():
    return analyse(runs(), analyses=["representations"], forward=Linear()).get("representations")


def test_partners_twins_and_members_of_a_group_are_compared(found):
    ends = found.tables["ends"].set_index(["relation", "network", "other", "layer"])["cka"]
    assert ends["pair", "network-0", "network-1", "one"] == pytest.approx(1)
    assert ends["pair", "network-2", "network-3", "one"] == pytest.approx(1)
    assert abs(ends["pair", "network-0", "network-1", "two"]) < 0.3
    assert ends["twin", "network-0", "network-4", "two"] == pytest.approx(1)
    assert set(ends["group"].index.droplevel("layer")) == {
        ("network-0", "network-2"),
        ("network-1", "network-3"),
    }


def test_networks_are_compared_with_their_own_ends_over_training(found):
    table = found.tables["over_time"]
    assert sorted(set(table["snapshot"])) == [0, 2, 4, 6, 8]
    assert np.allclose(table[table["snapshot"] == 8]["cka"], 1)
    assert set(table["network"]) == {f"network-{number}" for number in range(4)}
    measures = found.measures.set_index(["measure", "network"])["value"]
    first = table[(table["snapshot"] == 0) & (table["network"] == "network-2")]
    assert measures["cka_start_to_end", "network-2"] == pytest.approx(first["cka"].mean())
    assert measures["cka_to_twin"].to_dict() == {"network-0": pytest.approx(1)}


def test_a_network_that_diverged_is_left_out():
    broken = runs()
    broken["weights"].values[1, -1] = np.nan
    table = (
        analyse(broken, analyses=["representations"], forward=Linear())
        .get("representations")
        .tables["ends"]
    )
    assert "network-1" not in set(table["network"]) | set(table["other"])
    assert "network-3" in set(table["other"])


def test_with_too_few_examples_nothing_is_found():
    few = Linear()
    few.inputs = few.inputs[:3]
    assert analyse(runs(), analyses=["representations"], forward=few).findings == {}
