"""Exponents of known power laws come back, and layers say what they are of."""

import numpy as np
import pytest
from hand_made_stores import SIZE, dataset

from deep_learning_dynamics.geometry import analyse
from deep_learning_dynamics.geometry import spectra as module
from deep_learning_dynamics.geometry.spectra import exponent


def pareto(alpha, size, seed=0):
    """Samples of a density that falls as x^−α from 1 on."""
    return (1 - np.random.default_rng(seed).uniform(size=size)) ** (-1 / (alpha - 1))


@pytest.mark.parametrize("alpha", [1.8, 2.5, 4.0])
def test_samples_of_a_power_law_return_its_exponent(alpha):
    found = [exponent(pareto(alpha, 400, seed)) for seed in range(20)]
    assert np.mean(found) == pytest.approx(alpha, rel=0.05)


def test_a_tail_is_found_above_what_is_no_power_law():
    rng = np.random.default_rng(0)
    found = [exponent(np.concatenate([rng.uniform(0, 1, 400), pareto(2.5, 400, seed)]))
             for seed in range(10)]  # fmt: skip
    assert np.mean(found) == pytest.approx(2.5, rel=0.1)


def test_the_estimate_of_a_whole_sample_is_that_of_the_formula():
    """Five values, all of which are the tail: 1 + n / Σ ln(x / smallest)."""
    values = np.exp([0.0, 1, 2, 3, 4])
    assert exponent(values) == pytest.approx(1 + 5 / 10)
    assert exponent(1000 * values[::-1]) == pytest.approx(1.5), "scale and order do not matter"


def test_the_smallest_value_is_where_the_distance_is_least():
    values = np.sort(pareto(3, 60, 5))
    best = (np.inf, np.nan)
    for start in range(len(values) - module.LEAST_TAIL + 1):
        tail = values[start:]
        alpha = 1 + 1 / np.mean(np.log(tail / tail[0]))
        law = 1 - (tail / tail[0]) ** (1 - alpha)
        best = min(best, (np.abs(law - np.arange(len(tail)) / len(tail)).max(), alpha))
    assert exponent(values) == pytest.approx(best[1])


def test_too_few_or_equal_eigenvalues_have_no_exponent():
    assert np.isnan(exponent(np.array([1.0, 2, 3, 4])))
    assert np.isnan(exponent(np.ones(20)))
    assert np.isnan(exponent(np.zeros(20)))


def found_in(weights, **coordinates):
    runs = dataset(weights, outcome=[""] * len(weights), **coordinates)
    return analyse(runs, analyses=["spectra"]).get("spectra")


def test_quantiles_are_those_of_each_matrix_at_some_snapshots():
    weights = np.random.default_rng(0).normal(size=(2, 30, SIZE))
    table = found_in(weights).tables["layers"]
    assert list(dict.fromkeys(table["parameter"])) == ["hidden1.weight", "output.weight"]
    assert sorted(set(table["snapshot"])) == [0, 3, 6, 10, 13, 16, 19, 23, 26, 29]
    row = table[(table["network"] == "network-1") & (table["snapshot"] == 6)].iloc[1]
    expected = np.quantile(weights[1, 6, 36:], [0.05, 0.5, 0.95])
    np.testing.assert_allclose(row[["q05", "q50", "q95"]].to_numpy(float), expected, rtol=1e-6)


def test_a_small_layer_has_no_exponent_and_a_random_one_that_of_its_shuffled_entries(monkeypatch):
    weights = np.random.default_rng(0).normal(size=(40, 1, SIZE))
    found = found_in(weights)
    assert found.numbers["eigenvalues"] == {"hidden1.weight": 5, "output.weight": 4}
    assert found.tables["layers"]["spectral_exponent"].isna().all()
    monkeypatch.setattr(module, "LEAST", 5)
    table = found_in(weights).tables["layers"].query("parameter == 'hidden1.weight'")
    logs = np.log(table[["spectral_exponent", "null_exponent"]].to_numpy())
    assert abs(np.diff(logs.mean(axis=0))[0]) < 4 * logs.std() * (2 / 40) ** 0.5


def test_structure_makes_an_exponent_that_shuffled_entries_do_not_have():
    """A heavy tail in 60 eigenvalues; entries in random places follow Marchenko and Pastur."""
    rng = np.random.default_rng(0)
    turns = [np.linalg.qr(rng.normal(size=(size, 60)))[0] for size in (90, 60)]
    law = (1 - (np.arange(60) + 0.5) / 60) ** -1  # quantiles of x^−2
    matrix = turns[0] @ np.diag(law**0.5) @ turns[1].T
    *_, own, null = module._layer(matrix, rng)
    assert own == pytest.approx(2, rel=0.1)
    assert null > 1.5 * own


def test_twins_and_weights_that_are_not_finite_are_left_out():
    weights = np.random.default_rng(0).normal(size=(3, 2, SIZE))
    weights[1, 1] = np.nan
    table = found_in(weights, twin=[False, False, True]).tables["layers"]
    assert set(table["network"]) == {"network-0", "network-1"}
    assert table.query("network == 'network-1' and snapshot == 1")["q50"].isna().all()
