"""How every figure looks, whatever a person's own matplotlib settings are: sizes, text, colours.

A group of networks is a hue; within it, lightness is a score. All hues are equally light at equal
scores, so that no group looks better than another, in grey print too.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deep_learning_dynamics.figures.groups import Groups
from deep_learning_dynamics.formatting import capital
from deep_learning_dynamics.quantities import quantity

INK, QUIET, LINE = "#222222", "#5f5f5f", "#c4c4c4"  # text; text read second; frames and rules
EARLIER = "#8a8a8a"  # trajectories that others continue
WARNING, WARNING_FACE = "#7a1f00", "#ffe9d1"
COLUMN, PAGE = 3.35, 7.0  # inches: one column (85 mm) and the full width of a paper
TONE = 0.62  # the place on the ramp of its colours that stands for a group
NARROW = 5.0  # inches; below, figures have the arrangement of one column
DASHES, DOTS = (0, (3.2, 1.8)), (0, (0.1, 2.2))  # of networks that failed; of earlier trajectories

# Each row goes from CIE lightness 76 to 30 in even steps, at the largest chroma that a screen can
# show along it. Blue and orange come first: every common colour blindness keeps them apart.
HUES = (
    "#59c7fe #2fb1f2 #239ade #1984ca #116fb5 #0c5a9f #09468a",  # blue
    "#f9ab4c #e8933d #d67c2e #c36521 #b14e14 #9d3608 #891d01",  # orange
    "#ff9dd2 #f77ec2 #e069ad #c95499 #b33f85 #9d2871 #870b5e",  # magenta
    "#72ce8d #5db97a #48a466 #318f53 #167b41 #036733 #025228",  # green
    "#bfb1ff #ab9af4 #9886de #8572c7 #725eb1 #5f4b9c #4d3987",  # violet
    "#c1c05b #adab47 #999633 #86821d #736e01 #605b00 #4e4801",  # olive
    "#ffa2a3 #ff8084 #ee666b #d65256 #be3e42 #a6282f #8f0f1d",  # red
    "#4bcdd1 #2ab8be #05a2ab #018c96 #087781 #00626d #014f58",  # teal
)
_RAMPS = [LinearSegmentedColormap.from_list(row[:7], row.split()) for row in HUES]
ENDS = "sD^vPph8"  # the marker of an end: another one each time that the hues begin again


@dataclass(frozen=True)
class Style:
    """What a person may choose about figures."""

    width: float = PAGE  # inches
    title: bool = True  # titles, quality and footer; without them the caption must say it
    dpi: int = 200
    formats: tuple[str, ...] = ("png",)  # png, svg, pdf
    color: str = "test_accuracy"  # the score that lightness shows, where it was recorded

    @property
    def is_narrow(self) -> bool:
        return self.width < NARROW

    @property
    def text(self) -> float:
        """Size of ordinary text in points, from 6.3 in one column to 8 on the page."""
        return float(np.interp(self.width, (COLUMN, PAGE), (6.3, 8.0)))

    def figure(self, height: float) -> Figure:
        """An empty figure of this style; ``height`` in inches."""
        figure = NotebookFigure(figsize=(self.width, height), layout="constrained", dpi=self.dpi)
        FigureCanvasAgg(figure)
        figure.get_layout_engine().set(w_pad=0.04, h_pad=0.04, hspace=0.03, wspace=0.03)
        return figure

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Our settings on matplotlib's own defaults, for as long as something is drawn."""
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(_SETTINGS | {"font.size": self.text})
            yield


class NotebookFigure(Figure):
    """A figure that notebooks show without pyplot."""

    def _repr_png_(self) -> bytes:
        from io import BytesIO

        stream = BytesIO()
        self.savefig(stream, format="png")
        return stream.getvalue()


_SETTINGS: dict[str, Any] = {
    "backend": "agg",
    "font.family": "DejaVu Sans",  # inside matplotlib's wheel, so the same everywhere
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.titlelocation": "left",
    "axes.titlesize": "medium",
    "axes.titlepad": 4,
    "axes.labelpad": 2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": QUIET,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "grid.color": "#ececec",
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.handlelength": 1.9,
    "legend.columnspacing": 1.6,
    "legend.labelspacing": 0.35,
    "svg.hashsalt": "deep-learning-dynamics",  # otherwise identifiers differ at every repetition
    "svg.fonttype": "path",  # the same look where the font is not installed
    "pdf.fonttype": 42,
    "path.simplify": False,  # every snapshot stays a vertex
}


def ramp(group: int) -> LinearSegmentedColormap:
    """The colours of a group from the lowest (0) to the highest (1) score."""
    return _RAMPS[group % len(_RAMPS)]


