"""The self-organising map learns as minisom's does, only faster, and shows rows in their cells."""

import numpy as np
import pytest
from minisom import MiniSom

from deep_learning_dynamics.projection import METHODS
from deep_learning_dynamics.projection.som import TrainedMap, hexagonal_centres, plane_start
from deep_learning_dynamics.projection.som_training import train_batch, train_online

ROWS, COLUMNS = 7, 9


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return np.cumsum(rng.normal(size=(90, 40)), axis=0) + 100


@pytest.fixture(scope="module")
def centres():
    return hexagonal_centres(ROWS, COLUMNS)


@pytest.fixture(scope="module")
def apart(centres):
    return ((centres[:, None] - centres) ** 2).sum(axis=2)


@pytest.fixture(scope="module")
def fitted(rows):
    return METHODS["som"].fit(rows, 0, {"rows": ROWS, "columns": COLUMNS, "radius": 4})


def minisom(rows, codebook, **options):
    """minisom's map with a start of ours."""
    som = MiniSom(
        COLUMNS, ROWS, rows.shape[1], sigma=4, topology="hexagonal",
        sigma_decay_function="linear_decay_to_one", random_seed=1, **options,
    )  # fmt: skip
    som.get_weights()[:] = codebook.reshape(COLUMNS, ROWS, -1)
    return som


def sheet_of(rows, som, centres):
    return TrainedMap(som.get_weights().reshape(-1, rows.shape[1]), centres)


def test_the_lattice_is_minisoms(rows, centres):
    x, y = MiniSom(COLUMNS, ROWS, 40, topology="hexagonal").get_euclidean_coordinates()
    np.testing.assert_allclose(centres, np.column_stack([x.ravel(), y.ravel()]))


@pytest.mark.parametrize("components", [40, 400])
def test_the_batch_rule_is_minisoms(components, centres, apart):
    """With few components, and with so many that distances come from inner products."""
    rng = np.random.default_rng(0)
    rows = np.cumsum(rng.normal(size=(90, components)), axis=0)
    start, epochs = plane_start(rows, centres), 15
    theirs = minisom(rows, start, learning_rate=1, decay_function=lambda rate, step, steps: 1.0)
    theirs.train_batch_offline(rows, epochs)
    radii = 4 + np.arange(epochs) * (1 - 4) / epochs
    single = start.astype(np.float32), rows.astype(np.float32)
    found = train_batch(*single, apart, radii)
    expected = theirs.get_weights().reshape(found.shape)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_the_online_rule_is_minisoms(rows, centres, apart):
    updates, start = 1000, plane_start(rows, centres)
    theirs = minisom(rows, start, learning_rate=0.5, decay_function="linear_decay_to_zero")
    order = np.random.default_rng(1).integers(90, size=updates)
    for step, row in enumerate(order):
        theirs.update(rows[row], theirs.winner(rows[row]), step, updates)
    falling = 1 - np.arange(updates) / updates
    found = train_online(start, rows, order, apart, 0.5 * falling, 1 + 3 * falling)
    np.testing.assert_allclose(found, theirs.get_weights().reshape(found.shape), rtol=1e-10)


def test_the_online_rule_depends_on_the_seed_and_the_batch_rule_does_not(rows):
    def fit(rule, seed):
        settings = {"rows": ROWS, "columns": COLUMNS, "rule": rule, "updates": 500}
        return METHODS["som"].fit(rows, seed, settings).coordinates

    np.testing.assert_array_equal(fit("online", 3), fit("online", 3))
    assert np.abs(fit("online", 3) - fit("online", 4)).max() > 0.1
    np.testing.assert_array_equal(fit("batch", 3), fit("batch", 4))


def test_the_codebook_starts_on_the_plane_of_the_first_two_principal_components(rows, centres):
    start = plane_start(rows, centres)
    _, lengths, axes = np.linalg.svd(rows - rows.mean(axis=0))
    inside = (start - rows.mean(axis=0)) @ axes[:2].T @ axes[:2] + rows.mean(axis=0)
    np.testing.assert_allclose(inside, start, atol=1e-9)
    assert np.ptp(start @ axes[0]) == pytest.approx(4 * lengths[0] / np.sqrt(90))


