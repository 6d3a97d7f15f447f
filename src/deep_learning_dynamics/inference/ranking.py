"""Faithfulness and stability of projections: an order with ties, and what each may be read for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from deep_learning_dynamics.formatting import MINUS, listed
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
    # Against the null models: "better" in all that was tested, "mixed" (better in part of it than
    # each of them), "no better" (in nothing better than one of them, maybe worse),
    # "not tested".
    nulls: str
    reason: str
    reads: str  # what may be read from the picture
    cautions: str  # what may not


@dataclass(frozen=True)
class Ranking:
    """Faithfulness and stability of the methods, those that beat their null models first."""

    items: tuple[Ranked, ...]
    best: tuple[str, ...]  # methods of the first rank; none if no method beats its null models
    sentence: str


def ranking(projections: Mapping[str, "Projection"], tests: NullTests | None = None) -> Ranking:
    """Order methods by the faithfulness and stability of their pictures.

    Methods that are better than each of their null models, at least in part, come before those
    that are not or were not tested, whatever their scores. One that is in nothing better than a
    null model is never the best.
    """
    tests = null_tests(projections) if tests is None else tests
    found = [_entry(method, projections[method], tests.of(method)) for method in projections]
    found.sort(key=lambda each: (not _beats(each), each.score is None, -(each.score or 0)))
    items: list[Ranked] = []
    for place, entry in enumerate(found, 1):
        # The first of a tie decides, so that no chain of small steps makes all methods equal.
        first = next((each for each in items if each.rank == items[-1].rank), None)
        tied = first is not None and _tied(first, entry)
        items.append(replace(entry, rank=first.rank if tied else place))
    best = [each for each in items if each.rank == 1 and each.nulls != "no better" and each.score]
    return Ranking(tuple(items), tuple(each.method for each in best), _sentence(items, best))


def _entry(method: str, projection: "Projection", tests: tuple[NullTest, ...]) -> Ranked:
    from deep_learning_dynamics.projection.method import METHODS

    quality, robustness = projection.quality, projection.robustness
    numbers = quality.numbers() | ({} if robustness is None else robustness.numbers())
    collapsed = quality.trustworthiness is not None and quality.distance_rank_correlation is None
    around = (quality.trustworthiness, quality.continuity)
    near = None if None in around else sum(around) / 2
    raw = {
        "neighbourhoods": near,
        "distances": 0.0 if collapsed else quality.distance_rank_correlation,
        "paths": 0.0 if collapsed else numbers.get("path_distance_rank_correlation"),
    }
    refits = [numbers[key] for key in ("seed_disparity", "fold_disparity") if key in numbers]
    scores = {
        **raw,
        "neighbourhoods": None if near is None else (near - CHANCE) / (1 - CHANCE),
        "stability": 1 - max(refits) if refits else None,
    }
    parts = {
        name: None if value is None else min(max(value, 0.0), 1.0) for name, value in scores.items()
    }
    known = [part for part in parts.values() if part is not None]
    tested = [each for each in tests if each.quantity in TESTED and not each.reason]
    nulls, against = _standing(tested)
    kind = METHODS[method]
    clauses = [_kept(raw), _stable(numbers), against]
    if collapsed:
        clauses = ["collapsed: all snapshots lie at one place"]
    return Ranked(
        0,
        method,
        kind.title,
        rounded(sum(known) / len(known)) if known else None,
        **rounded(parts),
        nulls=nulls,
        reason="; ".join(clause for clause in clauses if clause) or "too few snapshots to tell",
        reads=kind.reads,
        cautions=kind.cautions,
    )


def _standing(tested: list[NullTest]) -> tuple[str, str]:
    """How the method stands against null models, as a key and in words."""
    if not tested:
        return "not tested", ""
    directions: dict[str, set[str]] = {}  # of each null model
    for each in tested:
        directions.setdefault(NULL_MODELS[each.model].title, set()).add(each.direction)
    # The hardest null model counts: what one of them reaches needs no other explanation.
    unbeaten = {title: of for title, of in directions.items() if "better than" not in of}
    if unbeaten:
        words: dict[str, list[str]] = {}
        for title, of in unbeaten.items():
            how = "in part worse" if "as" in of else "worse"
            words.setdefault(how if "worse than" in of else "not better", []).append(title)
        return "no better", listed([f"{how} than {listed(found)}" for how, found in words.items()])
    titles = listed(list(directions))
    found = set().union(*directions.values())
    if found == {"better than"}:
        return "better", f"better than {titles}"
    worse = ", in part worse" if "worse than" in found else ""
    return "mixed", f"in part better{worse} than {titles}"


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
    seeds, folds = (numbers.get(key, 0.0) for key in ("seed_disparity", "fold_disparity"))
    if not {"seed_disparity", "fold_disparity"} & numbers.keys():
        return ""
    if seeds > fair:
        return f"seeds disagree ({_number(seeds)})"
    if folds > fair:
        return f"depends on the networks ({_number(folds)})"
    worst = max(seeds, folds)
    return "refits agree" if worst <= good else f"refits differ a little ({_number(worst)})"


def _sentence(items: list[Ranked], best: list[Ranked]) -> str:
    if not items:
        return "No projection was made."
    if not best and any(each.nulls != "no better" for each in items):
        return "No projection stands out."
    if not best:
        return "No projection stands out: none is better than all its null models."
    how = "Most" if len(best) == 1 else "Equally"
    tails = {
        "not tested": ", not tested against null models",
        "mixed": ", better than null models only in part",
    }
    tail = next((tails[each.nulls] for each in best if each.nulls in tails), "")
    return f"{how} faithful and stable: {listed([each.title for each in best])}{tail}."


def _beats(entry: Ranked) -> bool:
    return entry.nulls in ("better", "mixed")


def _tied(first: Ranked, entry: Ranked) -> bool:
    if _beats(first) != _beats(entry):
        return False
    if first.score is None or entry.score is None:
        return first.score is entry.score
    return first.score - entry.score < TIE


def _number(value: float) -> str:
    """Three digits near 1, where they matter; two elsewhere. Not quite perfect is never 1.00."""
    text = f"{value:.3f}" if 0.9 <= value < 1 else f"{value:.2f}"
    return ("0.999" if text == "1.000" else text).replace("-", MINUS)
