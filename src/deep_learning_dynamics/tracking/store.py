"""Where runs are kept: SQLite and a folder in the project, or what MLFLOW_TRACKING_URI names."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.tracking import view

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "deep-learning-dynamics"


@dataclass(frozen=True)
class Store:
    """An MLflow store, not yet contacted."""

    uri: str
    project: Path  # the folder whose mlruns/ holds the embedded store
    embedded: bool  # nobody set MLFLOW_TRACKING_URI

    @property
    def is_server(self) -> bool:
        """Whether it is spoken to over HTTP; otherwise it is a database or a folder."""
        return urlsplit(self.uri).scheme in ("http", "https")

    @property
    def database(self) -> Path:
        """The file of the embedded store."""
        return self.project / "mlruns" / "mlflow.db"

    @property
    def artifacts(self) -> str | None:
        """Where a new experiment keeps its files; None: where its server says."""
        # A bare database names no place for files; MLflow would choose ./mlruns of wherever
        # the command was started.
        if self.is_server or urlsplit(self.uri).scheme in ("", "file"):
            return None
        return (self.project / "mlruns" / "artifacts").as_uri()

    def __str__(self) -> str:
        """The address as it may be shown: without a password."""
        if self.embedded:
            return str(self.database)
        parts = urlsplit(self.uri)
        if parts.password is None:
            return self.uri
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{host}"))


@dataclass(frozen=True)
class Connection:
    """A store that answered, and our experiment in it."""

    store: Store
    client: "MlflowClient"
    experiment_id: str


def store_of(root: Path) -> Store:
    """The store in use for the project at ``root``.

    DVC runs queued experiments in copies of the project under its ``.dvc/tmp/exps``; their runs
    belong into the project's own store.
    """
    root = root.resolve()
    parts = root.parts
    for n in range(len(parts) - 2):
        if parts[n : n + 3] == (".dvc", "tmp", "exps"):
            root = Path(*parts[:n])
            break
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    if given:
        _check_address(given)
        return Store(given, root, embedded=False)
    # Four slashes: an absolute path.
    return Store(f"sqlite:///{root / 'mlruns' / 'mlflow.db'}", root, embedded=True)


def _check_address(uri: str) -> None:
    try:
        parts = urlsplit(uri)
        if parts.scheme in ("http", "https"):
            _ = parts.port
    except ValueError as error:  # not with the address itself, in which a password may stand
        raise TrackingError(
            f"MLFLOW_TRACKING_URI is no address: {error}. Expected one such as http://host:5000"
        ) from None


def is_off() -> bool:
    """Whether DYNAMICS_TRACKING=off asks that nothing be logged, as for benchmarks."""
    return os.environ.get("DYNAMICS_TRACKING", "").lower() == "off"


def connect(store: Store, timeout: int) -> Connection:
    """Contact a store; an embedded one and the experiment are created when missing.

    ``timeout`` is how long one request to a server may take, in seconds.

    Raises:
        TrackingError: the store cannot be reached, or the experiment in it is deleted.
    """
    load_mlflow()
    # What people set stays.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(timeout))
    with reaching(store), _alone(store):
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        client = MlflowClient(tracking_uri=store.uri)
        experiment = client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            try:
                client.create_experiment(
                    EXPERIMENT,
                    store.artifacts,
                    {
                        # Without it MLflow's UI guesses, and opens on pages about language models.
                        "mlflow.experimentKind": "custom_model_development",
                        view.TAG: view.state(),
                    },
                )
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
    """Turn what goes wrong between us and a store into one clear error.

    Raises:
        TrackingError: instead of the many errors of MLflow and the libraries below it.
    """
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (  # the last where the driver of a database is not installed
        MlflowException,
        RequestException,
        SQLAlchemyError,
        OSError,
        ModuleNotFoundError,
    ) as error:
        reason = " ".join(str(error).split())
        if "Connection refused" in reason:
            reason = "nothing answers at that address"
        reason = reason if len(reason) <= 300 else f"{reason[:297]}..."
        raise TrackingError(f"The MLflow store {store} cannot be used: {reason}") from error


def load_mlflow() -> None:
    """Import MLflow, which takes seconds, with settings that fit a laboratory at one's desk."""
    defaults = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_LOGGING_LEVEL": "WARNING",  # not each migration of a new database
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # one for each file that is read back
        # MLflow's own (7 retries, 120 s) keep people waiting for minutes when a server is gone.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # a warning for each retry
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

    # At a failure it prints a traceback before it raises an exception that says the same.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    """One process of this project at a time, so that two do not create the same database.

    Later writes need no lock: SQLite has its own, and MLflow waits 20 s for it. Its journal stays
    the default one; write-ahead logging was no faster here and does not work on network folders.
    """
    if store.is_server:
        yield
        return
    import fcntl

    folder = store.project / "mlruns"
    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file is closed
        yield
