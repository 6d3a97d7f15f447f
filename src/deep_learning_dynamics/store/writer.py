"""Writing trajectories: snapshots are appended, and one counts once all of it is on disk.

A snapshot's step is written last, so that a store whose writer was killed ends at the last
snapshot that is whole.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from deep_learning_dynamics import formatting
from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.files import replacing
from deep_learning_dynamics.store import schema
from deep_learning_dynamics.store.group import CAPACITY, Contents, StoreGroup
from deep_learning_dynamics.store.inserting import insert
from deep_learning_dynamics.store.lock import locked

if TYPE_CHECKING:
    import pandas as pd

BUFFER_BYTES = 256 * 2**20  # of snapshots that are not on disk yet
FLUSH_SECONDS = 5.0  # a snapshot waits this long for others that share its chunks


@dataclass
class Lane:
    """Networks that are written together, and their snapshots that are not in whole chunks yet."""

    networks: slice
    count: int  # snapshots so far
    last: Int[np.ndarray, " network"]  # steps of the last snapshot, empty before the first
    weights: Float[np.ndarray, "network block weight"] | None = None  # of the last block
    waiting: list[dict[str, np.ndarray]] = field(default_factory=list)  # all else, not on disk yet


class StoreWriter:
    """Appends snapshots of networks to a store. Use it in a ``with`` block.

    Killed at any moment, it leaves a store that ends at its last whole snapshot. A store that is
    there is continued: networks of its own go on after their last snapshot, others are added. With
    ``replace``, what is there stays until the block ends without an error, and is replaced then;
    the same snapshots give the same bytes.
    """

    def __init__(
        self,
        path: str | Path,
        networks: "pd.DataFrame",
        parameters: schema.Parameters,
        attributes: Mapping[str, Any] | None = None,
        snapshots: int | None = None,
        probes: int = 0,
        classes: int = 0,
        *,
        probe_labels: Sequence[int] | None = None,
        replace: bool = False,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        """
        Args:
            networks: a row per network, indexed by its unique name; columns are its coordinates.
            attributes: of the store. ``titles`` names values for people: {"condition": {"scratch":
                "from scratch"}}. ``environment`` is that of this process unless given.
            snapshots: how many each network will have at most, where it is known.
            probes: examples whose predictions are recorded, with ``classes`` numbers each.
            probe_labels: the class that each of them belongs to.
        """
        self.path = Path(path)
        sizes = (snapshots, probes, classes, probe_labels, buffer_bytes)
        self._contents = Contents(networks, parameters, dict(attributes or {}), *sizes)
        self._names, self._replace = self._contents.names, replace
        self._lanes: dict[str | None, Lane] = {}  # None: all given networks together
        self._scores: set[str] = set()  # names that were checked
        self._flushed_at = time.monotonic()
        self._cleanup = ExitStack()

    def __enter__(self) -> "StoreWriter":
        self._check_networks()
        self._check_labels()
        with ExitStack() as stack:  # gives everything back if the store cannot be opened
            folder = self.path
            if self._replace:
                folder = stack.enter_context(replacing(self.path))
            else:
                # Below an array, so that nobody who lists the group's members meets it.
                stack.enter_context(locked(self.path / schema.STEP / ".lock", self.path))
            self._group = StoreGroup(folder, self.path, self._contents)
            self._cleanup = stack.pop_all()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is not None and self._replace:  # what was there before stays
            self._cleanup.__exit__(kind, error, trace)
            return
        with self._cleanup:
            self.flush()
            self._group.trim()

    def add(
        self,
        steps: Int[np.ndarray, " network"],
        weights: Float[np.ndarray, "network weight"],
        scores: Mapping[str, np.ndarray] | None = None,
        outputs: Float[np.ndarray, "network probe class"] | None = None,
    ) -> None:
        """Append one snapshot of every given network.

        Args:
            steps: optimiser steps so far, later than those before; -1: this network has no more.
            scores: a number for each network by name; a score that is left out is not known.
        """
        self._append(self._lane(None), steps, weights, scores or {}, outputs)

    def add_to(
        self,
        network: str,
        step: int,
        weights: Float[np.ndarray, " weight"],
        scores: Mapping[str, float] | None = None,
        outputs: Float[np.ndarray, "probe class"] | None = None,
    ) -> None:
        """Append one snapshot of one network, whose length is then its own."""
        self._append(
            self._lane(network),
            np.array([step], np.int64),
            weights[None],
            {name: np.array([value]) for name, value in (scores or {}).items()},
            None if outputs is None else outputs[None],
        )

    def insert(self, store: str | Path) -> None:
        """Take over all snapshots of the networks of another store on disk, which are among the
        given ones and have none here yet.

        Raises:
            StoreError: a file of that store is missing or damaged.
        """
        insert(store, self._group)

    def steps(self, network: str) -> Int[np.ndarray, " snapshot"]:
        """Steps of a network's snapshots that are on disk."""
        stored = self._group.read(schema.STEP, self._group.positions[network], slice(None))
        return stored[stored != schema.ABSENT]

    def diverged(self, network: str) -> bool:
        """Whether a network's last snapshot on disk has weights that are not finite."""
        position, count = self._group.positions[network], len(self.steps(network))
        return count > 0 and not self._group.read(schema.FINITE, position, count - 1)

    def rewind(self, network: str, step: int) -> int:
        """Drop a network's snapshots from that step on, and say how many they were."""
        lane = self._lane(network)
        self.flush()
        steps = self.steps(network)
        lane.count = int(np.searchsorted(steps, step))
        lane.last, lane.weights = steps[: lane.count][-1:], None
        dropped = len(steps) - lane.count
        if dropped:
            absent = np.full((1, dropped), schema.ABSENT)
            self._group.write(schema.STEP, lane.networks, slice(lane.count, len(steps)), absent)
        return dropped

    def label(self, name: str, values: Sequence[Any]) -> None:
        """Set a coordinate of the given networks late, such as their outcome."""
        schema.check_names([name], "coordinate")
        self._group.label(name, dict(zip(self._names, values, strict=True)))

    def flush(self) -> None:
        """Put on disk what was added."""
        for lane in self._lanes.values():
            self._flush(lane)
        self._flushed_at = time.monotonic()

    # Buffers

    def _lane(self, network: str | None) -> Lane:
        if self._lanes and (None in self._lanes) != (network is None):
            raise StoreError(
                f"{self.path}: add() appends to all networks and add_to() to one; "
                "use the same for a whole block."
            )
        lane = self._lanes.get(network)
        for other in self._lanes.values():  # buffers of many networks would not be bounded
            if other is not lane:
                self._flush(other)
                other.weights = None
        if lane is None:
            lane = self._lanes[network] = self._begin(self._names if network is None else [network])
        return lane

    def _begin(self, names: list[str]) -> Lane:
        if unknown := [name for name in names if name not in self._group.positions]:
            raise StoreError(
                f"{self.path} has no network {unknown[0]}; expected one that it was made with: "
                f"{formatting.listed(list(self._group.positions)[:5])}, ..."
            )
        positions = [self._group.positions[name] for name in names]
        if (np.diff(positions) != 1).any():
            raise StoreError(
                f"{self.path} holds these networks in another order; "
                "name them in the same order to continue it."
            )
        steps = [self.steps(name) for name in names]
        count = len(steps[0])
        if any(len(of_network) != count for of_network in steps):
            raise StoreError(
                f"{self.path}: its networks have different numbers of snapshots; expected as many "
                "of each to continue them together. Continue one at a time, with add_to()."
            )
        last = np.array([of_network[-1] for of_network in steps if count], np.int64)
        return Lane(slice(positions[0], positions[-1] + 1), count, last)

    def _append(
        self,
        lane: Lane,
        steps: Int[np.ndarray, " network"],
        weights: Float[np.ndarray, "network weight"],
        scores: Mapping[str, np.ndarray],
        outputs: Float[np.ndarray, "network probe class"] | None,
    ) -> None:
        if not scores.keys() <= self._scores:
            schema.check_names(list(scores), "score")
            self._scores |= scores.keys()
        small = {name: _score(values) for name, values in scores.items()}
        small[schema.STEP] = np.array(steps, np.int64)
        if outputs is not None:
            small[schema.OUTPUTS] = np.array(outputs, np.float32)
        self._check_snapshot(lane, {schema.WEIGHTS: weights, **small})
        if self._group.block == 1:
            lane.weights = np.asarray(weights, np.float32)[:, None]
        else:
            self._buffer(lane)[:, lane.count % self._group.block] = weights
        small[schema.FINITE] = _finite(weights)
        lane.waiting.append(small)
        absent = small[schema.STEP] == schema.ABSENT
        lane.last = np.where(absent, lane.last if len(lane.last) else -1, small[schema.STEP])
        lane.count += 1
        late = not self._replace and time.monotonic() - self._flushed_at > FLUSH_SECONDS
        if lane.count % self._group.block == 0 or late:
            self._flush(lane)
            self._flushed_at = time.monotonic()
        if self._group.block == 1:
            lane.weights = None

    def _buffer(self, lane: Lane) -> Float[np.ndarray, "network block weight"]:
        slot = lane.count % self._group.block
        if lane.weights is None:
            networks = lane.networks.stop - lane.networks.start
            lane.weights = np.full(
                (networks, self._group.block, self._contents.parameters.size), np.nan, np.float32
            )
            if slot:  # a block that was begun before: it is on disk
                start = lane.count - slot
                stored = self._group.read(schema.WEIGHTS, lane.networks, slice(start, lane.count))
                lane.weights[:, :slot] = stored
        elif slot == 0:
            lane.weights[:] = np.nan
        return lane.weights

    def _flush(self, lane: Lane) -> None:
        if not lane.waiting:
            return
        group = self._group
        if lane.count > group.capacity:
            group.resize(max(lane.count, 2 * group.capacity, CAPACITY))
        start = (lane.count - 1) // group.block * group.block
        stop = min(start + group.block, group.capacity)
        # The whole chunk, with what is not known yet as NaN, so that it need not be read first.
        block = lane.weights[:, : stop - start]
        group.write(schema.WEIGHTS, lane.networks, slice(start, stop), block)
        written = slice(lane.count - len(lane.waiting), lane.count)
        known = dict.fromkeys(name for small in lane.waiting for name in small)
        group.clear(lane.networks, written, known)
        for name in sorted(known, key=lambda name: name == schema.STEP):  # which makes them count
            example = next(small[name] for small in lane.waiting if name in small)
            rows = [
                small[name] if name in small else np.full_like(example, np.nan)
                for small in lane.waiting
            ]
            group.write(name, lane.networks, written, np.stack(rows, axis=1))
        lane.waiting = []

    # Checks

    def _check_networks(self) -> None:
        schema.check_names([str(name) for name in self._contents.networks.columns], "coordinate")
        if not self._names or len(set(self._names)) < len(self._names):
            raise StoreError(
                f"{self.path}: networks are named {', '.join(self._names[:10]) or 'not at all'}; "
                "expected at least one, and a name of its own for each."
            )

    def _check_labels(self) -> None:
        labels, probes = self._contents.probe_labels, self._contents.probes
        if labels is not None and len(labels) != probes:
            raise StoreError(
                f"{self.path}: labels has {formatting.count(len(labels), 'entry', 'entries')}, "
                f"outputs {formatting.count(probes, 'probe')}; expected one label for each."
            )

    def _check_snapshot(self, lane: Lane, given: Mapping[str, np.ndarray]) -> None:
        contents, networks = self._contents, lane.networks.stop - lane.networks.start
        further = {
            schema.WEIGHTS: (contents.parameters.size,),
            schema.OUTPUTS: (contents.probes, contents.classes),
        }
        for name, values in given.items():
            expected = (networks, *further.get(name, ()))
            if np.shape(values) != expected:
                raise StoreError(
                    f"{self.path}: {name} of a snapshot has shape {np.shape(values)}; expected "
                    f"{expected}, as there are {formatting.count(networks, 'network')}, "
                    f"{contents.probes} probes and {contents.classes} classes."
                )
        steps = given[schema.STEP]
        present = steps != schema.ABSENT
        if len(lane.last) and (steps[present] <= lane.last[present]).any():
            raise StoreError(
                f"{self.path}: a snapshot of step {int(steps[present].min())} came after one of "
                f"step {int(lane.last.max())}; expected later steps. Record them in order, or "
                "drop what was recorded before with rewind()."
            )
        if contents.snapshots is not None and lane.count >= contents.snapshots:
            raise StoreError(
                f"{self.path}: more than the {contents.snapshots} snapshots that were "
                "announced. Announce as many as there are, or None."
            )


def _finite(weights: Float[np.ndarray, "network weight"]) -> np.ndarray:
    # NaN and infinities show in the extremes, which need no array of their own.
    return np.isfinite(weights.min(axis=1)) & np.isfinite(weights.max(axis=1))


def _score(values: np.ndarray) -> np.ndarray:
    """A copy in double precision, unless it was computed in less."""
    low = np.asarray(values).dtype in (np.float32, np.float16)
    return np.array(values, np.float32 if low else np.float64)
