"""MNIST as its authors publish it: four IDX files, known by their checksums."""

import gzip
import hashlib
import zlib
from collections.abc import Mapping

import numpy as np

from deep_learning_dynamics.datasets.examples import Examples
from deep_learning_dynamics.errors import DataError

# SHA-256 of each file, unzipped: a gzip made anew has other bytes, but the same content.
SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
IMAGES_HEADER, LABELS_HEADER = 16, 8  # bytes before the pixels and before the labels
DIGITS = tuple("0123456789")


def unpacked(content: bytes, name: str, origin: str) -> bytes:
    """The bytes of the IDX file ``name``, unzipped where need be and known to be right.

    Raises:
        DataError: the gzip is damaged or the checksum is another; ``origin`` is named.
    """
    mend = "Get the file again, or take it away for the next of data.sources."
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{origin} is not a whole gzip file: {error}. {mend}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256[name]:
        raise DataError(
            f"{origin} is not MNIST's {name}: the SHA-256 of its unzipped {len(content):,} bytes "
            f"is {found}; expected {SHA256[name]}. {mend}"
        )
    return content


def examples(files: Mapping[str, bytes]) -> Examples:
    """MNIST from the bytes of its four files; its own test digits are the test part."""
    images, labels = [], []
    for part in ("train", "t10k"):
        # The checksum vouches for the headers, so they are skipped, not parsed.
        pixels = np.frombuffer(files[f"{part}-images-idx3-ubyte"], np.uint8, offset=IMAGES_HEADER)
        digits = np.frombuffer(files[f"{part}-labels-idx1-ubyte"], np.uint8, offset=LABELS_HEADER)
        images.append(pixels.reshape(-1, 28, 28))
        labels.append(digits.astype(np.int64))
    is_test = np.repeat([False, True], [len(part) for part in labels])
    return Examples(np.concatenate(images), np.concatenate(labels), is_test, DIGITS)
