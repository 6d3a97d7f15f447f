"""Faithfulness and stability of projections: an order with ties, and what each may be read for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from deep_learning_dynamics.formatting import listed
from deep_learning_dynamics.inference.null_tests import NullTest, NullTests, null_tests
from deep_learning_dynamics.null_models import NULL_MODELS
from deep_learning_dynamics.projection.quality import rounded

if TYPE_CHECKING:
    from deep_learning_dynamics.projection.projection import Projection

TIE = 0.02  # methods whose scores differ by less share a rank
CHANCE = 0.5  # trustworthiness and continuity of snapshots that lie anywhere
# What a picture may keep: where it is good, and where no longer fair. Chance is 0.5, 0 and 0.
GRADES = {"neighbourhoods": (0.95, 0.85), "distances": (0.8, 0.6), "paths": (0.9, 0.7)}
# Of disparities between refits: lower is better.
REFITS = (0.05, 0.2)
# The quantities of each part that are tested against null models.
TESTED = (
    "trustworthiness",
    "continuity",
    "distance_rank_correlation",
    "path_distance_rank_correlation",
)


@dataclass(frozen=True)
class Ranked:
    """A method, what speaks for and against its picture, and what to read from it.

    Numbers are 0 (chance) to 1; ``None``: not known.
    """

    rank: int  # from 1; ties share theirs
    method: str
    title: str
    score: float | None  # the mean of what is known of the following four
    neighbourhoods: float | None
    distances: float | None
    paths: float | None
    stability: float | None
    # Against the null models: "better", "as good" (or worse) in all that was tested, "mixed",
    # "not tested".
    nulls: str
    reason: str
    reads: str  # what may be read from the picture
    cautions: str  # what may not


@dataclass(frozen=True)
class Ranking:
    """Faithfulness and stability of the methods, those that beat their null models first."""

    items: tuple[Ranked, ...]
    best: tuple[str, ...]  # methods of the first rank; none where null models do as well
    sentence: str


def ranking(projections: Mapping[str, "Projection"], tests: NullTests | None = None) -> Ranking:
    """Order methods by the faithfulness and stability of their pictures.

    A method in which a null model does as well in all that was tested comes after all others,
    whatever its score, and is never the best.
    """
    tests = null_tests(projections) if tests is None else tests
    found = [_entry(method, projections[method], tests.of(method)) for method in projections]
    found.sort(key=_order)
    items: list[Ranked] = []
    for place, entry in enumerate(found, 1):
        # The first of a tie decides, so that no chain of small steps makes all methods equal.
        first = next((each for each in items if each.rank == items[-1].rank), None)
        tied = first is not None and _tied(first, entry)
        rank = items[-1].rank if tied else place
        items.append(replace(entry, rank=rank))
    best = tuple(
        each.method for each in items if each.rank == 1 and each.nulls != "as good" and each.score
    )
    return Ranking(tuple(items), best, _sentence(items, best))


def _entry(method: str, projection: "Projection", tests: tuple[NullTest, ...]) -> Ranked:
    from deep_learning_dynamics.projection.method import METHODS

    quality, robustness = projection.quality, projection.robustness
    numbers = quality.numbers() | ({} if robustness is None else robustness.numbers())
    collapsed = quality.trustworthiness is not None and quality.distance_rank_correlation is None
    around = [quality.trustworthiness, quality.continuity]
    raw = {
        "neighbourhoods": None if None in around else sum(x for x in around if x is not None) / 2,
        "distances": 0.0 if collapsed else quality.distance_rank_correlation,
        "paths": 0.0 if collapsed else numbers.get("path_distance_rank_correlation"),
    }
    refits = [numbers[key] for key in ("seed_disparity", "fold_disparity") if key in numbers]
    near = raw["neighbourhoods"]
    parts = {
        "neighbourhoods": None if near is None else _clipped((near - CHANCE) / (1 - CHANCE)),
        "distances": _clipped(raw["distances"]),
        "paths": _clipped(raw["paths"]),
        "stability": _clipped(1 - max(refits)) if refits else None,
    }
    known = [part for part in parts.values() if part is not None]
    kind = METHODS[method]
    clauses = [_kept(raw), _stable(numbers), _against_nulls(tests)]
    if collapsed:
        clauses = ["collapsed: all snapshots lie at one place"]
    return Ranked(
        0,
        method,
        kind.title,
        rounded(sum(known) / len(known)) if known else None,
        **rounded(parts),
        nulls=_standing(tests),
        reason="; ".join(clause for clause in clauses if clause) or "too few snapshots to tell",
        reads=kind.reads,
        cautions=kind.cautions,
    )


def _standing(tests: tuple[NullTest, ...]) -> str:
    better = _beaten(tests)
    if not better:
        return "not tested"
    # The hardest null model counts: what one of them does as well needs no other explanation.
    if not all(better.values()):
        return "as good"
    return "better" if all(each.direction == "better than" for each in _tested(tests)) else "mixed"


def _tested(tests: tuple[NullTest, ...]) -> list[NullTest]:
    return [each for each in tests if each.quantity in TESTED and each.direction != "not tested"]


def _beaten(tests: tuple[NullTest, ...]) -> dict[str, bool]:
    """Whether a method is better than each null model in anything."""
    tested = _tested(tests)
    return {
        model: any(each.model == model and each.direction == "better than" for each in tested)
        for model in dict.fromkeys(each.model for each in tested)
    }


def _kept(raw: Mapping[str, float | None]) -> str:
    grades: dict[str, list[str]] = {"keeps": [], "roughly keeps": [], "loses": []}
    for name, (good, fair) in GRADES.items():
        value = raw[name]
        if value is not None:
            grade = "keeps" if value >= good else "roughly keeps" if value >= fair else "loses"
            grades[grade].append(f"{name} ({_number(value)})")
    return ", ".join(f"{grade} {listed(parts)}" for grade, parts in grades.items() if parts)


def _stable(numbers: Mapping[str, float]) -> str:
    good, fair = REFITS
    seeds, folds = numbers.get("seed_disparity"), numbers.get("fold_disparity")
    if seeds is not None and seeds > fair:
        return f"seeds disagree ({_number(seeds)})"
    if folds is not None and folds > fair:
        return f"depends on the networks ({_number(folds)})"
    known = [value for value in (seeds, folds) if value is not None]
    if not known:
        return ""
    worst = max(known)
    return "refits agree" if worst <= good else f"refits differ a little ({_number(worst)})"


def _against_nulls(tests: tuple[NullTest, ...]) -> str:
    beaten = _beaten(tests)
    unbeaten = [NULL_MODELS[model].title for model, better in beaten.items() if not better]
    if unbeaten:
        return f"{listed(unbeaten)} do as well"
    titles = listed([NULL_MODELS[model].title for model in beaten])
    partly = "in part " if _standing(tests) == "mixed" else ""
    return f"{partly}better than {titles}" if titles else ""


def _sentence(items: list[Ranked], best: tuple[str, ...]) -> str:
    if not items:
        return "No projection was made."
    titles = {each.method: each.title for each in items}
    if not best:
        return "No projection stands out: null models do as well in all that was tested."
    untested = all(each.nulls == "not tested" for each in items if each.method in best)
    tail = ", not tested against null models" if untested else ""
    names = listed([titles[method] for method in best])
    if len(best) == 1:
        return f"Most faithful and stable: {names}{tail}."
    return f"Equally faithful and stable: {names}{tail}."


def _order(entry: Ranked) -> tuple[bool, float]:
    return entry.nulls == "as good", float("inf") if entry.score is None else -entry.score


def _tied(first: Ranked, entry: Ranked) -> bool:
    if (first.nulls == "as good") != (entry.nulls == "as good"):
        return False
    if first.score is None or entry.score is None:
        return first.score is entry.score
    return first.score - entry.score < TIE


def _clipped(value: float | None) -> float | None:
    return None if value is None else min(max(value, 0.0), 1.0)


def _number(value: float) -> str:
    """Three digits near 1, where they matter; two elsewhere. Not quite perfect is never 1.00."""
    text = f"{value:.3f}" if 0.9 <= value < 1 else f"{value:.2f}"
    return ("0.999" if text == "1.000" else text).replace("-", "−")
