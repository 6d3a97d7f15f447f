"""MNIST as its authors publish it: four IDX files, known by their checksums whatever their names.

People have them gzipped or not, with a dot instead of a hyphen, in a folder of the same name, in a
zip, or as tables of comma-separated values; all give the same bytes.
"""

import hashlib
import io
from dataclasses import dataclass, replace
from importlib import resources

import numpy as np

from deep_learning_dynamics.errors import DataError
from deep_learning_dynamics.study.datasets.dataset import (
    DATASETS,
    Dataset,
    DatasetCard,
    Examples,
    Provenance,
)
from deep_learning_dynamics.study.datasets.local import REMEDY, Files, named

# SHA-256 of each file, unzipped: a gzip made anew has other bytes, but the same content.
SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
TABLES = {"train": r"mnist_train\.csv(\.gz)?", "t10k": r"mnist_test\.csv(\.gz)?"}
SIDE = 28  # pixels
IMAGES_MAGIC, LABELS_MAGIC = 0x803, 0x801
IMAGES_HEADER, LABELS_HEADER = 16, 8  # bytes before the pixels and before the labels
DIGITS = tuple("0123456789")
TEST_EVERY = 5  # of the sample's digits of each class
LECUN = (
    "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document "
    "recognition. Proceedings of the IEEE 86, 1998."
)


@DATASETS.register
class Mnist(Dataset):
    """Handwritten digits."""

    key, title, target = "mnist", "MNIST", "digit"
    about = DatasetCard(
        "MNIST",
        "Handwritten digits, 28×28. The test part is MNIST's own.",
        "CC BY-SA 3.0",
        LECUN,
    )
    stand_in = DatasetCard(
        "MNIST sample: 5,000 digits",
        "500 of MNIST's handwritten training digits of each class, 28×28. Every fifth is for "
        "testing.",
        "CC BY-SA 3.0",
        LECUN,
        original=False,
    )
    places = ("mnist", "MNIST")
    address = "https://ossci-datasets.s3.amazonaws.com/mnist/"
    downloads = {  # noqa: RUF012 – a constant
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    }

    @dataclass(frozen=True)
    class Settings:
        any_digits: bool = False  # accept files of MNIST's names with other contents

    def read(self, files: Files) -> Examples | None:
        contents = {name: self._content(name, files) for name in SHA256}
        missing = [name for name, content in contents.items() if content is None]
        if len(missing) == len(contents):
            return None
        if missing:
            raise DataError(
                f"There is no {missing[0]} (or .gz) beside {next(iter(files))}; expected all four "
                f"files of MNIST. {REMEDY}"
            )
        return _examples(contents)

    def _content(self, name: str, files: Files) -> bytes | None:
        """The bytes of one IDX file."""
        pattern = rf"{name.replace('-idx', '[-.]idx')}(\.gz)?"
        found = [(file, files[file]()) for _, file in named(files, pattern)]
        part, what = name.split("-")[:2]
        if not found:
            tables = [file for _, file in named(files, TABLES[part])]
            found = [(file, _from_table(files[file](), what, file)) for file in tables]
        for _, content in found:
            if self.settings.any_digits or hashlib.sha256(content).hexdigest() == SHA256[name]:
                return content
        if not found:
            return None
        file, content = found[0]
        raise DataError(
            f"{file} is not MNIST's {name}: the SHA-256 of its {len(content):,} bytes, unzipped, "
            f"is {hashlib.sha256(content).hexdigest()}; expected {SHA256[name]}. (Fashion-MNIST, "
            f"KMNIST and EMNIST come under the same names.) {REMEDY} To use it as it is, set "
            "data.mnist.any_digits: true."
        )

    def embedded(self) -> Examples:
        """5,000 of its training digits; of each class every fifth is for testing."""
        folder = resources.files("deep_learning_dynamics.study.data")
        with np.load(folder / "mnist_sample.npz") as arrays:
            images, labels = arrays["images"], arrays["labels"].astype(np.int64)
        is_test = np.zeros(len(labels), bool)
        for digit in range(len(DIGITS)):
            is_test[np.flatnonzero(labels == digit)[TEST_EVERY - 1 :: TEST_EVERY]] = True
        return Examples(images, labels, is_test, DIGITS)

    def describe(self, examples: Examples, source: str) -> Provenance:
        described = super().describe(examples, source)
        if self.settings.any_digits and described.original:
            label = "files in MNIST's place, not compared with it"
            return replace(described, label=label, original=False)
        return described


def _examples(files: dict[str, bytes]) -> Examples:
    """From the bytes of the four files; the digits of "t10k" are the test part."""
    images, labels = [], []
    for part in ("train", "t10k"):
        pixels = np.frombuffer(files[f"{part}-images-idx3-ubyte"][IMAGES_HEADER:], np.uint8)
        digits = np.frombuffer(files[f"{part}-labels-idx1-ubyte"][LABELS_HEADER:], np.uint8)
        if not len(digits) or len(pixels) != len(digits) * SIDE**2 or digits.max() > 9:
            raise DataError(
                f"MNIST's files of {part} hold {len(pixels):,} pixels and {len(digits):,} labels; "
                f"expected {SIDE}×{SIDE} images, as many labels, and labels from 0 to 9. {REMEDY}"
            )
        images.append(pixels.reshape(-1, SIDE, SIDE))
        labels.append(digits.astype(np.int64))
    is_test = np.repeat([False, True], [len(part) for part in labels])
    return Examples(np.concatenate(images), np.concatenate(labels), is_test, DIGITS)


def _from_table(content: bytes, what: str, file: str) -> bytes:
    """The IDX file of "images" or "labels" that holds what a table does: label, then pixels."""
    titled = b"label" in content[: content.find(b"\n")].lower()  # as Kaggle's are
    try:
        lines = io.StringIO(content.decode("ascii"))
        table = np.loadtxt(lines, np.uint8, delimiter=",", skiprows=int(titled), ndmin=2)
        images = table[:, 1:].reshape(-1, SIDE, SIDE)
    except ValueError as error:
        raise DataError(
            f"{file} is not a table of {1 + SIDE**2} numbers per line ({error}). {REMEDY}"
        ) from None
    if what == "labels":
        return np.array([LABELS_MAGIC, len(table)], ">i4").tobytes() + table[:, 0].tobytes()
    return np.array([IMAGES_MAGIC, *images.shape], ">i4").tobytes() + images.tobytes()
