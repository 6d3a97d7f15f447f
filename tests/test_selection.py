"""Selections: which rows and columns there are, and that reading in blocks gives their weights."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import deep_learning_dynamics as dld
from deep_learning_dynamics.errors import ParamsError, StoreError
from deep_learning_dynamics.store import matrix


def columns(made, *names):
    return np.concatenate(
        [np.arange(made.parameters.size)[made.parameters.slice(name)] for name in names]
    )


MATRICES = ("hidden1.weight", "hidden2.weight", "output.weight")


def test_a_network_and_the_one_it_continues_are_one_path(study_stores):
    made = study_stores(pairs=2)
    chosen = dld.select(made.open())
    assert [len(path) for path in chosen.paths] == [9, 9, 6 + 9, 6 + 9]
    pre_trained = chosen.rows.iloc[chosen.paths[3]]
    assert pre_trained["network"].unique().tolist() == [
        "omniglot/pretrained-1",
        "mnist/pretrained-1",
    ]
    assert pre_trained["position"].tolist() == list(range(15))
    assert pre_trained["snapshot"].tolist() == [*range(6), *range(9)]
    assert pre_trained["step"].tolist() == [*range(0, 60, 10), *range(0, 90, 10)]
    assert (pre_trained["pair"] == 1).all()
    expected = np.concatenate([made.before[1], made.after[3]])[:, columns(made, *MATRICES)]
    np.testing.assert_array_equal(np.asarray(chosen.weights)[chosen.paths[3]], expected)
    assert chosen.titles["condition"]["scratch"] == "from scratch"
    assert chosen.rows["path"].is_monotonic_increasing


def test_without_its_beginning_a_path_begins_later(study_stores):
    runs = study_stores(pairs=2).open()
    chosen = dld.select(runs, networks="network.str.startswith('mnist')")
    assert [len(path) for path in chosen.paths] == [9] * 4


def test_of_two_that_continue_the_same_network_the_first_has_its_rows(study_stores):
    runs = study_stores(pairs=2).open()
    both = runs.assign_coords(
        continues=("network", ["", "", "", "", "omniglot/pretrained-0", "omniglot/pretrained-0"])
    )
    chosen = dld.select(both)
    assert sorted(len(path) for path in chosen.paths) == [6, 9, 9, 9, 15]
    assert len(chosen) == 2 * 6 + 4 * 9
    circle = runs.assign_coords(continues=("network", runs["network"].values[[0, 2, 1, 3, 4, 5]]))
    with pytest.raises(StoreError, match="continue each other in a circle"):
        dld.select(circle)


@pytest.mark.parametrize(
    ("parameters", "names", "description"),
    [
        ("weights", MATRICES, "all weight matrices, without biases"),
        ("*.weight", MATRICES, "all weight matrices, without biases"),
        (
            ["output.*", "hidden1.bias"],
            ("hidden1.bias", "output.weight", "output.bias"),
            "hidden1.bias, output.weight and output.bias",
        ),
        ("all", None, "all weights and biases"),
    ],
)
def test_names_choose_columns(study_stores, parameters, names, description):
    made = study_stores(pairs=1)
    chosen = dld.select(made.open(), parameters)
    expected = made.after[0] if names is None else made.after[0][:, columns(made, *names)]
    np.testing.assert_array_equal(chosen.weights.read(slice(None), chosen.paths[0]), expected)
    assert chosen.description == description


@pytest.mark.parametrize("max_bytes", [1, 1000, 10**9])
@pytest.mark.parametrize("read_bytes", [1, 2000, 10**9])
def test_blocks_are_the_matrix_in_bounded_memory(study_stores, monkeypatch, max_bytes, read_bytes):
    monkeypatch.setattr(matrix, "READ_BYTES", read_bytes)
    chosen = dld.select(study_stores(pairs=2).open(), ["hidden1.*", "output.weight"])
    some = chosen.take(np.arange(len(chosen))[::-2])
    for selection in (chosen, some):
        blocks = [selection.weights.read(span) for span in selection.weights.spans(max_bytes)]
        assert all(8 * block.size <= max(max_bytes, 8 * len(selection)) for block in blocks)
        np.testing.assert_array_equal(np.hstack(blocks), np.asarray(selection.weights))
    np.testing.assert_array_equal(np.asarray(some.weights), np.asarray(chosen.weights)[::-2])
    np.testing.assert_array_equal(some.rows["step"], chosen.rows["step"][::-2])


def test_nothing_is_read_before_it_is_used(study_stores, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("weights were read")

    made = study_stores(diverged=1)
    monkeypatch.setattr("deep_learning_dynamics.store.lazy.StoredPart.read", refuse)
    chosen = dld.select(made.open(), snapshots=3)
    assert chosen.take(chosen.usable).weights.shape[0] < chosen.weights.shape[0]


def test_a_network_that_diverged_is_not_usable_at_all(study_stores):
    made = study_stores(pairs=2, diverged=1)
    chosen = dld.select(made.open())
    unusable = chosen.rows[~chosen.rows["usable"]]
    assert unusable["network"].unique().tolist() == ["mnist/scratch-1"]
    assert len(unusable) == 9


def test_a_store_of_somebody_else_is_searched_for_what_is_not_finite(study_stores):
    runs = study_stores(pairs=2).open().load()
    runs["weights"][3, 4, 0] = np.nan
    plain = runs.drop_vars(["finite", "outcome", "continues", "kind", "dtype"])
    usable = dld.select(plain).rows.query("not usable")
    assert usable[["network", "snapshot"]].values.tolist() == [["mnist/scratch-1", 4]]


def test_parameters_of_one_size_can_be_followed_separately(study_stores):
    made = study_stores(pairs=1)
    chosen = dld.select(made.open(), ["hidden1.bias", "hidden2.bias"], separately=True)
    assert chosen.weights.shape == (2 * (9 + 15), 4)
    assert [len(path) for path in chosen.paths] == [9, 9, 15, 15]
    for path, name in zip(chosen.paths, ["hidden1.bias", "hidden2.bias"] * 2, strict=True):
        assert (chosen.rows["parameter"].iloc[path] == name).all()
        expected = made.after[0 if len(path) == 9 else 1][:, made.parameters.slice(name)]
        np.testing.assert_array_equal(np.asarray(chosen.weights)[path][-9:], expected)
    with pytest.raises(StoreError, match="have 16 and 24 weights; expected as many of each"):
        dld.select(made.open(), ["hidden1.weight", "hidden2.weight"], separately=True)


def test_thinned_paths_keep_their_ends_and_their_positions(study_stores):
    chosen = dld.select(study_stores(pairs=1).open(), snapshots=5)
    assert [chosen.rows["position"].iloc[path].tolist() for path in chosen.paths] == [
        [0, 2, 4, 6, 8],
        [0, 4, 7, 10, 14],
    ]
    assert len(dld.select(study_stores(pairs=1).open(), snapshots=100)) == 9 + 15


def test_networks_are_chosen_by_a_condition_a_mask_or_names(study_stores):
    runs = study_stores(pairs=2).open()
    by_condition = dld.select(runs, networks="condition == 'scratch' and pair > 0")
    mask = np.array([False, False, False, True, False, False])
    for other in (mask, ["mnist/scratch-1"]):
        pd.testing.assert_frame_equal(dld.select(runs, networks=other).rows, by_condition.rows)
    assert by_condition.rows["network"].unique().tolist() == ["mnist/scratch-1"]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"parameters": "conv*"}, r"No parameter is called 'conv\*'; these are there: hidden1"),
        ({"networks": "not twin"}, r"cannot be chosen by 'not twin'.*network, condition, pair"),
        ({"networks": "pair == 9"}, "No network of 6 matches 'pair == 9'"),
        ({"networks": ["me"]}, "There is no network 'me'"),
        ({"networks": np.array([True])}, "A mask of 1 was given for 6 networks"),
    ],
)
def test_what_is_not_there_is_refused(study_stores, choice, message):
    with pytest.raises(StoreError, match=message):
        dld.select(study_stores(pairs=2).open(), **choice)


def test_an_unknown_alignment_is_refused(study_stores):
    with pytest.raises(ParamsError, match="'sideways' is not a known alignment"):
        dld.select(study_stores(pairs=1).open(), align="sideways")


def test_networks_may_have_steps_of_their_own():
    steps = np.array([[0, 5, -1, -1], [-1, -1, -1, -1], [3, 4, 8, 9]])
    weights = np.random.default_rng(0).normal(size=(3, 4, 2)).astype(np.float32)
    runs = xr.Dataset(
        {
            "weights": (("network", "snapshot", "weight"), weights),
            "step": (("network", "snapshot"), steps),
            "loss": (("network", "snapshot"), weights[:, :, 0]),
        },
        {
            "network": ["a", "b", "c"],
            "parameter": ["w"],
            "shape": ("parameter", ["2,1"]),
            "start": ("parameter", [0]),
            "stop": ("parameter", [2]),
        },
        {"titles": json.dumps({})},
    )
    chosen = dld.select(runs)
    assert chosen.rows["step"].tolist() == [0, 5, 3, 4, 8, 9]
    assert chosen.rows["path"].tolist() == [0, 0, 1, 1, 1, 1]
    np.testing.assert_array_equal(chosen.weights, weights[[0, 0, 2, 2, 2, 2], [0, 1, 0, 1, 2, 3]])


def test_anybodys_matrix_becomes_a_selection_in_the_order_of_paths():
    values = np.arange(12.0).reshape(6, 2)
    values[4, 1] = np.inf
    rows = pd.DataFrame(
        {"network": list("ababab"), "step": [1, 1, 0, 0, 2, 2], "note": list("uvwxyz")}
    )
    chosen = dld.from_arrays(values, rows)
    assert chosen.rows["note"].tolist() == list("wuyxvz")
    assert [path.tolist() for path in chosen.paths] == [[0, 1, 2], [3, 4, 5]]
    assert chosen.usable.tolist() == [True, True, False, True, True, True]
    np.testing.assert_array_equal(np.asarray(chosen.weights), values[[2, 0, 4, 3, 1, 5]])
    np.testing.assert_array_equal(
        chosen.take(chosen.usable).weights.read(slice(1, 2)), values[[2, 0, 3, 1, 5], 1:]
    )
    with pytest.raises(StoreError, match="6 rows with the columns network were given for 5"):
        dld.from_arrays(values[:5], rows[["network"]])
