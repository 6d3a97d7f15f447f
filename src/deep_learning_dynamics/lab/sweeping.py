"""Sweeps: every combination of some settings, each an experiment in DVC's queue and in MLflow."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.experiments import InterruptionError
from deep_learning_dynamics.lab import settings
from deep_learning_dynamics.lab.experiment_queue import PENDING, ExperimentQueue
from deep_learning_dynamics.lab.sweep_ground import SweepError, check, fetch
from deep_learning_dynamics.lab.sweep_plan import Experiment, Sweep, combinations, plan
from deep_learning_dynamics.lab.sweep_progress import Show, shown
from deep_learning_dynamics.tracking.records import Record, records
from deep_learning_dynamics.tracking.store import Connection, connect, reaching, store_of

TAG = "sweep"  # on runs: the names of the sweeps that a run belongs to
TIMEOUT = 60  # seconds for one request to a server
INTERVAL = 2.0  # seconds between looks at the queue
SILENCE = 120.0  # seconds that MLflow may not answer for while experiments run
LOST = 20.0  # seconds without any worker after which what was running is given up
MANY = 6  # runs to name on one line
DATA = "data"  # the section of params.yaml that decides on which data experiments run


@dataclass
class Progress:
    """What has become of a sweep's experiments."""

    sweep: Sweep
    records: dict[Experiment, Record] = field(default_factory=dict)
    failed: dict[Experiment, str] = field(default_factory=dict)  # and the name that DVC has for it


def run(root: Path, tried: Mapping[str, Sequence[Any]], jobs: int) -> None:
    """Run every combination of the values to try, ``jobs`` at a time, and print a table.

    Those that are complete already are not run again, so that an interrupted sweep continues.

    Raises:
        ParamsError: a value is not allowed; nothing was started.
        SweepError: the project is not ready for it, or an experiment failed.
        InterruptionError: Ctrl-C; what was running is stopped, and what waited is taken back.
    """
    settings.recover(root)
    combinations(root / "params.yaml", tried)  # a mistake of usage is said before anything else
    check(root)
    queue = ExperimentQueue(root)
    names: dict[Experiment, str] = {}
    with _taking_back(queue, names):
        with settings.alone(root):  # DVC queues params.yaml as it is
            connection, progress = _begun(root, tried)
            sweep = progress.sweep
            waiting = [each for each in sweep.experiments if each not in progress.records]
            print(
                f"{sweep.name}: {len(sweep.experiments)} experiments, {len(waiting)} to run",
                flush=True,
            )
            if waiting:
                _enqueue(queue, sweep, waiting, names)
        if waiting:
            with shown(sweep.name, len(waiting)) as show:
                _wait(queue, connection, progress, names, jobs, show)
    print(table(progress))
    if progress.failed:
        first = next(iter(progress.failed.values()))
        raise SweepError(
            f"{len(progress.failed)} of {len(sweep.experiments)} experiments failed; see what one "
            f"said with: dvc queue logs {first}"
        )
    print(f"\nIn MLflow (make ui, or dynamics ui): search for tags.{TAG} LIKE '%{sweep.name}%'")
    runs = [progress.records[each].name for each in sweep.experiments]
    if len(runs) > 1:
        which = "Compare" if len(runs) <= MANY else "Compare some"
        print(f"{which}: dynamics compare {' '.join(runs[:MANY])}")


def _begun(root: Path, tried: Mapping[str, Sequence[Any]]) -> tuple[Connection, Progress]:
    """The sweep as far as MLflow has it."""
    experiments = combinations(root / "params.yaml", tried)
    data = None
    if not any(key.partition(".")[0] == DATA for key in tried):
        data = fetch(root)
    progress = Progress(plan(root, experiments, data))
    connection = connect(store_of(root), TIMEOUT)
    _note_complete(connection, progress, experiments)
    return connection, progress


