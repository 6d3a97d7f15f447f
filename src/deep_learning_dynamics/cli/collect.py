"""``dynamics collect`` and ``dynamics audit``: checkpoints become a store; are they sound?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deep_learning_dynamics.cli.terminal import counted, print_table
from deep_learning_dynamics.formatting import count

if TYPE_CHECKING:
    from deep_learning_dynamics.store.auditing import Audit

Key = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Where the weights are in nested checkpoints, such as model."
    ),
]
Scores = Annotated[
    str | None,
    typer.Option(metavar="PATTERN", help="Scores of each run by step: JSON, JSON lines, CSV."),
]


def collect(
    pattern: Annotated[
        str,
        typer.Argument(
            metavar="PATTERN",
            help="A folder of checkpoints, or a pattern: words in braces become coordinates.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="STORE", help="The store to write.")
    ],
    scores: Scores = None,
    key: Key = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter",
            metavar="NAME",
            help="Parameters to keep; * stands for anything. Repeatable.",
        ),
    ] = None,
    lora: Annotated[
        str,
        typer.Option(
            help="What to keep of adapters: delta (the change of each matrix) or factors."
        ),
    ] = "delta",
) -> None:
    """Collect checkpoints of any training into one store, and audit it.

    Nothing that lies in a file is executed. Given a folder, each folder in it that directly holds
    checkpoints is one run. Exit status 1 if the audit finds something wrong.

    Example: dynamics collect "runs/{group}-{seed}/step_{step}.pt" -o runs.zarr
    """
    from deep_learning_dynamics.store import auditing, collecting

    with counted("collecting") as progress:
        runs = collecting.collect(
            pattern,
            output,
            scores=scores,
            key=key,
            parameters=parameters or "all",
            lora=lora,
            progress=progress,
        )
    snapshots = int((runs["step"].values >= 0).sum())
    print(
        f"{output}: {count(runs.sizes['network'], 'run')}, {count(snapshots, 'snapshot')} of "
        f"{runs.sizes['weight']:,} weights"
    )
    with counted("auditing") as progress:
        found = auditing.audit(output, progress=progress)
    _show(found)


def audit(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A store, a folder or a pattern of checkpoints.")
    ],
    key: Key = None,
) -> None:
    """Look for identical, disordered, damaged or implausible snapshots.

    Exit status 1 if something is wrong, 0 if there are only remarks.

    Example: dynamics audit runs.zarr
    """
    from deep_learning_dynamics.store import auditing

    with counted("auditing") as progress:
        found = auditing.audit(source, key=key, progress=progress)
    _show(found)


def _show(found: "Audit") -> None:
    """Print what was found as a table, and exit with 1 if something is wrong."""
    if found.findings:
        print_table(
            ("", "problem", "run", "step", "found"),
            (
                (
                    "✗" if each.wrong else "·",
                    each.problem,
                    each.run,
                    "–".join(
                        f"{step:,}" for step in (each.step, each.last_step) if step is not None
                    ),
                    each.detail,
                )
                for each in found.findings
            ),
        )
    wrong = sum(each.wrong for each in found.findings)
    seen = f"{count(found.runs, 'run')}, {count(found.snapshots, 'snapshot')}"
    print(f"{count(wrong, 'problem')} in {seen}." if wrong else f"Nothing wrong in {seen}.")
    if not found.passed:
        raise typer.Exit(1)
