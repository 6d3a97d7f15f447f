"""Runs side by side as text: what differs, and how each did with the spread over its networks."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deep_learning_dynamics.lab.differences import Differences
from deep_learning_dynamics.tracking.files import fetch, has
from deep_learning_dynamics.tracking.records import Record
from deep_learning_dynamics.tracking.store import Connection
from deep_learning_dynamics.trajectories import SCORES

if TYPE_CHECKING:
    from rich.table import Table

NAMES = {"scratch": "MNIST, scratch", "pretrained": "MNIST, pretrained", "omniglot": "OMNIGLOT"}
QUALITIES = ("trustworthiness", "distance_correlation")
Cells = dict[str, list[str]]  # a row's name and a text for each run


def scores(connection: Connection, compared: Sequence[Record], scratch: Path) -> Cells:
    """Each score of each arm at the end: its median, and from the lowest to the highest network."""
    summaries = [_summaries(connection, record, scratch) for record in compared]
    rows: Cells = {}
    for who, name in NAMES.items():
        for score in reversed(SCORES):  # test accuracy first
            cells = [_spread(each.get(who, {}).get(score), score) for each in summaries]
            rows[f"{name}: {score.replace('_', ' ')}"] = cells
        cells = [_count(each.get(who, {}).get("failed")) for each in summaries]
        if any(cell not in ("–", "0") for cell in cells):
            rows[f"{name}: failed networks"] = cells
    return {name: cells for name, cells in rows.items() if set(cells) != {"–"}}


def qualities(compared: Sequence[Record]) -> Cells:
    """How good each run's own projections are, for the methods that any of them has."""
    rows: Cells = {}
    methods = {
        name.rpartition(".")[0]
        for record in compared
        for name in record.metrics
        if name.endswith(".trustworthiness")
    }
    for method in sorted(methods):
        for quality in QUALITIES:
            values = [record.metrics.get(f"{method}.{quality}") for record in compared]
            name = f"{method}: {quality.replace('_', ' ')}"
            rows[name] = ["–" if value is None else f"{value:.3f}" for value in values]
    return rows


def tables(compared: Sequence[Record], found: Differences, numbers: Cells) -> "list[Table | str]":
    """What to print, from top to bottom."""
    parts: list[Table | str] = []
    for title, differing in (
        ("parameters", found.parameters),
        ("data", found.data),
        ("code", found.code),
        ("environment", found.environment),
    ):
        if differing:
            rows = {
                key: ["–" if value is None else value for value in values]
                for key, values in differing.items()
            }
            parts.append(_table(f"what differs: {title}", compared, rows))
    if found.code_files:
        parts.append(f"code that stages read and that differs: {', '.join(found.code_files)}")
    elif found.code:
        parts.append("No code that a stage reads differs.")
    if not found:
        parts.append("Nothing differs: parameters, data, code and environment are the same.")
    parts.append(_table("results: median (lowest to highest network)", compared, numbers))
    return parts


def _table(title: str, compared: Sequence[Record], rows: Cells) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    result = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    result.add_column(title, overflow="fold")
    for record in compared:
        result.add_column(escape(record.name), overflow="fold")
    for name, cells in rows.items():
        result.add_row(escape(name), *(escape(cell) for cell in cells))
    return result


def _summaries(connection: Connection, record: Record, scratch: Path) -> dict[str, Any]:
    found = {}
    for phase in ("train", "pretrain"):
        name = f"metrics/{phase}.json"
        if has(connection, record, name):
            content = json.loads(fetch(connection, record, name, scratch).read_text())
            found |= content if phase == "train" else {"omniglot": content}
    return found


def _spread(summary: dict[str, float | None] | None, score: str) -> str:
    values = [(summary or {}).get(key) for key in ("median", "minimum", "maximum")]
    if values[0] is None:
        return "–"
    written = "{:.1%}" if score.endswith("accuracy") else "{:.3f}"
    middle, low, high = ("?" if value is None else written.format(value) for value in values)
    return f"{middle} ({low} to {high})"


def _count(value: int | None) -> str:
    return "–" if value is None else str(value)
