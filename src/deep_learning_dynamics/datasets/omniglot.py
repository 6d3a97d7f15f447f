"""OMNIGLOT's background set: drawings of characters, from a zip or its unpacked folder to 28×28.

The drawings are 105×105 pixels of paper or ink in ``ALPHABET/characterNN/XXXX_YY.png``, where YY
numbers the people who drew the alphabet's characters, 20 for each (Lake, Salakhutdinov &
Tenenbaum, Science 2015).
"""

import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from deep_learning_dynamics.datasets.examples import Examples
from deep_learning_dynamics.errors import DataError
from deep_learning_dynamics.params import Target

SIDE = 105  # pixels
DRAWERS = 20
# Whole drawers are kept for testing, the same for every character: so the test asks for a hand
# that was not seen, and no character of an alphabet gives away how its tester draws.
TEST_DRAWERS = (5, 10, 15, 20)


@dataclass(frozen=True)
class Inventory:
    """What a whole set of drawings holds."""

    alphabets: int
    characters: int
    sha256: str  # of all pixels, character by character, eight to a byte, 1 is ink


# The author's zip and one made anew differ as files, but not in their pixels.
BACKGROUND = Inventory(30, 964, "4f7bd7441c06c8efa0205cd111556d4743d328e43ee3327a199151f100f50d53")
MEND = "Get it again, or take it away for the next of data.sources."


@dataclass(frozen=True)
class Character:
    """A character and its drawings, in the order of their drawers."""

    alphabet: str
    name: str
    ink: Bool[np.ndarray, "drawer 105 105"]


def examples(characters: Iterable[Character], target: Target) -> Examples:
    """Drawings as MNIST's images, labelled with their alphabet or their character."""
    images, alphabets, names = [], [], []
    for character in characters:
        images.append(shrunk(character.ink))
        alphabets.append(character.alphabet)
        names.append(f"{character.alphabet}, {character.name}")
    of_character = alphabets if target == "alphabet" else names
    class_names = tuple(sorted(set(of_character)))
    number = {name: index for index, name in enumerate(class_names)}
    drawers = np.arange(1, DRAWERS + 1)
    return Examples(
        np.concatenate(images),
        np.repeat(np.array([number[name] for name in of_character], np.int64), DRAWERS),
        np.tile(np.isin(drawers, TEST_DRAWERS), len(images)),
        class_names,
    )


def shrunk(ink: Bool[np.ndarray, "drawer 105 105"]) -> UInt8[np.ndarray, "drawer 28 28"]:
    """Drawings in grey: each of 28×28 pixels is as bright as the share of it that has ink."""
    share = (AREA @ ink.astype(np.float32) @ AREA.T) / 15**2
    return np.rint(255 * share).astype(np.uint8)


# Row by row, how much of each of 105 pixels lies in one of 28, in quarters: 3¾ pixels or 15
# quarters. Whole numbers, so that the sums are exact and alike on every machine.
AREA = np.repeat(np.eye(28, dtype=np.float32), 15, axis=1).reshape(28, SIDE, 4).sum(axis=2)


def from_zip(content: Path | io.BytesIO, origin: str) -> Iterator[Character]:
    """The characters in ``images_background.zip``; ``origin`` names it in messages.

    Raises:
        DataError: it is no zip, damaged, incomplete, or holds other drawings than OMNIGLOT's.
    """
    try:
        with zipfile.ZipFile(content) as archive:
            members = [item for item in archive.infolist() if not item.is_dir()]
            for member in members:
                # Nothing is unpacked to the disk here, but who made such a zip means harm.
                parts = re.split(r"[/\\]", member.filename)
                if ".." in parts or parts[0] == "" or ":" in parts[0]:
                    raise DataError(
                        f"{origin} holds {member.filename!r}, a path outside its own folder; "
                        f"expected images_background/ALPHABET/characterNN/XXXX_YY.png. {MEND}"
                    )
            files = {member.filename: member for member in members}
            yield from _characters(files, lambda name: archive.read(files[name]), origin)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{origin} is not a whole zip file: {error}. {MEND}") from None


def from_folder(folder: Path) -> Iterator[Character]:
    """The characters in the unpacked ``images_background``. Raises as :func:`from_zip`."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    yield from _characters(names, lambda name: (folder / name).read_bytes(), str(folder))


def _characters(
    names: Iterable[str], read: Callable[[str], bytes], origin: str
) -> Iterator[Character]:
    """Characters in order of alphabet and number; their drawings in order of drawer."""
    drawings: dict[tuple[str, str], dict[int, str]] = {}
    for name in names:
        # Operating systems leave files such as __MACOSX/._0709_01.png and Thumbs.db.
        match = re.search(r"(?:^|/)([^/]+)/(character\d+)/\d+_(\d+)\.png$", name)
        if match is not None and not name.startswith("__MACOSX/"):
            alphabet, character, drawer = match.groups()
            drawings.setdefault((alphabet, character), {})[int(drawer)] = name
    _check_inventory(drawings, origin)
    digest = hashlib.sha256()
    for (alphabet, character), of_drawer in sorted(drawings.items()):
        ink = np.stack(
            [_ink(read(name), f"{origin}: {name}") for _, name in sorted(of_drawer.items())]
        )
        digest.update(np.packbits(ink))
        yield Character(alphabet.replace("_", " "), character, ink)
    if digest.hexdigest() != BACKGROUND.sha256:
        raise DataError(
            f"{origin} has OMNIGLOT's names but not its drawings: the SHA-256 of the pixels is "
            f"{digest.hexdigest()}; expected {BACKGROUND.sha256}. {MEND}"
        )


def _check_inventory(drawings: dict[tuple[str, str], dict[int, str]], origin: str) -> None:
    alphabets = len({alphabet for alphabet, _ in drawings})
    count = sum(map(len, drawings.values()))
    expected = BACKGROUND.characters * DRAWERS
    found = (alphabets, len(drawings), count)
    if found != (BACKGROUND.alphabets, BACKGROUND.characters, expected):
        raise DataError(
            f"{origin} holds {count:,} drawings of {len(drawings):,} characters in {alphabets} "
            f"alphabets; expected {expected:,} of {BACKGROUND.characters:,} in "
            f"{BACKGROUND.alphabets}: OMNIGLOT's background set. {MEND}"
        )
    for of_drawer in drawings.values():
        if sorted(of_drawer) != list(range(1, DRAWERS + 1)):
            raise DataError(
                f"{origin} has drawings {min(of_drawer)} to {max(of_drawer)} beside "
                f"{next(iter(of_drawer.values()))}; expected 1 to {DRAWERS}. {MEND}"
            )


def _ink(content: bytes, origin: str) -> Bool[np.ndarray, "105 105"]:
    from PIL import Image, UnidentifiedImageError

    try:
        # Only PNG: other readers of Pillow have no business with a file of this name.
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            if image.size == (SIDE, SIDE) and image.mode == "1":
                return ~np.asarray(image)
            found = f"a picture of {image.width}×{image.height} pixels, mode {image.mode}"
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        found = f"not a PNG ({error})"
    raise DataError(f"{origin} is {found}; expected a PNG of {SIDE}×{SIDE}, 1 bit. {MEND}")
