"""Why a method has its rank, in words that fit the cell of a table."""

from collections.abc import Sequence
from dataclasses import dataclass

from deep_learning_dynamics.ranking.scores import Evidence

LONGEST = 160  # characters


@dataclass(frozen=True)
class Grades:
    """Where a number is called good, and where no longer fair."""

    good: float
    fair: float


# Chance is 0.5 in neighbourhoods and 0 in both others.
KEPT = {
    "neighbourhoods": Grades(0.95, 0.85),
    "distances": Grades(0.8, 0.6),
    "paths": Grades(0.9, 0.7),
}
# Of neighbourhoods, the number that figures show beside that of random walks.
_SHOWN = {"neighbourhoods": "trustworthiness"}
REFITS = Grades(0.05, 0.2)  # of disparities: lower is better


def reason(evidence: Evidence) -> str:
    """What the picture keeps, whether it is stable, and whether chance would do as well."""
    if evidence.collapsed:
        return "collapsed: all snapshots lie at one place"
    clauses = [_kept(evidence), _stable(evidence), _against_chance(evidence)]
    return "; ".join(clause for clause in clauses if clause) or "too few snapshots to tell"


def _kept(evidence: Evidence) -> str:
    kept, roughly, lost = [], [], []
    for name, grades in KEPT.items():
        value = getattr(evidence, name)
        if value is None:
            continue
        told = f"{name} ({_number(value)})"
        grade = kept if value >= grades.good else roughly if value >= grades.fair else lost
        grade.append(told)
    parts = []
    if kept:
        parts.append(f"keeps {_listed(kept, 'and')}")
    if roughly:
        parts.append(f"{'roughly' if kept else 'roughly keeps'} {_listed(roughly, 'and')}")
    said = ", ".join(parts)
    if not lost:
        return said
    if said:
        return f"{said} but not {_listed(lost, 'or')}"
    if len(lost) == 1:
        return f"does not keep {lost[0]}"
    return f"keeps neither {' nor '.join(lost)}"


def _stable(evidence: Evidence) -> str:
    seeds, folds = evidence.seeds, evidence.folds
    if seeds is not None and seeds > REFITS.fair:
        return f"two seeds disagree ({_number(seeds)})"
    if folds is not None and folds > REFITS.fair:
        return f"depends on the networks ({_number(folds)})"
    known = [value for value in (seeds, folds) if value is not None]
    if not known:
        return ""
    worst = max(known)
    return "refits agree" if worst <= REFITS.good else f"refits differ a little ({_number(worst)})"


def _against_chance(evidence: Evidence) -> str:
    matched, compared = evidence.matched_by_chance, evidence.compared_with_chance
    if not compared:
        return ""
    if not matched:
        return "random walks do worse"
    if len(matched) == len(compared) > 1:
        return "random walks do as well"
    if len(matched) == len(compared) - 1 > 1:
        (other,) = set(compared) - set(matched)
        return f"random walks match all but {_SHOWN.get(other, other)}"
    return f"random walks match its {_listed([_SHOWN.get(name, name) for name in matched], 'and')}"


def _listed(parts: Sequence[str], word: str) -> str:
    return f" {word} ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _number(value: float) -> str:
    """Three digits behind the point near 1, where they matter; two elsewhere."""
    shown = f"{value:.3f}" if 0.9 <= value < 1 else f"{value:.2f}"
    # Not quite perfect must not look so.
    return ("0.999" if shown == "1.000" else shown).replace("-", "−")
