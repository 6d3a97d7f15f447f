"""Opening stores: lazily, several as one, and never in silence where something is damaged."""

import json
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from small_stores import SHAPES, write

from deep_learning_dynamics import store
from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.store import group, lazy

PARAMETERS = store.Parameters.of(SHAPES)


def network(name, **coordinates):
    return pd.DataFrame({key: [value] for key, value in coordinates.items()}, index=[name])


def weights(snapshots, seed=0):
    return np.random.default_rng(seed).normal(size=(1, snapshots, PARAMETERS.size)).astype("f4")


def test_several_stores_become_one(tmp_path):
    write(tmp_path / "run-2.zarr", network("two", seed=2, fast=True), PARAMETERS, weights(3))
    write(tmp_path / "run-10.zarr", network("ten", group="adam"), PARAMETERS, weights(5, 1))
    one = store.open(tmp_path / "run-*.zarr")
    assert one["network"].values.tolist() == ["two", "ten"]
    assert one["step"].values.tolist() == [[0, 10, 20, -1, -1], [0, 10, 20, 30, 40]]
    np.testing.assert_array_equal(one["weights"][0, :3], weights(3)[0])
    np.testing.assert_array_equal(one["weights"][1], weights(5, 1)[0])
    assert np.isnan(one["weights"][0, 3:]).all()
    np.testing.assert_array_equal(one["seed"], [2, np.nan])
    assert one["fast"].values.tolist() == [True, False]
    assert one["group"].values.tolist() == ["", "adam"]
    xr.testing.assert_identical(
        one.load(), store.open([tmp_path / "run-2.zarr", tmp_path / "run-10.zarr"]).load()
    )


def predicting(path, name, labels):
    """A store of one network with predictions on three probe examples, of which labels are known."""
    sizes = {"probes": 3, "classes": 2} if labels is not None else {}
    if labels:
        sizes["probe_labels"] = labels
    with store.StoreWriter(path, network(name), PARAMETERS, **sizes) as writer:
        outputs = np.full((1, 3, 2), 0.5, np.float32) if sizes else None
        writer.add(np.zeros(1, int), weights(1)[0], {}, outputs)


def test_labels_of_probes_are_those_of_all_stores_that_have_probes(tmp_path):
    """Earlier training has other classes, and so no predictions to compare."""
    paths = [tmp_path / f"{number}.zarr" for number in range(4)]
    for path, labels in zip(paths, (None, [1, 0, 1], [1, 0, 1], [0, 0, 1]), strict=True):
        predicting(path, path.name, labels)
    assert store.open(paths[:3])["label"].values.tolist() == [1, 0, 1]
    assert "label" not in store.open(paths), "they differ"
    assert "label" not in store.open(paths[0])


def test_any_part_can_be_read(study_stores):
    made = study_stores(pairs=2)
    runs = made.open()
    whole = np.full((6, 9, PARAMETERS.size), np.nan, np.float32)
    whole[:2, :6], whole[2:] = made.before, made.after
    for key in (
        (slice(None), slice(None), slice(None)),
        (slice(1, 5), slice(3, 8, 2), slice(5, 20)),
        ([5, 0, 3], [8, 1], 7),
        (1, 2, slice(None, None, -3)),
        (0, 7, slice(None)),
        (slice(0, 2), slice(6, 9), [1, 2]),
        ([], slice(None), 0),
    ):
        expected = whole
        for axis, index in reversed(list(enumerate(key))):
            expected = np.take(expected, np.arange(whole.shape[axis])[index], axis)
        np.testing.assert_array_equal(runs["weights"][key].values, expected)


def test_only_the_part_that_is_used_is_read(study_stores, monkeypatch):
    made = study_stores()
    read = []
    original = lazy.StoredPart.read
    monkeypatch.setattr(lazy.StoredPart, "read", lambda *args: read.append(args) or original(*args))
    runs = made.open()
    part = runs.isel(network=[0, 1, 4], weight=slice(2, 5))["weights"][1:]
    assert not read
    assert part.shape == (2, 9, 3)
    np.testing.assert_array_equal(part.values[1], made.after[1, :, 2:5])
    assert [(each.path, key[2]) for each, key in read] == [
        (str(made.pretrain), slice(2, 5, 1)),
        (str(made.train), slice(2, 5, 1)),
    ]


