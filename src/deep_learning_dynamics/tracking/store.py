"""Where runs are kept: SQLite and a folder in the project, or what MLFLOW_TRACKING_URI names."""

import logging
import math
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.workspace import home_of, locked

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "deep-learning-dynamics"
TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
SETTINGS = {  # of MLflow, where the person set nothing
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",  # not each migration of a new database
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # one for each file that is read back
    # Its own 7 retries of 120 s keep people waiting for minutes when a server is gone. The first
    # request that fails ends what a command has with the server, so this is all that it waits:
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    TIMEOUT: "4",
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "60",
}


@dataclass(frozen=True)
class Store:
    """An MLflow store, not yet contacted."""

    uri: str  # absolute; of a server without user and password
    home: Path  # the project, not a copy of it in which DVC computes
    artifacts: str | None = None  # where a new experiment keeps files; None: where its server says
    database: Path | None = None  # the file of an SQLite store
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def is_server(self) -> bool:
        """Whether it is spoken to over HTTP; otherwise it is a database or a folder."""
        return urlsplit(self.uri).scheme in ("http", "https")

    def hidden(self, text: str) -> str:
        """A text, such as an error of a library, without this store's password."""
        for secret in {self.password, unquote(self.password)} - {""}:
            text = text.replace(secret, "***")
        return text

    def __str__(self) -> str:
        """The address as it may be shown."""
        return str(self.database or self.hidden(self.uri))


@dataclass(frozen=True)
class Connection:
    """A store that answered, and our experiment in it."""

    store: Store
    client: "MlflowClient"
    experiment_id: str


def store_of(root: Path) -> Store:
    """The store in use for the project at ``root``; a copy of a project uses the project's own.

    A relative MLFLOW_TRACKING_URI is relative to the project, wherever a command is started.

    Raises:
        TrackingError: MLFLOW_TRACKING_URI is no address.
    """
    home = home_of(root)
    folder = home / "mlruns"
    given = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    if not given:
        database = folder.resolve() / "mlflow.db"  # it may be a link to a larger disk
        return Store(f"sqlite:///{database}", home, (folder / "artifacts").as_uri(), database)
    try:
        parts = urlsplit(given)
        user, password = parts.username or "", parts.password or ""
        if parts.scheme in ("http", "https"):
            _ = parts.port
            # Out of the address: MLflow and the libraries below it repeat addresses in errors.
            uri = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
            return Store(uri, home, user=unquote(user), password=unquote(password))
    except ValueError as error:  # not with the address itself, in which a password may stand
        raise TrackingError(
            f"MLFLOW_TRACKING_URI is no address: {error}. Expected one such as http://host:5000"
        ) from None
    if parts.scheme in ("", "file") and not parts.netloc:
        return Store((home / parts.path).absolute().as_uri(), home)
    # A bare database names no place for files; MLflow would choose ./mlruns of wherever the command
    # was started.
    scheme, _, path = given.partition(":///")
    if not scheme.startswith("sqlite") or not path or path.startswith(":"):
        artifacts = (folder / "artifacts").as_uri()
        return Store(given, home, artifacts, user=user, password=password)
    database = (home / path).absolute()
    artifacts = database.with_name(f"{database.stem}-artifacts").as_uri()
    return Store(f"{scheme}:///{database}", home, artifacts, database)


def is_off() -> bool:
    """Whether DYNAMICS_TRACKING=off asks that nothing be logged, as for benchmarks."""
    return os.environ.get("DYNAMICS_TRACKING", "").lower() == "off"


