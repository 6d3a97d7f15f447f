"""Datasets: what every source yields, files as people have them, what is wrong with them, what is
written and said."""

import gzip
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from small_datasets import (
    expect_small,
    mnist_tables,
    small_mnist,
    small_omniglot,
    write_files,
    write_mnist,
    write_zip,
    zip_of,
)

from deep_learning_dynamics.errors import DataError
from deep_learning_dynamics.study import datasets
from deep_learning_dynamics.study.datasets import download, local, mnist, omniglot
from deep_learning_dynamics.study.datasets.dataset import UnavailableError

ZIP = "omniglot/images_background.zip"
FIRST = "images_background/Alphabet_of_the_Moon/character01/0001_01.png"
KEYS = ("mnist", "omniglot")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty place for datasets in DYNAMICS_DATASETS, where the small originals are right."""
    expect_small(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DYNAMICS_DATASETS", "mine")
    (tmp_path / "mine").mkdir()
    return Path("mine")


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No folder of datasets, and a server that refuses connections."""
    monkeypatch.delenv("DYNAMICS_DATASETS", raising=False)
    monkeypatch.chdir(tmp_path)
    for key in KEYS:
        monkeypatch.setattr(datasets.DATASETS[key], "address", "http://127.0.0.1:9/")


def dataset(key="mnist", **settings):
    kind = datasets.DATASETS[key]
    return kind(kind.Settings(**settings))


def read(key="mnist", **settings):
    return local.read_local(dataset(key, **settings))


def is_small_mnist(examples):
    values = [*range(30), *range(20)]
    return (
        examples.images.mean(axis=(1, 2)).tolist() == values
        and examples.labels.tolist() == [value % 10 for value in values]
        and examples.is_test.tolist() == [False] * 30 + [True] * 20
    )


# What every source yields


@pytest.mark.parametrize(
    ("key", "settings"), [("mnist", {}), ("omniglot", {}), ("omniglot", {"target": "character"})]
)
def test_stand_ins_have_bright_ink_on_dark_in_both_parts_of_every_class(key, settings):
    examples = dataset(key, **settings).embedded()
    assert np.median(examples.images) == 0
    assert np.percentile(examples.images.max(axis=(1, 2)), 5) > 200
    for is_test in (False, True):
        labels = examples.labels[examples.is_test == is_test]
        assert set(labels.tolist()) == set(range(examples.classes))
    assert 0.15 < examples.is_test.mean() < 0.25


def test_the_sample_of_mnist_shows_the_digits_that_its_labels_name():
    """The nearest class mean is right for most; with labels moved by one it is right for few."""
    sample = dataset().embedded()
    assert np.bincount(sample.labels[~sample.is_test]).tolist() == [400] * 10
    assert np.bincount(sample.labels[sample.is_test]).tolist() == [100] * 10
    train, test = (sample.images[sample.is_test == part] for part in (False, True))
    labels = sample.labels[sample.is_test]
    means = np.stack([train[sample.labels[~sample.is_test] == d].mean(axis=0) for d in range(10)])
    nearest = ((test[:, None] - means) ** 2).sum(axis=(2, 3)).argmin(axis=1)
    assert (nearest == labels).mean() > 0.75
    assert (nearest == (labels + 1) % 10).mean() < 0.15


@pytest.mark.parametrize("key", KEYS)
def test_what_is_fetched_is_what_is_loaded_and_described(folder, key, capsys):
    write_mnist(folder / "mnist")
    write_zip(folder / ZIP, small_omniglot())
    provenance = datasets.fetch(dataset(key))
    examples = datasets.load(Path(f"data/{key}.npz"))
    record = json.loads(Path(f"data/{key}.json").read_text())
    assert record["title"] == record["label"] == key.upper()
    assert (record["source"], record["original"], record["sha256"]) == (
        "local",
        True,
        examples.sha256,
    )
    assert record["classes"] == examples.classes == provenance.classes
    assert record["test"] == examples.is_test.sum()
    assert capsys.readouterr().err == ""
    before = Path(f"data/{key}.npz").read_bytes()
    datasets.fetch(dataset(key))
    assert Path(f"data/{key}.npz").read_bytes() == before


def test_the_same_four_drawers_of_every_character_are_for_testing(folder):
    write_zip(folder / ZIP, small_omniglot())
    examples = read("omniglot")
    # The block of ink is as high as the number of its drawer, 255 for each 3¾ rows.
    drawer = np.rint(examples.images[:, :, 0].sum(axis=1) / 255 * 3.75).astype(int)
    assert drawer.tolist() == [*range(1, 21)] * 3
    assert sorted(drawer[examples.is_test].tolist()) == sorted([5, 10, 15, 20] * 3)
    assert examples.labels.tolist() == [0] * 40 + [1] * 20
    by_character = read("omniglot", target="character")
    assert by_character.labels.tolist() == [0] * 20 + [1] * 20 + [2] * 20
    assert by_character.class_names[0] == "Alphabet of the Moon, character01"


