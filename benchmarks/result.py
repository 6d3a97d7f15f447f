"""What a row found: one or more lines of the table, each against one alternative or limit."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from benchmarks.timing import Spread, Times, ratio

Unit = Literal["×", "s", "GB", "%", ""]


@dataclass(frozen=True)
class Reach:
    """What a figure should come to."""

    value: float
    unit: Unit
    at_most: bool = False  # otherwise at least

    def text(self) -> str:
        return f"{'≤ ' if self.at_most else '≥ '}{figure(self.value, self.unit)}"

    def is_met(self, found: float) -> bool:
        return found <= self.value if self.at_most else found >= self.value

    def verdict(self, found: float) -> str:
        """ "reached", or by how much it was missed."""
        if self.is_met(found):
            return "reached"
        if self.at_most:
            over = figure(found - self.value, self.unit)
            more = f" ({found / self.value - 1:.0%})" if self.unit != "%" else " points"
            return f"missed by {over.removesuffix(' %')}{more}"
        if self.unit == "%":
            return f"missed by {self.value - found:.0f} points"
        short = self.value / found
        return f"missed: a factor of {short:{'.0f' if short >= 10 else '.2g'}} short"


@dataclass(frozen=True)
class Curve:
    """Seconds at growing sizes."""

    name: str  # what is done
    axis: str  # what grows
    what: str  # of which the seconds are
    sizes: tuple[int, ...]  # those that were measured
    seconds: tuple[float, ...]
    own: float  # the power of the size with which the method itself grows at the far end

    def slope(self) -> float:
        """The power with which the time grew over the last factor of ten, or what is there."""
        near = max(
            i for i in range(len(self.sizes) - 1) if i == 0 or 10 * self.sizes[i] <= self.sizes[-1]
        )
        grown = math.log(self.seconds[-1] / self.seconds[near])
        return grown / math.log(self.sizes[-1] / self.sizes[near])


@dataclass(frozen=True)
class Line:
    """A line of the table. A line with ``problem`` has no figures."""

    row: str  # the row's title
    work: str
    against: str  # the alternative, or the limit that the figure is a share of
    ours: Times | None = None
    theirs: Times | None = None
    found: Spread | None = None
    unit: Unit = "×"
    reach: Reach | None = None
    limit: str = ""  # what the machine would allow, where that is known
    note: str = ""
    problem: str = ""  # why it has no figures
    failed: bool = False  # the problem is that a result was wrong; otherwise it was left out
    curve: Curve | None = None

    @classmethod
    def faster(
        cls,
        row: str,
        work: str,
        against: str,
        ours: Times,
        theirs: Times,
        reach: float,
        **more: Any,
    ) -> "Line":
        """How many times faster we are than an alternative."""
        found = ratio(ours, theirs)
        return cls(row, work, against, ours, theirs, found, "×", Reach(reach, "×"), **more)

    @property
    def figure(self) -> str:
        if self.found is None:
            return ""
        least = "> " if self._is_bound else ""
        return least + spread(self.found, self.unit)

    @property
    def verdict(self) -> str:
        if self.problem:
            return "FAILED" if self.failed else "left out"
        if self.reach is None or self.found is None:
            return ""
        if self._is_bound and not self.reach.is_met(self.found.median):
            return "open: theirs was stopped"
        return self.reach.verdict(self.found.median)

    @property
    def _is_bound(self) -> bool:
        return self.theirs is not None and self.theirs.at_least

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"verdict": self.verdict}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Line":
        made = {name: value for name, value in values.items() if name != "verdict"}
        for name in ("ours", "theirs"):
            if made[name] is not None:
                made[name] = Times(**made[name] | {"seconds": tuple(made[name]["seconds"])})
        made["found"] = None if made["found"] is None else Spread(**made["found"])
        made["reach"] = None if made["reach"] is None else Reach(**made["reach"])
        if made["curve"] is not None:
            curve = made["curve"]
            lists = {name: tuple(curve[name]) for name in ("sizes", "seconds")}
            made["curve"] = Curve(**curve | lists)
        return cls(**made)


def figure(value: float, unit: Unit) -> str:
    """A number with three digits, or all before the point, and its unit."""
    return f"{number(value)}×" if unit == "×" else f"{number(value)} {unit}".strip()


def spread(found: Spread, unit: Unit) -> str:
    """A figure with its extremes; without them where there was one repeat."""
    if found.low == found.high:
        return figure(found.median, unit)
    return f"{figure(found.median, unit)} ({number(found.low)}–{number(found.high)})"


def number(value: float) -> str:
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def seconds(times: Times | None) -> str:
    """Seconds with their spread, and hours where there are many."""
    if times is None:
        return ""
    least = "> " if times.at_least else ""
    if times.median >= 7200:
        return f"{least}{times.median / 3600:.1f} h"
    return least + spread(Spread(times.median, times.low, times.high), "s")
