"""``dynamics show``: a run's report in the browser, or its files in a folder of one's own."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer


def show(
    run: Annotated[str, typer.Argument(metavar="RUN", show_default=False)] = "latest",
    method: Annotated[
        str | None, typer.Option(help="One method's figure instead of the report.")
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Copy report and figures here instead of opening them."),
    ] = None,
) -> None:
    """Open a run's report in the browser, or one method's figure.

    RUN is an id, the beginning of one, a name or latest. Prints the path, which is all where there
    is no screen.
    """
    from deep_learning_dynamics.commands.opening import opened
    from deep_learning_dynamics.lab import showing
    from deep_learning_dynamics.tracking.records import resolve

    _, connection, known = opened()
    record = resolve(known, run)
    if save is not None:
        folder = showing.save(connection, record, method, save)
        what = "report and figures" if method is None else f"figures of {method}"
        print(f"The {what} of {record} are in {folder}")
        return
    # It outlives this command: whoever opens the file may do so only after we are gone.
    scratch = Path(tempfile.gettempdir()) / f"dynamics-show-{os.getuid()}"
    scratch.mkdir(mode=0o700, exist_ok=True)
    if method is not None:
        path = showing.figure(connection, record, method, scratch)
    else:
        path = showing.report(connection, record, scratch)
        if path.suffix != ".html":
            print(f"The run {record} has no report; this is its sheet:", file=sys.stderr)
    print(path)
    showing.open_file(path)
