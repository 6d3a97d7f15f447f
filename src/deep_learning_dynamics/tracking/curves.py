"""The learning curves of a run: the median over each group's networks, by step."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SCORES = {"test_accuracy": "accuracy", "train_loss": "loss"}  # shown, with short names for columns


def wanted_scores(scores: Iterable[str]) -> list[str]:
    """Of the scores that were recorded those that become curves; the first two if none is known."""
    scores = list(scores)
    return [score for score in SCORES if score in scores] or scores[:2]


def curve_name(score: str, group: str, dataset: str = "") -> str:
    """How MLflow calls a curve; it draws those with the same beginning together.

    Args:
        dataset: of networks from whose ends others go on; "" for the others.
    """
    return f"{SCORES.get(score, score)}/{f'{dataset} {group}' if dataset else group}"


def curves_of(table: "pd.DataFrame", by: str, most: int) -> Mapping[str, dict[int, float]]:
    """Curves by name, then by step, without twins; the most telling ones if there are too many.

    Args:
        table: a row for each snapshot, as ``store.scores_table`` gives it.
        by: the coordinate that makes the groups.
        most: how many curves there may be.
    """
    if "twin" in table:
        table = table[~table["twin"].astype(bool)]
    continued = set(table["continues"]) if "continues" in table else set()
    before = table["network"].isin(continued)
    dataset = table["dataset"].astype(str) if "dataset" in table else ""
    table = table.assign(
        _group=table[by].astype(str) if by in table else "all",
        _dataset=dataset if isinstance(dataset, str) else dataset.where(before, ""),
    )
    found = {}
    for score in wanted_scores(name for name in (*SCORES, *_scores(table)) if name in table):
        for (where, group), rows in table.groupby(["_dataset", "_group"], sort=False):
            median = rows.groupby("step")[score].median().dropna()
            curve = {int(step): float(value) for step, value in median.items()}
            found[where != "", curve_name(score, group, where)] = curve
    chosen = sorted(found, key=lambda key: key[0])[:most]  # those from which none goes on first
    return {name: found[before, name] for before, name in chosen if found[before, name]}


def _scores(table: "pd.DataFrame") -> list[str]:
    numbers = table.select_dtypes("number").columns
    return [name for name in numbers if name not in ("snapshot", "step", "pair", "epoch", "seed")]
