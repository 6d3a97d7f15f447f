"""Runs in a store: opened for one execution and no other, continued, finished, read back."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.tracking.identity import RunIdentity, dataset_inputs
from deep_learning_dynamics.tracking.store import Connection, reaching

if TYPE_CHECKING:
    from mlflow.entities import Run

LATEST = "latest"
FINISHED = "FINISHED"
METRICS, PARAMETERS = 1000, 100  # that MLflow takes at once


@dataclass(frozen=True)
class Record:
    """What MLflow holds of one run, without its files."""

    run_id: str
    name: str
    started: datetime  # with its time zone, UTC
    ended: datetime | None
    status: str  # RUNNING, FINISHED, FAILED or KILLED
    parameters: dict[str, str]  # dotted keys; what is not text is JSON
    metrics: dict[str, float]  # the last value of each
    tags: dict[str, str]
    artifacts: str  # the address of its files

    @property
    def complete(self) -> bool:
        """Whether all that belongs to it has been logged."""
        return self.status == FINISHED

    def __str__(self) -> str:
        return f"{self.name} ({self.run_id[:8]})"


def running(connection: Connection, execution: str) -> "list[Run]":
    """The runs that a working copy has under way, according to MLflow."""
    condition = f"tags.execution = '{execution}' AND attributes.status = 'RUNNING'"
    return list(_search(connection, condition))


def open_run(connection: Connection, identity: RunIdentity) -> "Run":
    """This execution's run: the finished one, else the interrupted one, else a new one."""
    from mlflow.entities import Param, RunTag

    client, alike = connection.client, _alike(connection, identity.fingerprint)
    if alike and alike[0].info.status == FINISHED:
        return alike[0]
    own = [run for run in alike if run.data.tags.get("execution") == identity.execution]
    if own:
        run = own[0]
        client.update_run(run.info.run_id, status="RUNNING")
    else:
        tags = {"fingerprint": identity.fingerprint, "execution": identity.execution}
        run = client.create_run(connection.experiment_id, tags=tags)
    run_id = run.info.run_id
    client.log_batch(run_id, tags=[RunTag(*item) for item in identity.tags.items()])
    parameters = [Param(*item) for item in identity.parameters.items()]
    for start in range(0, len(parameters), PARAMETERS):
        client.log_batch(run_id, params=parameters[start : start + PARAMETERS])
    if len(run.inputs.dataset_inputs) < len(identity.data):
        client.log_inputs(run_id, dataset_inputs(identity))
    return client.get_run(run_id)


def log_curves(
    connection: Connection, run_id: str, curves: Mapping[str, Mapping[int, float]]
) -> None:
    """Add points to curves, by name and step; MLflow keeps repeated ones, so these are left out."""
    from mlflow.entities import Metric

    client, now = connection.client, int(time.time() * 1000)
    present = client.get_run(run_id).data.metrics
    points = []
    for name, curve in curves.items():
        history = client.get_metric_history(run_id, name) if name in present else []
        there = {metric.step for metric in history}
        points += [Metric(name, v, now, step) for step, v in curve.items() if step not in there]
    for start in range(0, len(points), METRICS):
        client.log_batch(run_id, metrics=points[start : start + METRICS])


def finish(connection: Connection, run_id: str, fingerprint: str) -> "Run":
    """Mark a run as finished; of several that finished at once the first stays. It is returned."""
    client = connection.client
    client.set_terminated(run_id, status=FINISHED)
    first, *others = _alike(connection, fingerprint)
    for run in others:
        if run.info.status == FINISHED:
            client.delete_run(run.info.run_id)
    return first


def records(connection: Connection) -> list[Record]:
    """Every run in a store, the newest first."""
    with reaching(connection.store):
        return [_record(run) for run in _search(connection, "tags.fingerprint LIKE '%'", "DESC")]


def resolve(known: Sequence[Record], wanted: str, at_hand: str | None = None) -> Record:
    """The run that is meant: by an id or a name, the beginning of either, or ``latest``.

    Args:
        known: all runs, the newest first.
        at_hand: the id of the run of the project's outputs, which is the latest; unless it is among
            the complete runs, the latest is the one that finished last.

    Raises:
        TrackingError: there is no such run, or more than one.
    """
    if not known:
        raise TrackingError(
            "There are no runs in this MLflow store yet. Make one with: dynamics run"
        )
    if wanted == LATEST:
        complete = [record for record in known if record.complete]
        ours = [record for record in complete if record.run_id == at_hand]
        return max(ours or complete, key=lambda each: each.ended or each.started, default=known[0])
    matches = [record for record in known if wanted in (record.run_id, record.name)]
    if not matches and wanted:
        matches = [
            record
            for record in known
            if record.run_id.startswith(wanted.lower()) or record.name.startswith(wanted)
        ]
    if not matches:
        raise TrackingError(
            f"There is no run {wanted!r}; expected an id or a name, the beginning of either, or "
            f"{LATEST}. All runs: dynamics list"
        )
    if len(matches) > 1:
        shown = ", ".join(str(record) for record in matches[:5])
        more = f" and {len(matches) - 5} more" if len(matches) > 5 else ""
        raise TrackingError(
            f"{wanted!r} may be {shown}{more}; expected one run. Give more of its name or id."
        )
    return matches[0]


def local_files(record: Record) -> Path | None:
    """The folder of a run's files if its store keeps them as files of this machine."""
    parts = urlsplit(record.artifacts)
    if parts.scheme not in ("", "file"):
        return None
    return Path(url2pathname(parts.path) if parts.scheme else record.artifacts)


def _alike(connection: Connection, fingerprint: str) -> "list[Run]":
    """The runs of executions like this one; first those that finished, in that order."""
    return sorted(
        _search(connection, f"tags.fingerprint = '{fingerprint}'"),
        key=lambda run: (run.info.status != FINISHED, run.info.end_time or 0, run.info.run_id),
    )


def _search(connection: Connection, condition: str, order: str = "ASC") -> "Iterator[Run]":
    token = None
    while True:
        page = connection.client.search_runs(
            [connection.experiment_id],
            condition,
            order_by=[f"attributes.start_time {order}"],
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def _record(run: "Run") -> Record:
    ended = run.info.end_time
    return Record(
        run.info.run_id,
        run.info.run_name,
        datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        datetime.fromtimestamp(ended / 1000, UTC) if ended else None,
        run.info.status,
        dict(run.data.params),
        dict(run.data.metrics),
        dict(run.data.tags),
        run.info.artifact_uri,
    )
