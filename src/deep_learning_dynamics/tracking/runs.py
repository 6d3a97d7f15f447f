"""Runs in a store: one per experiment, found by its fingerprint, with a nested run per network.

Everything here only adds what is missing, so that it can be repeated, and resumed after a crash.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deep_learning_dynamics.tracking.identity import Identity, dataset_inputs
from deep_learning_dynamics.tracking.store import Connection
from deep_learning_dynamics.trajectories import Member

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run

BATCH = 1000  # metrics, and
TAGS = 100  # tags or parameters that MLflow takes at once


@dataclass(frozen=True)
class Point:
    """A network's scores at one snapshot."""

    step: int
    epoch: float
    scores: dict[str, float]
    time: int  # milliseconds since 1970


def prefix_of(phase: str) -> str:
    """What sets a phase's metrics apart: those of ``pretrain`` are about OMNIGLOT."""
    return "omniglot_" if phase == "pretrain" else ""


def find_run(connection: Connection, fingerprint: str) -> "Run | None":
    """The experiment's run, the oldest if there should be several."""
    return next(_search(connection, f"tags.fingerprint = '{fingerprint}'"), None)


def open_run(connection: Connection, identity: Identity) -> "Run":
    """The experiment's run, created when missing, running unless it is finished."""
    from mlflow.entities import Param, RunTag

    client = connection.client
    run = find_run(connection, identity.fingerprint)
    if run is None:
        created = client.create_run(
            connection.experiment_id, tags=identity.tags, run_name=identity.name
        )
        # Two pipelines may have found none at the same moment: the older run stays.
        run = find_run(connection, identity.fingerprint) or created
        if run.info.run_id != created.info.run_id:
            client.delete_run(created.info.run_id)
    run_id = run.info.run_id
    lacking = {k: v for k, v in identity.parameters.items() if k not in run.data.params}
    for chunk in _chunks([Param(*item) for item in lacking.items()], TAGS):
        client.log_batch(run_id, params=chunk)
    lacking = {k: v for k, v in identity.tags.items() if k not in run.data.tags}
    for chunk in _chunks([RunTag(*item) for item in lacking.items()], TAGS):
        client.log_batch(run_id, tags=chunk)
    if len(run.inputs.dataset_inputs) < len(identity.datasets):
        client.log_inputs(run_id, dataset_inputs(identity))
    if run.info.status != "FINISHED":
        set_status(connection, run, "RUNNING")
    return client.get_run(run_id)


def networks_of(connection: Connection, run_id: str) -> "dict[Member, Run]":
    """The nested runs of an experiment's run."""
    found = {}
    for run in _search(connection, f"tags.`mlflow.parentRunId` = '{run_id}'"):
        if {"arm", "pair"} <= run.data.tags.keys():
            member = Member(run.data.tags["arm"], int(run.data.tags["pair"]))
            found.setdefault(member, run)
    return found


def open_networks(
    connection: Connection, run_id: str, members: Iterable[Member]
) -> "dict[Member, Run]":
    """The nested runs of these networks, created when missing."""
    found = networks_of(connection, run_id)
    opened = {}
    for member in members:
        opened[member] = found.get(member) or connection.client.create_run(
            connection.experiment_id,
            run_name=f"{member.arm} {member.pair}",
            tags={
                "mlflow.parentRunId": run_id,
                "arm": member.arm,
                "pair": str(member.pair),
            },
        )
        if opened[member].info.status in ("FAILED", "KILLED"):
            set_status(connection, opened[member], "RUNNING")
    return opened


def logged_steps(connection: Connection, run: "Run", phase: str) -> set[int]:
    """The steps whose scores a network's run has; a snapshot is logged whole or not at all."""
    key = f"{prefix_of(phase)}epoch"
    if key not in run.data.metrics:
        return set()
    history = connection.client.get_metric_history(run.info.run_id, key)
    return {metric.step for metric in history}


def log_points(connection: Connection, run_id: str, phase: str, points: Sequence[Point]) -> None:
    """Add snapshots to a network's history.

    MLflow keeps every value that it is given, repeated ones too: leave out what it has.
    """
    size = BATCH // max((len(_metrics(point, "")) for point in points), default=1)
    for chunk in _chunks(points, size):
        metrics = [metric for point in chunk for metric in _metrics(point, prefix_of(phase))]
        connection.client.log_batch(run_id, metrics=metrics)


def log_values(connection: Connection, run: "Run", values: dict[str, float]) -> None:
    """Set an experiment's metrics that have no history; those that it has already stay."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    lacking = {k: v for k, v in values.items() if run.data.metrics.get(k) != v}
    for chunk in _chunks([Metric(k, v, now, 0) for k, v in lacking.items()], BATCH):
        connection.client.log_batch(run.info.run_id, metrics=chunk)


def set_tags(connection: Connection, run: "Run", tags: dict[str, str]) -> None:
    """Set tags; those that have their value already are left alone."""
    for key, value in tags.items():
        if run.data.tags.get(key) != value:
            connection.client.set_tag(run.info.run_id, key, value)


def set_status(connection: Connection, run: "Run", status: str) -> None:
    """Say that a run is RUNNING, FINISHED, FAILED (an error) or KILLED (interrupted)."""
    if run.info.status == status:
        return
    if status == "RUNNING":
        connection.client.update_run(run.info.run_id, status=status)
    else:
        connection.client.set_terminated(run.info.run_id, status=status)


def _metrics(point: Point, prefix: str) -> "list[Metric]":
    from mlflow.entities import Metric

    values = {"epoch": point.epoch, **point.scores}
    return [Metric(f"{prefix}{k}", v, point.time, point.step) for k, v in values.items()]


def _search(connection: Connection, condition: str) -> "Iterator[Run]":
    token = None
    while True:
        page = connection.client.search_runs(
            [connection.experiment_id],
            condition,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def _chunks(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
