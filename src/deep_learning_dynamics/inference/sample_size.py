"""How many pairs, or networks in each group, would decide; and when a difference is none.

What is said of them ends with the command that gives more, if there is one: its "{pairs}" stands
for their number.
"""

from math import ceil, comb, log2

from deep_learning_dynamics.formatting import ALPHA
from deep_learning_dynamics.inference import wording
from deep_learning_dynamics.inference.comparisons import Comparison
from deep_learning_dynamics.quantities import quantity

# Differences within this share of the reference are as good as none; of an accuracy, within this
# share of its error: 2 points at 92 %.
MARGIN = 0.25
POWER = 0.8  # of the test
MOST = 1000  # beyond, no number is proposed


def more(row: Comparison, tests: int, command: str | None) -> str:
    """How many would decide what these leave undecided."""
    number, units = needed(row, tests), wording.units(row)
    if number is None:
        return f"How many {units} would decide cannot be told from these."
    if number > MOST:
        bounds = ""
        if row.low is not None and row.high is not None:
            low, high = (quantity(row.measure).difference(x) for x in (row.low, row.high))
            bounds = f" lies between {low} and {high}, and"
        most = f"more than {MOST:,} {units}"
        return f"The difference, if there is one,{bounds} would take {most} to find."
    number = _round_up(max(number, fewest(row, tests), _present(row) + 1))
    return _with(command, number, f"About {number:,} {units} would decide")


def more_than_too_few(row: Comparison, tests: int, command: str | None) -> str:
    """The least can find only what could not be clearer; more is better where it is known."""
    least, number, units = fewest(row, tests), needed(row, tests), wording.units(row)
    if number is None or number > MOST:
        return _with(command, least, f"At least {least} {units} are needed to decide anything")
    number = _round_up(max(least, number))
    if number == least:
        return _with(command, least, f"About {least:,} {units} would decide")
    only = "if all agree" if row.design == "paired" else "if groups hardly overlap"
    text = f"{least} {units} find a difference only {only}; about {number} would most likely decide"
    return _with(command, number, text)


def fewest(row: Comparison, tests: int) -> int:
    """The fewest with which a difference can be significant, corrected for so many tests."""
    if row.design == "paired":
        return ceil(1 + log2(tests / ALPHA))
    return next(n for n in range(2, 100) if 2 / comb(2 * n, n) * tests <= ALPHA)


def needed(row: Comparison, tests: int) -> int | None:
    """How many would decide; ``None``: not known.

    To find a difference of this effect (Noether, 1987), or to show that it is within the margin,
    whichever takes fewer.
    """
    from scipy.stats import norm

    numbers = []
    if row.effect:
        quantiles = norm.ppf(1 - ALPHA / tests / 2) + norm.ppf(POWER)
        total = 4 * quantiles**2 / (3 * row.effect**2)
        numbers.append(total if row.design == "paired" else total / 2)
    if None not in (row.low, row.high, row.difference) and row.reference_value:
        width = (row.high - row.low) / 2  # type: ignore[operator]
        room = _margin(row) - abs(row.difference)  # type: ignore[arg-type]
        if room > 0:
            numbers.append(_present(row) * (width / room) ** 2)
    return ceil(min(numbers)) if numbers else None


def equivalent(row: Comparison) -> bool:
    """Whether the interval of the difference lies within the margin."""
    if row.low is None or row.high is None or not row.reference_value:
        return False
    return -_margin(row) <= row.low and row.high <= _margin(row)


def _margin(row: Comparison) -> float:
    value = abs(row.reference_value or 0.0)
    return MARGIN * (min(value, 1 - value) if quantity(row.measure).unit == "%" else value)


def _present(row: Comparison) -> int:
    """How many pairs there are, or networks in the smaller group."""
    return row.pairs if row.pairs is not None else min(row.n_reference, row.n_other)


def _round_up(number: int) -> int:
    unit = 1 if number <= 20 else 5 if number <= 100 else 50
    return ceil(number / unit) * unit


def _with(command: str | None, number: int, text: str) -> str:
    return f"{text}: {command.format(pairs=number)}" if command else f"{text}."
