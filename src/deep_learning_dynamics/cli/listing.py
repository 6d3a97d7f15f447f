"""``dynamics list``: the runs, newest first, with what sets them apart."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from deep_learning_dynamics.tracking import Record

EPILOG = "Example: dynamics list --json"
STATES = {"FINISHED": "", "RUNNING": "running", "FAILED": "failed", "KILLED": "interrupted"}
CURVE = "accuracy/"  # how curves of test accuracy begin


def command(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a list of objects for other programs.")
    ] = False,
) -> None:
    """Show the runs, newest first: what differs between them, and what each found.

    Accuracies are on the test set, the median over each condition's networks.
    """
    from rich.console import Console
    from rich.text import Text

    from deep_learning_dynamics.cli.opening import opened

    _, _, known = opened()
    if as_json:
        print(json.dumps([_object(record, known) for record in known], indent=2))
        return
    if not known:
        print("There are no runs yet. Make one with: dynamics run")
        return
    console = Console(highlight=False)
    # A pipe has no width; what is piped is searched, not looked at.
    width = console.width if console.is_terminal else 10_000
    for line in lines(known):
        line = line if len(line) <= width else f"{line[: width - 1]}…"
        console.print(Text(line), soft_wrap=True)
    console.print("\nMore of one: dynamics show RUN. RUN is a name, an id or latest.", style="dim")


def lines(known: "Sequence[Record]") -> list[str]:
    """A line for each run and, where there is something to say, one below it."""
    longest = max(len(record.name) for record in known)
    apart = differing(known)
    made = []
    for record in known:
        parts = [record.name.ljust(longest), STATES.get(record.status, record.status.lower())]
        parts += [f"{name} {value:.1%}" for name, value in accuracies(record).items()]
        parts += [f"{record.started.astimezone():%Y-%m-%d %H:%M}"]
        made.append("  ".join(part for part in parts if part))
        settings = [f"{key}={record.parameters.get(key, '–')}" for key in apart]
        for text in (", ".join(settings), verdict(record)):
            if text:
                made.append(f"    {text}")
    return made


def differing(known: "Sequence[Record]") -> list[str]:
    """The parameters that are not the same in all runs."""
    keys = dict.fromkeys(key for record in known for key in record.parameters)
    return [key for key in keys if len({record.parameters.get(key) for record in known}) > 1]


def accuracies(record: "Record") -> dict[str, float]:
    """The median test accuracy of each condition at its end, of networks that go no further."""
    found = {
        name.removeprefix(CURVE): value
        for name, value in record.metrics.items()
        if name.startswith(CURVE)
    }
    return {name: value for name, value in found.items() if " " not in name}


def verdict(record: "Record") -> str:
    """The answer of a run: the first sentence of its description."""
    first = record.tags.get("mlflow.note.content", "").partition("\n")[0]
    return first.strip("*") if first.startswith("**") else ""


def value_of(text: str) -> Any:
    """A parameter as params.yaml has it: runs keep text, what is not text as JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _object(record: "Record", known: "Sequence[Record]") -> dict[str, Any]:
    return {
        "id": record.run_id,
        "name": record.name,
        "started": record.started.isoformat(timespec="seconds"),
        "status": record.status,
        "complete": record.complete,
        "differs": {key: value_of(record.parameters[key]) for key in differing(known)
                    if key in record.parameters},
        "test_accuracy": accuracies(record),
        "verdict": verdict(record),
        "conditions_differ": record.tags.get("conditions differ", ""),
        "stand_in": record.tags.get("stand_in") == "yes",
    }  # fmt: skip