def test_another_parameter_is_named(tmp_path):
    write(tmp_path / "a.zarr", network("a"), PARAMETERS, weights(2))
    other = store.Parameters.of({**SHAPES, "output.weight": (5, 4)})
    more = np.zeros((1, 2, other.size), np.float32)
    write(tmp_path / "b.zarr", network("b"), other, more)
    message = r"output\.weight is 3 × 4 in .*a\.zarr and 5 × 4 in .*b\.zarr"
    with pytest.raises(StoreError, match=message):
        store.open(tmp_path / "*.zarr")


def test_runs_of_the_same_networks_are_told_apart(tmp_path, study_stores):
    made = study_stores(pairs=1)
    shutil.copytree(made.train, tmp_path / "again.zarr")
    with pytest.raises(
        StoreError, match=r"Network 'mnist/scratch-0' lies in .*train.* and in .*ag"
    ):
        store.open([made.train, tmp_path / "again.zarr"])
    runs = store.open({"first": made.open().attrs["paths"], "second": tmp_path / "again.zarr"})
    assert runs["run"].values.tolist() == ["first"] * 3 + ["second"] * 2
    assert runs["network"].values.tolist()[0] == "first/omniglot/pretrained-0"
    assert runs["continues"].values.tolist()[2] == "first/omniglot/pretrained-0"


def test_what_stores_agree_on_stays_and_titles_are_joined(tmp_path):
    for name in ("a", "b"):
        attributes = {"titles": {"seed": {name: name.upper()}}, "same": 1, "other": name}
        with store.StoreWriter(
            tmp_path / f"{name}.zarr", network(name), PARAMETERS, attributes
        ) as writer:
            writer.add_to(name, 0, weights(1)[0, 0])
    attributes = store.open(tmp_path / "*.zarr").attrs
    assert json.loads(attributes["titles"]) == {"seed": {"a": "A", "b": "B"}}
    assert attributes["same"] == 1
    assert "other" not in attributes


def test_a_row_for_each_snapshot(study_stores):
    table = store.scores_table(study_stores(pairs=2).open())
    assert len(table) == 2 * 6 + 4 * 9
    row = table[(table["network"] == "mnist/pretrained-1") & (table["step"] == 80)].iloc[0]
    assert row[["condition", "pair", "snapshot", "epoch"]].tolist() == ["pretrained", 1, 8, 0.8]
    assert row["test_accuracy"] == np.float32(0.1 + 0.8 * 8 / 9)


def test_scores_are_read_without_xarray_as_from_the_dataset(study_stores):
    made = study_stores(pairs=2)
    own, other = made.train, made.pretrain
    for location in (own, [other, own], {"one": own, "two": own}):
        runs = store.open(location)
        table, attributes = store.read_scores(location)
        pd.testing.assert_frame_equal(table, store.scores_table(runs))
        assert attributes == runs.attrs
    reading = f"from deep_learning_dynamics import store; store.read_scores({str(other)!r})"
    code = f"import sys; {reading}; print('xarray' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


def test_scores_come_in_alphabetical_order_whatever_the_folder_lists_first():
    axes, names = ("network", "snapshot"), ["loss", "epoch", "accuracy"]
    for order in (names, names[::-1]):
        runs = xr.Dataset({name: (axes, np.zeros((1, 2))) for name in ["step", *order]})
        assert store.score_names(runs) == ["accuracy", "epoch", "loss"]


@pytest.fixture
def sharded(tmp_path, monkeypatch):
    """A store with several checksummed chunks in each of its files of weights."""
    monkeypatch.setattr(group, "CHUNK_WEIGHTS", 10)
    monkeypatch.setattr(group, "SHARD_CHUNKS", 3)
    monkeypatch.setattr(group, "CHUNK_BYTES", 80)
    write(tmp_path / "s.zarr", network("a"), PARAMETERS, weights(5))
    return tmp_path / "s.zarr"


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    path.write_bytes(content)


