"""The answer in words, from the comparisons alone.

The library knows no word of a study: titles of groups, what is learnt and the command for more
pairs are passed in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, comb, log2
from typing import TYPE_CHECKING, Any

import numpy as np

from deep_learning_dynamics import formatting
from deep_learning_dynamics.formatting import ALPHA
from deep_learning_dynamics.geometry.measures import measure_of
from deep_learning_dynamics.quantities import quantity

if TYPE_CHECKING:
    from deep_learning_dynamics.inference.comparing import Comparison, Comparisons

# Differences within this share of the reference are as good as none; of an accuracy, within this
# share of its error: 2 points at 92 %.
MARGIN = 0.25
POWER = 0.8  # of the test, where the number of pairs is estimated
MOST_PAIRS = 1000  # beyond, no number is proposed
REACHED = 0.9  # share of networks of both groups in which a time says most about learning
_PREPOSITIONS = frozenset({"from", "with", "without", "on", "in", "at", "of", "after", "by"})


@dataclass(frozen=True)
class Verdict:
    """One sentence of at most 30 words, at most three bullets, and what to do where undecided."""

    sentence: str
    bullets: tuple[str, ...]
    next_step: str | None
    decided: bool  # whether learning differs, or differs by less than matters

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Verdict":
        return cls(**{**content, "bullets": tuple(content["bullets"])})


def verdict(
    comparisons: "Comparisons", task: str = "", command: str | None = None, pairing: str = ""
) -> Verdict:
    """The verdict on the first contrast; further ones are bullets.

    Args:
        comparisons: of groups of networks.
        task: what is learnt, as within a sentence: "handwritten digits".
        command: what to run for more pairs, with "{pairs}" where their number belongs.
        pairing: what became of networks without a partner in the first contrast, as a clause.
    """
    return _Writer(comparisons, task, command, pairing).verdict()


class _Writer:
    def __init__(
        self, comparisons: "Comparisons", task: str, command: str | None, pairing: str
    ) -> None:
        self._all, self._command, self._pairing = comparisons, command, pairing
        self._learn = f"learn {task}" if task else "learn"

    def verdict(self) -> Verdict:
        counts = self._all.counts
        networks = sum(each["networks"] for each in counts.values())
        failed = sum(each["failed"] for each in counts.values())
        if networks == 0:
            return Verdict("There are no networks to compare.", (), None, False)
        if failed == networks:
            parts = [f"{counts[name]['failed']} {self._title(name)}" for name in counts]
            many = "Its only network" if networks == 1 else f"All {networks} networks"
            shown = f" ({formatting.listed(parts)})" if len(parts) > 1 else ""
            text = f"{many} stopped learning or diverged{shown}, so nothing can be compared."
            return Verdict(text, (), "Lower the learning rate, or start from other weights.", False)
        if not self._all.contrasts:
            return self._of_one_group()
        main = self._main(self._all.contrasts[0])
        if main is None:
            return Verdict("Nothing was measured in both groups.", (), None, False)
        if main.smallest_p * len(self._family(main)) > ALPHA:
            return self._too_few(main)
        headline, decided = self._headline(main)
        next_step = None if decided else self._next_step(main)
        return Verdict(headline, self._bullets(main), next_step, decided)

    # Sentences

    def _of_one_group(self) -> Verdict:
        (name, *_) = self._all.groups
        count = self._all.counts[name]["networks"]
        chosen = self._main(None)
        value = "" if chosen is None else f": {self._value(chosen, chosen.reference_value)}"
        median = f" (median of {count})" if chosen and count > 1 else ""
        who = formatting.count(count, "network") + (f" {self._title(name)}" if name else "")
        text = f"Only one group was trained, {who}, so there is nothing to compare{value}{median}."
        return Verdict(text, (), "Train a second group to compare with.", False)

    def _too_few(self, main: "Comparison") -> Verdict:
        least = self._fewest(main)
        text = (
            f"{_count(main)} {'is' if main.pairs == 1 else 'are'} too few to tell whether "
            f"{self._networks(main.other)} {self._learn} {_either(main)} than "
            f"{self._those(main.reference)}; at least {least} are needed."
        )
        return Verdict(text, self._bullets(main), self._from_few(main, least), False)

    def _headline(self, main: "Comparison") -> tuple[str, bool]:
        """The answer, and whether it is one."""
        others = [row for row in self._family(main) if row.significant]
        learning = [row for row in others if measure_of(row.measure).better != "neither"]
        best = main if main.significant else min(learning, key=_adjusted_p, default=None)
        if best is not None:
            networks = self._networks(best.other)
            return (
                f"{formatting.capital(networks)} {self._learn} {_adverb(best)}: "
                f"{self._instead(best)}{_in(best)}.",
                True,
            )
        networks, those = self._networks(main.other), self._those(main.reference)
        values = f"{self._both(main)}, over {_count(main)}"
        if equivalent(main):
            return (
                f"{formatting.capital(networks)} {self._learn} {_as(main)} {those}: {values}.",
                True,
            )
        if others:
            best = min(others, key=_adjusted_p)
            return (
                f"{formatting.capital(networks)} {self._learn} along other paths than {those}: "
                f"{self._instead(best)}{_in(best)}; "
                f"whether {'faster' if _is_time(main) else 'better'} is undecided.",
                False,
            )
        text = f"Whether {networks} {self._learn} {_either(main)} than {those} is undecided"
        return f"{text}: {values}.", False

    # Bullets

    def _bullets(self, main: "Comparison") -> tuple[str, ...]:
        found = (
            self._failures(),
            self._evidence(main),
            self._controls(main),
            self._rounding(main),
            self._partners(main),
        )
        return tuple(each for each in found if each)[:3]

    def _failures(self) -> str:
        counts = self._all.counts
        if not any(each["failed"] for each in counts.values()):
            return ""
        parts = [
            f"{each['failed']} of {each['networks']} {self._title(name)}"
            for name, each in counts.items()
        ]
        return f"Failed networks are counted in: {formatting.listed(parts)}."

    def _evidence(self, main: "Comparison") -> str:
        contrast = (main.reference, main.other)
        ends = [self._all.of(key, contrast) for key in ("final_accuracy", "final_loss")]
        rows = [main, *[row for row in ends if row not in (None, main)][:1]]
        parts = []
        for row in rows:
            measured = quantity(row.measure)
            if row.difference is not None:
                change = measured.difference(row.difference)
            elif row.reached_other is not None:
                change = (
                    f"reached by {row.reached_other} of {row.n_other} networks instead of "
                    f"{row.reached_reference} of {row.n_reference}"
                )
            else:
                change = "no common difference"
            bounds = ""
            if row.low is not None and row.high is not None:
                scale = 100 if measured.unit == "%" else 1
                low, high = (formatting.signed(scale * bound) for bound in (row.low, row.high))
                bounds = f"{100 * (1 - ALPHA):g} % interval {low} to {high}, "
            p = formatting.p_value(np.nan if row.adjusted_p is None else row.adjusted_p)
            parts.append(f"{measured.title} {change} ({bounds}p = {p})")
        parts.append(f"p-values are corrected for {len(self._family(main))} measures")
        parts += [self._pairing] if self._pairing else []
        return f"{formatting.capital('; '.join(parts))}."

    def _controls(self, main: "Comparison") -> str:
        """Further contrasts by the measure of the first one where they have it."""
        parts, named = [], ""
        for contrast in self._all.contrasts[1:]:
            row = self._all.of(main.measure, contrast)
            if row is None or row.p is None:
                row = self._main(contrast)
            if row is None:
                continue
            networks, reference = self._networks(row.other), self._title(row.reference)
            if row.significant:
                text = f"{networks} learn {_adverb(row)} than {reference}"
            elif equivalent(row):
                text = f"{networks} learn {_as(row)} {reference}"
            else:
                text = f"whether {networks} learn {_either(row)} than {reference} is undecided"
            over = "" if row.pairs in (None, main.pairs) else f", over {_count(row)}"
            parts.append(f"{text} ({self._both(row, plain=row.measure == named)}{over})")
            named = row.measure
        return f"{formatting.capital('; '.join(parts))}." if parts else ""

    def _rounding(self, main: "Comparison") -> str:
        if main.rounding_share is None:
            return ""
        share = formatting.percent(main.rounding_share, 0 if main.rounding_share >= 0.1 else 1)
        title = quantity(main.measure).title
        chance = main.rounding_share > 0.5
        warning = ", so what a single network does is mostly chance" if chance else ""
        return f"Rounding alone makes {share} of the variance over seeds of {title}{warning}."

    def _partners(self, main: "Comparison") -> str:
        row = self._all.of("partner_distance", (main.reference, main.other))
        if row is None or row.other_value is None or row.reference_value is None:
            return ""
        values = [formatting.number(value) for value in (row.other_value, row.reference_value)]
        shown = f"networks of other pairs ({values[0]} and {values[1]} of their displacement)."
        if row.significant and row.difference is not None:
            nearer = row.difference < 0
            how = "nearer to each other than to" if nearer else "farther apart than from"
            return f"Partners end {how} {shown}"
        if row.smallest_p * len(self._family(row)) > ALPHA:
            return ""  # whatever they do, so few pairs could not tell
        if equivalent(row):
            return f"Partners end as far from each other as from {shown}"
        return f"It is undecided whether partners end nearer to each other than to {shown}"

    # What to do

    def _next_step(self, main: "Comparison") -> str:
        estimate = self._estimate(main)
        if estimate is None:
            return f"How many {_units(main)} would decide cannot be told from these."
        if estimate > MOST_PAIRS:
            bounds = ""
            if main.low is not None and main.high is not None:
                low, high = (quantity(main.measure).difference(x) for x in (main.low, main.high))
                bounds = f" lies between {low} and {high}, and"
            return (
                f"The difference, if there is one,{bounds} would take more than {MOST_PAIRS:,} "
                f"{_units(main)} to find."
            )
        return self._more(main, _round_up(max(estimate, self._fewest(main), _now(main) + 1)))

    def _from_few(self, main: "Comparison", least: int) -> str:
        """The least can find only what could not be clearer; more is better where it is known."""
        estimate = self._estimate(main)
        if estimate is None or estimate > MOST_PAIRS:
            return self._then(
                f"At least {least} {_units(main)} are needed to decide anything", least
            )
        number = _round_up(max(least, estimate))
        if number == least:
            return self._more(main, least)
        only = "if all agree" if main.design == "paired" else "if groups hardly overlap"
        text = f"{least} {_units(main)} find a difference only {only}; about {number}"
        return self._then(f"{text} would most likely decide", number)

    def _more(self, main: "Comparison", number: int) -> str:
        return self._then(f"About {number:,} {_units(main)} would decide", number)

    def _then(self, text: str, number: int) -> str:
        return f"{text}: {self._command.format(pairs=number)}" if self._command else f"{text}."

    def _estimate(self, main: "Comparison") -> int | None:
        """How many pairs (networks in each group) would decide; ``None``: not known.

        To find a difference of this effect (Noether, 1987), or to show that it is within the
        margin, whichever takes fewer.
        """
        from scipy.stats import norm

        numbers = []
        if main.effect:
            level = ALPHA / len(self._family(main))
            quantiles = norm.ppf(1 - level / 2) + norm.ppf(POWER)
            total = 4 * quantiles**2 / (3 * main.effect**2)
            numbers.append(total if main.design == "paired" else total / 2)
        if None not in (main.low, main.high, main.difference) and main.reference_value:
            width = (main.high - main.low) / 2  # type: ignore[operator]
            room = _margin(main) - abs(main.difference)  # type: ignore[arg-type]
            if room > 0:
                numbers.append(_now(main) * (width / room) ** 2)
        return ceil(min(numbers)) if numbers else None

    def _fewest(self, main: "Comparison") -> int:
        """The least with which anything can be significant after correction."""
        tests = len(self._family(main))
        if main.design == "paired":
            return ceil(1 + log2(tests / ALPHA))
        return next(n for n in range(2, 100) if 2 / comb(2 * n, n) * tests <= ALPHA)

    # Rows

    def _main(self, contrast: tuple[str, str] | None) -> "Comparison | None":
        """The row that says most about learning: a time that nearly all reached, or the end."""
        rows = [
            row
            for row in self._all.items
            if row.family == "network"
            and (contrast is None or (row.reference, row.other) == contrast)
        ]
        learning = [row for row in rows if measure_of(row.measure).family == "learning"]

        def share(row: "Comparison") -> float:
            reached = [(row.reached_reference or 0) / max(row.n_reference, 1)]
            if contrast is not None:
                reached.append((row.reached_other or 0) / max(row.n_other, 1))
            return min(reached)

        times = [row for row in learning if row.reached_reference]
        if times:
            most = min(max(map(share, times)), REACHED)
            return [row for row in times if share(row) >= most][-1]
        scores = {
            row.measure: row
            for row in learning
            if row.measure != "failed"
            and row.reached_reference is None
            and row.reference_value is not None
        }
        if not scores:
            return min(rows, key=lambda row: 1.0 if row.p is None else row.p, default=None)
        wanted = ("final_accuracy", "final_loss", *scores)
        return next(scores[key] for key in wanted if key in scores)

    def _family(self, main: "Comparison") -> list["Comparison"]:
        """The rows whose p-values were corrected together."""
        family = (main.family, main.reference, main.other)
        return [row for row in self._all.items if (row.family, row.reference, row.other) == family]

    # Words

    def _title(self, group: str) -> str:
        """ "from scratch", "pre-trained"."""
        named = f"with {self._all.by} {group}" if self._all.by else group
        return self._all.titles.get(group, named)

    def _networks(self, group: str, noun: str = "networks") -> str:
        """ "networks from scratch", "pre-trained networks"."""
        title = self._title(group)
        return f"{noun} {title}" if _prepositional(title) else f"{title} networks"

    def _those(self, group: str) -> str:
        return self._networks(group, "those")

    def _value(self, row: "Comparison", value: float | None) -> str:
        measured = quantity(row.measure)
        if value is None:
            return f"{measured.title} not reached"
        if target := _target(row):
            return f"{target} after {measured.format(_whole(value))}"
        return f"{measured.title} {measured.format(value)}"

    def _instead(self, row: "Comparison") -> str:
        """The value of the other group instead of that of the reference."""
        title = quantity(row.measure).title
        if row.reference_value is not None and row.other_value is not None:
            reference = _plain(row, row.reference_value)
            return f"{self._value(row, row.other_value)} instead of {reference}"
        if row.reached_other is None:
            return title
        reached = f"{row.reached_other} networks instead of {row.reached_reference}"
        return f"{_target(row) or title} reached by {reached}"

    def _both(self, row: "Comparison", plain: bool = False) -> str:
        """Both values, with what they are unless this is plain."""
        if row.reference_value is None or row.other_value is None:
            return self._instead(row)
        measured = quantity(row.measure)
        values = f"{_plain(row, row.other_value)} and {_plain(row, row.reference_value)}"
        if plain:
            return values if measured.unit in ("", "%") else f"{values} {measured.unit}"
        if target := _target(row):
            return f"{target} after {values} steps"
        return f"{measured.title} {values}"


def _plain(row: "Comparison", value: float) -> str:
    """Without a unit that follows anyway."""
    measured = quantity(row.measure)
    if measured.unit == "%":
        return measured.format(value)
    return formatting.number(_whole(value) if measured.unit == "steps" else value)


def _count(row: "Comparison") -> str:
    if row.pairs is not None:
        return formatting.count(row.pairs, "pair")
    return f"{row.n_reference} and {row.n_other} networks"


def _units(row: "Comparison") -> str:
    return "pairs" if row.design == "paired" else "networks in each group"


def _now(row: "Comparison") -> int:
    """How many of these units there are."""
    return row.pairs if row.pairs is not None else min(row.n_reference, row.n_other)


def _in(row: "Comparison") -> str:
    if None in (row.pairs, row.higher, row.lower, row.effect):
        return f", over {_count(row)}"
    agree = row.higher if row.effect > 0 else row.lower  # type: ignore[operator]
    return f", in {agree} of {_count(row)}"


def _adjusted_p(row: "Comparison") -> float:
    return row.adjusted_p or 0.0


def _is_time(row: "Comparison") -> bool:
    measure = measure_of(row.measure)
    return measure.censored and measure.family == "learning"


def _target(row: "Comparison") -> str:
    """What steps are counted to: "90 % test accuracy"; "" of other measures."""
    title = quantity(row.measure).title
    return title.removeprefix("steps to ") if title.startswith("steps to ") else ""


def _either(row: "Comparison") -> str:
    return "faster or more slowly" if _is_time(row) else "better or less well"


def _as(row: "Comparison") -> str:
    return "as fast as" if _is_time(row) else "as well as"


def _adverb(row: "Comparison") -> str:
    measure = measure_of(row.measure)
    more = (row.effect or 0) > 0
    if _is_time(row):
        return "more slowly" if more else "faster"
    if measure.better == "neither":
        return "along other paths"
    return "better" if more == (measure.better == "higher") else "less well"


def equivalent(row: "Comparison") -> bool:
    """The interval of the difference lies within the margin."""
    if row.low is None or row.high is None or not row.reference_value:
        return False
    return -_margin(row) <= row.low and row.high <= _margin(row)


def _margin(row: "Comparison") -> float:
    value = abs(row.reference_value or 0.0)
    return MARGIN * (min(value, 1 - value) if quantity(row.measure).unit == "%" else value)


def _prepositional(title: str) -> bool:
    """Whether it follows its noun: "from scratch", "pre-trained on images"."""
    return not _PREPOSITIONS.isdisjoint(title.split(" "))


def _round_up(number: int) -> int:
    unit = 1 if number <= 20 else 5 if number <= 100 else 50
    return ceil(number / unit) * unit


def _whole(value: float) -> float:
    return float(round(value)) if abs(value) >= 10 else value
