"""How every figure looks, whatever a person's own matplotlib settings are: sizes, text, colours.

A group of networks is a hue; within it, lightness is a score. All hues are equally light at equal
scores, so that no group looks better than another, in grey print too.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from deep_learning_dynamics.quantities import quantity

INK, QUIET, LINE = "#222222", "#5f5f5f", "#c4c4c4"  # text; text read second; frames and rules
EARLIER = "#8a8a8a"  # trajectories that others continue
WARNING, WARNING_FACE = "#7a1f00", "#ffe9d1"
COLUMN, PAGE = 3.35, 7.0  # inches: one column (85 mm) and the full width of a paper
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
            matplotlib.rcParams.update(_SETTINGS | dict.fromkeys(_SIZES, self.text))
            yield


class NotebookFigure(Figure):
    """A figure that notebooks show without pyplot."""

    def _repr_png_(self) -> bytes:
        from io import BytesIO

        stream = BytesIO()
        self.savefig(stream, format="png")
        return stream.getvalue()


_SIZES = ("font.size", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize")
_SETTINGS: dict[str, Any] = {
    "backend": "agg",
    "font.family": "DejaVu Sans",  # inside matplotlib's wheel, so the same everywhere
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.titlelocation": "left",
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
    "legend.frameon": False,
    "legend.handlelength": 1.9,
    "legend.columnspacing": 1.6,
    "legend.labelspacing": 0.35,
    "svg.hashsalt": "deep-learning-dynamics",  # otherwise identifiers differ at every repetition
    "svg.fonttype": "path",  # the same look where the font is not installed
    "pdf.fonttype": 42,
    "path.simplify": False,  # every snapshot stays a vertex
}


@dataclass(frozen=True)
class Groups:
    """The groups of networks that a figure tells apart, in their order."""

    by: str  # the coordinate that names them; "": all networks are one group
    values: tuple[Any, ...]
    titles: dict[Any, str]

    @classmethod
    def of(cls, table: pd.DataFrame, by: str, titles: dict[str, dict[Any, str]]) -> "Groups":
        """The groups in a table of networks or snapshots, in the order in which they appear.

        Groups that have only twins, or networks that others continue, are left out.
        """
        if not by or by not in table:
            return cls("", ("",), {"": "networks"})
        last = last_phase(table)
        values = (last if len(last) else table)[by].unique()
        present = tuple(value for value in values if not pd.isna(value))
        names = titles.get(by, {})
        named = {v: names.get(v, names.get(str(v), _words(by, v))) for v in present}
        return cls(by, present, {value: str(title) for value, title in named.items()})

    def numbers(self, table: pd.DataFrame) -> Shaped[np.ndarray, " row"]:
        """The number of each row's group; −1 where it has none."""
        if not self.by:
            return np.zeros(len(table), int)
        return np.array([self.index(value) for value in table[self.by]], int)

    def index(self, value: Any) -> int:
        return self.values.index(value) if value in self.values else -1

    def title(self, number: int) -> str:
        return self.titles[self.values[number]] if 0 <= number < len(self.values) else "others"

    def __len__(self) -> int:
        return len(self.values)


def last_phase(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of networks that no other continues, without twins."""
    kept = np.ones(len(table), bool)
    if "continues" in table:
        kept &= ~table["network"].isin(set(table["continues"]) - {""}).to_numpy()
    if "twin" in table:
        kept &= ~table["twin"].fillna(False).astype(bool).to_numpy()
    return table[kept]


def _words(by: str, value: Any) -> str:
    """A value that says what it is: "scratch", but "learning rate 0.1"."""
    return value if isinstance(value, str) and value else f"{by.replace('_', ' ')} {value}"


def ramp(group: int) -> LinearSegmentedColormap:
    """The colours of a group from the lowest (0) to the highest (1) score."""
    return _RAMPS[group % len(_RAMPS)]


def colour(group: int, position: float = 0.62) -> tuple[float, float, float]:
    """One colour of a group, by default the one that stands for it; grey without a group."""
    if group < 0:
        return matplotlib.colors.to_rgb(QUIET)
    return ramp(group)(position)[:3]


def end_marker(group: int) -> str:
    """The sign of a group's ends."""
    return ENDS[max(group, 0) // len(_RAMPS) % len(ENDS)]


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
        low, high = float(finite.min()), float(finite.max())
        if quantity(key).unit == "%" and low >= 0 and high <= 1:
            if high - low < 0.01:
                low, high = max(low - 0.02, 0.0), min(high + 0.02, 1.0)
            return cls(key, low, high, "error")
        if low > 0 and high > 10 * low:
            return cls(key, low, high, "log")
        return cls(key, low, high if high > low else low + (abs(low) or 1.0), "linear")

    def forward(self, values: Any) -> Any:
        """Values on an even scale; axes use it too."""
        with np.errstate(divide="ignore", invalid="ignore"):
            match self.spacing:
                case "error":
                    # From 99.9 % on, the logarithm would only follow single examples.
                    return -np.log2(1.001 - np.clip(np.asarray(values, float), -1, 1))
                case "log":
                    return np.log10(values)
            return np.asarray(values, float)

    def backward(self, even: Any) -> Any:
        match self.spacing:
            case "error":
                return 1.001 - 2.0 ** -np.asarray(even, float)
            case "log":
                return 10.0 ** np.asarray(even, float)
        return np.asarray(even, float)

    def position(self, values: Float[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
        """From 0 at ``low`` to 1 at ``high``; beyond them it is cut off, NaN is 0."""
        low, high = self.forward(np.array([self.low, self.high]))
        even = (self.forward(values) - low) / (high - low)
        return np.nan_to_num(np.clip(even, 0, 1), nan=0.0)

    def ticks(self, apart: float = 0.12) -> list[float]:
        """Round values on the scale that lie at least ``apart`` of its length from each other."""
        if self.spacing == "error":
            # The ends of learning first: where it starts (chance) and how far it comes.
            shares = (0.1, 0.9, 0.5, 0.95, 0.99, 0.98, 0.8, 0.7, 0.3, 0.6, 0.2, 0.4, 0.0, 1.0)
            fives, ones = (
                np.round(np.arange(0.05, 1, 0.05), 2),
                np.round(np.arange(0.91, 1, 0.01), 2),
            )
            narrow = np.round(np.arange(0.01, 0.9, 0.01), 2) if self.high - self.low < 0.1 else []
            candidates = [*shares, *fives, *ones, *narrow]
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
        if self.spacing == "error":
            return f"{100 * value:g}"
        return f"{value:g}".replace("-", "−")


def with_unit(key: str, capital: bool = True) -> str:
    """ "Test accuracy (%)"."""
    known = quantity(key)
    said = not known.unit or known.unit in known.title.lower().split()
    text = known.title if said else f"{known.title} ({known.unit})"
    return text[:1].upper() + text[1:] if capital else text
