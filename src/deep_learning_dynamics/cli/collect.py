"""``dynamics collect``: checkpoints of a training into a store of trajectories."""

from pathlib import Path
from typing import Annotated

import typer

EPILOG = 'Example: dynamics collect "runs/{group}-{seed}/step_{step}.pt" -o runs.zarr'

Pattern = Annotated[
    str,
    typer.Argument(
        metavar="PATTERN",
        help="A folder of checkpoints, or a pattern: words in braces become coordinates.",
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Where the weights are in nested checkpoints, such as model."
    ),
]


def command(
    pattern: Pattern,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="STORE", help="The store to write.")
    ],
    scores: Annotated[
        str | None,
        typer.Option(metavar="PATTERN", help="Scores of each run by step: JSON, JSON lines, CSV."),
    ] = None,
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
    """
    from deep_learning_dynamics.cli.audit import show
    from deep_learning_dynamics.formatting import count
    from deep_learning_dynamics.store.auditing import audit
    from deep_learning_dynamics.store.collecting import collect

    with counted("collecting") as progress:
        runs = collect(
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
        found = audit(output, progress=progress)
    show(found)


class counted:  # noqa: N801 – used like a function
    """A live line that counts, where there is a terminal; gives a progress callback."""

    def __init__(self, what: str) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task(what, total=None)

    def __enter__(self) -> "counted":
        if self._progress.console.is_terminal:
            self._progress.start()
        return self

    def __call__(self, done: int, total: int) -> None:
        self._progress.update(self._task, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
