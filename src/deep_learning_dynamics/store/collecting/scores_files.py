"""Scores that a training logged: files of JSON, JSON lines or CSV, and records of a Trainer."""

import csv
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from deep_learning_dynamics.errors import CheckpointError
from deep_learning_dynamics.store.schema import score_name

STEP = ("step", "global_step", "steps", "iteration")
# What Hugging Face's Trainer logs of its own work, not of the network.
BOOKKEEPING = re.compile(
    r"learning_rate|grad_norm|total_flos|num_input_tokens_seen"
    r"|.*_(runtime|per_second|compilation_time|preparation_time)|.*_mem_.*"
)


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


def trainer_scores(record: Mapping[str, Any]) -> dict[str, float]:
    """The scores of a network in one record that Hugging Face's Trainer logged.

    The record of a whole training holds none: its ``train_loss`` is a mean over all steps.
    """
    if "total_flos" in record:
        return {}
    numbers = _numbers(record)
    return {name: value for name, value in numbers.items() if not BOOKKEEPING.fullmatch(name)}


def _records(text: str) -> Iterable[dict[str, Any]]:
    try:
        content = json.loads(text)
    except ValueError:
        content = [json.loads(line) for line in text.splitlines() if line.strip()]
    if isinstance(content, dict) and isinstance(content.get("log_history"), list):
        history = [record for record in content["log_history"] if isinstance(record, dict)]
        return [{"step": each.get("step"), **trainer_scores(each)} for each in history]
    if isinstance(content, dict) and all(isinstance(column, list) for column in content.values()):
        # Columns: {"step": [0, 100], "loss": [2.3, 1.1]}
        rows = zip(*content.values(), strict=True)
        content = [dict(zip(content, row, strict=True)) for row in rows]
    if isinstance(content, dict):
        content = [content]
    return [record for record in content if isinstance(record, dict)]


def _numbers(record: Mapping[str, Any]) -> dict[str, float]:
    numbers = {}
    for name, value in record.items():
        name = score_name(str(name))
        if name in STEP or not name.isidentifier() or isinstance(value, bool):
            continue
        try:
            numbers[name] = float(value)
        except (TypeError, ValueError):
            continue  # a date, a text
    return numbers
