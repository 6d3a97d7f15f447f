"""Both phases and all conditions, on a small pair of datasets."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from deep_learning_dynamics import execution, store
from deep_learning_dynamics.errors import ExecutionError, StoreError
from deep_learning_dynamics.study import parts as in_parts
from deep_learning_dynamics.study import phases, watching
from deep_learning_dynamics.study.conditions import CONDITIONS
from deep_learning_dynamics.study.datasets.dataset import Examples
from deep_learning_dynamics.study.stores import PRETRAIN, TRAIN, open_runs

VALUES = {"pairs": 2, "network.hidden_layers": [5, 5], "train.probes": 7, "train.batch_size": 60,
          "train.epochs": 2, "pretrain.epochs": 2, "pretrain.batch_size": 60}  # fmt: skip
SECTIONS = ("seed", "plugins", "network", "conditions", "pairs", "twins", "pretrain", "train")
CONTROLS = ["scratch", "pretrained", "permuted", "rescaled", "shuffled_labels"]


def small(classes, seed):
    """Images whose bright row tells their class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(240) % classes
    images = rng.integers(0, 40, (240, 28, 28)).astype(np.uint8)
    images[np.arange(240), 2 * labels + 1] += 200
    return Examples(images, labels, np.arange(240) >= 180, tuple(map(str, range(classes))))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A project's folder with data."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "data").mkdir()
    for key, classes in (("omniglot", 6), ("mnist", 10)):
        examples = small(classes, 1)
        with (folder / "data" / f"{key}.npz").open("wb") as file:
            np.savez(
                file,
                images=examples.images,
                labels=examples.labels,
                is_test=examples.is_test,
                class_names=np.array(examples.class_names),
            )
    return folder


@pytest.fixture
def study(folder, settings, monkeypatch):
    """Runs both phases with some settings; the settings, and the stores' contents."""
    monkeypatch.chdir(folder)

    def run(**values):
        params = settings(VALUES | values, SECTIONS)
        before = phases.pretraining(params)
        if before is not None:
            before.run()
        after = phases.main_training(params)
        after.run()
        return params, after

    return run


def weights(runs, name, snapshot):
    row = [str(each) for each in runs["network"].values].index(name)
    snapshots = np.flatnonzero(runs["step"].values[row] >= 0)
    return runs["weights"].isel(network=row, snapshot=int(snapshots[snapshot])).values


def contents():
    return {
        path.relative_to(TRAIN).as_posix(): path.read_bytes()
        for path in sorted(TRAIN.rglob("*"))
        if path.is_file()
    }


def test_conditions_differ_in_their_start_as_they_say_and_in_nothing_else(study):
    study(conditions=CONTROLS, twins=False)
    runs = store.open([PRETRAIN, TRAIN]).load()
    parameters = store.Parameters.from_runs(runs)
    start = {key: weights(runs, f"mnist/{key}-1", 0) for key in CONTROLS}
    end = weights(runs, "omniglot/pretrained-1", -1)
    np.testing.assert_array_equal(start["pretrained"], end)
    np.testing.assert_array_equal(
        start["shuffled_labels"], weights(runs, "omniglot/shuffled_labels-1", -1)
    )
    assert not np.array_equal(start["shuffled_labels"], end)
    # Pre-training starts where scratch does; so do both kinds of it.
    for key in ("pretrained", "shuffled_labels"):
        np.testing.assert_array_equal(start["scratch"], weights(runs, f"omniglot/{key}-1", 0))
    for name in parameters.names:
        part = parameters.slice(name)
        if name.startswith("output"):  # of the pair
            for key in CONTROLS:
                np.testing.assert_array_equal(start[key][part], start["scratch"][part])
            continue
        np.testing.assert_array_equal(np.sort(start["permuted"][part]), np.sort(end[part]))
        norms = np.linalg.norm(start["rescaled"][part]), np.linalg.norm(end[part])
        assert norms[0] == pytest.approx(norms[1], rel=1e-5)
        direction = start["rescaled"][part] / start["scratch"][part]
        np.testing.assert_allclose(direction, direction[0], rtol=1e-4)
    first = parameters.slice("hidden1.weight")
    assert not np.array_equal(start["permuted"][first], end[first])


def test_a_condition_added_leaves_the_bits_of_the_others(study):
    study(conditions=["scratch", "pretrained"], twins=False)
    few = store.open(TRAIN).load()
    study(conditions=["permuted", "pretrained", "scratch"], twins=True, pairs=3)
    many = store.open(TRAIN).load()
    for key in ("scratch", "pretrained"):
        for pair in (0, 1):
            name = f"mnist/{key}-{pair}"
            np.testing.assert_array_equal(weights(few, name, -1), weights(many, name, -1))


