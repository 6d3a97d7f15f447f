"""Times of several contenders, taken in turn, so that what the machine does meanwhile hits all."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Contender:
    """Some work to be timed."""

    run: Callable[[], Any]  # where ``times_itself``, it returns its seconds
    times_itself: bool = False  # for work in other processes, or work with parts that do not count
    extrapolated: float = 1.0  # the whole work is this many times what ``run`` does
    basis: str = ""  # what ``run`` does, where that is not the whole: "10 of 100 networks"
    warm_up: Callable[[], Any] | None = None  # called once before, its time does not count


@dataclass(frozen=True)
class Times:
    """Seconds that the whole work took at each repeat."""

    seconds: tuple[float, ...]
    basis: str = ""  # not empty: extrapolated, from this part of the work
    at_least: bool = False  # it was stopped before it had done the work

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def low(self) -> float:
        return min(self.seconds)

    @property
    def high(self) -> float:
        return max(self.seconds)


@dataclass(frozen=True)
class Spread:
    """A figure with the smallest and the largest of its repeats."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: tuple[float, ...]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))


def interleaved(
    contenders: Mapping[str, Contender],
    budget: float,
    at_least: int = 1,
    at_most: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Times]:
    """The times of each contender: ours, theirs, ours, theirs, ...

    Every contender runs once per round. After ``at_least`` rounds, another one starts only if one
    like the longest so far still fits into ``budget`` seconds, warming up included.
    """
    start = clock()
    for contender in contenders.values():
        if contender.warm_up is not None:
            contender.warm_up()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    longest = 0.0
    for done in range(at_most):
        begin = clock()
        if done >= at_least and begin - start + longest > budget:
            break
        for name, contender in contenders.items():
            before = clock()
            result = contender.run()
            took = result if contender.times_itself else clock() - before
            seconds[name].append(took * contender.extrapolated)
        longest = max(longest, clock() - begin)
    return {name: Times(tuple(values), contenders[name].basis) for name, values in seconds.items()}


def ratio(ours: Times, theirs: Times) -> Spread:
    """How many times faster we are: of the medians, and of the rounds at their extremes.

    A round's two times were taken one after the other, so its ratio is the fairest there is.
    """
    rounds = [their / our for our, their in zip(ours.seconds, theirs.seconds, strict=True)]
    return Spread(theirs.median / ours.median, min(rounds), max(rounds))
