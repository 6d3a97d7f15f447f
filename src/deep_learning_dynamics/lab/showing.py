"""A run's report and figures brought from its artifacts: to the screen, or into a folder."""

import json
import os
import shutil
import sys
from pathlib import Path

from deep_learning_dynamics.errors import DynamicsError, TrackingError
from deep_learning_dynamics.tracking.files import fetch, has
from deep_learning_dynamics.tracking.records import Record
from deep_learning_dynamics.tracking.store import Connection

REPORT = "report/index.html"
SHEET = "sheet"


def report(connection: Connection, record: Record, scratch: Path) -> Path:
    """The run's report; of a run that has none, the sheet with all projections.

    ``scratch`` is an existing folder for what has to be downloaded.

    Raises:
        TrackingError: the run has neither.
    """
    if has(connection, record, REPORT):
        return fetch(connection, record, REPORT, scratch)
    return figure(connection, record, SHEET, scratch)


def figure(connection: Connection, record: Record, name: str, scratch: Path) -> Path:
    """The picture of one method, ``learning_curves``, or ``sheet`` for all methods.

    Raises:
        TrackingError: the run has no such figure; the message says which it has.
    """
    path = f"figures/{name}/{name}.png"
    if not has(connection, record, path):
        _refuse(connection, record, name)
    return fetch(connection, record, path, scratch)


def save(connection: Connection, record: Record, method: str | None, folder: Path) -> Path:
    """Copy a run's report and all its figures into a folder, or one method's figures.

    They come to ``report/`` and ``figures/`` in it; other files there stay.

    Raises:
        TrackingError: the run has no figures, or none of this method.
        DynamicsError: the folder cannot be written.
    """
    import tempfile

    if method is not None and not has(connection, record, f"figures/{method}"):
        _refuse(connection, record, method)
    wanted = ["figures" if method is None else f"figures/{method}"]
    if method is None and has(connection, record, REPORT):
        wanted.append("report")
    with tempfile.TemporaryDirectory(prefix="dynamics-") as scratch:
        for name in wanted:
            found = fetch(connection, record, name, Path(scratch))
            copy_into(found, folder / name)
    return folder


def copy_into(found: Path, folder: Path) -> None:
    """Copy a folder's files into another that may be there already.

    Raises:
        DynamicsError: it cannot be written.
    """
    try:
        shutil.copytree(found, folder, dirs_exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DynamicsError(
            f"{folder} cannot be written: {reason}; expected a folder, or nothing, of that name."
        ) from None


def open_file(path: Path) -> bool:
    """Show a file in the browser; whether there was one."""
    import webbrowser

    has_screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    # Without a screen webbrowser would start a browser for terminals, which takes the terminal.
    return has_screen and webbrowser.open(path.resolve().as_uri())


def _refuse(connection: Connection, record: Record, name: str) -> None:
    there = [each for each in _names(record) if has(connection, record, f"figures/{each}")]
    if not there:
        raise TrackingError(
            f"The run {record} has no figures; it is {record.status}. "
            "Make them with dynamics run, or log what is there with dynamics track."
        )
    raise TrackingError(
        f"The run {record} has no figure of {name}; expected one of {', '.join(there)}."
    )


def _names(record: Record) -> list[str]:
    """Figures that a run may have, by the methods that it was asked for."""
    methods = json.loads(record.parameters.get("project.methods", "[]"))
    return [*methods, "learning_curves", SHEET]
