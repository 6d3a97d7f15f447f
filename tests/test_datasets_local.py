"""The folder of datasets: which one is used, what it may look like, and what is wrong with it."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from small_datasets import (
    expect_small,
    small_mnist,
    small_omniglot,
    write_folder,
    write_mnist,
    write_zip,
)

from deep_learning_dynamics.datasets import local
from deep_learning_dynamics.datasets.sources import UnavailableError
from deep_learning_dynamics.errors import DataError

ZIP = "omniglot/images_background.zip"
FIRST = "images_background/Alphabet_of_the_Moon/character01/0001_01.png"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty place for datasets in DYNAMICS_DATASETS, where the small originals are right."""
    expect_small(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DYNAMICS_DATASETS", "mine")
    (tmp_path / "mine").mkdir()
    return Path("mine")


def read(name="mnist"):
    return local.examples(name, "alphabet")


def is_small_mnist(examples):
    values = [*range(30), *range(20)]
    return (
        examples.images.mean(axis=(1, 2)).tolist() == values
        and examples.labels.tolist() == [value % 10 for value in values]
        and examples.is_test.tolist() == [False] * 30 + [True] * 20
    )


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", ["mnist", "MNIST/raw"])
def test_mnist_is_read_gzipped_or_not_from_either_layout(folder, place, zipped):
    write_mnist(folder / place, zipped)
    assert is_small_mnist(read())


def test_omniglot_is_the_same_from_a_zip_and_from_an_unpacked_folder(folder):
    write_zip(folder / ZIP, small_omniglot())
    zipped = read("omniglot")
    (folder / ZIP).unlink()
    write_folder(folder / "omniglot", small_omniglot())
    unpacked = read("omniglot")
    assert zipped.sha256 == unpacked.sha256
    assert zipped.images.shape == (60, 28, 28)


def test_omniglot_is_the_same_in_whatever_order_a_zip_has_it_and_beside_foreign_files(folder):
    members = small_omniglot()
    write_zip(folder / ZIP, members)
    tidy = read("omniglot")
    backwards = dict(reversed(members.items()))
    foreign = {
        "images_background/.DS_Store": b"x",
        "__MACOSX/images_background/Sunny/character01/0003_01.png": b"x",
        "images_background/Sunny/character01/._0003_01.png": b"x",
        "images_background/Sunny/Thumbs.db": b"x",
    }
    write_zip(folder / ZIP, backwards | foreign)
    assert read("omniglot").sha256 == tidy.sha256


def test_ink_is_bright_where_the_drawing_is_black(folder):
    write_zip(folder / ZIP, small_omniglot())
    images = read("omniglot").images
    assert (images[:, 0, 0] > 0).all()
    assert (images[:, 10:, 10:] == 0).all()
    assert images[19, 0, 0] == 255


def test_without_a_setting_the_projects_own_folder_comes_before_the_shared_one(
    tmp_path, monkeypatch
):
    expect_small(monkeypatch)
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    for setting in (None, ""):
        if setting is None:
            monkeypatch.delenv("DYNAMICS_DATASETS", raising=False)
        else:
            monkeypatch.setenv("DYNAMICS_DATASETS", setting)
        with pytest.raises(UnavailableError, match=r"neither datasets nor \.\./shared/datasets"):
            read()
    write_mnist(tmp_path / "shared/datasets/mnist")
    assert is_small_mnist(read())
    # An own folder with only OMNIGLOT hides the shared one: the first that exists is used.
    write_zip(project / "datasets" / ZIP, small_omniglot())
    assert len(read("omniglot").images) == 60
    with pytest.raises(UnavailableError, match=r"datasets has no mnist/train-images-idx3-ubyte"):
        read()


def test_a_setting_comes_before_the_folders_that_are_looked_for(folder):
    write_mnist(folder / "mnist")
    Path("datasets").mkdir()
    Path("datasets/readme").write_text("nothing")
    assert is_small_mnist(read())


def test_a_dataset_that_the_folder_lacks_is_left_to_the_next_source(folder):
    write_mnist(folder / "mnist")
    with pytest.raises(UnavailableError, match=r"mine has no omniglot/images_background\.zip"):
        read("omniglot")


def test_a_setting_that_leads_nowhere_is_an_error_that_names_it(folder, monkeypatch):
    monkeypatch.setenv("DYNAMICS_DATASETS", "/no/such/place")
    with pytest.raises(
        DataError, match="DYNAMICS_DATASETS is /no/such/place, which does not exist"
    ):
        read()
    Path("file").write_text("x")
    monkeypatch.setenv("DYNAMICS_DATASETS", "file")
    with pytest.raises(DataError, match="DYNAMICS_DATASETS is file, which is not a folder"):
        read()


def test_a_setting_to_a_folder_with_neither_dataset_is_an_error_that_names_it(folder):
    (folder / "pictures").mkdir()
    with pytest.raises(DataError, match="DYNAMICS_DATASETS is mine, which holds neither dataset"):
        read()


@pytest.mark.parametrize(
    ("empty", "name"),
    [
        ("mine", "mnist"),
        ("mine/mnist", "mnist"),
        ("mine/omniglot", "omniglot"),
        ("mine/omniglot/images_background", "omniglot"),
    ],
)
def test_an_empty_folder_is_an_error_that_names_it(folder, empty, name):
    if empty != "mine":
        other = "omniglot" if name == "mnist" else "mnist"
        (folder / other).mkdir()
        (folder / other / "notes").write_text("x")
    Path(empty).mkdir(parents=True, exist_ok=True)
    with pytest.raises(DataError, match=f"{empty} is an empty folder"):
        read(name)


def test_an_empty_folder_that_was_looked_for_is_an_error_too(tmp_path, monkeypatch):
    monkeypatch.delenv("DYNAMICS_DATASETS", raising=False)
    monkeypatch.chdir(tmp_path)
    Path("datasets").mkdir()
    with pytest.raises(DataError, match=r"^datasets is an empty folder"):
        read()


def damaged(content, kind):
    return {
        "truncated": content[:-30],
        "flipped": content[:-20] + bytes([content[-20] ^ 255]) + content[-19:],
        "replaced": gzip.compress(b"other bytes"),
        "empty": b"",
    }[kind]


@pytest.mark.parametrize("kind", ["truncated", "flipped", "replaced", "empty"])
@pytest.mark.parametrize("file", ["train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"])
def test_a_damaged_file_of_mnist_is_an_error_that_names_it(folder, file, kind):
    write_mnist(folder / "mnist")
    path = folder / "mnist" / file
    path.write_bytes(damaged(path.read_bytes(), kind))
    with pytest.raises(DataError) as caught:
        read()
    message = str(caught.value)
    assert message.startswith(f"mine/mnist/{file} is not ")
    reason = "is not a whole gzip file" if kind in ("truncated", "flipped") else "SHA-256"
    assert reason in message
    assert "\n" not in message


def test_a_wrong_checksum_is_told_beside_the_right_one(folder):
    write_mnist(folder / "mnist", zipped=False)
    path = folder / "mnist/train-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\x08")  # the last label is a 9
    with pytest.raises(DataError, match=r"is [0-9a-f]{64}; expected [0-9a-f]{64}\."):
        read()