DAMAGES = {
    "flipped": flip,
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "empty": lambda path: path.write_bytes(b""),
    "missing": lambda path: path.unlink(),
    "nonsense": lambda path: path.write_bytes(b"{]" + path.read_bytes()),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_weights_name_their_file(sharded, damage):
    DAMAGES[damage](sharded / "weights" / "c" / "0" / "1" / "0")
    runs = store.open(sharded)  # nothing is read yet
    np.testing.assert_array_equal(runs["weights"][0, :2], weights(5)[0, :2])
    with pytest.raises(StoreError, match=r"s\.zarr/weights/c/0/1/0 is damaged.*Copy the store"):
        runs["weights"][0, :, 5:30].load()


def test_a_wrong_checksum_is_said_in_words(sharded):
    flip(sharded / "weights" / "c" / "0" / "1" / "0")
    with pytest.raises(StoreError, match=r"/0/1/0 is damaged \(its checksum does not match\)"):
        store.open(sharded)["weights"].load()


@pytest.mark.parametrize("name", ["zarr.json", "step/zarr.json", "weights/zarr.json", "step/c/0/0"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "nonsense"])
def test_other_damages_name_their_store_and_what_to_do(sharded, name, damage):
    DAMAGES[damage](sharded / name)
    with pytest.raises(StoreError, match=r"s\.zarr.*(Copy|copy)"):
        store.open(sharded)


@pytest.mark.filterwarnings("ignore:Object at")
@pytest.mark.parametrize(
    "name", ["zarr.json", "step/zarr.json", "parameter/zarr.json", "start/c/0"]
)
def test_missing_metadata_are_not_overlooked(sharded, name):
    DAMAGES["missing"](sharded / name)
    with pytest.raises(StoreError, match=r"s\.zarr.*(Copy|copy)"):
        store.open(sharded)


def test_what_is_no_store_is_refused_with_the_way_out(tmp_path, sharded):
    with pytest.raises(StoreError, match=r"nowhere does not exist.*Recorder"):
        store.open(tmp_path / "nowhere")
    with pytest.raises(StoreError, match=r"is a folder of 1 stores. Open them with .*\*\.zarr"):
        store.open(tmp_path)
    with pytest.raises(StoreError, match="No store matches"):
        store.open(tmp_path / "*.none")
    xr.Dataset({"rain": ("day", [1.0])}).to_zarr(tmp_path / "rain", consolidated=False)
    with pytest.raises(StoreError, match="rain lacks weights, step, network"):
        store.open(tmp_path / "rain")
    metadata = json.loads((sharded / "zarr.json").read_text())
    metadata["attributes"]["schema"] = 99
    (sharded / "zarr.json").write_text(json.dumps(metadata))
    with pytest.raises(StoreError, match="has schema 99; this version reads schema 1"):
        store.open(sharded)


def test_a_store_in_memory_of_fsspec_opens_as_one_on_disk(sharded):
    import fsspec

    files = fsspec.filesystem("memory")
    for path in sharded.rglob("*"):
        if path.is_file():
            files.pipe(f"/bucket/{path.relative_to(sharded.parent)}", path.read_bytes())
    for location in ("memory://bucket/s.zarr", "memory://bucket/*.zarr"):
        runs = store.open(location)
        np.testing.assert_array_equal(runs["weights"][0], weights(5)[0])
    with pytest.raises(StoreError, match="no store at memory://bucket/other"):
        store.open("memory://bucket/other.zarr")


def test_what_was_sent_to_a_process_in_another_folder_can_be_sent_on(tmp_path, monkeypatch):
    write(tmp_path / "run.zarr", network("one"), PARAMETERS, weights(3))
    monkeypatch.chdir(tmp_path)
    runs = store.open("run.zarr")
    for name in ("here", "there"):
        sent = pickle.dumps(runs)
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        runs = pickle.loads(sent)
    np.testing.assert_array_equal(runs["weights"], weights(3))


def test_importing_the_package_costs_nothing():
    code = (
        "import sys, time; start = time.perf_counter(); import deep_learning_dynamics as dld;"
        "assert time.perf_counter() - start < 0.2; dld.open; dld.Recorder;"
        "assert not {'torch', 'xarray', 'zarr', 'pandas'} & sys.modules.keys(), sys.modules.keys();"
        "import deep_learning_dynamics.report; assert not hasattr(dld.report, '__path__')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
