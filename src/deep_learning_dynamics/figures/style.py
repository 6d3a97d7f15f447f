"""How every figure looks, whatever a person's own matplotlib settings are."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib.style

from deep_learning_dynamics.figures import palette

TITLE, SUBTITLE, LABEL, SMALL = 14.0, 9.5, 9.0, 8.5  # sizes of text in points

_SETTINGS = {
    "font.family": "DejaVu Sans",  # inside matplotlib's wheel, so the same everywhere
    "font.size": LABEL,
    "axes.edgecolor": palette.QUIET,
    "axes.labelcolor": palette.INK,
    "axes.labelsize": LABEL,
    "axes.linewidth": 0.6,
    "axes.unicode_minus": True,
    "text.color": palette.INK,
    "xtick.color": palette.QUIET,
    "ytick.color": palette.QUIET,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "svg.hashsalt": "deep-learning-dynamics",  # otherwise identifiers differ at every repetition
    "svg.fonttype": "path",  # the same look where the font is not installed
    "path.simplify": False,  # every snapshot stays a vertex
}


@contextmanager
def applied() -> Iterator[None]:
    """Our settings, on matplotlib's own defaults, inside a ``with`` block or a function."""
    with matplotlib.style.context(["default", _SETTINGS]):
        yield


@dataclass(frozen=True)
class Sizes:
    """How large the parts of a path are drawn, in points: smaller where there are more paths."""

    line: float  # width
    snapshot: float  # diameter
    marker: float  # diameter of start and end
    failure: float  # diameter of its mark, which is seen in any crowd
    arrow: float  # length

    @classmethod
    def fitting(cls, networks: int, width: float) -> "Sizes":
        """Sizes for so many networks in a drawing that is ``width`` inches wide."""
        # Ink grows with the number of paths and must not grow beyond the paper.
        crowd = (10 / max(networks, 4)) ** 0.4 * (width / 5.4) ** 0.7
        return cls(
            line=min(max(1.5 * crowd, 0.5), 2.0),
            snapshot=min(max(2.9 * crowd, 1.1), 3.8),
            marker=min(max(6.8 * crowd, 3.0), 8.0),
            failure=min(max(7.8 * crowd, 6.0), 9.0),
            arrow=min(max(8.0 * crowd, 4.0), 9.5),
        )
