"""Makes an experiment's run complete: logs from the stages' outputs whatever it lacks."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.tracking.artifacts import log_artifacts
from deep_learning_dynamics.tracking.description import describe
from deep_learning_dynamics.tracking.findings import Findings, findings
from deep_learning_dynamics.tracking.fingerprints import fingerprint
from deep_learning_dynamics.tracking.identity import identity_of
from deep_learning_dynamics.tracking.records import BEST
from deep_learning_dynamics.tracking.runs import (
    Point,
    find_run,
    log_points,
    log_values,
    logged_steps,
    networks_of,
    open_networks,
    open_run,
    set_status,
    set_tags,
)
from deep_learning_dynamics.tracking.store import Connection, Store, connect, reaching, store_of
from deep_learning_dynamics.trajectories import SCORES, Member, members_of, open_snapshots

if TYPE_CHECKING:
    import xarray as xr
    from mlflow.entities import Run

TIMEOUT = 60  # seconds for one request to a server; files may be large


@dataclass(frozen=True)
class Tracked:
    """A complete run."""

    run_id: str
    name: str
    experiment_id: str
    store: Store
    findings: Findings
    data: tuple[str, ...]  # what was used, as figures say it: for example a stand-in


def complete(root: Path, note: str | None = None) -> Tracked:
    """Log what the experiment's run lacks and mark it FINISHED; a complete run stays as it is.

    The outputs under ``root`` must be those of its ``params.yaml``, as after ``dvc repro``.
    ``note`` becomes the run's; without it, what the environment says, or the one that it has.

    Raises:
        TrackingError: the store cannot be reached, or an output is missing.
    """
    params = parameters.load(root / "params.yaml")
    identity, found, store = identity_of(root), findings(root, params), store_of(root)
    connection = connect(store, TIMEOUT)
    with reaching(store):
        run = open_run(connection, identity)
        run_id = run.info.run_id
        networks: dict[Member, Run] = {}
        for phase in ("pretrain", "train"):
            snapshots = open_snapshots(root / "snapshots" / f"{phase}.zarr")
            members = members_of(snapshots)
            networks |= open_networks(connection, run_id, members)
            _log_histories(connection, snapshots, phase, [networks[m] for m in members])
        log_values(connection, run, found.metrics)
        log_artifacts(connection, run, root, params)
        if note is None:
            note = identity.tags.get("note", run.data.tags.get("note", ""))
        description = describe(run_id, identity, found, note)
        tags = {"mlflow.note.content": description} | ({"note": note} if note else {})
        if found.best_projector is not None:
            tags[BEST] = found.best_projector
        set_tags(connection, run, tags)
        for each in (*networks.values(), run):
            set_status(connection, each, "FINISHED")
    data = tuple(entry.label for entry in identity.datasets.values())
    return Tracked(run_id, run.info.run_name, connection.experiment_id, store, found, data)


def mark(root: Path, status: str) -> None:
    """Say of an experiment that did not get to its end that it is FAILED or KILLED.

    Nothing happens where it has no run, or a finished one.
    """
    store = store_of(root)
    if store.embedded and not store.database.exists():
        return
    connection = connect(store, TIMEOUT)
    with reaching(store):
        run = find_run(connection, fingerprint(root).whole)
        if run is None or run.info.status != "RUNNING":
            return
        for each in (*networks_of(connection, run.info.run_id).values(), run):
            set_status(connection, each, status)


def _log_histories(
    connection: Connection, snapshots: "xr.Dataset", phase: str, runs: "list[Run]"
) -> None:
    steps, epochs = snapshots["step"].values, snapshots["epoch"].values
    scores = {name: snapshots[name].values for name in SCORES}
    now = int(time.time() * 1000)
    for index, run in enumerate(runs):
        present = logged_steps(connection, run, phase)
        points = [
            Point(
                int(step),
                float(epochs[n]),
                {name: float(np.float64(values[index, n])) for name, values in scores.items()},
                now,
            )
            for n, step in enumerate(steps)
            if int(step) not in present
        ]
        log_points(connection, run.info.run_id, phase, points)
        failed = str(snapshots["failed"].values[index])
        # One run stands for both trainings of a pretrained network.
        key = "failed" if phase == "train" else "failed_on_omniglot"
        if failed:
            set_tags(connection, run, {key: failed})
