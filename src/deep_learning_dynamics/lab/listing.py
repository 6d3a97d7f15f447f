"""The runs of a store as a table: what each changed, and how it did."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deep_learning_dynamics.lab.defaults import Defaults
from deep_learning_dynamics.tracking.records import Record

if TYPE_CHECKING:
    from rich.table import Table

STATES = {
    "FINISHED": "complete",
    "RUNNING": "running",
    "FAILED": "failed",
    "KILLED": "interrupted",
}
WIDE = 115  # characters that a line for each run needs
ARMS = ("scratch", "pretrained")


@dataclass(frozen=True)
class Row:
    """One run, as far as it is known: a running one has no accuracies yet."""

    record: Record
    changed: dict[str, str]  # parameters that are not the default ones
    accuracies: dict[str, float]  # of each arm: median over networks on the test set, 0 to 1
    best_projector: str | None

    @property
    def state(self) -> str:
        return STATES.get(self.record.status, self.record.status.lower())


def rows(known: Sequence[Record], defaults: Defaults) -> list[Row]:
    """A row for each record, in their order."""
    return [
        Row(
            record,
            defaults.differences(record),
            {
                arm: record.metrics[f"{arm}.test_accuracy"]
                for arm in ARMS
                if f"{arm}.test_accuracy" in record.metrics
            },
            record.best_projector,
        )
        for record in known
    ]


def as_json(row: Row, origin: str) -> dict[str, Any]:
    """A row for other programs; ``origin`` is where the default parameters were found."""
    return {
        "id": row.record.run_id,
        "name": row.record.name,
        "started": row.record.started.isoformat(timespec="seconds"),
        "changed": {key: _value(text) for key, text in row.changed.items()},
        "changed_from": origin,
        "test_accuracy": {arm: row.accuracies.get(arm) for arm in ARMS},
        "best_projector": row.best_projector,
        "stand_in": row.record.tags.get("stand_in") == "true",
        "status": row.record.status,
        "complete": row.record.complete,
    }


def table(shown: Sequence[Row], ids: int, width: int) -> "Table":
    """A table for a terminal ``width`` characters wide, with a line for each run if it is ``WIDE``.

    ``ids`` is how many characters tell the ids apart.
    """
    from rich.markup import escape
    from rich.table import Table

    wide = width >= WIDE
    result = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    result.add_column("id", no_wrap=True)
    if wide:
        result.add_column("name", no_wrap=True)
        result.add_column("started", no_wrap=True)
        result.add_column("changed", overflow="fold", min_width=16)
    else:
        result.add_column("run, start, best, changed", overflow="fold")
    for arm in ARMS:
        result.add_column(arm, justify="right", no_wrap=True)
    if wide:
        result.add_column("best", no_wrap=True)
    result.add_column("state", no_wrap=True)
    for row in shown:
        changed = ", ".join(f"{key}={value}" for key, value in row.changed.items()) or "–"
        started = row.record.started.astimezone().strftime("%Y-%m-%d %H:%M")
        best = row.best_projector or "–"
        what = [row.record.name, started, changed]
        if not wide:
            what = [f"{row.record.name}\n{started}, {best}\n{changed}"]
        result.add_row(
            row.record.run_id[:ids],
            *(escape(text) for text in what),
            *(f"{row.accuracies[arm]:.1%}" if arm in row.accuracies else "–" for arm in ARMS),
            *([best] if wide else []),
            row.state,
        )
    return result


def id_length(known: Sequence[Record], least: int = 8) -> int:
    """How many characters of their ids tell all runs apart."""
    longest = max((len(record.run_id) for record in known), default=least)
    for length in range(least, longest):
        if len({record.run_id[:length] for record in known}) == len(known):
            return length
    return longest


def _value(text: str) -> Any:
    """A parameter as params.yaml has it: runs keep text, what is not text as JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
