"""OMNIGLOT's background set: drawings of characters, from a zip or its unpacked folder to 28×28.

The drawings are 105×105 pixels of paper or ink in ``ALPHABET/characterNN/XXXX_YY.png``, where YY
numbers the people who drew the alphabet's characters, 20 for each (Lake, Salakhutdinov &
Tenenbaum, Science 2015).
"""

import hashlib
import io
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from typing import Literal

import numpy as np
from jaxtyping import Bool, UInt8

from deep_learning_dynamics.errors import DataError
from deep_learning_dynamics.study.datasets.dataset import DATASETS, Dataset, DatasetCard, Examples
from deep_learning_dynamics.study.datasets.local import REMEDY, Files, named

SIDE = 105  # pixels
DRAWERS = 20
# Whole drawers are kept for testing, the same for every character: so the test asks for a hand
# that was not seen, and no character of an alphabet gives away how its tester draws.
TEST_DRAWERS = (5, 10, 15, 20)
DRAWING = r"images_background(?:\.zip)?/(?:.*/)?([^/]+)/(character\d+)/\d+_(\d+)\.png"


# Of all pixels, character by character, eight to a byte, 1 is ink: the author's zip and one made
# anew differ as files, but not in their pixels.
SHA256 = "4f7bd7441c06c8efa0205cd111556d4743d328e43ee3327a199151f100f50d53"


@DATASETS.register
class Omniglot(Dataset):
    """Handwritten characters of many alphabets."""

    key, title, target = "omniglot", "OMNIGLOT", "alphabet"
    about = DatasetCard(
        "OMNIGLOT",
        "The background set: 964 characters of 30 alphabets, 20 drawings of each, averaged from "
        "105×105 black and white to 28×28 grey. Drawers 5, 10, 15 and 20 are for testing.",
        "MIT",
        "B. M. Lake, R. Salakhutdinov, J. B. Tenenbaum: Human-level concept learning through "
        "probabilistic program induction. Science 350, 2015.",
    )
    stand_in = DatasetCard(
        "OMNIGLOT stand-in: glyphs",
        "Not handwriting: lines through the middle of fonts' letters, bent at random, 20 drawings "
        "of each of 240 characters of 24 alphabets, 28×28. Drawings 5, 10, 15 and 20 of each are "
        "for testing.",
        "DejaVu: Bitstream Vera and Arev font licences; STIX: STIX Font License",
        "The fonts DejaVu Sans (https://dejavu-fonts.github.io) and STIX General "
        "(https://www.stixfonts.org).",
        original=False,
    )
    places = ("omniglot", "omniglot-py", "images_background", "images_background.zip")
    address = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/"
    downloads = {  # noqa: RUF012 – a constant
        "images_background.zip": "68d2efa1b9178cc56df9314c21c6e718"
    }

    @dataclass(frozen=True)
    class Settings:
        target: Literal["alphabet", "character"] = "alphabet"  # what pre-training tells apart

    def read(self, files: Files) -> Examples | None:
        drawings: dict[tuple[str, str], dict[int, str]] = {}
        for match, name in named(files, DRAWING):
            alphabet, character, drawer = match.groups()
            # Where both the zip and its unpacked folder are there, the first is read.
            drawings.setdefault((alphabet, character), {}).setdefault(int(drawer), name)
        if not drawings:
            return None
        digest, images, names = hashlib.sha256(), [], []
        for (alphabet, character), of_drawer in sorted(drawings.items()):
            ink = np.stack([_ink(files[name], name) for _, name in sorted(of_drawer.items())])
            digest.update(np.packbits(ink))
            images.append(shrunk(ink))
            names.append(f"{alphabet.replace('_', ' ')}, {character}")
        shrunken = np.concatenate(images)
        if digest.hexdigest() != SHA256:
            origin = re.match(r".*?images_background(\.zip)?", next(iter(named(files, DRAWING)))[1])
            raise DataError(
                f"{origin[0]} holds {len(shrunken):,} drawings of {len(names):,} characters, the "
                f"SHA-256 of whose pixels is {digest.hexdigest()}; expected OMNIGLOT's background "
                f"set: 19,280 drawings of 964 characters with {SHA256}. {REMEDY}"
            )
        return self._labelled(shrunken, names)

    def embedded(self) -> Examples:
        """Glyphs of fonts, drawn by 20 imaginary hands."""
        folder = resources.files("deep_learning_dynamics.study.data")
        with np.load(folder / "omniglot_stand_in.npz") as arrays:
            return self._labelled(arrays["images"], arrays["characters"].tolist())

    def _labelled(
        self, images: UInt8[np.ndarray, "example 28 28"], characters: list[str]
    ) -> Examples:
        """Images in the order of characters ("ALPHABET, NAME") and their drawers."""
        if self.settings.target == "alphabet":
            characters = [name.rsplit(", ", 1)[0] for name in characters]
        class_names = tuple(sorted(set(characters)))
        number = {name: index for index, name in enumerate(class_names)}
        drawers = np.arange(1, DRAWERS + 1)
        return Examples(
            images,
            np.repeat(np.array([number[name] for name in characters], np.int64), DRAWERS),
            np.tile(np.isin(drawers, TEST_DRAWERS), len(characters)),
            class_names,
        )


def shrunk(ink: Bool[np.ndarray, "drawer 105 105"]) -> UInt8[np.ndarray, "drawer 28 28"]:
    """Drawings in grey: each of 28×28 pixels is as bright as the share of it that has ink."""
    share = (AREA @ ink.astype(np.float32) @ AREA.T) / 15**2
    return np.rint(255 * share).astype(np.uint8)


# Row by row, how much of each of 105 pixels lies in one of 28, in quarters: 3¾ pixels or 15
# quarters. Whole numbers, so that the sums are exact and alike on every machine.
AREA = np.repeat(np.eye(28, dtype=np.float32), 15, axis=1).reshape(28, SIDE, 4).sum(axis=2)


def _ink(read: Callable[[], bytes], name: str) -> Bool[np.ndarray, "105 105"]:
    from PIL import Image

    # Only PNG: other readers of Pillow have no business with a file of this name.
    with (
        suppress(OSError, SyntaxError, ValueError),
        Image.open(io.BytesIO(read()), formats=["PNG"]) as image,
    ):
        if (*image.size, image.mode) == (SIDE, SIDE, "1"):
            return ~np.asarray(image)
    raise DataError(f"{name} is not a PNG of {SIDE}×{SIDE} with 1 bit per pixel. {REMEDY}")