def test_a_drawing_is_averaged_over_area():
    ink = np.zeros((3, 105, 105), bool)
    ink[0, 4:30, 4:30] = True
    ink[1] = True
    ink[2] = np.random.default_rng(0).random((105, 105)) < 0.3
    # A fine grid of 420×420 is four times as fine as the drawing and 15 times as the image.
    fine = np.kron(ink, np.ones((1, 4, 4)))
    expected = fine.reshape(3, 28, 15, 28, 15).mean(axis=(2, 4)) * 255
    assert np.abs(omniglot.shrunk(ink) - expected).max() <= 0.5 + 1e-4


# Files as people have them


@pytest.mark.parametrize("place", ["mnist", "MNIST/raw"])
@pytest.mark.parametrize(
    "layout",
    ["gzipped", "plain", "dots", "folders of the same name", "zip", "zip in a zip", "tables",
     "tables without headers", "beside what macOS leaves"],
)  # fmt: skip
def test_mnist_is_read_in_whatever_form_it_lies_there(folder, layout, place):
    files = small_mnist()
    there = folder / place
    if layout == "gzipped":
        write_mnist(there)
    elif layout == "plain":
        write_files(there, files)
    elif layout == "dots":
        write_files(there, {name.replace("-idx", ".idx"): c for name, c in files.items()})
    elif layout == "folders of the same name":  # as in Kaggle's archive
        write_files(there, {f"{name}/{name}": content for name, content in files.items()})
    elif layout == "zip":
        write_zip(there / "archive.zip", files)
    elif layout == "zip in a zip":
        write_zip(there / "download.zip", {"archive.zip": zip_of(files)})
    elif layout.startswith("tables"):
        write_files(there, mnist_tables(header=layout == "tables"))
    else:
        left = {f"__MACOSX/._{name}": b"x" for name in files} | {".DS_Store": b"x"}
        write_zip(there / "archive.zip", files | left)
        write_files(there, {"._train-images-idx3-ubyte": b"x"})
    assert is_small_mnist(read())


@pytest.mark.parametrize(
    "layout", ["zip", "folder", "backwards", "zip in a zip", "both", "beside what macOS leaves"]
)
def test_omniglot_is_the_same_in_whatever_form_it_lies_there(folder, layout):
    members = small_omniglot()
    left = {
        "images_background/.DS_Store": b"x",
        "__MACOSX/images_background/Sunny/character01/0003_01.png": b"x",
        "images_background/Sunny/character01/._0003_01.png": b"x",
        "images_background/Sunny/Thumbs.db": b"x",
    }
    if layout in ("folder", "both"):
        write_files(folder / "omniglot", members)
    if layout in ("zip", "both"):
        write_zip(folder / ZIP, members)
    if layout == "backwards":
        write_zip(folder / ZIP, dict(reversed(members.items())))
    if layout == "zip in a zip":
        write_zip(folder / "omniglot/all.zip", {"images_background.zip": zip_of(members)})
    if layout == "beside what macOS leaves":
        write_zip(folder / ZIP, members | left)
    write_zip(folder / "omniglot/images_evaluation.zip", {"images_evaluation/A/b.png": b""})
    examples = read("omniglot")
    assert examples.images.shape == (60, 28, 28)
    assert examples.images[19, 0, 0] == 255


def test_a_project_in_a_temporary_copy_of_dvc_finds_the_projects_datasets(tmp_path, monkeypatch):
    expect_small(monkeypatch)
    monkeypatch.delenv("DYNAMICS_DATASETS", raising=False)
    write_mnist(tmp_path / "datasets/mnist")
    copy = tmp_path / ".dvc/tmp/exps/standalone/tmp1"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    assert is_small_mnist(read())


@pytest.mark.parametrize("where", ["", "mnist", "omniglot", "omniglot/images_background"])
def test_an_empty_folder_is_passed_over_for_the_next_source(folder, where, capsys):
    (folder / where).mkdir(parents=True, exist_ok=True)
    for key in KEYS:
        with pytest.raises(UnavailableError, match=f"mine has no {key} or "):
            read(key)
    assert datasets.fetch(dataset(), ("local", "embedded")).source == "embedded"
    assert "warning: MNIST itself could not be had" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "what"), [("/no/such/place", "does not exist"), ("file", "is not a folder")]
)
def test_a_setting_that_leads_nowhere_is_an_error_that_names_it(folder, monkeypatch, setting, what):
    Path("file").write_text("x")
    monkeypatch.setenv("DYNAMICS_DATASETS", setting)
    with pytest.raises(DataError, match=f"DYNAMICS_DATASETS is {setting}, which {what}"):
        read()


