"""``dynamics list``: the runs, newest first, with what sets them apart."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from deep_learning_dynamics.cli.opening import opened
from deep_learning_dynamics.formatting import percent
from deep_learning_dynamics.tracking import Record

STATES = {"FINISHED": "", "RUNNING": "running", "FAILED": "failed", "KILLED": "interrupted"}
CURVE = "accuracy/"  # how curves of test accuracy begin


def list_runs(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a list of objects for other programs.")
    ] = False,
) -> None:
    """Show the runs, newest first: what differs between them, and what each found.

    Accuracies are on the test set, the median over each condition's networks.

    Example: dynamics list --json
    """
    from rich.console import Console
    from rich.text import Text

    _, _, known = opened()
    if as_json:
        print(json.dumps([_object(record, known) for record in known], indent=2))
        return
    if not known:
        print("There are no runs yet. Make one with: dynamics run")
        return
    # A pipe has no width; what is piped is searched, not looked at.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)
    for line in lines(known):
        console.print(Text(line), no_wrap=True, overflow="ellipsis")
    console.print("\nMore of one: dynamics show RUN. RUN is a name, an id or latest.", style="dim")


def lines(known: Sequence[Record]) -> list[str]:
    """A line for each run and, where there is something to say, one below it."""
    longest = max(len(record.name) for record in known)
    apart = differing([record.parameters for record in known])
    made = []
    for number, record in enumerate(known):
        parts = [record.name.ljust(longest), STATES.get(record.status, record.status.lower())]
        parts += [f"{name} {percent(value)}" for name, value in accuracies(record).items()]
        parts += [f"{record.started.astimezone():%Y-%m-%d %H:%M}"]
        made.append("  ".join(part for part in parts if part))
        settings = ", ".join(f"{key}={values[number]}" for key, values in apart.items())
        made += [f"    {text}" for text in (settings, verdict(record)) if text]
    return made


def differing(each: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """The values, in all of them, of the keys that do not have the same in all."""
    return {key: values for key, values in together(each).items() if len(set(values)) > 1}


def together(each: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """The values of every key, in all of them."""
    keys = dict.fromkeys(key for values in each for key in values)
    return {key: [values.get(key, "–") for values in each] for key in keys}


def accuracies(record: Record) -> dict[str, float]:
    """The median test accuracy of each condition at its end, of networks that go no further."""
    return {
        name.removeprefix(CURVE): value
        for name, value in record.metrics.items()
        if name.startswith(CURVE) and " " not in name
    }


def verdict(record: Record) -> str:
    """The answer of a run: the first sentence of its description."""
    first = record.tags.get("mlflow.note.content", "").partition("\n")[0]
    return first.strip("*") if first.startswith("**") else ""


def value_of(text: str) -> Any:
    """A parameter's value as in params.yaml; runs keep texts as they are, all else as JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _object(record: Record, known: Sequence[Record]) -> dict[str, Any]:
    apart = differing([each.parameters for each in known])
    return {
        "id": record.run_id,
        "name": record.name,
        "started": record.started.isoformat(timespec="seconds"),
        "status": record.status,
        "complete": record.complete,
        "differs": {key: value_of(text) for key, text in record.parameters.items() if key in apart},
        "test_accuracy": accuracies(record),
        "verdict": verdict(record),
        "conditions_differ": record.tags.get("conditions differ", ""),
        "stand_in": record.tags.get("stand_in") == "yes",
    }
