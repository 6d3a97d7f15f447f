"""The loss on a plane, against losses that are known everywhere."""

import numpy as np
import pytest
from hand_made_stores import SIZE, dataset, walks

from deep_learning_dynamics.geometry import analyse, surface
from deep_learning_dynamics.store.schema import Parameters


class Bowl:
    """The squared distance from a place."""

    def __init__(self, centre=0.0):
        self._centre = centre

    def scores(self, weights):
        loss = ((weights.astype(float) - self._centre) ** 2).sum(axis=1)
        return loss, np.exp(-loss)

    def activations(self, weights):
        return {}


def found(runs, forward=None, **options):
    geometry = analyse(runs, analyses=["surface"], forward=forward or Bowl(), **options)
    return geometry.get("surface")


def flat_walks(networks, snapshots):
    """Walks in a plane through weight space."""
    axes = np.linalg.qr(np.random.default_rng(1).normal(size=(SIZE, 2)))[0].T
    return (walks(networks, snapshots)[:, :, :2] @ axes).astype(np.float32), axes


def test_where_all_networks_lie_in_the_plane_the_surface_is_their_loss():
    finding = found(dataset(flat_walks(4, 6)[0]))
    snapshots = finding.tables["snapshots"].query("plane == 'all'")
    np.testing.assert_allclose(snapshots["surface_loss"], snapshots["loss"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(snapshots["surface_accuracy"], snapshots["accuracy"], atol=1e-4)
    numbers = finding.numbers["all"]
    assert numbers["share"] == pytest.approx(1)
    assert numbers["median_error"] == pytest.approx(0, abs=1e-4)
    assert numbers["rank_correlation"] > 0.99


def test_outside_the_plane_the_error_of_a_bowl_is_the_squared_distance_to_the_plane():
    weights = walks(5, 8)
    finding = found(dataset(weights), Bowl(weights.reshape(-1, SIZE).mean(axis=0)))
    snapshots = finding.tables["snapshots"].query("plane == 'all'")
    held = (snapshots[["x", "y"]] ** 2).sum(axis=1)
    np.testing.assert_allclose(snapshots["surface_loss"], held, rtol=1e-4)
    assert (snapshots["surface_loss"] < snapshots["loss"]).all()
    numbers = finding.numbers["all"]
    assert numbers["share"] == pytest.approx(held.sum() / snapshots["loss"].sum(), rel=1e-4)
    assert numbers["too_high"] == 0
    error = (snapshots["loss"] - snapshots["surface_loss"]).median()
    assert numbers["median_error"] == pytest.approx(error)


def test_the_plane_is_that_of_the_principal_components():
    weights = walks(5, 8).reshape(-1, SIZE)
    centred = weights - weights.mean(axis=0)
    values = np.linalg.svd(centred, compute_uv=False) ** 2
    plane = surface.principal_plane(weights)
    np.testing.assert_allclose(plane.axes @ plane.axes.T, np.eye(2), atol=1e-9)
    np.testing.assert_allclose((plane.place(weights) ** 2).sum(axis=0), values[:2], rtol=1e-5)


def test_the_grid_is_a_square_that_holds_all_snapshots_and_the_loss_there():
    weights, _ = flat_walks(3, 5)
    tables = found(dataset(weights)).tables
    grid, snapshots = (tables[name].query("plane == 'all'") for name in ("grid", "snapshots"))
    assert len(grid) == surface.POINTS**2
    for axis in "xy":
        assert grid[axis].min() < snapshots[axis].min()
        assert grid[axis].max() > snapshots[axis].max()
    assert np.ptp(grid["x"]) == pytest.approx(np.ptp(grid["y"]))
    mean = weights.reshape(-1, SIZE).mean(axis=0)
    plane = surface.principal_plane(weights.reshape(-1, SIZE))
    point = mean + grid[["x", "y"]].to_numpy()[77] @ plane.axes
    assert grid["loss"].iloc[77] == pytest.approx((point**2).sum(), rel=1e-4)


def test_regions_say_where_the_surface_is_how_wrong():
    finding = found(dataset(walks(5, 8)))
    regions = finding.tables["regions"].query("plane == 'all'")
    assert len(regions) == surface.REGIONS**2
    assert regions["snapshots"].sum() == 40
    assert (regions["error"].isna() == (regions["snapshots"] == 0)).all()
    fullest = regions.loc[regions["snapshots"].idxmax()]
    snapshots = finding.tables["snapshots"].query("plane == 'all'")
    here = snapshots["x"].between(fullest.left, fullest.right)
    here &= snapshots["y"].between(fullest.bottom, fullest.top)
    error = (snapshots["surface_loss"] - snapshots["loss"]).abs()[here]
    assert error.median() == pytest.approx(fullest.error)


def test_random_directions_have_units_as_long_as_those_of_the_network_and_leave_biases():
    parameters = Parameters.from_runs(dataset(walks(1, 1)))
    centre = walks(1, 1)[0, 0]
    plane = surface.random_plane(centre, parameters, np.random.default_rng(0))
    np.testing.assert_allclose(plane.axes @ plane.axes.T, np.eye(2), atol=1e-9)
    assert not plane.axes[:, 30:36].any()
    matrices = np.delete(centre, np.s_[30:36])
    assert plane.reach == pytest.approx(np.linalg.norm(matrices), rel=1e-6)
    first = plane.axes[0] * plane.reach
    ours, theirs = (
        np.linalg.norm(each[:30].reshape(6, 5), axis=1) for each in (first, centre.astype(float))
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_one_networks_planes_show_it_alone_and_the_random_one_lies_around_its_end():
    weights = walks(4, 6)
    finding = found(dataset(weights))
    for plane in ("one", "random"):
        rows = finding.tables["snapshots"].query(f"plane == '{plane}'")
        assert set(rows["network"]) == {"network-0"}
    end = rows.iloc[-1]
    assert (end.x, end.y) == pytest.approx((0, 0), abs=1e-6)
    assert end.surface_loss == pytest.approx(end.loss)
    assert finding.numbers["random"]["share"] < 0.3 < finding.numbers["one"]["share"]


def test_twins_earlier_training_and_networks_that_diverged_are_left_out():
    weights = walks(5, 4)
    weights[4, 2:] = np.nan
    runs = dataset(
        weights, twin=[False, False, True, False, False], outcome=["", "", "", "dead", "diverged"],
        continues=["", "network-0", "", "", ""],
    )  # fmt: skip
    snapshots = found(runs).tables["snapshots"].query("plane == 'all'")
    assert set(snapshots["network"]) == {"network-1", "network-3"}


def test_without_three_snapshots_there_is_no_plane():
    assert found(dataset(walks(1, 2))) is None
    assert found(dataset(np.full((1, 4, SIZE), np.nan), outcome=["diverged"])) is None


def test_the_same_seed_gives_the_same_tables_however_many_are_evaluated_at_once(monkeypatch):
    runs = dataset(walks(3, 5))
    whole = found(runs, seed=3)
    monkeypatch.setattr(surface, "BLOCK_BYTES", 4 * SIZE * 7)
    again = found(runs, seed=3)
    assert whole.numbers == again.numbers
    for name, table in whole.tables.items():
        assert table.equals(again.tables[name])