# What is wrong with them


@pytest.mark.parametrize("kind", ["truncated", "flipped", "replaced", "empty"])
@pytest.mark.parametrize("file", ["train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"])
def test_a_damaged_file_of_mnist_is_an_error_that_names_it(folder, file, kind):
    write_mnist(folder / "mnist")
    path = folder / "mnist" / file
    content = path.read_bytes()
    path.write_bytes(
        {
            "truncated": content[:-30],
            "flipped": content[:-20] + bytes([content[-20] ^ 255]) + content[-19:],
            "replaced": gzip.compress(b"other bytes"),
            "empty": b"",
        }[kind]
    )
    with pytest.raises(DataError) as caught:
        read()
    message = str(caught.value)
    assert message.startswith(f"mine/mnist/{file} is ")
    assert ("is damaged" if kind in ("truncated", "flipped") else "SHA-256") in message
    assert "\n" not in message


def test_fashion_mnist_in_its_place_is_refused_unless_it_is_wanted(folder):
    files = small_mnist()
    files["train-images-idx3-ubyte"] = files["train-images-idx3-ubyte"][:-1] + b"\x07"
    write_files(folder / "mnist", files)
    with pytest.raises(DataError, match=r"is not MNIST's train-images.*Fashion-MNIST.*any_digits"):
        read()
    assert read(any_digits=True).images[29, 27, 27] == 7
    provenance = datasets.fetch(dataset(any_digits=True), ("local",))
    assert not provenance.original
    assert provenance.label == "files in MNIST's place, not compared with it"


def test_the_right_file_is_taken_where_another_has_its_name_too(folder):
    write_mnist(folder / "mnist/raw")
    write_files(folder / "mnist/emnist", {"emnist-train-images-idx3-ubyte": b"other"})
    assert is_small_mnist(read())


@pytest.mark.parametrize("content", [b"label,1x1\n3,4\n", b"1,2\xff\n", b"a,b\n"])
def test_a_table_that_is_none_of_mnist_is_named(folder, content):
    write_files(folder / "mnist", {"mnist_train.csv": content, "mnist_test.csv": content})
    with pytest.raises(DataError, match=r"mine/mnist/mnist_train\.csv is not a table of 785"):
        read()


@pytest.mark.parametrize("form", ["gzip", "zip"])
def test_a_file_that_unzips_without_end_is_refused(folder, form, monkeypatch):
    monkeypatch.setattr(local, "LARGEST", 50_000)
    bomb = {"train-images-idx3-ubyte": bytes(60_000)}
    if form == "zip":
        (folder / "mnist").mkdir(parents=True)
        with zipfile.ZipFile(folder / "mnist/archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("train-images-idx3-ubyte", bytes(60_000))
    else:
        write_files(folder / "mnist", {f"{n}.gz": gzip.compress(c) for n, c in bomb.items()})
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.*unzips to more than 50,000"):
        read()


def test_a_missing_file_of_mnist_is_an_error_that_names_it(folder):
    write_mnist(folder / "mnist")
    (folder / "mnist/t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"no t10k-images-idx3-ubyte .* beside mine/mnist/"):
        read()


@pytest.mark.parametrize("kind", ["truncated", "no zip", "empty", "a flipped bit"])
def test_a_damaged_zip_is_an_error_that_names_it(folder, kind):
    write_zip(folder / ZIP, small_omniglot())
    content = (folder / ZIP).read_bytes()
    flipped = bytearray(content)
    flipped[len(FIRST) + 30 + 50] ^= 1  # in the first member, after its header and name
    changed = {"truncated": content[:-3000], "no zip": b"<html>", "empty": b""}
    (folder / ZIP).write_bytes(changed.get(kind, bytes(flipped)))
    with pytest.raises(DataError, match=f"^mine/{ZIP}.* is damaged"):
        read("omniglot")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("one less", rf"^mine/{ZIP} holds 59 drawings of 3 characters, .* expected OMNIGLOT's"),
        ("swapped", r"holds 60 drawings .* expected OMNIGLOT's background set"),
        ("no png", r"0001_01\.png is not a PNG of 105×105 with 1 bit"),
        ("cut", r"0001_01\.png is not a PNG of 105×105 with 1 bit"),
    ],
)
def test_drawings_that_are_not_omniglot_are_told_from_it(folder, change, told):
    members = small_omniglot()
    second = FIRST.replace("_01.png", "_02.png")
    if change == "one less":
        del members[FIRST]
    elif change == "swapped":
        members[FIRST], members[second] = members[second], members[FIRST]
    else:
        members[FIRST] = b"GIF89a" if change == "no png" else members[FIRST][:60]
    write_zip(folder / ZIP, members)
    with pytest.raises(DataError, match=told):
        read("omniglot")


# What is said and written


