"""The autoencoder is never worse than principal components, and better where paths bend."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from deep_learning_dynamics.projection import METHODS, autoencoder_training
from deep_learning_dynamics.projection.autoencoder_training import train


def along_axes(rows):
    centred = rows - rows.mean(axis=0)
    return centred @ np.linalg.svd(centred, full_matrices=False)[2].T


def principal_share(rows, count):
    variance = (rows**2).sum(axis=0)
    return variance[:count].sum() / variance.sum()


def trained(rows, code_units=2, iterations=60, restarts=1, seed=1):
    with threadpool_limits(1):  # on a busy machine, threads would wait for each other
        return train(rows, code_units, 64, iterations, restarts, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def bent():
    """Six smooth paths from one start, each along its own directions."""
    rng = np.random.default_rng(0)
    time = np.linspace(0, 1, 25)[:, None]
    paths = [time * rng.normal(size=60) + time**2 * rng.normal(size=60) for _ in range(6)]
    return along_axes(np.concatenate(paths))


@pytest.fixture(scope="module")
def model(bent):
    return trained(bent)


def test_it_explains_more_than_two_principal_components(bent, model):
    found = METHODS["autoencoder"].fit(bent)
    assert found.properties["explained_variance"] > principal_share(bent, 2) + 0.15
    assert found.properties["explained_variance"] > 0.9
    assert model.explained_variance(bent) > 0.9


def test_the_explained_variance_is_that_of_the_reconstruction(bent, model):
    rebuilt = model.decode(model.encode(bent))
    share = 1 - ((bent - rebuilt) ** 2).sum() / ((bent - bent.mean(axis=0)) ** 2).sum()
    assert model.explained_variance(bent) == pytest.approx(share)


def test_exchanged_codes_would_explain_nothing(bent, model):
    """The negative control: then the reconstruction is worse than the mean."""
    code = np.random.default_rng(0).permutation(model.encode(bent))
    assert ((bent - model.decode(code)) ** 2).sum() > (bent**2).sum()


def test_it_is_as_good_as_principal_components_even_if_it_learns_nothing(bent):
    assert trained(bent, iterations=1).explained_variance(bent) >= principal_share(bent, 2) - 1e-5


def test_a_plane_stays_as_it_is():
    """There is nothing to gain, so the principal components are the code."""
    plane = along_axes(np.random.default_rng(0).normal(size=(50, 2)))
    rows = np.pad(plane, ((0, 0), (0, 20)))
    np.testing.assert_allclose(trained(rows).encode(rows), plane, atol=1e-5)


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_the_gradient_that_was_derived_by_hand_is_that_of_the_loss(decay):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 6)).astype(np.float32)
    weights = {
        name: rng.normal(size=value.shape).astype(np.float32)
        for name, value in autoencoder_training.start(6, 2, 5, rng).items()
    }
    loss = autoencoder_training.Loss(rows, decay)
    _, gradient = loss.with_gradient(weights)
    assert gradient.keys() == weights.keys()
    for name, value in weights.items():
        step = rng.normal(size=value.shape).astype(np.float32)
        step /= np.linalg.norm(step)
        near = [
            loss.with_gradient(weights | {name: value + sign * 0.01 * step})[0] for sign in (1, -1)
        ]
        slope = (near[0] - near[1]) / 0.02
        assert (gradient[name] * step).sum() == pytest.approx(slope, rel=0.02, abs=3e-5), name


def test_the_plane_is_smooth_between_neighbouring_snapshots(bent, model):
    """Points half-way between two snapshots of a path lie half-way in the plane, nearly."""
    points = model.encode(bent).reshape(6, 25, 2)
    paths = bent.reshape(6, 25, -1)
    between = ((paths[:, :-1] + paths[:, 1:]) / 2).reshape(6 * 24, -1)
    expected = ((points[:, :-1] + points[:, 1:]) / 2).reshape(-1, 2)
    step = np.linalg.norm(np.diff(points, axis=1), axis=2).mean()
    assert np.linalg.norm(model.encode(between) - expected, axis=1).max() < 0.2 * step


def test_more_restarts_are_never_worse(bent):
    one, three = (trained(bent, iterations=20, restarts=n).explained_variance(bent) for n in (1, 3))
    assert three >= one - 1e-6


def test_the_code_has_no_more_units_than_rows_have_dimensions():
    rows = along_axes(np.random.default_rng(0).normal(size=(9, 60)))[:, :8]
    found = trained(rows, code_units=128, iterations=5)
    assert found.encode(rows).shape == (9, 8)
    assert found.explained_variance(rows) == pytest.approx(1, abs=1e-6)


def test_a_code_of_128_units_keeps_nearly_everything():
    rows = np.random.default_rng(0).normal(size=(300, 400)) * 0.97 ** np.arange(400)
    rows = along_axes(rows)
    found = trained(rows, code_units=128, iterations=20)
    assert found.encode(rows).shape == (300, 128)
    assert found.explained_variance(rows) >= principal_share(rows, 128) - 1e-6
    assert found.explained_variance(rows) > 0.99
