"""Small MNIST and OMNIGLOT look-alikes, so that tests need neither network nor the originals."""

import gzip
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from deep_learning_dynamics.study.datasets import mnist, omniglot

CHARACTERS = (
    ("Alphabet_of_the_Moon", "character01"),
    ("Alphabet_of_the_Moon", "character02"),
    ("Sunny", "character01"),
)


def small_mnist():
    """Four IDX files by name: 30 training and 20 test digits, image i of the value i."""
    files = {}
    for part, count in (("train", 30), ("t10k", 20)):
        images = np.repeat(np.arange(count, dtype=np.uint8), 28 * 28)
        header = np.array([0x803, count, 28, 28], ">i4").tobytes()
        files[f"{part}-images-idx3-ubyte"] = header + images.tobytes()
        labels = np.arange(count, dtype=np.uint8) % 10
        header = np.array([0x801, count], ">i4").tobytes()
        files[f"{part}-labels-idx1-ubyte"] = header + labels.tobytes()
    return files


def mnist_tables(header=True):
    """The same as comma-separated values, by file name."""
    files = {}
    for name, count in (("mnist_train.csv", 30), ("mnist_test.csv", 20)):
        lines = [",".join([str(n % 10), *([str(n)] * 784)]) for n in range(count)]
        if header:
            lines.insert(
                0, ",".join(["label", *(f"{r}x{c}" for r in range(28) for c in range(28))])
            )
        files[name] = ("\n".join(lines) + "\n").encode()
    return files


def small_omniglot():
    """20 drawings of each of three characters: drawing YY of the n-th has a block of ink of size
    YY × 5n at the top left, which tells which one it is. Returns PNG bytes by name."""
    drawings = {}
    for number, (alphabet, character) in enumerate(CHARACTERS, start=1):
        for drawer in range(1, 21):
            paper = np.ones((105, 105), bool)
            paper[:drawer, : 5 * number] = False
            file = io.BytesIO()
            Image.fromarray(paper).save(file, "PNG")
            name = f"images_background/{alphabet}/{character}/00{number:02d}_{drawer:02d}.png"
            drawings[name] = file.getvalue()
    return drawings


def expect_small(monkeypatch):
    """Take the checksums and counts of the small datasets for those of the originals."""
    for name, content in small_mnist().items():
        monkeypatch.setitem(mnist.SHA256, name, hashlib.sha256(content).hexdigest())
    digest = hashlib.sha256()
    for number in (1, 2, 3):
        ink = np.zeros((20, 105, 105), bool)
        for drawer in range(1, 21):
            ink[drawer - 1, :drawer, : 5 * number] = True
        digest.update(np.packbits(ink))
    monkeypatch.setattr(omniglot, "SHA256", digest.hexdigest())


def write_files(folder: Path, members):
    for name, content in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def write_mnist(folder: Path, zipped=True):
    files = small_mnist()
    if zipped:
        files = {f"{name}.gz": gzip.compress(content) for name, content in files.items()}
    write_files(folder, files)


def zip_of(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def write_zip(path: Path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(zip_of(members))