@pytest.mark.parametrize(
    ("key", "label"),
    [("mnist", "MNIST sample: 5,000 digits"), ("omniglot", "OMNIGLOT stand-in: glyphs")],
)
def test_a_substitute_is_announced_with_what_was_missing_and_the_remedy(
    nowhere, key, label, capsys
):
    record = datasets.fetch(dataset(key))
    assert (record.label, record.original, record.source) == (label, False, "embedded")
    warning = capsys.readouterr().err
    assert f"warning: {key.upper()} itself could not be had. Used instead: {label}." in warning
    assert "local: DYNAMICS_DATASETS is not set" in warning
    assert "download: http://127.0.0.1:9/" in warning
    assert "Connection refused" in warning
    assert "omniglot/images_background.zip" in warning


def test_without_a_substitute_it_is_an_error_that_says_what_each_source_said(nowhere):
    with pytest.raises(DataError) as caught:
        datasets.fetch(dataset(), ("local", "download"))
    assert "MNIST is in none of data.sources: [local, download]." in str(caught.value)
    assert "download: http://127.0.0.1:9/" in str(caught.value)
    assert not Path("data").exists()


def test_a_failure_leaves_what_was_there(folder):
    write_mnist(folder / "mnist")
    datasets.fetch(dataset())
    before = {path.name: path.read_bytes() for path in Path("data").iterdir()}
    damaged = folder / "mnist/t10k-labels-idx1-ubyte.gz"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte"):
        datasets.fetch(dataset(), ("local", "embedded"))
    assert {path.name: path.read_bytes() for path in Path("data").iterdir()} == before


def test_what_is_recorded_as_found_changes_with_the_files_and_names_no_path(folder):
    kinds = [dataset(key) for key in KEYS]
    nothing = datasets.record_found(kinds)
    assert nothing == {"mnist": {}, "omniglot": {}}
    write_mnist(folder / "mnist", zipped=False)
    found = datasets.record_found(kinds)
    assert found["mnist"]["mnist"].keys() == small_mnist().keys()
    assert str(folder.resolve()) not in json.dumps(found)
    assert datasets.record_found(kinds) == found
    path = folder / "mnist/train-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\x08")
    assert datasets.record_found(kinds) != found
    write_files(folder / "omniglot", small_omniglot())  # more files than are hashed one by one
    many = datasets.record_found(kinds)["omniglot"]["omniglot"]
    assert many["files"] == 60
    (folder / "omniglot" / FIRST).write_bytes(b"x")
    assert datasets.record_found(kinds)["omniglot"]["omniglot"] != many


@pytest.mark.parametrize("content", [None, b"", b"not an npz", b"PK\x03\x04 cut short"])
def test_loading_what_is_no_dataset_names_the_file_and_the_command(tmp_path, content):
    path = tmp_path / "mnist.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"mnist\.npz .*dvc repro --force .*fetch@mnist"):
        datasets.load(path)


def test_looking_needs_none_of_the_slow_libraries():
    slow = ["torch", "torchvision", "matplotlib", "scipy", "sklearn", "pandas", "PIL", "numba"]
    code = (
        "import sys; from deep_learning_dynamics.study import datasets; "
        "datasets.record_found([d() for d in datasets.DATASETS.values()]); "
        f"print([name for name in {slow} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("key", KEYS)
def test_the_originals_are_what_we_know_them_to_be(key, tmp_path):
    """The real files, where they are."""
    if not Path(os.environ.get("DYNAMICS_DATASETS") or "/nowhere").is_dir():
        pytest.skip("the originals are not here: DYNAMICS_DATASETS is not set")
    record = datasets.fetch(dataset(key), ("local",), tmp_path)
    expected = {"mnist": (10, 60_000, 10_000), "omniglot": (30, 15_424, 3_856)}[key]
    assert (record.classes, record.train, record.test) == expected
    ink = datasets.load(tmp_path / f"{key}.npz").images.mean()
    assert {"mnist": 33, "omniglot": 19}[key] < ink < {"mnist": 34, "omniglot": 21}[key]


def test_checksums_are_those_of_torchvision():
    """Read from its source: importing it takes seconds."""
    import ast
    import importlib.util

    spec = importlib.util.find_spec("torchvision")
    if spec is None:
        pytest.skip("torchvision is not installed")
    for kind, module, name in (
        (mnist.Mnist, "mnist.py", "MNIST"),
        (omniglot.Omniglot, "omniglot.py", "Omniglot"),
    ):
        source = Path(spec.origin).parent / "datasets" / module
        text = next(
            ast.unparse(node)
            for node in ast.parse(source.read_text(encoding="utf-8")).body
            if isinstance(node, ast.ClassDef) and node.name == name
        )
        assert kind.downloads
        for md5 in kind.downloads.values():
            assert md5 in text
        assert kind.address.rstrip("/") in text
    assert download.PATIENCE <= 10
