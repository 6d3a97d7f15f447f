"""Three sentences that answer the question from the numbers, with their uncertainty."""

import numpy as np

from deep_learning_dynamics.measures.contrast import Contrast
from deep_learning_dynamics.measures.statistics import ALPHA, FEWEST_PAIRS, Comparison
from deep_learning_dynamics.measures.tables import LEARNING_MEASURES
from deep_learning_dynamics.measures.words import WORDS, listed, number, p_shown

SHARES = ("area_under_curve", "final_accuracy")  # told in percent, differences in points


def conclusion(contrast: Contrast | None) -> str:
    """How the paths of both arms differ: in learning, in weight space, and how sure that is."""
    if contrast is None:
        return (
            "Only one arm was trained, so there is nothing to compare. "
            "Its measures describe its own networks alone. "
            "To compare, set train.arms: [scratch, pretrained]."
        )
    return " ".join([_of_learning(contrast), _of_paths(contrast), _of_certainty(contrast)])


def _of_learning(contrast: Contrast) -> str:
    found = contrast.networks
    speeds = [name for name in LEARNING_MEASURES if name.startswith("steps_to_")]
    reached = [name for name in speeds if found[name].pairs > 0]
    parts = []
    if reached:
        # The highest accuracy that the most pairs reached says most about learning.
        most = max(found[name].pairs for name in reached)
        name = [name for name in reached if found[name].pairs == most][-1]
        parts.append(_told(name, found[name]) + _unreached(found[name]))
    else:
        parts.append("no pair reached 50 % test accuracy in both arms")
    parts.append(_told("final_accuracy", found["final_accuracy"]))
    told = "; ".join(parts)
    return f"Learning MNIST, pre-trained networks against those from scratch (medians): {told}."


def _of_paths(contrast: Contrast) -> str:
    names = ("path_length", "straightness", "effective_dimension")
    told = "; ".join(_told(name, contrast.networks[name]) for name in names)
    return f"Their paths through weight space (medians): {told}."


def _of_certainty(contrast: Contrast) -> str:
    pairs, family, failures = contrast.pairs, contrast.networks, _failures(contrast)
    need = f"at least {contrast.pairs_needed} pairs are needed (train.networks)"
    counted = f"{_counted(pairs)}{failures}"
    if pairs < FEWEST_PAIRS:
        return f"With {counted} nothing can be concluded: {need}."
    if not contrast.can_conclude:
        least = p_shown(min(found.smallest_p for found in family.values()))
        corrected = p_shown(contrast.smallest_adjusted_p)
        return (
            f"With {counted} nothing can be concluded, whatever the intervals "
            f"suggest: no test can give less than p = {least}, or {corrected} "
            f"after correction for {len(family)} measures, and {need}."
        )
    significant = [name for name, test in family.items() if test.adjusted_p <= ALPHA]
    if not significant:
        return (
            f"Over {counted} none of {len(family)} measures differs at "
            f"{ALPHA:g} after Holm's correction, which does not show that the arms are alike."
        )
    told = listed(
        [f"{WORDS[name]} (p = {p_shown(family[name].adjusted_p)})" for name in significant]
    )
    others = [WORDS[name] for name in family if name not in significant]
    rest = "none is undecided"
    if others:
        rest = f"{listed(others)} {'is' if len(others) == 1 else 'are'} undecided"
    return (
        f"Over {counted} {len(significant)} of {len(family)} measures "
        f"{'differs' if len(significant) == 1 else 'differ'} at {ALPHA:g} after Holm's "
        f"correction: {told}; {rest}."
    )


def _told(name: str, test: Comparison) -> str:
    """A measure in both arms, and the difference with its interval."""
    if test.pairs == 0:
        return f"{WORDS[name]} is known in both arms of no pair"
    percent = 100.0 if name in SHARES else 1.0
    unit = " %" if name in SHARES else ""
    values = [percent * value for value in (test.second, test.first)]
    shown = " against ".join(f"{number(value)}{unit}" for value in values)
    if not np.isfinite(test.low):
        bounds = "no interval"
    else:
        low, high = percent * test.low, percent * test.high
        bounds = f"{100 * (1 - ALPHA):g} % interval {_signed(low)} to {_signed(high)}"
    lacking = test.only_first + test.only_second + test.neither
    of = f", {_counted(test.pairs)}" if lacking else ""
    points = " points" if name in SHARES else ""
    difference = _signed(percent * test.difference)
    return f"{WORDS[name]} {shown} (difference {difference}{points}, {bounds}{of})"


def _unreached(test: Comparison) -> str:
    """Pairs without the measure are no pairs without a difference, so they are told."""
    parts = [
        f"{count} {who}"
        for count, who in (
            (test.only_second, "by the pre-trained network alone"),
            (test.only_first, "by the one from scratch alone"),
            (test.neither, "by neither"),
        )
        if count
    ]
    return f", and of the other pairs it was reached in {listed(parts)}" if parts else ""


def _failures(contrast: Contrast) -> str:
    failed = contrast.networks["failed"]
    counts = [round(mean * failed.pairs) for mean in (failed.first, failed.second)]
    if not any(counts):
        return ""
    return f" (failed networks are counted in: {counts[0]} from scratch, {counts[1]} pre-trained)"


def _counted(pairs: int) -> str:
    return "1 pair" if pairs == 1 else f"{pairs} pairs"


def _signed(value: float) -> str:
    sign = "−" if value < 0 else "+"
    return f"{sign}{number(abs(value))}"
