"""A run's figures brought from its artifacts: to the screen, or into a folder."""

import os
import shutil
import sys
from pathlib import Path

from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.tracking.files import fetch, has
from deep_learning_dynamics.tracking.records import Record
from deep_learning_dynamics.tracking.store import Connection

SHEET = "sheet"


def figure(connection: Connection, record: Record, method: str | None, scratch: Path) -> Path:
    """The picture of one method, or of all methods on one sheet.

    ``scratch`` is an existing folder for what has to be downloaded.

    Raises:
        TrackingError: the run has no such figure; the message says which it has.
    """
    name = SHEET if method is None else method
    path = f"figures/{name}/{name}.png"
    if not has(connection, record, path):
        there = [each for each in _names(record) if has(connection, record, f"figures/{each}")]
        if not there:
            raise TrackingError(
                f"The run {record} has no figures; it is {record.status}. "
                "Make them with dynamics run, or log what is there with dynamics track."
            )
        raise TrackingError(
            f"The run {record} has no figure of {name}; expected one of {', '.join(there)}."
        )
    return fetch(connection, record, path, scratch)


def save(connection: Connection, record: Record, folder: Path) -> Path:
    """Copy all figures of a run into a folder, one folder for each; files of its own stay.

    Raises:
        TrackingError: the run has no figures.
    """
    import tempfile

    with tempfile.TemporaryDirectory(prefix="dynamics-") as scratch:
        found = fetch(connection, record, "figures", Path(scratch))
        shutil.copytree(found, folder, dirs_exist_ok=True)
    return folder


def open_file(path: Path) -> bool:
    """Show a file with the program that people look at pictures with; whether there was one."""
    import webbrowser

    has_screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    # Without a screen webbrowser would start a browser for terminals, which takes the terminal.
    return has_screen and webbrowser.open(path.resolve().as_uri())


def _names(record: Record) -> list[str]:
    """Figures that a run may have, by the methods that it was asked for."""
    import json

    methods = json.loads(record.parameters.get("project.methods", "[]"))
    return [*methods, "learning_curves", SHEET]
