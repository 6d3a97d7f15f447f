"""The process beside a training that writes its scores to MLflow. ``live`` starts and feeds it.

Standard input: a line of JSON for what it is about, one for each snapshot, one for how it ended.
Standard output: a line with how many snapshots were logged and what went wrong.
"""

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from deep_learning_dynamics.errors import DynamicsError
from deep_learning_dynamics.tracking.identity import identity_of
from deep_learning_dynamics.tracking.runs import (
    Point,
    log_points,
    logged_steps,
    open_networks,
    open_run,
    set_status,
)
from deep_learning_dynamics.tracking.store import connect, load_mlflow, reaching, store_of
from deep_learning_dynamics.trajectories import Member

INTERVAL = 2.0  # seconds from one writing to the next
SHARE = 0.2  # of the time may go into writing
RETRY = 15.0  # seconds after a failure
TIMEOUT = 10  # seconds for one request to a server


class Recorder:
    """Keeps snapshots until the store has them."""

    def __init__(self, root: Path, phase: str, members: list[Member]) -> None:
        self._root, self._phase, self._members = root, phase, members
        self._store = store_of(root)
        self._waiting: list[list[Point]] = [[] for _ in members]
        self._connection = None
        self.received = 0
        self.problem = ""

    @property
    def logged(self) -> int:
        """Snapshots that are in the store for every network."""
        return self.received - max(map(len, self._waiting), default=0)

    def add(self, event: dict[str, Any]) -> None:
        """Take a snapshot of all networks."""
        self.received += 1
        for index, points in enumerate(self._waiting):
            scores = {name: values[index] for name, values in event["scores"].items()}
            points.append(Point(event["step"], event["epoch"], scores, event["time"]))

    def write(self) -> None:
        """Bring to the store what it lacks; what cannot be written stays, with the problem."""
        try:
            if self._connection is None:
                self._open()
            with reaching(self._store):
                for member, points in zip(self._members, self._waiting, strict=True):
                    new = [p for p in points if p.step not in self._present[member]]
                    log_points(self._connection, self._runs[member].info.run_id, self._phase, new)
                    points.clear()
            self.problem = ""
        except DynamicsError as error:
            self.problem = str(error)

    def end(self, status: str) -> None:
        """Write what is left, and say how the training ended when it did not end well."""
        self.write()
        if status == "RUNNING" or self._connection is None or self._run.info.status == "FINISHED":
            return
        try:
            with reaching(self._store):
                for run in (*self._runs.values(), self._run):
                    set_status(self._connection, run, status)
        except DynamicsError as error:
            self.problem = str(error)

    def _open(self) -> None:
        identity = identity_of(self._root)
        connection = connect(self._store, TIMEOUT)
        with reaching(self._store):
            self._run = open_run(connection, identity)
            self._runs = open_networks(connection, self._run.info.run_id, self._members)
            self._present = {
                member: logged_steps(connection, run, self._phase)
                for member, run in self._runs.items()
            }
        self._connection = connection


def record(lines: Iterable[str]) -> Recorder:
    """Log what ``lines`` tell until they end."""
    events: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def read() -> None:
        for line in lines:
            events.put(json.loads(line))
        events.put(None)

    threading.Thread(target=read, daemon=True).start()
    load_mlflow()  # while the training gets ready
    opening = events.get()
    if opening is None:  # there is no training
        return Recorder(Path(), "train", [])
    members = [Member(arm, pair) for arm, pair in opening["members"]]
    recorder = Recorder(Path(opening["root"]), opening["phase"], members)
    recorder.write()  # opens the run, so that it is seen before the first snapshot
    status = None
    pause = INTERVAL
    while status is None:
        for event in _within(pause, events):
            if event is None:
                status = "KILLED"  # the training ended without a word
            elif "status" in event:
                status = event["status"]
            else:
                recorder.add(event)
            if status is not None:
                break
        if status is None:
            start = time.monotonic()
            recorder.write()
            taken = time.monotonic() - start
            pause = RETRY if recorder.problem else max(INTERVAL, taken / SHARE)
    recorder.end(status)
    return recorder


def _within(
    seconds: float, events: "queue.SimpleQueue[dict[str, Any] | None]"
) -> Iterable[dict[str, Any] | None]:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        try:
            yield events.get(timeout=left)
        except queue.Empty:
            return


if __name__ == "__main__":
    os.nice(5)  # the training goes first
    done = record(sys.stdin)
    print(json.dumps({"logged": done.logged, "problem": done.problem}), flush=True)
    os._exit(0)  # all is written; taking hundreds of modules apart would keep the training waiting
