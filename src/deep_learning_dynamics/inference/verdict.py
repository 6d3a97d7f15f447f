"""The answer in words, from the comparisons alone.

The library knows no word of a study: titles of groups, what is learnt and the command for more
pairs are passed in.
"""

from dataclasses import dataclass
from operator import attrgetter

from deep_learning_dynamics import formatting
from deep_learning_dynamics.formatting import ALPHA
from deep_learning_dynamics.geometry.measures import measure_of
from deep_learning_dynamics.inference import sample_size, wording
from deep_learning_dynamics.inference.comparisons import Comparison, Comparisons, Verdict
from deep_learning_dynamics.quantities import quantity

REACHED = 0.9  # share of networks of both groups in which a time says most about learning


def verdict(
    comparisons: Comparisons, task: str = "", command: str | None = None, pairing: str = ""
) -> Verdict:
    """The verdict on the first contrast; further ones are bullets.

    Args:
        comparisons: of groups of networks.
        task: what is learnt, as within a sentence: "handwritten digits".
        command: what to run for more pairs, with "{pairs}" where their number belongs.
        pairing: what became of networks without a partner in the first contrast, as a clause.
    """
    learn = f"learn {task}" if task else "learn"
    return _Writer(comparisons, learn, command, pairing).verdict()


@dataclass(frozen=True)
class _Writer:
    all: Comparisons
    learn: str
    command: str | None
    pairing: str

    def verdict(self) -> Verdict:
        counts = self.all.counts
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
        if not self.all.contrasts:
            return self._of_one_group()
        main = self._main(self.all.contrasts[0])
        if main is None:
            return Verdict("Nothing was measured in both groups.", (), None, False)
        if not self.all.could_be_significant(main):
            return self._too_few(main)
        headline, decided = self._headline(main)
        more = None if decided else sample_size.more(main, self._tests(main), self.command)
        return Verdict(headline, self._bullets(main), more, decided)

    # Sentences

    def _of_one_group(self) -> Verdict:
        (name, *_) = self.all.groups
        count = self.all.counts[name]["networks"]
        chosen = self._main(None)
        value = "" if chosen is None else f": {wording.value(chosen, chosen.reference_value)}"
        median = f" (median of {count})" if chosen and count > 1 else ""
        who = formatting.count(count, "network") + (f" {self._title(name)}" if name else "")
        text = f"Only one group was trained, {who}, so there is nothing to compare{value}{median}."
        return Verdict(text, (), "Train a second group to compare with.", False)

    def _too_few(self, main: Comparison) -> Verdict:
        tests = self._tests(main)
        least = sample_size.fewest(main, tests)
        text = (
            f"{wording.count(main)} {'is' if main.pairs == 1 else 'are'} too few to tell whether "
            f"{self._networks(main.other)} {self.learn} {wording.either(main)} than "
            f"{self._those(main.reference)}; at least {least} are needed."
        )
        more = sample_size.more_than_too_few(main, tests, self.command)
        return Verdict(text, self._bullets(main), more, False)

    def _headline(self, main: Comparison) -> tuple[str, bool]:
        """The answer, and whether it is one."""
        others = [row for row in self.all.family(main) if row.significant]
        others.sort(key=attrgetter("adjusted_p"))
        learning = [row for row in others if measure_of(row.measure).better != "neither"]
        networks, those = self._networks(main.other), self._those(main.reference)
        they_learn = f"{formatting.capital(networks)} {self.learn}"
        values = f"{wording.both(main)}, over {wording.count(main)}"
        if main.significant or learning:
            best = main if main.significant else learning[0]
            how = f"{self._how(best)}{self._but(best, learning)}"
            return f"{they_learn} {how}: {wording.evidence(best)}.", True
        if sample_size.equivalent(main):
            return f"{they_learn} {wording.as_well(main)} {those}: {values}.", True
        if others:
            return (
                f"{they_learn} along other paths than {those}: {wording.evidence(others[0])}; "
                f"whether {'faster' if wording.is_time(main) else 'better'} is undecided.",
                False,
            )
        text = f"Whether {networks} {self.learn} {wording.either(main)} than {those} is undecided"
        return f"{text}: {values}.", False

    def _how(self, row: Comparison) -> str:
        """ "faster", "slightly less well"."""
        small = sample_size.equivalent(row) and wording.is_better(row) is not None
        return f"{'slightly ' if small else ''}{wording.adverb(row)}"

    def _but(self, best: Comparison, learning: list[Comparison]) -> str:
        """What is significant the other way round, of the measures of learning."""
        against = [
            row
            for row in learning
            if measure_of(row.measure).family == "learning"
            and wording.is_better(row) != wording.is_better(best)
        ]
        ends = [row for row in against if row.measure in ("failed", "final_accuracy", "final_loss")]
        return f", but {wording.but((ends or against)[0])}" if against else ""

    # Bullets

    def _bullets(self, main: Comparison) -> tuple[str, ...]:
        found = (
            self._failures(),
            self._evidence(main),
            self._controls(main),
            self._rounding(main),
            self._partners(main),
        )
        return tuple(each for each in found if each)[:3]

    def _failures(self) -> str:
        counts = self.all.counts
        if not any(each["failed"] for each in counts.values()):
            return ""
        parts = [
            f"{each['failed']} of {each['networks']} {self._title(name)}"
            for name, each in counts.items()
        ]
        return f"Failed networks are counted in: {formatting.listed(parts)}."

    def _evidence(self, main: Comparison) -> str:
        contrast = (main.reference, main.other)
        ends = [self.all.of(key, contrast) for key in ("final_accuracy", "final_loss")]
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
            p = formatting.p_value(row.adjusted_p)
            parts.append(f"{measured.title} {change} ({bounds}p = {p})")
        parts.append(f"p-values are corrected for {self._tests(main)} measures")
        if sample_size.equivalent(main):
            parts.append(f"differences within {100 * sample_size.MARGIN:g} % count as small")
        parts += [self.pairing] if self.pairing else []
        return f"{formatting.capital('; '.join(parts))}."

    def _controls(self, main: Comparison) -> str:
        """Further contrasts by the measure of the first one where they have it."""
        parts, named = [], ""
        for contrast in self.all.contrasts[1:]:
            row = self.all.of(main.measure, contrast)
            if row is None or row.p is None:
                row = self._main(contrast)
            if row is None:
                continue
            networks, reference = self._networks(row.other), self._title(row.reference)
            if row.significant:
                text = f"{networks} learn {self._how(row)} than {reference}"
            elif sample_size.equivalent(row):
                text = f"{networks} learn {wording.as_well(row)} {reference}"
            else:
                text = (
                    f"whether {networks} learn {wording.either(row)} than {reference} is undecided"
                )
            over = "" if row.pairs in (None, main.pairs) else f", over {wording.count(row)}"
            shown = f"{wording.both(row, plain=row.measure == named)}{over}"
            if row.significant and not wording.agrees(row):
                shown = wording.evidence(row)
            parts.append(f"{text} ({shown})")
            named = row.measure
        return f"{formatting.capital('; '.join(parts))}." if parts else ""

    def _rounding(self, main: Comparison) -> str:
        if main.rounding_share is None:
            return ""
        share = formatting.percent(main.rounding_share, 0 if main.rounding_share >= 0.1 else 1)
        title = quantity(main.measure).title
        what = f"the difference in {title}" if main.pairs is not None else title
        chance = main.rounding_share > 0.5
        warning = ", so what a single network does is mostly chance" if chance else ""
        return f"Rounding alone makes {share} of the variance over seeds of {what}{warning}."

    def _partners(self, main: Comparison) -> str:
        row = self.all.of("partner_distance", (main.reference, main.other))
        if row is None or row.other_value is None or row.reference_value is None:
            return ""
        values = [formatting.number(value) for value in (row.other_value, row.reference_value)]
        shown = f"networks of other pairs ({values[0]} and {values[1]} of their displacement)."
        if row.significant and row.difference is not None:
            nearer = row.difference < 0
            how = "nearer to each other than to" if nearer else "farther apart than from"
            return f"Partners end {how} {shown}"
        if not self.all.could_be_significant(row):
            return ""
        if sample_size.equivalent(row):
            return f"Partners end as far from each other as from {shown}"
        return f"It is undecided whether partners end nearer to each other than to {shown}"

    # Rows

    def _main(self, contrast: tuple[str, str] | None) -> Comparison | None:
        """The row that says most about learning: a time that nearly all reached, or the end."""
        rows = [
            row
            for row in self.all.items
            if row.family == "network"
            and (contrast is None or (row.reference, row.other) == contrast)
        ]
        learning = [row for row in rows if measure_of(row.measure).family == "learning"]

        def share(row: Comparison) -> float:
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

    def _tests(self, main: Comparison) -> int:
        """For how many tests its p-value is corrected."""
        return len(self.all.family(main))

    # Groups

    def _title(self, group: str) -> str:
        """ "from scratch", "pre-trained"."""
        value = formatting.shortened(self.all.groups).get(group, group)
        named = f"with {self.all.by.replace('_', ' ')} {value}" if self.all.by else group
        return self.all.titles.get(group, named)

    def _networks(self, group: str, noun: str = "networks") -> str:
        return wording.of_networks(self._title(group), noun)

    def _those(self, group: str) -> str:
        return self._networks(group, "those")
