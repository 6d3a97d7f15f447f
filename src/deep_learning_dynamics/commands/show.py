"""``dynamics show``: a run's figures on the screen, or in a folder of one's own."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer


def show(
    run: Annotated[str, typer.Argument(metavar="RUN", show_default=False)] = "latest",
    method: Annotated[
        str | None, typer.Option(help="One method's figure instead of all on a sheet.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Copy all figures of the run here instead.")
    ] = None,
) -> None:
    """Open a run's figures: all projections on one sheet, or those of one method.

    RUN is an id, the beginning of one, a name or latest. Prints the path where there is no screen.
    """
    from deep_learning_dynamics.commands.opening import opened
    from deep_learning_dynamics.lab import showing
    from deep_learning_dynamics.tracking.records import resolve

    _, connection, known = opened()
    record = resolve(known, run)
    if save is not None:
        print(f"The figures of {record} are in {showing.save(connection, record, save)}")
        return
    # It outlives this command: whoever opens the file may do so only after we are gone.
    scratch = Path(tempfile.gettempdir()) / "dynamics-figures"
    scratch.mkdir(exist_ok=True)
    path = showing.figure(connection, record, method, scratch)
    print(path)
    showing.open_file(path)
