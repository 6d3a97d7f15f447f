"""The self-organising map is minisom's, only faster."""

import numpy as np
import pytest
from minisom import MiniSom

from deep_learning_dynamics.projection.som import SelfOrganisingMap
from deep_learning_dynamics.projection.som_training import train


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return np.cumsum(rng.normal(size=(90, 40)), axis=0) + 100


def make(**changes):
    values = {"rows": 7, "columns": 9, "updates": 3000, "learning_rate": 0.5, "radius": 4.0}
    return SelfOrganisingMap(**{**values, **changes}, random_state=3)


@pytest.fixture(scope="module")
def fitted(rows):
    return make().fit(rows)


def test_training_gives_the_codebook_that_minisom_gives(rows, fitted):
    theirs = make().minisom(rows)
    theirs.train_random(rows, 3000)
    ours = fitted.codebook_.reshape(theirs.get_weights().shape)
    np.testing.assert_allclose(ours, theirs.get_weights(), rtol=1e-11)
    units = [theirs.winner(row) for row in rows]
    found = np.unravel_index(fitted.best_matching_units(rows)[:, 0], (9, 7))
    assert units == list(zip(*found, strict=True))


@pytest.mark.parametrize("decay", ["asymptotic_decay", "linear_decay_to_zero"])
@pytest.mark.parametrize("topology", ["rectangular", "hexagonal"])
def test_training_follows_the_settings_that_minisom_has(rows, topology, decay):
    def som():
        return MiniSom(
            5, 6, 40, sigma=2, random_seed=1, topology=topology, decay_function=decay,
            learning_rate=0.1,
        )  # fmt: skip

    ours, theirs = som(), som()
    train(ours, rows, 150)
    theirs.train_random(rows, 150)
    np.testing.assert_allclose(ours.get_weights(), theirs.get_weights(), rtol=1e-9)


def test_a_neighbourhood_that_is_no_gaussian_is_refused(rows):
    with pytest.raises(ValueError, match="expected a Gaussian"):
        train(MiniSom(5, 6, 40, neighborhood_function="mexican_hat"), rows, 150)


def test_another_seed_gives_another_map(rows, fitted):
    other = make().set_params(random_state=4).fit(rows)
    assert np.abs(other.codebook_ - fitted.codebook_).max() > 0.1


def test_the_codebook_starts_on_the_plane_of_the_first_two_principal_components(rows):
    start = make().minisom(rows).get_weights().reshape(63, 40)
    _, lengths, axes = np.linalg.svd(rows - rows.mean(axis=0))
    inside = (start - rows.mean(axis=0)) @ axes[:2].T @ axes[:2] + rows.mean(axis=0)
    np.testing.assert_allclose(inside, start, atol=1e-9)
    spread = lengths[0] / np.sqrt(90)
    assert np.ptp(start @ axes[0]) == pytest.approx(4 * spread)


def test_each_row_is_at_the_centre_of_its_nearest_unit(rows, fitted):
    points = fitted.transform(rows)
    nearest = np.linalg.norm(rows[:, None] - fitted.codebook_, axis=2).argmin(axis=1)
    np.testing.assert_array_equal(points, fitted.centres_[nearest])


def test_a_unit_of_the_hexagonal_map_has_six_neighbours_at_distance_one(fitted):
    apart = np.linalg.norm(fitted.centres_[:, None] - fitted.centres_, axis=2)
    neighbours = np.isclose(apart, 1).sum(axis=1)
    assert fitted.centres_.shape == (63, 2)
    assert neighbours.max() == 6
    assert (neighbours == 6).sum() == 7 * 5
    assert apart[apart > 0].min() == pytest.approx(1)


def test_the_errors_are_those_of_minisom(rows, fitted):
    theirs = make().minisom(rows)
    theirs._weights = fitted.codebook_.reshape(theirs._weights.shape)
    assert fitted.quantisation_error(rows) == pytest.approx(theirs.quantization_error(rows))
    assert fitted.topographic_error(rows) == pytest.approx(theirs.topographic_error(rows))


def test_a_map_with_its_units_shuffled_has_lost_its_topology(rows, fitted):
    shuffled = make()
    order = np.random.default_rng(0).permutation(63)
    shuffled.codebook_, shuffled.centres_ = fitted.codebook_[order], fitted.centres_
    assert fitted.topographic_error(rows) < 0.1
    assert shuffled.topographic_error(rows) > 0.7


def test_the_u_matrix_is_minisoms_where_minisom_knows_its_neighbours(rows, fitted):
    """minisom's own takes wrong neighbours on maps with an even number of rows; these are seven."""
    theirs = make().minisom(rows)
    theirs._weights = fitted.codebook_.reshape(theirs._weights.shape)
    np.testing.assert_allclose(
        fitted.u_matrix_ / fitted.u_matrix_.max(), theirs.distance_map("mean").ravel()
    )


def test_the_u_matrix_is_high_between_two_clusters():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 5)) + np.where(np.arange(200) < 100, 0, 30)[:, None]
    som = make(rows=8, columns=8).fit(rows)
    units = som.best_matching_units(rows)[:, 0]
    empty = np.setdiff1d(np.arange(64), units)
    assert som.u_matrix_[empty].max() > 4 * np.median(som.u_matrix_[units])


def test_a_centre_is_turned_back_into_its_codebook_vector(rows, fitted):
    np.testing.assert_array_equal(fitted.inverse_transform(fitted.centres_), fitted.codebook_)
