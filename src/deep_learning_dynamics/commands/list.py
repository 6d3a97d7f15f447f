"""``dynamics list``: the runs, newest first."""

import json
from typing import Annotated

import typer


def list_runs(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a list of objects for other programs.")
    ] = False,
) -> None:
    """Show the runs, newest first: what each changed, its accuracies, whether it is complete.

    Accuracies are those on MNIST's test set, the median over each arm's networks.
    """
    from deep_learning_dynamics.commands.opening import opened
    from deep_learning_dynamics.lab import defaults, listing

    root, _, known = opened(needed=False)
    usual = defaults.defaults_of(root, known)
    rows = listing.rows(known, usual)
    if as_json:
        objects = [listing.as_json(row, usual.origin) for row in rows]
        print(json.dumps(objects, indent=2, ensure_ascii=False))
        return
    if not rows:
        print("There are no runs yet. Make one with: dynamics run")
        return
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=200)  # a pipe has no width
    console.print(listing.table(rows, listing.id_length(known), console.width))
    print(f"\nchanged: compared with {usual.origin}. A run is named by id, name or latest.")