def table(progress: Progress) -> str:
    """A line for each experiment: what was swept, its run, and what it found."""
    keys = progress.sweep.keys
    head = [*keys, "run", "scratch", "pretrained", "best projection", "state"]
    lines = [head]
    for experiment in progress.sweep.experiments:
        record = progress.records.get(experiment)
        swept = [settings.written(experiment.values[key]) for key in keys]
        if record is None:
            state = "failed" if experiment in progress.failed else "not run"
            lines.append([*swept, "–", "–", "–", "–", state])
            continue
        accuracies = [record.metrics.get(f"{arm}.test_accuracy") for arm in head[-4:-2]]
        shown = ["–" if value is None else f"{value:.1%}" for value in accuracies]
        lines.append([*swept, record.name, *shown, record.best_projector or "–", "complete"])
    widths = [max(len(line[n]) for line in lines) for n in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


@contextmanager
def _taking_back(queue: ExperimentQueue, names: Mapping[Experiment, str]) -> Iterator[None]:
    """At Ctrl-C stop what runs, and take the experiments of these names out of the queue."""
    try:
        yield
    except KeyboardInterrupt:
        if not names:  # nothing was queued yet
            raise InterruptionError("interrupted; the same command continues") from None
        print("\nStopping what is running ...", file=sys.stderr, flush=True)
        queue.interrupt()  # first, or a worker could take the next one meanwhile
        states = queue.states()
        queue.remove([name for name in names.values() if states.get(name) == "Queued"])
        raise InterruptionError("interrupted; the same command continues") from None


def _enqueue(
    queue: ExperimentQueue,
    sweep: Sweep,
    waiting: Sequence[Experiment],
    names: dict[Experiment, str],
) -> None:
    """See to it that all are in the queue; fills in ``names``, what DVC calls each."""
    if not queue.workers():  # what was running when the machine went down is lost
        states = queue.states()
        mine = f"{sweep.name}-"
        queue.give_up([n for n in states if n.startswith(mine) and states[n] == "Running"])
    queue.end_idle()
    names |= _names(queue, sweep, waiting)
    states = queue.states()
    new = {
        names[each]: {key: settings.written(value) for key, value in each.values.items()}
        for each in waiting
        if states.get(names[each]) not in PENDING
    }
    mine = set(names.values())
    others = [n for n, state in states.items() if state == "Queued" and n not in mine]
    if others:
        print(
            f"note: {len(others)} other experiments wait in DVC's queue and run before these; "
            "dvc queue remove --queued takes them out",
            flush=True,
        )
    for _ in queue.add(new):
        pass


def _names(
    queue: ExperimentQueue, sweep: Sweep, waiting: Iterable[Experiment]
) -> dict[Experiment, str]:
    """What DVC calls each: the name of one that is on its way, or one that is free."""
    states, taken = queue.states(), queue.taken()
    names = {}
    for experiment in waiting:
        name, attempt = sweep.name_of(experiment), 1
        while name in taken and states.get(name) not in PENDING:
            attempt += 1
            name = f"{sweep.name_of(experiment)}-{attempt}"
        names[experiment] = name
    return names


def _wait(
    queue: ExperimentQueue,
    connection: Connection,
    progress: Progress,
    names: Mapping[Experiment, str],
    jobs: int,
    show: Show,
) -> None:
    """Until every experiment is complete or failed."""
    open_ = dict(names)
    alone_since = None  # when there was last a worker
    answered = time.monotonic()  # when MLflow did last
    queue.start(min(jobs, len(open_)))
    while open_:
        states = queue.states()
        done = [each for each, name in open_.items() if states.get(name) in ("Success", "Failed")]
        try:
            _note_complete(connection, progress, done)
            answered = time.monotonic()
        except TrackingError as error:
            if time.monotonic() - answered > SILENCE:
                raise SweepError(
                    f"{error}\nThe experiments go on all the same; the same command watches them "
                    "again, and dvc queue stop --kill ends them."
                ) from None
            done = []  # ask again
        for experiment in done:
            name = open_.pop(experiment)
            if experiment not in progress.records:
                progress.failed[experiment] = name
            show.settled(experiment, progress.records.get(experiment))
        running = [name for name in open_.values() if states.get(name) == "Running"]
        show.running(len(running))
        if not open_:
            return
        if queue.workers():
            alone_since = None
        elif alone_since is None:
            alone_since = time.monotonic()
        elif time.monotonic() - alone_since > LOST:
            # Workers end when they find nothing to do for a while, which may be too early; or
            # somebody ended them. What they were at is lost.
            queue.give_up(running)
            queue.start(min(jobs, len(open_)))
            alone_since = None
        time.sleep(INTERVAL)


def _note_complete(
    connection: Connection, progress: Progress, experiments: Iterable[Experiment]
) -> None:
    for experiment, record in _complete(connection, progress.sweep, experiments):
        _tag(connection, record, progress.sweep.name)
        progress.records[experiment] = record


def _complete(
    connection: Connection, sweep: Sweep, experiments: Iterable[Experiment]
) -> list[tuple[Experiment, Record]]:
    """Those that MLflow has whole, with their records."""
    experiments = list(experiments)
    if not experiments:
        return []
    known = records(connection)
    found = [(each, sweep.record_of(each, known)) for each in experiments]
    return [(each, record) for each, record in found if record is not None]


def _tag(connection: Connection, record: Record, name: str) -> None:
    """Note on a run that it belongs to a sweep; it may belong to several."""
    present = [part for part in record.tags.get(TAG, "").split(", ") if part]
    if name not in present:
        with reaching(connection.store):
            connection.client.set_tag(record.run_id, TAG, ", ".join([*present, name]))
