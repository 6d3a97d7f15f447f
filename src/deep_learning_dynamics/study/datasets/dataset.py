"""What a dataset is: labelled images from the first source that has them, with their provenance.

``fetch`` writes ``data/NAME.npz`` and ``data/NAME.json``; ``load`` reads the former for training.
A dataset is a class in a file of its own that registers itself with ``DATASETS.register``.
"""

import hashlib
import sys
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from deep_learning_dynamics.errors import DataError
from deep_learning_dynamics.files import replacing, write_json
from deep_learning_dynamics.registry import Registry

if TYPE_CHECKING:
    from deep_learning_dynamics.study.datasets.local import Files

DATASETS: Registry[type["Dataset"]] = Registry(
    "dataset", "deep_learning_dynamics.study.datasets", ("mnist", "omniglot")
)


@dataclass(frozen=True)
class Examples:
    """Images with labels, each either for training or for testing."""

    images: UInt8[np.ndarray, "example height width"]  # 0 is background, 255 full ink
    labels: Int64[np.ndarray, " example"]  # index into class_names
    is_test: Bool[np.ndarray, " example"]
    class_names: tuple[str, ...]

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


@dataclass(frozen=True)
class DatasetCard:
    """What is known of a dataset, or of what stands in for it."""

    label: str  # what figures print
    description: str
    licence: str = ""
    citation: str = ""
    original: bool = True  # False for a sample or a stand-in


@dataclass(frozen=True)
class Provenance:
    """What was used. It holds no path and no date: the same data give the same record."""

    dataset: str  # the key: "mnist"
    title: str  # "MNIST", what was asked for
    label: str  # "MNIST" or what stands in for it: what figures print
    original: bool
    source: str  # "local", "download" or "embedded"
    target: str  # what the classes are: "digit"
    classes: int
    train: int  # examples
    test: int
    sha256: str  # of the arrays
    licence: str
    citation: str
    description: str

    def sentence(self) -> str:
        """What was fetched, for people."""
        return (
            f"{self.label}, from {self.source}: {self.train:,} images for training, "
            f"{self.test:,} for testing, {self.classes} classes ({self.target})."
        )


class UnavailableError(Exception):
    """A source has not got the dataset; the text says what it looked for.

    It is not for a dataset that is there but damaged: that is a DataError, and ends the search.
    """


class Dataset:
    """Labelled images; subclasses register with ``@DATASETS.register``.

    For files that people have or servers give, write :meth:`read`, ``places``, ``address`` and
    ``downloads``; for data made in Python, :meth:`embedded` alone.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    target: ClassVar[str]  # what the classes are, unless the settings say otherwise
    about: ClassVar[DatasetCard]  # the original
    stand_in: ClassVar[DatasetCard | None] = None  # of :meth:`embedded`, if not the original
    places: ClassVar[tuple[str, ...]] = ()  # folders among people's datasets
    address: ClassVar[str] = ""  # of a folder with all downloads
    downloads: ClassVar[dict[str, str]] = {}  # file name → MD5

    @dataclass(frozen=True)
    class Settings:
        """Fields with defaults, set in ``params.yaml`` as ``data.KEY``."""

    def __init__(self, settings: Any = None) -> None:
        self.settings = self.Settings() if settings is None else settings

    def read(self, files: "Files") -> Examples | None:
        """The original from files; ``None`` if they are not among them.

        Raises:
            DataError: they are, and damaged or not what they should be.
        """
        raise UnavailableError(f"{self.title} is not read from files")

    def embedded(self) -> Examples:
        """What comes with the program, or is made by it."""
        raise UnavailableError(f"nothing stands in for {self.title}")

    def describe(self, examples: Examples, source: str) -> Provenance:
        """The record of examples that a source gave."""
        about = self.stand_in if source == "embedded" and self.stand_in else self.about
        test = int(examples.is_test.sum())
        return Provenance(
            dataset=self.key,
            title=self.title,
            source=source,
            target=getattr(self.settings, "target", self.target),
            classes=examples.classes,
            train=len(examples.labels) - test,
            test=test,
            sha256=examples.sha256,
            **asdict(about),
        )


REMEDY = """\
To use the original, put it in a folder as
    mnist/train-images-idx3-ubyte.gz and MNIST's three other files
    omniglot/images_background.zip   (or unpacked: omniglot/images_background/)
and name that folder datasets/ in the project, or in DYNAMICS_DATASETS. Then: dvc repro"""


def fetch(
    dataset: Dataset,
    sources: tuple[str, ...] = ("local", "download", "embedded"),
    folder: Path = Path("data"),
) -> Provenance:
    """Write ``folder/KEY.npz`` and ``folder/KEY.json`` from the first source that has the dataset.

    Why earlier sources lacked it goes to standard error, and so does a warning if anything but the
    original is used. Files appear whole or stay as they were.

    Raises:
        DataError: no source has the dataset, or one has it damaged.
    """
    from deep_learning_dynamics.study.datasets.download import read_downloaded
    from deep_learning_dynamics.study.datasets.local import read_local

    readers = {"local": read_local, "download": read_downloaded, "embedded": type(dataset).embedded}
    misses: list[str] = []
    for source in sources:
        try:
            examples = readers[source](dataset)
        except UnavailableError as miss:
            misses.append(f"    {source}: {miss}")
            continue
        provenance = dataset.describe(examples, source)
        said = [f"{dataset.title} was not in:", *misses] if misses else []
        if not provenance.original:
            label = provenance.label
            warning = f"warning: {dataset.title} itself could not be had. Used instead: {label}."
            said = [warning, *misses, REMEDY]
        if said:
            print("\n".join(said), file=sys.stderr, flush=True)
        with replacing(folder / f"{dataset.key}.npz") as partial, partial.open("wb") as file:
            # The same bytes for the same examples: numpy dates its members 1980. Not compressed:
            # it would take seconds to save some 40 MB.
            np.savez(file, **vars(examples))
        write_json(folder / f"{dataset.key}.json", asdict(provenance))
        return provenance
    missing = f"{dataset.title} is in none of data.sources: [{', '.join(sources)}]."
    raise DataError("\n".join([missing, *misses, REMEDY]))


def load(path: Path) -> Examples:
    """Read what :func:`fetch` wrote.

    Raises:
        DataError: there is no such file, or it does not hold examples.
    """
    remedy = f"Make it again with: dvc repro --force --single-item fetch@{path.stem}"
    try:
        # Without pickle, which could run code that lies in the file.
        with np.load(path, allow_pickle=False) as arrays:
            names = tuple(arrays["class_names"].tolist())
            return Examples(arrays["images"], arrays["labels"], arrays["is_test"], names)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; expected a fetched dataset. {remedy}") from None
    except (KeyError, ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} does not hold examples ({error}); expected the arrays images, labels, "
            f"is_test and class_names. {remedy}"
        ) from None
