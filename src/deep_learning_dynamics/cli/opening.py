"""What the commands about runs begin with: the project, its store, the runs in it, their files."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from deep_learning_dynamics import tracking
from deep_learning_dynamics.errors import DynamicsError, TrackingError
from deep_learning_dynamics.tracking import Record
from deep_learning_dynamics.tracking.store import Connection, reaching
from deep_learning_dynamics.workspace import project_root


def opened() -> tuple[Path, Connection | None, list[Record]]:
    """The project's root, the store in use and all its runs, the newest first.

    Where there is no store yet, none is made: then there is no connection and there are no runs.
    """
    root = project_root(Path.cwd())
    connection = tracking.connect(tracking.store_of(root), create=False)
    return root, connection, [] if connection is None else tracking.records(connection)


def meant(root: Path, known: list[Record], wanted: str) -> Record:
    """The run that a person names; ``latest`` is that of the outputs at hand, if there is one.

    Raises:
        TrackingError: there is no such run, or more than one.
    """
    last = tracking.logged_last(root) if wanted == tracking.LATEST else None
    return tracking.resolve(known, wanted, None if last is None else last.run_id)


@contextmanager
def folders(connection: Connection, records: list[Record]) -> Iterator[list[Path]]:
    """The files of runs as folders laid out like a project; those of a server are downloaded."""
    with tempfile.TemporaryDirectory(prefix="dynamics-") as scratch:
        found = []
        for record in records:
            here = tracking.local_files(record)
            where = "" if here is None else f" in {here}"
            if here is None:
                here = Path(scratch) / record.run_id
                here.mkdir(exist_ok=True)
                with reaching(connection.store):
                    connection.client.download_artifacts(record.run_id, "", str(here))
            if not (here / "params.yaml").exists():
                raise TrackingError(
                    f"The run {record} has no files{where}; it is {record.status}. "
                    "Log it again where its outputs are: dynamics track"
                )
            found.append(here)
        yield found


def copy_into(source: Path, folder: Path) -> None:
    """Copy a file or a folder's files into a folder, which may be there."""
    try:
        if source.is_dir():
            shutil.copytree(source, folder, dirs_exist_ok=True)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder)
    except OSError as error:
        raise DynamicsError(
            f"{folder} cannot be written: {error.strerror or error}; expected a folder, or "
            "nothing, of that name."
        ) from None


def complete_run(incomplete: str) -> list[str]:
    """Names of runs for the shell's completion."""
    try:
        names = [record.name for record in opened()[2]]
    except DynamicsError:
        return []
    return [name for name in (*names, tracking.LATEST) if name.startswith(incomplete)]


def complete_method(incomplete: str) -> list[str]:
    """Keys of methods for the shell's completion."""
    from deep_learning_dynamics.projection.method import METHODS

    return [key for key in METHODS if key.startswith(incomplete)]


def complete_key(incomplete: str) -> list[str]:
    """Keys of ``params.yaml`` for the shell's completion."""
    from deep_learning_dynamics.study import params

    try:
        flat = params.load(project_root(Path.cwd()) / "params.yaml").as_json()
    except DynamicsError:
        return []
    return [f"{key}=" for key in tracking.flattened(flat) if key.startswith(incomplete)]


Settings = Annotated[
    list[str] | None,
    typer.Option(
        "-S",
        "--set",
        metavar="KEY=VALUE",
        help="Set a key of params.yaml. May be repeated.",
        autocompletion=complete_key,
    ),
]
Note = Annotated[
    str | None, typer.Option(help="A note that MLflow keeps with the run.", metavar="TEXT")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show all output of DVC and the stages.")
]
Run = Annotated[str, typer.Argument(metavar="RUN", show_default=False, autocompletion=complete_run)]
Runs = Annotated[
    list[str],
    typer.Argument(metavar="RUN RUN ...", show_default=False, autocompletion=complete_run),
]