def colour(group: int, position: float = TONE) -> tuple[float, float, float]:
    """One colour of a group, by default the one that stands for it; grey without a group."""
    if group < 0:
        return matplotlib.colors.to_rgb(QUIET)
    return ramp(group)(position)[:3]


def group_entries(
    groups: Groups, numbers: Iterable[int], position: float = 0.75, ends: bool = False
) -> list[Line2D]:
    """For a legend: a line of its colour for each group that is there, if there are several.

    Args:
        ends: whether the figure marks ends, so that entries have markers where these differ.
    """
    shown = sorted(set(numbers))
    sign = end_marker if ends and ends_differ(shown) else lambda _: "None"
    look = {"linewidth": 1.8, "markersize": 4.5}
    return [
        Line2D([], [], color=colour(n, position), marker=sign(n), label=groups.title(n), **look)
        for n in shown
        if n >= 0 and len(groups) > 1
    ]


def end_marker(group: int) -> str:
    """The sign of a group's ends."""
    return ENDS[max(group, 0) // len(_RAMPS) % len(ENDS)]


def ends_differ(groups: Iterable[int]) -> bool:
    """Whether there are so many groups that their ends have different signs."""
    return len({end_marker(group) for group in groups}) > 1


@dataclass(frozen=True)
class ScoreScale:
    """Where a score lies on the ramp of colours.

    Shares (accuracies) go in even steps of the logarithm of the error: from 90 to 95 % is as long
    a step as from 80 to 90 %. Other positive scores that span more than a decade are logarithmic.
    """

    key: str
    low: float
    high: float
    spacing: str  # "error", "log" or "linear"

    @classmethod
    def over(cls, key: str, values: Sequence[float] | np.ndarray) -> "ScoreScale | None":
        """The scale over these values; None where there are none."""
        finite = np.asarray(values, float)
        finite = finite[np.isfinite(finite)]
        if not finite.size:
            return None
        low, high = finite.min().item(), finite.max().item()
        if quantity(key).unit == "%" and low >= 0 and high <= 1:
            if high - low < 0.01:
                low, high = max(low - 0.02, 0.0), min(high + 0.02, 1.0)
            return cls(key, low, high, "error")
        if low > 0 and high > 10 * low:
            return cls(key, low, high, "log")
        return cls(key, low, high if high > low else low + (abs(low) or 1.0), "linear")

    def forward(self, values: Any) -> Any:
        """Values on an even scale; axes use it too."""
        values = np.asarray(values, float)
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.spacing == "error":
                # From 99.9 % on, the logarithm would only follow single examples.
                return -np.log2(1.001 - np.clip(values, -1, 1))
            return np.log10(values) if self.spacing == "log" else values

    def backward(self, even: Any) -> Any:
        """The shares on an even scale of errors, which axes need."""
        return 1.001 - 2.0 ** -np.asarray(even, float)

    def position(self, values: Float[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
        """From 0 at ``low`` to 1 at ``high``; beyond them it is cut off, NaN is 0."""
        low, high = self.forward(np.array([self.low, self.high]))
        even = (self.forward(values) - low) / (high - low)
        return np.nan_to_num(np.clip(even, 0, 1), nan=0.0)

    def ticks(self, apart: float = 0.12) -> list[float]:
        """Round values on the scale that lie at least ``apart`` of its length from each other."""
        if self.spacing == "error":
            # The ends of learning first: where it starts (chance) and how far it comes.
            percent = [10, 90, 50, 95, 99, 98, 80, 70, 30, 60, 20, 40, 0, 100]
            percent += [*range(5, 100, 5), *range(91, 100)]
            percent += range(1, 90) if self.high - self.low < 0.1 else []
            candidates = [each / 100 for each in percent]
        else:
            from matplotlib.ticker import LogLocator, MaxNLocator

            log = self.spacing == "log"
            locator = LogLocator(subs=(1, 3)) if log else MaxNLocator(5, steps=[1, 2, 5, 10])
            candidates = list(locator.tick_values(self.low, self.high))
        kept: list[float] = []
        slack = 0.01 * (self.high - self.low)
        for tick in map(float, candidates):
            here = self.position(np.array([tick, *kept]))
            inside = self.low - slack <= tick <= self.high + slack
            if inside and (not kept or np.abs(here[1:] - here[0]).min() >= apart):
                kept.append(tick)
        return sorted(kept)

    def label(self, value: float) -> str:
        """A tick's text, without its unit."""
        return f"{100 * value if self.spacing == 'error' else value:g}".replace("-", "−")


def with_unit(key: str) -> str:
    """ "Test accuracy (%)"."""
    known = quantity(key)
    said = not known.unit or known.unit in known.title.lower().split()
    return capital(known.title if said else f"{known.title} ({known.unit})")
