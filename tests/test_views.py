"""A view has the right weights in the right rows, and reads no more than it must."""

import numpy as np
import pytest
from small_stores import HIDDEN, Stores, settings, write

from deep_learning_dynamics.errors import SnapshotsError
from deep_learning_dynamics.networks import Architecture
from deep_learning_dynamics.tracked_weights import spans
from deep_learning_dynamics.trajectories import Member
from deep_learning_dynamics.views import view


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Three pairs; the scratch network of pair 1 diverges."""
    return Stores(tmp_path_factory.mktemp("snapshots"), diverged=1)


def track(**changes):
    return settings(track=changes).track


def of(view, **where):
    """A mask of the rows whose columns have these values."""
    mask = np.ones(len(view.table), bool)
    for column, value in where.items():
        mask &= (view.table[column] == value).to_numpy()
    return mask


def matrices(weights, architecture, number):
    return weights[..., architecture.layers[number - 1].weights]


def test_the_default_network_has_6608_weights_without_its_biases(stores):
    whole = view(stores.pretrain, stores.train, track())
    assert whole.weights.shape == (3 * 6 + 6 * 9, 6608)
    assert view(stores.pretrain, stores.train, track(biases=True)).weights.shape[1] == 6658


def test_rows_are_the_snapshots_network_by_network_pretraining_first(stores):
    whole = view(stores.pretrain, stores.train, track(biases=True))
    assert list(whole.table.columns) == [
        "phase", "arm", "pair", "layer", "step", "epoch",
        "train_loss", "train_accuracy", "test_loss", "test_accuracy", "failed",
    ]  # fmt: skip
    assert (whole.table["phase"] == ["pretrain"] * 18 + ["train"] * 54).all()
    assert list(whole.table["step"][:6]) == [0, 10, 20, 30, 40, 50]
    assert set(whole.table["layer"]) == {0}
    rows = np.asarray(whole.weights)
    for index, (arm, pair) in enumerate(
        [(a, p) for a in ("scratch", "pretrained") for p in (0, 1, 2)]
    ):
        mine = of(whole, phase="train", arm=arm, pair=pair)
        np.testing.assert_array_equal(rows[mine], stores.trained[index])


def test_the_matrices_of_all_layers_are_tracked_and_no_biases(stores):
    whole = view(stores.pretrain, stores.train, track())
    expected = np.concatenate(
        [matrices(stores.trained[0], stores.after, n) for n in range(1, 7)], axis=1
    )
    np.testing.assert_array_equal(
        np.asarray(whole.weights.take(of(whole, phase="train", arm="scratch", pair=0))), expected
    )


def test_the_path_through_pretraining_leads_exactly_from_scratch_to_the_pretrained_start(stores):
    whole = view(stores.pretrain, stores.train, track())
    rows = np.asarray(whole.weights)
    for pair in (0, 1, 2):
        before = rows[of(whole, phase="pretrain", pair=pair)]
        np.testing.assert_array_equal(
            before[0], rows[of(whole, phase="train", arm="scratch", pair=pair)][0]
        )
        np.testing.assert_array_equal(
            before[-1], rows[of(whole, phase="train", arm="pretrained", pair=pair)][0]
        )
        assert np.abs(np.diff(before, axis=0)).max() > 0.001


def test_only_the_layers_asked_for_are_tracked(stores):
    some = view(stores.pretrain, stores.train, track(layers=[6, 2]))
    mine = np.asarray(some.weights.take(of(some, phase="train", arm="pretrained", pair=2)))
    expected = [matrices(stores.trained[5], stores.after, n) for n in (6, 2)]
    np.testing.assert_array_equal(mine, np.concatenate(expected, axis=1))


def test_separate_layers_are_rows_of_their_own(stores):
    apart = view(stores.pretrain, stores.train, track(layers=[2, 4], separately=True))
    assert apart.weights.shape == (2 * (18 + 54), 64)
    rows = np.asarray(apart.weights)
    for layer in (2, 4):
        mine = of(apart, phase="train", arm="scratch", pair=2, layer=layer)
        np.testing.assert_array_equal(rows[mine], matrices(stores.trained[2], stores.after, layer))
        assert list(np.diff(np.flatnonzero(mine))) == [1] * 8


def test_hidden_layers_are_averaged_between_the_first_and_the_last(stores):
    mean = view(stores.pretrain, stores.train, track(average_hidden_layers=True))
    weights = stores.trained[3].astype(float)
    hidden = np.mean([matrices(weights, stores.after, n) for n in (2, 3, 4, 5)], axis=0)
    expected = [matrices(weights, stores.after, 1), hidden, matrices(weights, stores.after, 6)]
    mine = np.asarray(mean.weights.take(of(mean, phase="train", arm="pretrained", pair=0)))
    np.testing.assert_allclose(mine, np.concatenate(expected, axis=1), rtol=1e-15)


@pytest.mark.parametrize("max_bytes", [1, 72 * 8 * 100, 10**9])
def test_blocks_side_by_side_are_all_weights_and_none_is_larger_than_allowed(stores, max_bytes):
    some = view(stores.pretrain, stores.train, track(layers=[2, 6], biases=True)).weights
    blocks = list(some.blocks(max_bytes))
    assert all(block.nbytes <= max(max_bytes, 72 * 8) for block in blocks)
    assert all(block.dtype == np.float64 for block in blocks)
    np.testing.assert_array_equal(np.hstack(blocks), np.asarray(some))


def test_blocks_end_where_the_chunks_of_the_store_end():
    class Matrix:
        shape = (10, 100)

    assert [s.stop for s in spans(10 * 8 * 35, Matrix())] == [35, 70, 100]
    from deep_learning_dynamics.tracked_weights import TrackedWeights

    class Chunked(TrackedWeights):
        shape, chunk = (10, 100), 30

        def __init__(self):
            pass

    assert [s.stop for s in spans(10 * 8 * 35, Chunked())] == [30, 60, 90, 100]


def test_taken_rows_are_those_rows_in_that_order(stores):
    weights = view(stores.pretrain, stores.train, track(layers=[3])).weights
    chosen = np.array([50, 3, 3, 71])
    np.testing.assert_array_equal(np.asarray(weights.take(chosen)), np.asarray(weights)[chosen])


def test_a_network_that_diverged_keeps_its_rows_but_none_is_usable(stores):
    whole = view(stores.pretrain, stores.train, track())
    mine = of(whole, phase="train", arm="scratch", pair=1)
    assert mine.sum() == 9
    assert list(whole.finite[mine]) == [True] * 4 + [False] * 5
    assert not whole.usable[mine].any()
    assert whole.usable[~mine].all()


def test_a_score_that_is_not_finite_makes_its_row_not_finite(tmp_path):
    stores = Stores(tmp_path, pairs=1)
    import zarr

    scores = zarr.open_group(stores.train, mode="r+")["test_loss"]
    scores[0, 2] = np.inf
    whole = view(stores.pretrain, stores.train, track())
    assert list(np.flatnonzero(~whole.finite)) == [6 + 2]


@pytest.mark.parametrize(("diverged", "expected"), [(None, 0), (0, 1)])
def test_the_first_network_is_the_first_of_the_first_arm_that_did_not_diverge(
    tmp_path, diverged, expected
):
    stores = Stores(tmp_path, pairs=2, diverged=diverged)
    whole = view(stores.pretrain, stores.train, track())
    mine = whole.table[whole.of_first_network]
    assert set(mine["arm"]) == {"scratch"}
    assert set(mine["pair"]) == {expected}
    assert set(mine["phase"]) == {"train"}


def test_a_pretrained_first_network_includes_its_pretraining(stores, tmp_path):
    members = [Member("pretrained", pair) for pair in range(3)]
    train = tmp_path / "train.zarr"
    write(train, members, (*HIDDEN, 10), stores.trained[3:])
    whole = view(stores.pretrain, train, track())
    mine = whole.table[whole.of_first_network]
    assert list(mine["phase"]) == ["pretrain"] * 6 + ["train"] * 9
    assert set(mine["pair"]) == {0}


def test_an_experiment_without_the_pretrained_arm_has_rows_of_training_only(tmp_path):
    pretrain, train = tmp_path / "pretrain.zarr", tmp_path / "train.zarr"
    write(pretrain, [], (*HIDDEN, 30), [])
    size = Architecture((*HIDDEN, 10), "relu").size
    weights = np.random.default_rng(0).normal(size=(1, 5, size)).astype(np.float32)
    write(train, [Member("scratch", 0)], (*HIDDEN, 10), weights)
    whole = view(pretrain, train, track(biases=True))
    assert list(whole.table["phase"]) == ["train"] * 5
    np.testing.assert_array_equal(np.asarray(whole.weights), weights[0])


def test_stores_of_different_networks_are_refused(stores, tmp_path):
    other = Stores(tmp_path, pairs=1, hidden=(784, 4, 4))
    with pytest.raises(SnapshotsError, match=r"\[784, 8, .*expected the same layers"):
        view(stores.pretrain, other.train, track(layers=[1]))


def test_pretraining_without_its_pretrained_network_is_refused(stores, tmp_path):
    train = tmp_path / "train.zarr"
    write(train, [Member("scratch", 0)], (*HIDDEN, 10), stores.trained[:1])
    with pytest.raises(SnapshotsError, match="has no pretrained network of that pair"):
        view(stores.pretrain, train, track())