def test_stores_say_who_is_who(study):
    study(conditions=["scratch", "pretrained", "permuted"])
    runs = open_runs()
    table = store.networks_table(runs)
    assert table.loc["mnist/pretrained-1", "continues"] == "omniglot/pretrained-1"
    assert table.loc["mnist/permuted-1", "continues"] == ""
    assert table.loc["mnist/pretrained-1/twin", "twin"]
    assert table.loc["mnist/pretrained-1/twin", "continues"] == ""
    assert table["twin"].sum() == 6
    assert len(table) == 2 + 12
    titles = json.loads(runs.attrs["titles"])
    assert titles["condition"]["permuted"] == "pre-trained on OMNIGLOT, weights permuted"
    assert runs.attrs["arithmetic"] == "portable"
    assert runs.attrs["activation"] == "relu"
    assert runs.attrs["task"] == "MNIST"


def test_a_twin_stays_close_to_its_network(study):
    study(conditions=["scratch"])
    runs = store.open(TRAIN).load()
    assert not (PRETRAIN / "zarr.json").exists()
    one, other = (weights(runs, f"mnist/scratch-0{end}", 0) for end in ("", "/twin"))
    assert not np.array_equal(one, other)
    assert np.abs(one - other).max() <= np.spacing(np.float32(1)), "one unit in the last place"
    moved = np.abs(weights(runs, "mnist/scratch-0", -1) - one).max()
    apart = weights(runs, "mnist/scratch-0", -1) - weights(runs, "mnist/scratch-0/twin", -1)
    assert np.abs(apart).max() < 0.01 * moved


def test_pre_training_of_controls_alone_is_not_analysed(study):
    study(conditions=["scratch", "permuted"], twins=False)
    assert (PRETRAIN / "zarr.json").exists()
    assert all(str(name).startswith("mnist/") for name in open_runs()["network"].values)


def test_the_same_settings_write_the_same_bytes(study):
    study()
    first = contents()
    study()
    assert contents() == first


def test_a_phase_in_parts_writes_the_same_bytes(study, monkeypatch):
    params, _ = study(conditions=["scratch", "permuted"], pairs=3)
    expected, done = contents(), []
    monkeypatch.setattr(in_parts, "OF_MACHINE", 1)
    for phase in ("pretraining", "main_training"):
        training = getattr(phases, phase)(params)
        in_parts.train(phase, params, training, progress=lambda *of: done.append(of))
        assert not list(training.path.parent.glob(".*"))
    assert contents() == expected
    assert done == [(1, 3), (2, 3), (3, 3)] * 2


def test_a_phase_on_a_cluster_writes_the_same_bytes(study, monkeypatch):
    pytest.importorskip("distributed")
    params, _ = study(pairs=3)
    expected, done = contents(), []
    monkeypatch.setattr(in_parts, "OF_WORKER", 1)
    monkeypatch.setenv("DYNAMICS_CLUSTER", "local:2")
    try:
        for phase in ("pretraining", "main_training"):
            training = getattr(phases, phase)(params)
            in_parts.train(phase, params, training, progress=lambda *of: done.append(of))
    finally:
        execution.connected().close()
    assert contents() == expected
    assert done == [(1, 3), (2, 3), (3, 3)] * 2


def test_little_training_needs_no_cluster(study, monkeypatch):
    params, _ = study()
    expected = contents()
    monkeypatch.setenv("DYNAMICS_CLUSTER", "tcp://127.0.0.1:1")  # where nothing answers
    in_parts.train("main_training", params, phases.main_training(params))
    assert contents() == expected


def test_parts_have_as_many_pairs_as_their_bytes_allow(study):
    _, whole = study(pairs=5)
    sizes = [list(map(len, in_parts.plan(whole, most))) for most in (1, 900_000, 10**9)]
    assert sizes == [[1] * 5, [1, 2, 2], [5]]
    assert in_parts.plan(whole, 900_000)[1] == range(1, 3)


def test_an_interrupted_phase_continues_with_the_parts_that_are_there(study, monkeypatch):
    params, whole = study(pairs=3)
    expected, trained = contents(), []
    monkeypatch.setattr(in_parts, "OF_MACHINE", 1)
    run = in_parts.Training.run

    def failing(training, *arguments):
        trained.append(training.path.name)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return run(training, *arguments)

    monkeypatch.setattr(in_parts.Training, "run", failing)
    with pytest.raises(KeyboardInterrupt):
        in_parts.train("main_training", params, whole)
    assert contents() == expected, "what was there stays"
    in_parts.train("main_training", params, whole)
    assert trained == ["0.zarr", "1.zarr", "1.zarr", "2.zarr"]
    assert contents() == expected
    trained.clear()
    with pytest.raises(KeyboardInterrupt):  # again, and then of another training
        in_parts.train("main_training", params, whole)
    other, different = study(pairs=3, **{"train.learning_rate": 0.02})
    trained[:] = [""] * 5
    in_parts.train("main_training", other, different)
    assert trained[5:] == ["0.zarr", "1.zarr", "2.zarr"]


