"""Scores that a training logged beside its checkpoints: JSON, JSON lines or CSV, by step."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from deep_learning_dynamics.errors import CheckpointError

STEP = ("step", "global_step", "steps", "iteration")


def read(path: Path) -> dict[int, dict[str, float]]:
    """Scores by step.

    Raises:
        CheckpointError: the file is missing or has no steps.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}); expected scores by step."
        ) from None
    try:
        records = csv.DictReader(text.splitlines()) if path.suffix == ".csv" else _records(text)
        scores: dict[int, dict[str, float]] = {}
        for record in records:
            step = next((record[name] for name in STEP if name in record), None)
            if step is not None and str(step).strip():
                scores.setdefault(int(float(step)), {}).update(_numbers(record))
    except (ValueError, TypeError, csv.Error, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read as scores ({error}).") from None
    if not scores:
        raise CheckpointError(
            f"{path} has no record with a step; expected records such as "
            '{"step": 100, "test_accuracy": 0.9}, as a JSON list, JSON lines, or CSV.'
        )
    return scores


def _records(text: str) -> Iterable[dict[str, Any]]:
    try:
        content = json.loads(text)
    except ValueError:
        content = [json.loads(line) for line in text.splitlines() if line.strip()]
    if isinstance(content, dict) and isinstance(content.get("log_history"), list):
        content = content["log_history"]
    if isinstance(content, dict) and all(isinstance(column, list) for column in content.values()):
        # Columns: {"step": [0, 100], "loss": [2.3, 1.1]}
        content = [
            dict(zip(content, row, strict=True)) for row in zip(*content.values(), strict=True)
        ]
    if isinstance(content, dict):
        content = [content]
    return [record for record in content if isinstance(record, dict)]


def _numbers(record: dict[str, Any]) -> dict[str, float]:
    numbers = {}
    for name, value in record.items():
        name = str(name).strip().replace("/", "_").replace("-", "_").replace(" ", "_")
        if name in STEP or not name.isidentifier() or isinstance(value, bool):
            continue
        try:
            numbers[name] = float(value)
        except (TypeError, ValueError):
            continue  # a date, a text
    return numbers
