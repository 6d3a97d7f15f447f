"""A run's files brought back: from where they lie if that is this machine, else downloaded."""

from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit
from urllib.request import url2pathname

from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.tracking.records import Record
from deep_learning_dynamics.tracking.store import Connection, reaching


def has(connection: Connection, record: Record, name: str) -> bool:
    """Whether a run has this file or folder."""
    here = local_files(record)
    if here is not None:
        return (here / name).exists()
    parent = PurePosixPath(name).parent.as_posix()
    with reaching(connection.store):
        listed = connection.client.list_artifacts(record.run_id, "" if parent == "." else parent)
    return name in {file.path for file in listed}


def fetch(connection: Connection, record: Record, name: str, scratch: Path) -> Path:
    """Where a file or folder of a run can be read; do not change it.

    What has to be downloaded comes to ``scratch``, an existing folder, in a folder for each run.

    Raises:
        TrackingError: the run does not have it, or the store cannot be reached.
    """
    here = local_files(record)
    if here is not None and (here / name).exists():
        return here / name
    if here is not None or not has(connection, record, name):
        why = "" if record.complete else f" It is {record.status}, not complete."
        where = f" in {here}" if here is not None else ""
        raise TrackingError(
            f"The run {record} has no {name}{where}.{why} Log it again where its outputs are: "
            "dynamics track"
        )
    # In its folder: files of different folders have the same name.
    target = (scratch / record.run_id / name).parent
    target.mkdir(parents=True, exist_ok=True)
    with reaching(connection.store):
        return Path(connection.client.download_artifacts(record.run_id, name, str(target)))


def local_files(record: Record) -> Path | None:
    """The folder of a run's files if its store keeps them as files of this machine."""
    parts = urlsplit(record.artifacts)
    if parts.scheme not in ("", "file"):
        return None
    # Such an address on another machine's disk would be an empty folder here: then it is asked for.
    return Path(url2pathname(parts.path) if parts.scheme else record.artifacts)
