"""Recording a training of one's own: weights are copied when a schedule says so, and written by a
thread beside the training.
"""

import operator
import queue
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.store import schema
from deep_learning_dynamics.store.schedule import Schedule
from deep_learning_dynamics.store.sources import Finish, is_first_process, source_of, to_host
from deep_learning_dynamics.store.writer import FLUSH_SECONDS, StoreWriter

BUFFERS = 2  # copies of the weights that may wait to be written; a training waits for a third
BUFFER_BYTES = 64 * 2**20  # of small networks' snapshots that share chunks


class Recorder:
    """Keeps the weights and scores of one network while it trains.

    Use it in a ``with`` block, or call :meth:`close` at the end:

        with dld.Recorder("runs/adam-0.zarr", model, group="adam", seed=0) as record:
            record(0)
            for step, batch in enumerate(loader, start=1):
                loss = train_step(batch)
                record(step, loss=loss)  # the weights as they are after this many updates

    A store that is there is continued: the same network goes on after the snapshots before the
    first step that is recorded; another network is added to it.
    """

    def __init__(
        self,
        path: str | Path,
        model: Any,
        *,
        schedule: Any = None,
        weights: str | Sequence[str] = "all",
        outputs: Any = None,
        labels: Sequence[int] | None = None,
        network: str | None = None,
        titles: Mapping[str, Mapping[str, str]] | None = None,
        **coordinates: Any,
    ) -> None:
        """
        Args:
            model: a torch module, wrapped or not, on any device; or nested dictionaries of arrays.
            schedule: when a snapshot is kept: every so many steps, a list of steps, a function of
                the step, or a :class:`Schedule`; 10 per decade unless given.
            weights: names of the parameters to keep, in which * stands for anything; "weights":
                matrices alone; "all": every floating-point parameter.
            outputs: a batch of probe examples, whose predictions are kept as well; or a function
                of the model (of the weights, if these are arrays) that gives them: probabilities or
                logits [probe, class], of which probabilities are kept.
            labels: the classes of the probe examples.
            network: a name that is unique among the networks that are looked at together; made of
                the coordinates, or of the file's name, unless given.
            titles: how values of coordinates are called in figures: {"group": {"adam": "Adam"}}.
            coordinates: whatever tells this network from others: group="adam", seed=0, ...;
                ``continues`` names the network from whose end this one starts.
        """
        self.path = Path(path)
        schema.check_names(list(coordinates), "coordinate")
        own = [str(value) for name, value in coordinates.items() if name != schema.CONTINUES]
        self.network = network or "-".join(own) or self.path.stem
        self._model, self._names = model, weights
        self._schedule = Schedule.of(schedule)
        self._outputs, self._labels, self._titles = outputs, labels, dict(titles or {})
        self._coordinates = coordinates
        self._started = self._closed = False
        self._error: BaseException | None = None  # of the thread that writes
        self._raised = False  # whether that error was
        self._warned: set[str] = set()  # scores
        self._previous = -1  # the step recorded last, whether it was kept or not
        self._pending: tuple[int, Any, dict[str, Any]] | None = None  # it, if it was not kept

    def __enter__(self) -> "Recorder":
        self._start()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is not None:  # the model may be in the middle of an update
            self._pending = None
        try:
            self.close()
        except Exception:
            if kind is None:
                raise

    def __call__(self, step: Any, weights: Any = None, /, **scores: Any) -> bool:
        """Record a step, and say whether a snapshot of it was kept.

        Args:
            step: optimiser steps that the weights have behind them, a whole number; it rises from
                call to call.
            weights: the arrays as they are now, where no torch model was given.
            scores: what is known of the network at this step; accuracies as shares from 0 to 1.

        Raises:
            StoreError: a step is no whole number from 0 on, steps do not rise, or an earlier
                snapshot could not be written.
        """
        self._start()
        self._raise_error()
        step = _step(step)
        if step <= self._previous:
            raise StoreError(
                f"Step {step} was recorded after step {self._previous}; expected later steps. "
                "Record each step once, with all its scores."
            )
        known = {name: _score(name, value) for name, value in scores.items() if value is not None}
        first = self._previous < 0
        if first:
            self._rewind(step)
        due = first or self._schedule.due(self._previous, step)
        self._previous = step
        if due:
            self._keep(step, weights, known)
            self._pending = None
        else:
            self._pending = (step, weights, known)
        return due

    def close(self) -> None:
        """Keep the last step that was recorded, if it was not, and wait until all is on disk.

        Raises:
            StoreError: a snapshot could not be written.
        """
        if not self._started or self._closed:
            return
        self._closed = True
        try:
            if self._pending is not None and self._error is None:
                self._keep(*self._pending)
        finally:
            self._pending = None
            if self._writes:
                self._queue.put(None)
                self._thread.join()
                self._attempt(self._label)
                error, self._error = self._error, None  # the lock is given back in any case
                self._attempt(partial(self._writer.__exit__, None, None, None))
                self._error = error or self._error
        self._raise_error()

    def _start(self) -> None:
        if self._closed:
            raise StoreError(f"The recorder of {self.path} is closed. Make another one.")
        if self._started:
            return
        self._writes = is_first_process()
        self._source = source_of(self._model, self._names)
        probes = classes = 0
        if self._outputs is not None:
            probes, classes = self._source.predict(self._outputs, None)().shape
        if self._writes:
            self._open(probes, classes)
        self._started = True

    def _open(self, probes: int, classes: int) -> None:
        import pandas as pd

        from deep_learning_dynamics.environment import Environment

        columns = {name: [value] for name, value in self._coordinates.items()}
        attributes = {
            "environment": Environment.current(self._source.device).as_json(),
            "schedule": self._schedule.description,
            "titles": self._titles,
        }
        self._writer = StoreWriter(
            self.path,
            pd.DataFrame(columns, index=[self.network]),
            self._source.parameters,
            attributes,
            probes=probes,
            classes=classes,
            probe_labels=self._labels,
            buffer_bytes=BUFFER_BYTES,
        )
        self._writer.__enter__()
        self._queue: queue.Queue[tuple[Any, Callable[[], None]] | None] = queue.Queue()
        self._free: queue.Queue[Any] = queue.Queue()
        for _ in range(BUFFERS):
            self._free.put(None)  # made when it is needed
        self._thread = threading.Thread(target=self._write, name="dld-recorder", daemon=True)
        self._thread.start()

    def _label(self) -> None:
        self._writer.flush()
        outcome = schema.DIVERGED if self._writer.diverged(self.network) else ""
        self._writer.label(schema.OUTCOME, [outcome])

    def _rewind(self, step: int) -> None:
        """A training that was continued from a checkpoint repeats what came after that."""
        if not self._writes:
            return
        known = self._writer.steps(self.network)
        dropped = self._writer.rewind(self.network, step)
        if dropped > 1 or (dropped and known[-1] != step):
            warnings.warn(
                f"{self.path}: {self.network} goes on from step {step}; {dropped} snapshots from "
                "there on, of the training before, were dropped.",
                stacklevel=3,
            )

    def _keep(self, step: int, weights: Any, scores: dict[str, Any]) -> None:
        outputs = None
        if self._outputs is not None:
            outputs = self._source.predict(self._outputs, weights)
        if not self._writes:
            self._source.take_part()
            return
        buffer = self._free.get()
        try:
            buffer = self._source.buffer() if buffer is None else buffer
            finish = self._source.copy(buffer, weights)
        except BaseException:
            self._free.put(buffer)
            raise
        # A running mean, say, may change before its number is read.
        kept = {
            name: to_host(each) if hasattr(each, "detach") else partial(float, each)
            for name, each in scores.items()
        }
        self._queue.put((buffer, partial(self._add, step, finish, kept, outputs)))

    def _write(self) -> None:
        """What the thread does: write snapshots as they come, until there is None."""
        while True:
            try:
                snapshot = self._queue.get(timeout=FLUSH_SECONDS)
            except queue.Empty:
                self._attempt(self._writer.flush)
                continue
            if snapshot is None:
                return
            buffer, add = snapshot
            self._attempt(add)
            self._free.put(buffer)

    def _attempt(self, action: Callable[[], None]) -> None:
        if self._error is None:
            try:
                action()
            except BaseException as error:  # raised again in the training's thread
                self._error = error

    def _add(
        self,
        step: int,
        finish: Finish,
        scores: dict[str, Callable[[], Any]],
        outputs: Callable[[], np.ndarray] | None,
    ) -> None:
        known = {name: float(value()) for name, value in scores.items()}
        for name, value in known.items():
            if (wrong := schema.not_shares(name, value)) and name not in self._warned:
                self._warned.add(name)
                warnings.warn(f"{self.path}: {wrong} Divide by 100.", stacklevel=2)
        self._writer.add_to(
            self.network,
            step,
            finish(),
            known,
            None if outputs is None else outputs(),
        )

    def _raise_error(self) -> None:
        error = self._error
        if error is None or self._raised:
            return
        self._raised = True
        if isinstance(error, StoreError):
            raise error
        raise StoreError(
            f"{self.path}: a snapshot could not be written ({error}); the store ends before it. "
            "Make room or correct it, and go on from there."
        ) from error


def _step(value: Any) -> int:
    try:
        step = operator.index(value)
    except TypeError:
        raise StoreError(
            f"Step {value!r} is no whole number; expected the optimiser steps so far, such as 3."
        ) from None
    if step < 0:
        raise StoreError(f"Step {step} is negative; expected 0 for the weights before training.")
    return step


def _score(name: str, value: Any) -> Any:
    """A number. One that a device still computes is read only when it is written."""
    if hasattr(value, "detach"):
        return value.detach()
    if hasattr(value, "block_until_ready"):  # JAX
        return value
    try:
        return float(value)
    except (TypeError, ValueError):
        raise StoreError(f"Score {name} is {value!r}; expected a number.") from None
