"""Trajectories on disk: snapshots of weights and scores as a labelled array.

A store is an xarray dataset in zarr. Training writes it block by block and projection reads it
lazily; neither ever holds it whole. The schedule and the architecture lie with the data.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from jaxtyping import Float, Int

from deep_learning_dynamics.errors import SnapshotsError
from deep_learning_dynamics.networks import Architecture

if TYPE_CHECKING:
    import xarray as xr

SCORES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
CHUNK_BYTES = 4 * 2**20  # large enough to stream from disk, small enough to hold many at once
# Readers go through the weights of all snapshots some columns at a time: in narrow chunks they
# need not read the others with them.
CHUNK_WEIGHTS = 2**16
BUFFER_BYTES = 256 * 2**20  # for snapshots that are not on disk yet


@dataclass(frozen=True)
class Schedule:
    """When snapshots are taken."""

    steps: Int[np.ndarray, " snapshot"]  # optimiser steps since the start, ascending, first is 0
    steps_per_epoch: int

    @classmethod
    def regular(
        cls, steps_per_epoch: int, epochs: int, first_epoch: int, per_epoch: int
    ) -> "Schedule":
        """One at step 0, ``first_epoch`` in the first epoch, ``per_epoch`` in each later one.

        Where an epoch has fewer steps than snapshots were asked for, every step has one.
        """
        first = np.linspace(0, 1, first_epoch + 1)
        later = 1 + np.arange(1, (epochs - 1) * per_epoch + 1) / per_epoch
        steps = np.rint(np.concatenate([first, later]) * steps_per_epoch).astype(np.int64)
        return cls(np.unique(steps), steps_per_epoch)

    @property
    def epochs(self) -> Float[np.ndarray, " snapshot"]:
        return self.steps / self.steps_per_epoch


@dataclass(frozen=True)
class Member:
    """Who a network is."""

    arm: str  # "scratch" or "pretrained"
    pair: int


@dataclass(frozen=True)
class Scores:
    """How well each network of an ensemble does at one moment."""

    train_loss: Float[np.ndarray, " network"]  # mean cross-entropy in nats, without the penalty
    train_accuracy: Float[np.ndarray, " network"]  # share of examples, 0 to 1
    test_loss: Float[np.ndarray, " network"]
    test_accuracy: Float[np.ndarray, " network"]
    probabilities: Float[np.ndarray, "network probe class"]  # predicted for the probe examples


Observer = Callable[[int, float, Scores], None]  # called with step, epoch and scores


class SnapshotWriter:
    """Writes an ensemble's snapshots as they are taken. Use it in a ``with`` block.

    The store appears under ``path`` only when the block ends without an error, so that an
    interrupted training leaves what was there before.
    """

    def __init__(
        self,
        path: Path,
        members: Sequence[Member],
        architecture: Architecture,
        schedule: Schedule,
        probes: int,
        attributes: dict[str, Any],
    ) -> None:
        self.path = path
        self._partial = path.with_name(f".{path.name}.partial")
        self._count = 0  # snapshots taken so far
        self._written = 0  # of these, on disk
        self._members, self._architecture, self._schedule = members, architecture, schedule
        self._probes, self._attributes = probes, attributes
        snapshots, size = len(schedule.steps), architecture.size
        # A chunk is one network × some snapshots × some weights.
        self._chunk_weights = min(size, CHUNK_WEIGHTS)
        in_chunk = CHUNK_BYTES // (4 * self._chunk_weights)
        in_buffer = BUFFER_BYTES // (4 * size * max(1, len(members)))
        self._block = max(1, min(snapshots, in_chunk, in_buffer))

    def __enter__(self) -> "SnapshotWriter":
        shutil.rmtree(self._partial, ignore_errors=True)
        self._group = zarr.create_group(self._partial, zarr_format=3)
        self._create_arrays()
        return self

    def add(self, weights: Float[np.ndarray, "network weight"], scores: Scores) -> None:
        """Keep the next snapshot of the schedule; it is copied."""
        slot = self._count - self._written
        self._buffers["weights"][:, slot] = weights
        for name in (*SCORES, "probabilities"):
            self._buffers[name][:, slot] = getattr(scores, name)
        self._count += 1
        if self._count - self._written == self._block:
            self._flush()

    def mark_failed(self, failed: Sequence[str]) -> None:
        """Say for each network how it failed ("dead", "diverged") or that it did not ("")."""
        self._group["failed"][:] = np.array(failed, dtype=np.dtypes.StringDType())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        complete = self._count == len(self._schedule.steps)
        if kind is not None or not complete:
            shutil.rmtree(self._partial, ignore_errors=True)
        if kind is not None:
            return
        if not complete:
            raise SnapshotsError(
                f"{self.path}: {self._count} snapshots were taken; the schedule has "
                f"{len(self._schedule.steps)}."
            )
        self._flush()
        shutil.rmtree(self.path, ignore_errors=True)
        self._partial.rename(self.path)

    def _flush(self) -> None:
        span = slice(self._written, self._count)
        if span.start < span.stop:
            for name, buffer in self._buffers.items():
                self._group[name][:, span] = buffer[:, : span.stop - span.start]
        self._written = self._count

    def _create_arrays(self) -> None:
        networks, snapshots = len(self._members), len(self._schedule.steps)
        classes, block = self._architecture.classes, self._block
        size = self._architecture.size
        shapes = {"weights": ((networks, snapshots, size), (1, block, self._chunk_weights))}
        shapes |= dict.fromkeys(SCORES, ((networks, snapshots), (1, snapshots)))
        shape = (networks, snapshots, self._probes, classes)
        shapes["probabilities"] = (shape, (1, snapshots, self._probes, classes))
        axes = {"weights": ("weight",), "probabilities": ("probe", "class")}
        self._buffers = {}
        for name, (shape, chunks) in shapes.items():
            self._group.create_array(
                name,
                shape=shape,
                chunks=tuple(max(1, length) for length in chunks),
                dtype="float32",
                # Trained weights are close to random bits: compressing them only costs time.
                compressors=None if name == "weights" else "auto",
                fill_value=float("nan"),
                dimension_names=("network", "snapshot", *axes.get(name, ())),
                attributes={"units": "nats"} if name.endswith("_loss") else {},
            )
            self._buffers[name] = np.empty((networks, block, *shape[2:]), np.float32)
        self._label("network", "arm", [member.arm for member in self._members])
        self._label("network", "pair", [member.pair for member in self._members])
        self._label("network", "failed", [""] * networks)
        self._label("snapshot", "step", self._schedule.steps)
        self._label("snapshot", "epoch", self._schedule.epochs)
        layer, kind = np.empty(size, np.int16), np.empty(size, np.dtypes.StringDType())
        for part in self._architecture.layers:
            layer[part.weights.start : part.biases.stop] = part.number
            kind[part.weights], kind[part.biases] = "weight", "bias"
        self._label("weight", "layer", layer)
        self._label("weight", "kind", kind)
        self._group.attrs.update(
            {
                "coordinates": "arm pair failed step epoch layer kind",
                "widths": list(self._architecture.widths),
                "activation": self._architecture.activation,
                "steps_per_epoch": self._schedule.steps_per_epoch,
                **self._attributes,
            }
        )

    def _label(self, axis: str, name: str, values: Any) -> None:
        text = isinstance(values, list) and all(isinstance(value, str) for value in values)
        data = np.array(values, dtype=np.dtypes.StringDType()) if text else np.asarray(values)
        self._group.create_array(
            name,
            shape=data.shape,
            dtype="string" if text else data.dtype,
            dimension_names=(axis,),
        )[:] = data


def open_snapshots(path: Path) -> "xr.Dataset":
    """A store as a lazy dataset with the axes network, snapshot, weight, probe and class.

    Raises:
        SnapshotsError: there is no store at ``path``, or it is not one of snapshots.
    """
    import xarray as xr  # 1.5 s, which training need not wait for

    try:
        dataset = xr.open_zarr(path, consolidated=False, chunks=None)
    except FileNotFoundError:
        raise SnapshotsError(
            f"{path} does not exist; expected the snapshots of a training. "
            "Make them with: dvc repro train"
        ) from None
    if "weights" not in dataset or "widths" not in dataset.attrs:
        raise SnapshotsError(
            f"{path} holds {sorted(map(str, dataset.variables))}; expected weights and their "
            "widths. Make it again with: dvc repro --force train"
        )
    return dataset


def architecture_of(dataset: "xr.Dataset") -> Architecture:
    """The architecture whose weights a store holds."""
    return Architecture(tuple(dataset.attrs["widths"]), dataset.attrs["activation"])


def members_of(dataset: "xr.Dataset") -> list[Member]:
    """Who the networks of a store are, in its order."""
    pairs = zip(dataset["arm"].values, dataset["pair"].values, strict=True)
    return [Member(str(arm), int(pair)) for arm, pair in pairs]
