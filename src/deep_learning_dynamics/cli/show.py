"""``dynamics show``: a run's report or one of its figures, on the screen or in a folder."""

import os
import re
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from deep_learning_dynamics.cli.opening import (
    Run,
    complete_method,
    copy_into,
    folders,
    meant,
    opened,
)
from deep_learning_dynamics.cli.terminal import show_file
from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.tracking import Record, local_files

REPORT = Path("report/index.html")
PICTURES = (".png", ".svg", ".pdf", ".gif")


def show(
    run: Run = "latest",
    figure: Annotated[
        str | None,
        typer.Option(
            "--figure",
            "--method",
            help="A figure instead of the report: a method's key, or a file's name.",
            autocompletion=complete_method,
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Copy report and figures here instead of opening them."),
    ] = None,
) -> None:
    """Open a run's report in the browser, or one figure.

    RUN is an id or a name, the beginning of either, or latest: the run of the
    outputs here, which dynamics run has reported, else the one that finished
    last. The path of the file is printed, too; where there is no screen,
    nothing is opened.

    Example: dynamics show latest --figure som
    """
    root, connection, known = opened()
    record = meant(root, known, run)
    with folders(connection, [record]) as (folder,):
        wanted = [folder / REPORT] if figure is None else _figures(folder, figure, record)
        if save is not None:
            for source in wanted if figure is not None else [folder / "report", folder / "figures"]:
                if source.exists():
                    copy_into(source, save / source.name if source.is_dir() else save)
            print(f"The {figure or 'report and figures'} of {record} are in {save}")
            return
        path = wanted[0]
        if not path.exists():
            raise TrackingError(f"The run {record} has no report; it is {record.status}.")
        if local_files(record) is None:  # downloaded: a copy stays open after this command ends
            kept = Path(tempfile.gettempdir()) / f"dynamics-show-{os.getuid()}" / record.run_id
            kept.mkdir(mode=0o700, parents=True, exist_ok=True)
            copy_into(path, kept)
            path = kept / path.name
        show_file(path)


def _figures(folder: Path, key: str, record: Record) -> list[Path]:
    """The files of a figure, the most handy first."""
    files = [path for path in (folder / "figures").rglob("*") if path.suffix in PICTURES]
    names = {
        path: path.relative_to(folder / "figures").with_suffix("").as_posix() for path in files
    }
    found = [path for path in files if key in (names[path], path.stem)]
    found = found or [path for path in files if key in re.split("[/-]", names[path])]
    if not found:
        there = ", ".join(dict.fromkeys(sorted(names.values()))) or "none"
        raise TrackingError(f"The run {record} has no figure {key}; expected one of: {there}.")

    def order(path: Path) -> tuple[Any, ...]:  # of a method, its paths come first
        others = not names[path].startswith("paths")
        return others, PICTURES.index(path.suffix), len(path.parts), path

    return sorted(found, key=order)
