"""``dynamics audit``: is something wrong with snapshots?"""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from deep_learning_dynamics.store.auditing import Audit

EPILOG = "Example: dynamics audit runs.zarr"


def command(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A store, a folder or a pattern of checkpoints.")
    ],
    key: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Where the weights are in nested checkpoints, such as model."
        ),
    ] = None,
) -> None:
    """Look for identical, disordered, damaged or implausible snapshots.

    Exit status 1 if something is wrong, 0 if there are only remarks.
    """
    from deep_learning_dynamics.cli.collect import counted
    from deep_learning_dynamics.store.auditing import audit

    with counted("auditing") as progress:
        found = audit(source, key=key, progress=progress)
    show(found)


def show(found: "Audit") -> None:
    """Print what was found as a table, and exit with 1 if something is wrong."""
    from rich.console import Console
    from rich.table import Table

    from deep_learning_dynamics.formatting import count

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=200)
    seen = f"{count(found.runs, 'run')}, {count(found.snapshots, 'snapshot')}"
    if not found.findings:
        console.print(f"Nothing wrong in {seen}.")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("", "problem", "run", "step", "found"):
        table.add_column(heading, overflow="fold")
    for each in found.findings:
        step = "" if each.step is None else f"{each.step:,}"
        table.add_row("✗" if each.wrong else "·", each.problem, each.run, step, each.detail)
    console.print(table)
    wrong = sum(each.wrong for each in found.findings)
    console.print(f"{count(wrong, 'problem')} in {seen}." if wrong else f"Nothing wrong in {seen}.")
    if not found.passed:
        raise typer.Exit(1)
