"""The stand-in for OMNIGLOT: letters of many alphabets from the fonts in matplotlib's wheel, drawn
by 20 imaginary hands.

The line in the middle of each glyph is bent at random and drawn with a pen, black on white at
OMNIGLOT's size. Only sums and products of uniform numbers are used, which come out alike on every
machine, and a seed of its own: no setting of an experiment changes the stand-in.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Int

from deep_learning_dynamics import seeds
from deep_learning_dynamics.datasets.alphabets import ALPHABETS, FONT, FONTS, code_points
from deep_learning_dynamics.datasets.centrelines import centre_line
from deep_learning_dynamics.datasets.hands import Hands
from deep_learning_dynamics.datasets.omniglot import DRAWERS, Character
from deep_learning_dynamics.errors import DataError

SEED = 0
EM = 128  # pixels at which glyphs are thinned; strokes are some 12 wide then


def characters() -> Iterator[Character]:
    """Every character of every alphabet, in the order of their names and code points.

    Raises:
        DataError: the fonts of the installed matplotlib lack a character.
    """
    alphabet, hands = "", None
    for name, code, line in centre_lines():
        if hands is None or name != alphabet:
            alphabet, hands = name, Hands.random(seeds.generator(SEED, "glyphs", name), DRAWERS)
        rng = seeds.generator(SEED, "glyphs", name, code)
        yield Character(name, f"U+{code:04X}", hands.drawn(line, rng))


def centre_lines() -> Iterator[tuple[str, int, Int[np.ndarray, "point 2"]]]:
    """Alphabet, code point and the line to draw, of every character. Raises as above."""
    import matplotlib
    from fontTools.ttLib import TTFont

    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    for alphabet in sorted(ALPHABETS):
        file = FONTS.get(alphabet, FONT)
        font = TTFont(folder / file)
        glyphs, names = font.getGlyphSet(), font.getBestCmap()
        for code in code_points(alphabet):
            if code not in names:
                raise DataError(
                    f"{file} of matplotlib has no U+{code:04X} ({alphabet}); expected the fonts "
                    "of the version in requirements.lock."
                )
            yield alphabet, code, centre_line(glyphs, names[code], font["head"].unitsPerEm / EM)
