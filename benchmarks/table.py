"""Results for people: a table on the terminal, the same in Markdown, and ``results.json``."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.machine import Machine
from benchmarks.result import Line, seconds

if TYPE_CHECKING:
    from rich.table import Table

START, END = "<!-- benchmarks: start -->", "<!-- benchmarks: end -->"
HEADINGS = ("row", "against", "ours", "theirs", "figure", "reach", "")


def cells(line: Line) -> tuple[str, ...]:
    """A line's cells, in the order of :data:`HEADINGS`; the last says whether it was reached."""
    if line.problem:
        return line.row, line.against, "", "", "", "", f"{line.verdict}: {line.problem}"
    theirs = seconds(line.theirs)
    if line.theirs is not None and line.theirs.basis:
        theirs += f", extrapolated from {line.theirs.basis}"
    reach = line.reach.text() if line.reach else ""
    return line.row, line.against, seconds(line.ours), theirs, line.figure, reach, line.verdict


def terminal(lines: Sequence[Line], machine: Machine) -> "Table":
    from rich.table import Table

    table = Table(*HEADINGS, title=machine.sentence(), title_justify="left", show_lines=False)
    previous = None
    for line in lines:
        row, *rest = cells(line)
        if line.row != previous and previous is not None:
            table.add_section()
        style = {"reached": "green", "": "default"}.get(line.verdict, "yellow")
        *rest, verdict = rest
        table.add_row(
            "" if line.row == previous else row,
            *rest,
            f"[{'red' if line.failed else style}]{verdict}[/]",
        )
        previous = line.row
    return table


def markdown(lines: Sequence[Line], machine: Machine) -> str:
    """The table as the README shows it, with what was done and the machine's description."""
    parts = [
        "| row | work | against | ours | theirs | figure | reach | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    previous = None
    for line in lines:
        row, *rest = cells(line)
        again = line.row == previous
        shown = ("" if again else f"**{row}**", "" if again else line.work, *rest)
        parts.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in shown)} |")
        previous = line.row
    explanation = (
        f"Median of interleaved repeats (smallest–largest), in one run on: {machine.sentence()}. "
        "A ratio says how many times faster ours is."
    )
    return "\n".join([*parts, "", explanation, "", *(f"- {note}" for note in notes(lines)), ""])


def notes(lines: Sequence[Line]) -> list[str]:
    """What belongs to a line and does not fit into it."""
    return [
        f"{line.row}, {line.against}: {'; '.join(filter(None, (line.limit, line.note)))}"
        for line in lines
        if line.limit or line.note
    ]


def write(path: Path, lines: Sequence[Line], machine: Machine, measured: dict[str, Any]) -> None:
    """Keep the results; the file is whole or not there at all."""
    content = {
        "machine": asdict(machine),
        "measured": measured,
        "lines": [line.as_json() for line in lines],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


def read(path: Path) -> tuple[list[Line], Machine]:
    """What :func:`write` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return [Line.from_json(line) for line in content["lines"]], Machine(**content["machine"])


def merged(old: Sequence[Line], new: Sequence[Line], titles: Sequence[str]) -> list[Line]:
    """Lines in the order of ``titles``: rows that were measured again replace their old lines."""
    again = {line.row for line in new}
    kept = [line for line in old if line.row not in again]
    return sorted([*kept, *new], key=lambda line: titles.index(line.row))


def insert(document: str, text: str) -> str:
    """A document with ``text`` between its two markers instead of what was there.

    Raises:
        ValueError: it does not have both markers.
    """
    if START not in document or END not in document:
        raise ValueError(f"expected the lines {START} and {END} in the document")
    before, rest = document.split(START, 1)
    _, after = rest.split(END, 1)
    return f"{before}{START}\n{text.strip()}\n{END}{after}"
