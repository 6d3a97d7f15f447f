"""Learning curves that grow in MLflow while networks train.

MLflow runs in a process of its own rather than in threads of the training, as its asynchronous
logging does: its import takes two seconds of the interpreter, and at the end of a process its
threads wait for a server that hangs. The training writes lines to a file and waits for nothing.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from deep_learning_dynamics.errors import DynamicsError
from deep_learning_dynamics.tracking.curves import curve_name, wanted_scores
from deep_learning_dynamics.tracking.identity import execution, identity_of
from deep_learning_dynamics.tracking.runs import log_curves, open_run, running
from deep_learning_dynamics.tracking.store import connect, is_off, reaching, store_of
from deep_learning_dynamics.workspace import SCRATCH, locked

if TYPE_CHECKING:
    import pandas as pd

GUARD = "live.lock"
INTERVAL = 1.0  # seconds from one writing to the next
PATIENCE = 10.0  # seconds to wait for a process that logs what is not logged yet


class Live:
    """Logs the median of each condition while networks train.

    ``with Live(...) as log: log(step, scores)``, scores by name, a value for each network. A store
    that does not answer neither stops nor slows the training; the stage ``log`` adds what is
    missing. Leaving the block with an error marks the run FAILED, with Ctrl-C KILLED.
    """

    def __init__(
        self,
        root: Path,
        parameters: Mapping[str, Any],
        networks: "pd.DataFrame",
        *,
        continued: bool = False,
        device: str = "cpu",
    ) -> None:
        """
        Args:
            parameters: all settings, as for :func:`tracking.log`.
            networks: a row for each, with its coordinates; those with ``twin`` are left out.
            continued: whether others go on from the ends of these, as after pre-training.
            device: on which networks train.
        """
        self._root, self._process = root, None
        self._opening = {"parameters": dict(parameters), "device": device}
        chosen = ~networks["twin"].to_numpy(bool) if "twin" in networks else np.ones(len(networks))
        self._groups: dict[tuple[str, str], np.ndarray] = {}  # of networks, by the curve's name
        datasets = networks.get("dataset", [""] * len(networks))
        conditions = networks.get("condition", ["all"] * len(networks))
        for position, group in enumerate(zip(datasets, conditions, strict=True)):
            if chosen[position]:
                key = (str(group[0]) if continued else "", str(group[1]))
                self._groups[key] = np.append(self._groups.get(key, np.array([], int)), position)

    def __enter__(self) -> "Live":
        if not is_off():
            folder = self._root / SCRATCH
            folder.mkdir(parents=True, exist_ok=True)
            feed = folder.resolve() / f"live-{os.getpid()}.jsonl"
            self._feed = feed.open("w", encoding="utf-8")
            self._tell(self._opening)
            main = "from deep_learning_dynamics.tracking.live import main; main()"
            with (folder / "live.log").open("w") as log:
                # In a group of its own: Ctrl-C must not end it before it has marked the run.
                self._process = subprocess.Popen(
                    [sys.executable, "-c", main, self._root.resolve(), feed, str(os.getpid())],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    process_group=0,
                )
        return self

    def __call__(self, step: int, scores: Mapping[str, Float[np.ndarray, " network"]]) -> None:
        """Log every group's scores at one snapshot; returns at once."""
        if self._process is None:
            return
        points = {}
        for score in wanted_scores(scores):
            values = np.asarray(scores[score], np.float64)
            for (dataset, group), members in self._groups.items():
                finite = values[members][np.isfinite(values[members])]
                if len(finite):
                    points[curve_name(score, group, dataset)] = float(np.median(finite))
        self._tell({"step": int(step), "points": points})

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is None:
            return
        status = "RUNNING"  # the stages that follow belong to the same run
        if kind is not None:
            status = "KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED"
        self._tell({"status": status})
        self._feed.close()
        if kind is not None:  # else it ends by itself while the next stage begins
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE)

    def _tell(self, event: dict[str, Any]) -> None:
        self._feed.write(f"{json.dumps(event)}\n")
        self._feed.flush()


def mark(root: Path, status: str) -> None:
    """Mark what runs in this working copy, according to MLflow, as FAILED or KILLED.

    Raises:
        TrackingError: the store cannot be reached.
    """
    if is_off():
        return
    with curves_locked(root):  # its curve comes first
        connection = connect(store_of(root), create=False)
        if connection is None:
            return
        with reaching(connection.store):
            for run in running(connection, execution(root)):
                connection.client.set_terminated(run.info.run_id, status=status)


def curves_locked(root: Path) -> AbstractContextManager[bool]:
    """Wait until no process logs curves for this working copy, for a short time."""
    return locked(root / SCRATCH / GUARD, PATIENCE)


def record(root: Path, events: Iterator[dict[str, Any]], parent: int) -> None:
    """Log what a training tells until it ends, or the process ``parent`` does."""
    opening = next(events)
    identity = identity_of(root, opening["parameters"], opening["device"])
    connection = connect(store_of(root))
    with reaching(connection.store):
        run = open_run(connection, identity)
        if run.info.status == "FINISHED":  # the same is recorded; it stays as it is
            return
        status, waiting = None, {}
        while status is None:
            gone = os.getppid() != parent  # asked first: what it wrote last is read then
            for event in events:
                for name, value in event.get("points", {}).items():
                    waiting.setdefault(name, {})[event["step"]] = value
                status = event.get("status", status)
            if gone and status is None:
                status = "KILLED"  # it ended without a word
            if waiting:
                log_curves(connection, run.info.run_id, waiting)
                waiting = {}
            elif status is None:
                time.sleep(INTERVAL)
        if status != "RUNNING":
            connection.client.set_terminated(run.info.run_id, status=status)


def main() -> None:
    """What the process beside a training runs."""
    os.nice(5)  # the training goes first
    root, feed, parent = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    events = Lines(feed)
    try:
        with curves_locked(root):  # the process beside the training before has to be done
            record(root, events, parent)
        feed.unlink()
    except DynamicsError as error:
        print(error, flush=True)
        os._exit(1)
    os._exit(0)  # all is written; taking hundreds of modules apart would keep the training waiting


class Lines(Iterator[dict[str, Any]]):
    """The lines of a file that grows: ends at the last whole one, and goes on when asked again."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open(encoding="utf-8")
        self._partial = ""

    def __next__(self) -> dict[str, Any]:
        self._partial += self._stream.readline()
        if not self._partial.endswith("\n"):
            raise StopIteration
        line, self._partial = self._partial, ""
        return json.loads(line)