def test_a_missing_file_of_mnist_is_an_error_that_names_it(folder):
    write_mnist(folder / "mnist")
    (folder / "mnist/t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"mine/mnist has .* but no t10k-images-idx3-ubyte"):
        read()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_an_error_that_names_it(folder):
    write_mnist(folder / "mnist")
    (folder / "mnist/t10k-images-idx3-ubyte.gz").chmod(0)
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte\.gz cannot be read"):
        read()


def test_a_folder_in_the_place_of_a_file_is_an_error_that_names_it(folder):
    for name in small_mnist():
        (folder / "mnist" / name).mkdir(parents=True)
    with pytest.raises(DataError, match="mine/mnist/train-images-idx3-ubyte cannot be read"):
        read()


@pytest.mark.parametrize("kind", ["truncated", "no zip", "empty"])
def test_a_damaged_zip_is_an_error_that_names_it(folder, kind):
    write_zip(folder / ZIP, small_omniglot())
    content = (folder / ZIP).read_bytes()
    changed = {"truncated": content[:-3000], "no zip": b"<html>", "empty": b""}[kind]
    (folder / ZIP).write_bytes(changed)
    with pytest.raises(DataError, match=f"^mine/{ZIP} is not a whole zip file"):
        read("omniglot")


def test_a_member_with_a_flipped_bit_is_an_error_that_names_zip_and_member(folder):
    write_zip(folder / ZIP, small_omniglot())
    content = bytearray((folder / ZIP).read_bytes())
    content[len(FIRST) + 30 + 50] ^= 1  # in the first member's bytes, after its header and name
    (folder / ZIP).write_bytes(content)
    with pytest.raises(DataError, match=rf"^mine/{ZIP} is not a whole zip.*{FIRST}"):
        read("omniglot")


@pytest.mark.parametrize(
    "name",
    [
        "../escaped.png",
        "images_background/../../escaped.png",
        "/tmp/escaped.png",
        "..\\escaped.png",
        "C:/escaped.png",
    ],
)
def test_a_zip_with_a_path_outside_its_folder_is_refused(folder, name):
    write_zip(folder / ZIP, small_omniglot() | {name: b"x"})
    with pytest.raises(DataError, match="a path outside its own folder") as caught:
        read("omniglot")
    assert str(caught.value).startswith(f"mine/{ZIP} holds ")
    assert "escaped.png" in str(caught.value)
    assert not list(Path().rglob("escaped.png"))


def test_a_zip_with_another_number_of_drawings_tells_both_numbers(folder):
    members = small_omniglot()
    del members[FIRST]
    write_zip(folder / ZIP, members)
    with pytest.raises(
        DataError, match="holds 59 drawings of 3 characters in 2 alphabets; expected 60 of 3 in 2"
    ):
        read("omniglot")


def test_drawings_of_the_wrong_drawers_are_an_error_although_their_number_is_right(folder):
    members = small_omniglot()
    members[FIRST.replace("_01.png", "_21.png")] = members.pop(FIRST)
    write_zip(folder / ZIP, members)
    with pytest.raises(DataError, match=r"has drawings 2 to 21 .* expected 1 to 20"):
        read("omniglot")


@pytest.mark.parametrize("kind", ["no png", "other size", "other mode", "cut"])
@pytest.mark.parametrize("layout", ["zip", "folder"])
def test_a_member_that_is_no_drawing_is_named(folder, kind, layout, tmp_path):
    from PIL import Image

    members = small_omniglot()
    picture = tmp_path / "picture.png"
    if kind in ("other size", "other mode"):
        shape = (105, 105) if kind == "other mode" else (28, 28)
        Image.fromarray(np.zeros(shape, np.uint8 if kind == "other mode" else bool)).save(picture)
        members[FIRST] = picture.read_bytes()
    else:
        members[FIRST] = b"GIF89a" if kind == "no png" else members[FIRST][:60]
    if layout == "zip":
        write_zip(folder / ZIP, members)
    else:
        write_folder(folder / "omniglot", members)
    with pytest.raises(DataError, match=r"0001_01.png is .* expected a PNG of 105×105, 1 bit"):
        read("omniglot")


def test_drawings_under_the_right_names_with_other_pixels_are_an_error(folder):
    members = small_omniglot()
    second = FIRST.replace("_01.png", "_02.png")
    members[FIRST], members[second] = members[second], members[FIRST]
    write_zip(folder / ZIP, members)
    with pytest.raises(DataError, match="OMNIGLOT's names but not its drawings"):
        read("omniglot")
