"""Curves that grow while networks train: the side of the training, which never waits for MLflow.

MLflow runs in a process of its own (``recorder``): its import alone keeps the interpreter busy
for seconds, which a thread would take from the training.
"""

import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from deep_learning_dynamics.tracking.store import is_off
from deep_learning_dynamics.trajectories import SCORES, Member, Scores

Phase = Literal["pretrain", "train"]
PATIENCE = 60.0  # seconds to wait at the end for snapshots that are not logged yet
PATIENCE_AFTER_ERROR = 10.0


def prepare() -> None:
    """Start loading MLflow, to be ready when :func:`live` is entered.

    Call it before importing torch: both take seconds of one processor each, and a training uses
    all of them. Optional; without :func:`live` after it nothing happens.
    """
    global _prepared
    if _prepared is None and not is_off():
        _prepared = _Recorder()


def live(root: Path, members: Sequence[Member], phase: Phase) -> "Live":
    """Log scores while networks train: ``with live(...) as log: log(step, epoch, scores)``.

    The experiment's run is opened when there is none. Steps that it has already are left out. A
    training is never stopped nor slowed by a store that does not answer: a warning at the end says
    what is missing. Leaving the block with an error marks the run FAILED, with Ctrl-C KILLED.
    """
    return Live(root, members, phase)


class Live:
    """See :func:`live`."""

    def __init__(self, root: Path, members: Sequence[Member], phase: Phase) -> None:
        self._root, self._members, self._phase = root, members, phase
        self._snapshots = 0
        self._recorder: _Recorder | None = None

    def __enter__(self) -> "Live":
        global _prepared
        if is_off():
            print(f"DYNAMICS_TRACKING=off: {self._phase} is not logged to MLflow.")
        elif self._members:
            self._recorder, _prepared = _prepared or _Recorder(), None
            self._recorder.tell(
                {
                    "root": str(self._root.resolve()),
                    "phase": self._phase,
                    "members": [[member.arm, member.pair] for member in self._members],
                }
            )
        return self

    def __call__(self, step: int, epoch: float, scores: Scores) -> None:
        """Log every network's scores at one snapshot; returns at once."""
        if self._recorder is None:
            return
        self._snapshots += 1
        self._recorder.tell(
            {
                "step": int(step),
                "epoch": float(epoch),
                "scores": {name: getattr(scores, name).tolist() for name in SCORES},
                "time": int(time.time() * 1000),
            }
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._recorder is None:
            return
        if kind is None:
            status = "RUNNING"  # the stages that follow belong to the same run
        else:
            status = "KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED"
        self._recorder.tell({"status": status})
        logged, problem = self._recorder.finish(PATIENCE if kind is None else PATIENCE_AFTER_ERROR)
        if problem:
            missing = "some" if logged is None else f"{self._snapshots - logged:,}"
            print(
                f"warning: {missing} of the {self._snapshots:,} snapshots of {self._phase} were "
                f"not logged to MLflow. {problem}\nThe training goes on all the same; the same "
                "command, or dynamics track, logs the rest when the store can be reached.",
                file=sys.stderr,
            )


class _Recorder:
    """The process that writes to MLflow, and the thread that feeds it."""

    def __init__(self) -> None:
        # A file: nobody reads a pipe before the end, and a full one would stop the recorder.
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "deep_learning_dynamics.tracking.recorder"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            # Ctrl-C goes to every process of the terminal's group; the recorder must outlive it
            # to mark the run as interrupted. (Not a new session: Linux shares processors out by
            # session, where its low priority would count for nothing.)
            process_group=0,
        )
        self._events: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        # A thread, because a pipe holds 64 KiB and MLflow needs seconds before it reads.
        threading.Thread(target=self._send, daemon=True).start()

    def tell(self, event: dict[str, Any]) -> None:
        """Queue an event; returns at once."""
        self._events.put(event)

    def finish(self, patience: float) -> tuple[int | None, str]:
        """Wait until all is written, at most ``patience`` seconds.

        Returns how many snapshots were logged (None: unknown), and what went wrong ("": nothing).
        """
        self._events.put(None)
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            # Had it gone on, it could meet the next stage's recorder at the same run.
            self._process.kill()
            self._process.wait()
            return None, f"The store did not answer within {patience:.0f} s."
        with self._process.stdout as output, self._errors as errors:
            try:
                report = json.loads(output.read())
                return report["logged"], report["problem"]
            except json.JSONDecodeError:  # it crashed
                errors.seek(0)
                lines = errors.read().strip().splitlines()
                return None, lines[-1] if lines else f"Exit status {self._process.returncode}."

    def _send(self) -> None:
        """Write events to the recorder until there are no more, or until it is gone."""
        stream = self._process.stdin
        try:
            while (event := self._events.get()) is not None:
                stream.write(f"{json.dumps(event)}\n")
                stream.flush()
            stream.close()
        except (BrokenPipeError, ValueError):  # it ended, or was ended, before us
            pass


_prepared: _Recorder | None = None  # a process is one thing, so there is one of these
