"""What the commands about runs begin with: the project, its store and the runs in it."""

from pathlib import Path
from typing import TYPE_CHECKING

from deep_learning_dynamics.errors import TrackingError

if TYPE_CHECKING:
    from deep_learning_dynamics.tracking.records import Record
    from deep_learning_dynamics.tracking.store import Connection

TIMEOUT = 60  # seconds for one request to a server; files may be large


def opened(needed: bool = True) -> "tuple[Path, Connection | None, list[Record]]":
    """The project's root, the store in use and all its runs, the newest first.

    No store is made where there is none: then there is no connection and there are no runs, or,
    if they are ``needed``, an error.

    Raises:
        TrackingError: the store cannot be reached, or is not there although it is needed.
    """
    from deep_learning_dynamics.experiments import project_root
    from deep_learning_dynamics.tracking.records import records
    from deep_learning_dynamics.tracking.store import connect, store_of

    root = project_root(Path.cwd())
    store = store_of(root)
    if store.embedded and not store.database.exists():
        if needed:
            raise TrackingError(
                f"{store.database} does not exist; expected the runs of an experiment. "
                "Make one with: dynamics run"
            )
        return root, None, []
    connection = connect(store, TIMEOUT)
    return root, connection, records(connection)
