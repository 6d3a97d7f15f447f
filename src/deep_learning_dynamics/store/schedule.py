"""When a recorder keeps a snapshot."""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from deep_learning_dynamics.errors import ParamsError

PER_DECADE = 10


@dataclass(frozen=True)
class Schedule:
    """A rule for steps. The first step that is recorded and the last are always kept.

    If a training does not record a step that is due, the next one that it records is kept.
    """

    due: Callable[[int, int], bool]  # of the step recorded before (−1: none) and this one
    description: str

    @classmethod
    def every(cls, steps: int) -> "Schedule":
        """Every ``steps`` steps."""
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise ParamsError(
                f"A schedule of every {steps!r} steps; expected a whole number from 1 on."
            )
        return cls(lambda before, step: step // steps > before // steps, f"every {steps} steps")

    @classmethod
    def logarithmic(cls, per_decade: float | int = PER_DECADE) -> "Schedule":
        """Steps that grow by a constant factor: 1, 2, ..., 10, 13, 16, 20, ..., 100, 126, ..."""
        if isinstance(per_decade, bool) or not per_decade >= 1:
            raise ParamsError(
                f"A schedule of {per_decade!r} steps per decade; expected a number from 1 on."
            )

        def due(before: int, step: int) -> bool:
            if step < 1:
                return False
            exponent = math.floor(per_decade * math.log10(step)) + 1  # may round down to this step
            while (latest := round(10 ** (exponent / per_decade))) > step:
                exponent -= 1
            return latest > before

        return cls(due, f"{per_decade:g} steps per decade")

    @classmethod
    def at(cls, steps: Iterable[int]) -> "Schedule":
        """The steps of a list."""
        listed = sorted({int(step) for step in steps})
        return cls(
            lambda before, step: bisect_right(listed, step) > bisect_right(listed, before),
            f"{len(listed)} given steps",
        )

    @classmethod
    def when(cls, wanted: Callable[[int], bool]) -> "Schedule":
        """The steps for which a function is true."""
        return cls(lambda _, step: bool(wanted(step)), "steps that a function chooses")

    @classmethod
    def of(cls, given: Any) -> "Schedule":
        """A number (every so many), a list, a function, a schedule, or None: logarithmic."""
        if given is None:
            return cls.logarithmic()
        if isinstance(given, Schedule):
            return given
        if isinstance(given, int):
            return cls.every(given)
        if callable(given):
            return cls.when(given)
        try:
            return cls.at(given)
        except (TypeError, ValueError):
            raise ParamsError(
                f"{given!r} is no schedule; expected a number of steps, a list of steps, a "
                "function of the step, or one of dld.Schedule.every, .logarithmic, .at, .when."
            ) from None
