"""The learning curves of a run, which grow in MLflow while networks train.

MLflow runs in a process of its own rather than in threads of the training, as its asynchronous
logging does: its import takes two seconds of the interpreter, and at the end of a process its
threads wait for a server that hangs. The training writes lines to a pipe and waits for nothing.
"""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from deep_learning_dynamics.errors import DynamicsError
from deep_learning_dynamics.tracking.identity import execution, identity_of
from deep_learning_dynamics.tracking.runs import FINISHED, log_curves, open_run, running
from deep_learning_dynamics.tracking.store import connect, is_off, reaching, store_of
from deep_learning_dynamics.workspace import SCRATCH, locked

if TYPE_CHECKING:
    import pandas as pd

INTERVAL = 0.5  # seconds from one writing to the next
PATIENCE = 10.0  # seconds that a process has to log the rest
PIPE = 2**20  # bytes that wait while MLflow is imported or a server hangs
MAIN = "from deep_learning_dynamics.tracking.live import main; main()"
SCORES = {"test_accuracy": "accuracy", "train_loss": "loss"}  # shown, with short names for columns
Log = Callable[[int, Mapping[str, Float[np.ndarray, " network"]]], None]


@contextmanager
def log_live(
    root: Path,
    parameters: Mapping[str, Any],
    networks: "pd.DataFrame",
    *,
    continued: bool = False,
    device: str = "cpu",
) -> Iterator[Log]:
    """Log the median of each condition while networks train.

    ``with log_live(...) as log: log(step, scores)``, scores by name, a value for each network. A
    store that does not answer does not stop the training; the stage ``log`` adds what is missing.
    Leaving the block with an error marks the run FAILED, with Ctrl-C KILLED.

    Args:
        parameters: all settings, as for :func:`tracking.log`.
        networks: a row for each with ``dataset``, ``condition`` and ``twin``; twins are left out.
        continued: whether others go on from the ends of these, as after pre-training.
        device: on which networks train.
    """
    if is_off():
        yield lambda step, scores: None
        return
    groups: dict[tuple[str, str], list[int]] = {}  # positions of networks
    columns = networks["dataset"], networks["condition"], networks["twin"]
    for position, (dataset, condition, twin) in enumerate(zip(*columns, strict=True)):
        if not twin:
            group = (dataset if continued else "", condition)
            groups.setdefault(group, []).append(position)
    folder = root / SCRATCH
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "live.log").open("w") as output:
        # In a group of its own: Ctrl-C must not end it before it has marked the run.
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, root.resolve()],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            process_group=0,
            bufsize=0,
        )
    os.set_blocking(process.stdin.fileno(), False)
    with suppress(OSError, AttributeError):  # where the system allows no more, or not on Linux
        fcntl.fcntl(process.stdin, fcntl.F_SETPIPE_SZ, PIPE)

    waiting = bytearray()  # what the pipe had no room for

    def tell(**event: Any) -> None:
        waiting.extend(f"{json.dumps(event)}\n".encode())
        send()

    def send() -> None:
        with suppress(BrokenPipeError):  # it has ended, as the store does not answer
            del waiting[: process.stdin.write(waiting) or 0]
            return
        waiting.clear()

    def log(step: int, scores: Mapping[str, Float[np.ndarray, " network"]]) -> None:
        points = {}
        for score in SCORES:
            for (dataset, condition), members in groups.items():
                values = np.asarray(scores[score], np.float64)[members]
                values = values[np.isfinite(values)]
                if len(values):
                    points[curve_name(score, condition, dataset)] = float(np.median(values))
        tell(step=int(step), points=points)

    tell(parameters=dict(parameters), device=device)
    status = "RUNNING"  # the stages that follow belong to the same run
    try:
        yield log
    except BaseException as error:
        status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        raise
    finally:
        tell(status=status)
        end = time.monotonic() + PATIENCE
        while waiting and time.monotonic() < end:
            time.sleep(0.1)
            send()
        with suppress(BrokenPipeError):
            process.stdin.close()
        if status != "RUNNING":  # else it ends by itself while the next stage begins
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)


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
    return locked(root / SCRATCH / "live.lock", PATIENCE)


def main() -> None:
    """What the process beside a training runs: log what that sends, until it ends."""
    os.nice(5)  # the training goes first
    root = Path(sys.argv[1])
    try:
        with curves_locked(root):  # the process beside the training before has to be done
            _record(root)
    except DynamicsError as error:
        print(error, flush=True)
        os._exit(1)
    os._exit(0)  # all is written; taking hundreds of modules apart would keep the training waiting


def _record(root: Path) -> None:
    received = _received()
    opening, *first = next(received)
    identity = identity_of(root, opening["parameters"], opening["device"])
    connection = connect(store_of(root))
    with reaching(connection.store):
        run = open_run(connection, identity)
        if run.info.status == FINISHED:  # the same is recorded; it stays as it is
            return
        status = "KILLED"  # unless the training says otherwise before it ends
        for events in chain([first], received):
            curves: dict[str, dict[int, float]] = {}
            for event in events:
                status = event.get("status", status)
                for name, value in event.get("points", {}).items():
                    curves.setdefault(name, {})[event["step"]] = value
            if curves:
                log_curves(connection, run.info.run_id, curves)
        if status != "RUNNING":
            connection.client.set_terminated(run.info.run_id, status=status)


def _received() -> Iterator[list[dict[str, Any]]]:
    """What the training has sent since the last time."""
    rest = b""
    while some := os.read(sys.stdin.fileno(), PIPE):
        *lines, rest = (rest + some).split(b"\n")
        yield [json.loads(line) for line in lines]
        time.sleep(INTERVAL)


def curve_name(score: str, group: str, dataset: str = "") -> str:
    """How MLflow calls a curve; it draws those with the same beginning together.

    Args:
        dataset: of networks from whose ends others go on; "" for the others.
    """
    return f"{SCORES[score]}/{f'{dataset} {group}' if dataset else group}"


def curves_of(table: "pd.DataFrame", most: int) -> Mapping[str, dict[int, float]]:
    """Curves by name, then by step, without twins; the most telling ones if there are too many.

    Args:
        table: a row for each snapshot, as ``store.scores_table`` gives it.
        most: how many curves there may be.
    """
    table = table[~table["twin"].astype(bool)]
    before = table["network"].isin(set(table["continues"]))
    table = table.assign(_dataset=table["dataset"].astype(str).where(before, ""))
    found = {}
    for score in SCORES:
        for (where, group), rows in table.groupby(["_dataset", "condition"], sort=False):
            median = rows.groupby("step")[score].median().dropna()
            curve = {int(step): float(value) for step, value in median.items()}
            found[where != "", curve_name(score, group, where)] = curve
    chosen = sorted(found, key=lambda key: key[0])[:most]  # those from which none goes on first
    return {name: found[before, name] for before, name in chosen if found[before, name]}
