"""Labelled images in memory and in one file: what every source yields and what training reads."""

import hashlib
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from deep_learning_dynamics.errors import DataError


@dataclass(frozen=True)
class Part:
    """The training or the test part of a dataset."""

    images: UInt8[np.ndarray, "example 28 28"]
    labels: Int64[np.ndarray, " example"]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Examples:
    """Images with labels, each either for training or for testing."""

    images: UInt8[np.ndarray, "example 28 28"]  # 0 is background, 255 full ink
    labels: Int64[np.ndarray, " example"]  # index into class_names
    is_test: Bool[np.ndarray, " example"]
    class_names: tuple[str, ...]

    @cached_property
    def train(self) -> Part:
        return Part(self.images[~self.is_test], self.labels[~self.is_test])

    @cached_property
    def test(self) -> Part:
        return Part(self.images[self.is_test], self.labels[self.is_test])

    @property
    def classes(self) -> int:
        return len(self.class_names)

    @property
    def sha256(self) -> str:
        """A fingerprint of the arrays, whatever file they lie in."""
        digest = hashlib.sha256()
        for array in (self.images, self.labels.astype("<i8"), self.is_test):
            digest.update(np.ascontiguousarray(array))
        digest.update("\n".join(self.class_names).encode())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write an npz file, the same bytes whenever the examples are the same."""
        # Not compressed: it would take seconds to save some 40 MB. numpy dates its members 1980.
        with path.open("wb") as file:
            np.savez(
                file,
                images=self.images,
                labels=self.labels,
                is_test=self.is_test,
                class_names=np.array(self.class_names, dtype=np.str_),
            )


def load(path: Path) -> Examples:
    """Read what :meth:`Examples.save` wrote.

    Raises:
        DataError: there is no such file, or it does not hold examples.
    """
    mend = f"Make it again with: dvc repro --force --single-item fetch@{path.stem}"
    try:
        # Without pickle, which could run code that lies in the file.
        with np.load(path, allow_pickle=False) as arrays:
            return Examples(
                arrays["images"],
                arrays["labels"],
                arrays["is_test"],
                tuple(arrays["class_names"].tolist()),
            )
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; expected a fetched dataset. {mend}") from None
    except (KeyError, ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} does not hold examples ({error}); expected the arrays images, labels, "
            f"is_test and class_names. {mend}"
        ) from None
