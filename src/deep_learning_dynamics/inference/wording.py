"""The words for one comparison within a sentence: its values, how many networks, which way."""

from deep_learning_dynamics import formatting
from deep_learning_dynamics.geometry.measures import measure_of
from deep_learning_dynamics.inference.comparisons import Comparison
from deep_learning_dynamics.quantities import quantity

_PREPOSITIONS = frozenset({"from", "with", "without", "on", "in", "at", "of", "after", "by"})


def of_networks(title: str, noun: str = "networks") -> str:
    """ "networks from scratch", "pre-trained networks", "networks pre-trained on images"."""
    follows = not _PREPOSITIONS.isdisjoint(title.split(" "))
    return f"{noun} {title}" if follows else f"{title} networks"


def value(row: Comparison, number: float | None) -> str:
    """What was measured, and a value of it."""
    measured = quantity(row.measure)
    if number is None:
        return f"{measured.title} not reached"
    if target := _target(row):
        return f"{target} after {measured.format(_whole(number))}"
    return f"{measured.title} {measured.format(number)}"


def instead(row: Comparison) -> str:
    """The value of the other group instead of that of the reference."""
    title = quantity(row.measure).title
    if row.reference_value is not None and row.other_value is not None:
        return f"{value(row, row.other_value)} instead of {_plain(row, row.reference_value)}"
    if row.reached_other is None:
        return title
    reached = f"{row.reached_other} networks instead of {row.reached_reference}"
    return f"{_target(row) or title} reached by {reached}"


def both(row: Comparison, plain: bool = False) -> str:
    """Both values, with what they are unless this is plain."""
    if row.reference_value is None or row.other_value is None:
        return instead(row)
    measured = quantity(row.measure)
    values = f"{_plain(row, row.other_value)} and {_plain(row, row.reference_value)}"
    if plain:
        return values if measured.unit in ("", "%") else f"{values} {measured.unit}"
    if target := _target(row):
        return f"{target} after {values} steps"
    return f"{measured.title} {values}"


def count(row: Comparison) -> str:
    """ "20 pairs", "12 and 15 networks"."""
    if row.pairs is not None:
        return formatting.count(row.pairs, "pair")
    return f"{row.n_reference} and {row.n_other} networks"


def units(row: Comparison) -> str:
    """What more of would be needed."""
    return "pairs" if row.design == "paired" else "networks in each group"


def evidence(row: Comparison) -> str:
    """What a significant row found, in numbers that point the same way as its effect.

    Where the values of both groups do not, it is the difference within pairs, and where that is not
    defined, how many pairs differ in each direction.
    """
    upwards = (row.effect or 0) > 0
    if agrees(row):
        if None in (row.pairs, row.higher, row.lower):
            return f"{instead(row)}, over {count(row)}"
        return f"{instead(row)}, in {row.higher if upwards else row.lower} of {count(row)}"
    measured = quantity(row.measure)
    if row.difference is not None and row.difference != 0 and (row.difference > 0) == upwards:
        return f"{measured.title} {measured.difference(row.difference)}, over {count(row)}"
    if row.pairs is None:
        return f"{measured.title}, over {count(row)}"
    return f"{measured.title} more in {row.higher} and less in {row.lower} of {count(row)}"


def agrees(row: Comparison) -> bool:
    """Whether the values of both groups, and most pairs, point the way of the effect.

    The effect follows the ranks of all differences, which can point elsewhere.
    """
    upwards = (row.effect or 0) > 0
    if row.higher is not None and row.lower is not None:
        agree, disagree = (row.higher, row.lower) if upwards else (row.lower, row.higher)
        if agree <= disagree:
            return False
    return _rises(row) == upwards


def _rises(row: Comparison) -> bool | None:
    """Whether the group's values say that the other group has more; ``None``: neither."""
    one, other = row.reference_value, row.other_value
    if one is None or other is None:  # fewer reach it, so it takes more
        one, other = row.reached_other, row.reached_reference
    return None if one is None or other is None or one == other else other > one


def is_time(row: Comparison) -> bool:
    """Whether it is a time until something was learnt, which is called faster or slower."""
    measure = measure_of(row.measure)
    return measure.censored and measure.family == "learning"


def either(row: Comparison) -> str:
    return "faster or more slowly" if is_time(row) else "better or less well"


def as_well(row: Comparison) -> str:
    return "as fast as" if is_time(row) else "as well as"


def adverb(row: Comparison) -> str:
    """How the other group learns: "faster", "less well"."""
    measure = measure_of(row.measure)
    more = (row.effect or 0) > 0
    if is_time(row):
        return "more slowly" if more else "faster"
    if measure.better == "neither":
        return "along other paths"
    return "better" if more == (measure.better == "higher") else "less well"


def is_better(row: Comparison) -> bool | None:
    """Whether the other group learns better; ``None`` of a measure without a better side."""
    better = measure_of(row.measure).better
    return None if better == "neither" else ((row.effect or 0) > 0) == (better == "higher")


def but(row: Comparison) -> str:
    """What else is true of the other group: "have a lower final test accuracy"."""
    more = (row.effect or 0) > 0
    if row.measure == "failed":
        return "fail more often" if more else "fail less often"
    if is_time(row):
        return f"reach {_target(row)} {'later' if more else 'sooner'}"
    return f"have a {'higher' if more else 'lower'} {quantity(row.measure).title}"


def _target(row: Comparison) -> str:
    """What steps are counted to: "90 % test accuracy"; "" of other measures."""
    title = quantity(row.measure).title
    return title.removeprefix("steps to ") if title.startswith("steps to ") else ""


def _plain(row: Comparison, number: float) -> str:
    """Without a unit that follows anyway."""
    measured = quantity(row.measure)
    if measured.unit == "%":
        return measured.format(number)
    return formatting.number(_whole(number) if measured.unit == "steps" else number)


def _whole(number: float) -> float:
    return float(round(number)) if abs(number) >= 10 else number