def test_parts_that_an_older_plug_in_made_are_not_taken(study, settings, folder, monkeypatch):
    plugin, trained = folder / "lab_of_parts.py", []
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(in_parts, "OF_MACHINE", 1)

    def run(training):
        trained.append(training.path.name)
        training.path.mkdir(parents=True)

    monkeypatch.setattr(in_parts.Training, "run", run)
    plugin.write_text("version = 1\n")
    params = settings(VALUES | {"plugins": ["lab_of_parts"]}, SECTIONS)
    training = phases.pretraining(params)
    with pytest.raises(FileNotFoundError):  # the parts are empty
        in_parts.train("pretraining", params, training)
    (older,) = training.path.parent.glob(".pretrain.zarr.parts/*")
    plugin.write_text("version = 2\n")
    with pytest.raises(ExecutionError, match="code of lab_of_parts has changed since a worker"):
        in_parts.train("pretraining", params, training)
    assert not older.exists()
    in_parts._of_process.cache_clear()  # as in a new process
    with pytest.raises(FileNotFoundError):
        in_parts.train("pretraining", params, training)
    assert trained == ["0.zarr", "1.zarr"] * 2
    shutil.rmtree(older.parent)


def test_parts_whose_removal_was_interrupted_are_trained_again(study, monkeypatch):
    params, whole = study(pairs=2)
    expected = contents()
    monkeypatch.setattr(in_parts, "OF_MACHINE", 1)

    def interrupted(folder):
        (file,) = folder.glob("0.zarr/weights/zarr.json")
        file.unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(in_parts, "shutil", SimpleNamespace(rmtree=interrupted))
        with pytest.raises(KeyboardInterrupt):
            in_parts.train("main_training", params, whole)
    in_parts.train("main_training", params, whole)
    assert contents() == expected
    assert not list(whole.path.parent.glob(".*"))


def test_pretraining_that_lacks_a_pair_is_refused(study, settings):
    study()
    more = settings(VALUES | {"pairs": 3}, SECTIONS)
    with pytest.raises(StoreError, match=r"has no network omniglot/pretrained-2.*dvc repro"):
        phases.main_training(more).run()
    wider = settings(VALUES | {"network.hidden_layers": [5, 6]}, SECTIONS)
    with pytest.raises(StoreError, match=r"Parameter hidden2\.weight is 6 × 5 in network"):
        phases.main_training(wider).run()


def test_each_condition_has_a_line_for_people(study):
    _, after = study(conditions=["scratch", "pretrained"])
    networks, accuracy = len(after.networks), np.array([0.5, 0.7, 0.8, np.nan, *[0.0] * 4])
    weights = np.zeros((networks, after.parameters.size), np.float32)
    outputs = np.zeros((networks, after.task.probes, after.task.classes), np.float32)
    with after.writer() as writer:
        writer.add(np.zeros(networks, int), weights, {"test_accuracy": accuracy}, outputs)
        writer.label("outcome", ["", "dead", "", "diverged", *[""] * 4])
    assert watching.headlines(after) == [
        "MNIST, from scratch: median test accuracy 60.0 % (50.0 % to 70.0 %, 1 failed)",
        "MNIST, pre-trained on OMNIGLOT: median test accuracy 80.0 % of the 1 that have one (80.0 "
        "% to 80.0 %, 1 failed)",
    ]


@pytest.mark.parametrize("key", [*CONDITIONS])
def test_a_condition_gives_a_start_of_its_own_that_is_finite(key):
    parameters = store.Parameters.of({"a.weight": (3, 4), "a.bias": (3,)})
    rng = np.random.default_rng(0)
    initial, pretrained = rng.normal(size=(2, 15)).astype(np.float32)
    condition = CONDITIONS[key]()
    before = initial.copy(), pretrained.copy()
    start = condition.start(initial, pretrained, parameters, np.random.default_rng(1))
    assert np.isfinite(start).all()
    assert start.dtype == np.float32
    np.testing.assert_array_equal(np.stack(before), np.stack([initial, pretrained]))
    if condition.pretraining is not None:
        assert condition.pretraining in CONDITIONS
    assert condition.title.format(pretraining="OMNIGLOT")


def test_shuffled_labels_are_the_same_labels_in_another_order():
    labels = np.arange(1000) % 7
    shuffled = CONDITIONS["shuffled_labels"]().labels(labels, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(shuffled), np.sort(labels))
    assert (shuffled == labels).mean() < 0.25