def test_a_unit_of_the_map_has_six_neighbours_at_distance_one(centres, fitted):
    apart = np.linalg.norm(centres[:, None] - centres, axis=2)
    neighbours = np.isclose(apart, 1).sum(axis=1)
    assert neighbours.max() == 6
    assert (neighbours == 6).sum() == (ROWS - 2) * (COLUMNS - 2)
    assert apart[apart > 0].min() == pytest.approx(1)
    np.testing.assert_array_equal(fitted.cells.centres, centres)


def test_each_row_lies_in_the_cell_of_its_nearest_unit(rows, fitted, centres, apart):
    radii = np.linspace(4, 1, 60)
    start = plane_start(rows, centres)
    codebook = train_batch(start.astype(np.float32), rows.astype(np.float32), apart, radii)
    nearest = np.linalg.norm(rows[:, None] - codebook, axis=2).argmin(axis=1)
    off = np.linalg.norm(fitted.coordinates - centres[nearest], axis=1)
    assert off.max() < 0.46
    assert off.min() > 0


def test_within_a_cell_rows_lie_towards_the_units_that_they_are_near(centres):
    """A flat sheet: rows between units come out between their centres."""
    axes, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(40, 2)))
    sheet = TrainedMap(centres @ axes.T, centres)
    inner = centres[ROWS * 4 + 3]
    places = inner + np.array([[0.1, 0.05], [-0.2, 0.1], [0, -0.02]])
    found = sheet.places(places @ axes.T + 3 * np.linalg.svd(axes)[0][:, 5])
    np.testing.assert_allclose(found[2], places[2], atol=1e-3)
    for place, shown in zip(places - inner, found - inner, strict=True):
        assert place @ shown == pytest.approx(np.linalg.norm(place) * np.linalg.norm(shown))


def test_rows_in_one_cell_are_told_apart(fitted, rows):
    assert len(np.unique(fitted.coordinates, axis=0)) == 90


def test_the_errors_are_those_of_minisom(rows, centres):
    theirs = minisom(rows, plane_start(rows, centres))
    theirs.train_batch_offline(rows, 5)
    errors = sheet_of(rows, theirs, centres).errors(rows)
    assert errors["quantisation_error"] == pytest.approx(theirs.quantization_error(rows))
    assert errors["topographic_error"] == pytest.approx(theirs.topographic_error(rows))


def test_a_map_with_its_units_shuffled_has_lost_its_topology(rows, centres):
    theirs = minisom(rows, plane_start(rows, centres))
    theirs.train_batch_offline(rows, 10)
    sheet = sheet_of(rows, theirs, centres)
    order = np.random.default_rng(0).permutation(ROWS * COLUMNS)
    shuffled = TrainedMap(sheet.codebook[order], centres)
    assert sheet.errors(rows)["topographic_error"] < 0.1
    assert shuffled.errors(rows)["topographic_error"] > 0.7


def test_the_u_matrix_is_minisoms(rows, centres):
    """On maps with an even number of rows, minisom takes wrong neighbours; these are seven."""
    theirs = minisom(rows, plane_start(rows, centres))
    theirs.train_batch_offline(rows, 5)
    ours = sheet_of(rows, theirs, centres).distances()
    np.testing.assert_allclose(ours / ours.max(), theirs.distance_map("mean").ravel())


def test_the_u_matrix_is_high_between_two_clusters():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 5)) + np.where(np.arange(200) < 100, 0, 30)[:, None]
    found = METHODS["som"].fit(rows, 0, {"rows": 8, "columns": 8, "radius": 4})
    cells = found.cells
    holding = np.linalg.norm(found.coordinates[:, None] - cells.centres, axis=2).argmin(axis=1)
    empty = np.setdiff1d(np.arange(64), holding)
    assert cells.distances[empty].max() > 4 * np.median(cells.distances[holding])
