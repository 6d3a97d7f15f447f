"""Runs read back: every experiment's record in a store, and the one that a person means."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.tracking.store import Connection, reaching

if TYPE_CHECKING:
    from mlflow.entities import Run

LATEST = "latest"
BEST = "best_projector"  # a tag


@dataclass(frozen=True)
class Record:
    """What MLflow holds of one experiment, without its files and its nested runs."""

    run_id: str
    name: str
    started: datetime  # with its time zone, UTC
    status: str  # RUNNING, FINISHED, FAILED or KILLED
    parameters: dict[str, str]  # dotted keys; values as in tracking.identity
    metrics: dict[str, float]  # names as in tracking.findings
    tags: dict[str, str]
    artifacts: str  # the address of its files

    @property
    def complete(self) -> bool:
        """Whether all that belongs to it has been logged."""
        return self.status == "FINISHED"

    @property
    def best_projector(self) -> str | None:
        """The method of the highest score; of runs without a ranking, the most trustworthy."""
        if BEST in self.tags:
            return self.tags[BEST]
        known = {
            name.removesuffix(".trustworthiness"): value
            for name, value in self.metrics.items()
            if name.endswith(".trustworthiness")
        }
        return max(sorted(known), key=lambda name: known[name], default=None)

    def __str__(self) -> str:
        return f"{self.name} ({self.run_id[:8]})"


def records(connection: Connection) -> list[Record]:
    """Every experiment in a store, the newest first, with one search; nested runs are left out."""
    found: list[Record] = []
    token = None
    with reaching(connection.store):
        while True:
            page = connection.client.search_runs(
                [connection.experiment_id],
                "tags.fingerprint LIKE '%'",  # nested runs have none
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            found += [_record(run) for run in page]
            token = page.token
            if not token:
                return found


def resolve(known: Sequence[Record], wanted: str) -> Record:
    """The record that ``wanted`` means: an id, a unique beginning of one, a name, or ``latest``.

    ``known`` are all records, the newest first.

    Raises:
        TrackingError: there is no such run, or more than one.
    """
    if not known:
        raise TrackingError(
            "There are no runs in this MLflow store yet. Make one with: dynamics run"
        )
    if wanted == LATEST:
        return known[0]
    matches = [record for record in known if wanted in (record.run_id, record.name)]
    if not matches and wanted:
        matches = [record for record in known if record.run_id.startswith(wanted.lower())]
    if not matches:
        raise TrackingError(
            f"There is no run {wanted!r}; expected an id, the beginning of one, a name or "
            f"{LATEST}. dynamics list shows the {len(known)} that there are."
        )
    if len(matches) > 1:
        shown = ", ".join(str(record) for record in matches[:5])
        more = f" and {len(matches) - 5} more" if len(matches) > 5 else ""
        raise TrackingError(
            f"{wanted!r} may be {shown}{more}; expected one run. Give more of its id."
        )
    return matches[0]


def _record(run: "Run") -> Record:
    return Record(
        run.info.run_id,
        run.info.run_name,
        datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        run.info.status,
        dict(run.data.params),
        dict(run.data.metrics),
        dict(run.data.tags),
        run.info.artifact_uri,
    )