def connect(store: Store, create: bool = True) -> Connection | None:
    """Contact a store; where nothing is there yet, make it, or give None.

    Raises:
        TrackingError: the store cannot be reached, or the experiment in it is deleted.
    """
    database = store.database
    if not create and database is not None and not database.exists():
        return None
    if store.is_server and store.user:
        os.environ["MLFLOW_TRACKING_USERNAME"] = store.user
        os.environ["MLFLOW_TRACKING_PASSWORD"] = store.password
    _load_mlflow()
    # One process at a time, of all projects that use an SQLite store, creates or moves it. Later
    # writes need no lock: SQLite has its own, and MLflow waits for it.
    lock = nullcontext()
    if database is not None:
        lock = locked(database.with_name(f"{database.name}.lock"), patience=math.inf)
    with reaching(store), lock:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        if database is not None:
            _prepare(store, database)
        client = MlflowClient(tracking_uri=store.uri)
        experiment = client.get_experiment_by_name(EXPERIMENT)
        if experiment is None and not create:
            return None
        if experiment is None:
            try:
                _create_experiment(client, store)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":  # by another pipeline, just now
                    raise
            experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment.lifecycle_stage != "active":
        raise TrackingError(
            f"The experiment {EXPERIMENT} in the MLflow store {store} is deleted. Restore it: "
            f"mlflow experiments restore --experiment-id {experiment.experiment_id}"
        )
    return Connection(store, client, experiment.experiment_id)


@contextmanager
def reaching(store: Store) -> Iterator[None]:
    """Turn what goes wrong between us and a store into one clear error, without a password.

    Raises:
        TrackingError: instead of the many errors of MLflow and the libraries below it.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    # The last is for a database whose driver is not installed.
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ImportError) as error:
        raise unusable(store, str(error)) from None


def unusable(store: Store, reason: str) -> TrackingError:
    """The error that says why a store cannot be used."""
    reason = store.hidden(" ".join(reason.split()))
    if "Connection refused" in reason:
        reason = "nothing answers at that address"
    elif store.is_server and "timed out" in reason.lower():
        seconds = os.environ.get(TIMEOUT, SETTINGS[TIMEOUT])
        reason = (
            f"it did not answer a request within {seconds} s, twice. If it is slow, not broken: "
            f"export {TIMEOUT}=60"
        )
    reason = reason if len(reason) <= 300 else f"{reason[:297]}..."
    return TrackingError(f"The MLflow store {store} cannot be used: {reason}")


def _load_mlflow() -> None:
    """Import MLflow, which takes seconds, with settings that fit a laboratory at one's desk."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    for name in ("alembic", "urllib3", "mlflow.store.db.utils"):  # they print what they raise, too
        logging.getLogger(name).setLevel(logging.CRITICAL)
    import mlflow.tracking  # noqa: F401


def _prepare(store: Store, database: Path) -> None:
    for left in database.parent.glob(f".{database.name}.*"):  # by a process that was killed
        left.unlink()
    if database.exists() and database.stat().st_size > 0:
        _relocate(store, database)
        return
    from mlflow import MlflowClient

    # Aside, because MLflow makes dozens of tables, and some of them would be no store.
    aside = database.with_name(f".{database.name}.{os.getpid()}")
    _create_experiment(MlflowClient(tracking_uri=f"sqlite:///{aside}"), store)
    aside.replace(database)


def _create_experiment(client: "MlflowClient", store: Store) -> None:
    # Without the tag MLflow's UI guesses, and opens on pages about language models.
    tags = {"mlflow.experimentKind": "custom_model_development"}
    client.create_experiment(EXPERIMENT, store.artifacts, tags)


def _relocate(store: Store, database: Path) -> None:
    """Let the addresses of files follow a store that was moved or copied. Says so.

    MLflow keeps absolute addresses and has no call that changes them.
    """
    with closing(sqlite3.connect(database, timeout=20)) as connection, connection:
        known = "SELECT experiment_id, artifact_location FROM experiments WHERE name = ?"
        try:
            found = connection.execute(known, (EXPERIMENT,)).fetchone()
        except sqlite3.OperationalError:  # no MLflow store: MLflow says what it is
            return
        here = store.artifacts
        if found is None or here is None or found[1] == here:
            return
        experiment, there = found
        ours = urlsplit(there).scheme in ("", "file") and Path(there).name == Path(here).name
        if not ours:  # somebody chose another place
            return
        for change, values in (
            ("runs SET artifact_uri = replace(artifact_uri, ?, ?)", (f"{there}/", f"{here}/")),
            ("experiments SET artifact_location = ?", (here,)),
        ):
            connection.execute(f"UPDATE {change} WHERE experiment_id = ?", (*values, experiment))
    print(
        f"note: {database} was moved or copied; the files of its runs are now looked for in "
        f"{unquote(urlsplit(here).path)}, no longer in {unquote(urlsplit(there).path)}",
        file=sys.stderr,
    )
