"""Finished experiments recorded in one real MLflow store, for tests that read runs back."""

from dataclasses import dataclass
from pathlib import Path

from project_folder import Project, finished_project

from deep_learning_dynamics import tracking
from deep_learning_dynamics.tracking.records import Record, records
from deep_learning_dynamics.tracking.store import Connection, connect, store_of


@dataclass(frozen=True)
class Recorded:
    """The projects, each of one experiment, and the store that has all their runs."""

    projects: tuple[Project, ...]
    uri: str
    connection: Connection

    @property
    def records(self) -> list[Record]:
        """All runs, the newest first."""
        return records(self.connection)


def recorded(folder: Path, *experiments: dict, monkeypatch) -> Recorded:
    """Record experiments, each given by arguments of ``finished_project``, one after the other.

    The store is the embedded one of the first project.
    """
    monkeypatch.delenv("DYNAMICS_TRACKING", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    projects = tuple(
        finished_project(folder / f"project-{number}", **arguments)
        for number, arguments in enumerate(experiments)
    )
    store = store_of(projects[0].root)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    for project in projects:
        tracking.complete(project.root)
    return Recorded(projects, store.uri, connect(store, 10))
