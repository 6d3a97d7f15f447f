"""Training networks of all conditions side by side: mini-batches in, a store of snapshots out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Int, Int64, UInt8

from deep_learning_dynamics import seeds
from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.store import Parameters, StoreWriter
from deep_learning_dynamics.store.writer import BUFFER_BYTES
from deep_learning_dynamics.study.datasets import Examples
from deep_learning_dynamics.study.networks import Ensemble


@dataclass(frozen=True)
class Schedule:
    """When snapshots are taken."""

    steps: Int64[np.ndarray, " snapshot"]  # optimiser steps since the start, ascending, first is 0
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


@dataclass(frozen=True)
class Task:
    """What networks learn, and what they are scored on."""

    name: str  # the key of the dataset
    images: UInt8[np.ndarray, "example pixel"]
    labels: Int64[np.ndarray, " example"]
    scored: Int64[np.ndarray, " scored"]  # which of the training examples are scored
    test_images: UInt8[np.ndarray, "test pixel"]
    test_labels: Int64[np.ndarray, " test"]
    probes: int  # the first so many test examples, whose outputs are kept
    shape: tuple[int, int]  # height and width
    classes: int

    @classmethod
    def of(
        cls, name: str, examples: Examples, seed: int, scored_examples: int, probes: int
    ) -> "Task":
        """Put a dataset as training needs it.

        Scored and probe examples are drawn by fixed streams of ``seed``; where the dataset has
        fewer than asked for, all are taken.
        """
        flat = examples.images.reshape(len(examples.labels), -1)
        train = np.flatnonzero(~examples.is_test)
        order = seeds.generator(seed, "scored examples", name).permutation(len(train))
        # The probes come first, so that they are a slice of the test set.
        test = seeds.generator(seed, "probes", name).permutation(np.flatnonzero(examples.is_test))
        return cls(
            name,
            flat[train],
            examples.labels[train],
            order[:scored_examples],
            flat[test],
            examples.labels[test],
            min(probes, len(test)),
            examples.images.shape[1:],
            examples.classes,
        )

    @cached_property
    def scored_images(self) -> UInt8[np.ndarray, "scored pixel"]:
        return self.images[self.scored]

    @cached_property
    def probe_images(self) -> UInt8[np.ndarray, "probe pixel"]:
        return self.test_images[: self.probes]

    @property
    def largest_class(self) -> float:
        """The accuracy of naming the most frequent class of the test examples."""
        return float(np.bincount(self.test_labels).max() / len(self.test_labels))


@dataclass(frozen=True)
class Cohort:
    """Networks that learn the same labels, side by side."""

    networks: pd.DataFrame  # a row each, indexed by name; columns: pair, condition, ...
    start: Callable[[], Ensemble]  # makes them, with their weights at the start
    labels: Int64[np.ndarray, " example"]  # what they learn of the training examples
    groups: tuple[str, ...]  # names of the groups that see the same mini-batches, in their order
    # Turns an ensemble's weights [network, weight] into those that are recorded.
    recorded: Callable[[Float32[np.ndarray, "network weight"]], Float32[np.ndarray, "network w"]]

    @cached_property
    def ensemble(self) -> Ensemble:
        """The networks."""
        return self.start()


@dataclass(frozen=True)
class Moment:
    """How far training is, for those who watch."""

    step: int
    epoch: float
    scores: dict[str, np.ndarray]  # by name, of each network


@dataclass(frozen=True)
class Training:
    """A training that is ready to run."""

    path: Path  # of the store
    cohorts: tuple[Cohort, ...]
    task: Task
    settings: Any  # a ``Pretrain`` or ``Train`` section of the parameters
    seed: int
    parameters: Parameters
    attributes: dict[str, Any]  # of the store
    title: str  # for people: "MNIST"
    with_outputs: bool  # whether predictions for the probes are kept

    @cached_property
    def networks(self) -> pd.DataFrame:
        """A row per network, indexed by its name."""
        return pd.concat([cohort.networks for cohort in self.cohorts])

    def run(self, observe: Callable[[Moment], Any] = lambda moment: None) -> pd.DataFrame:
        """Train the networks from where they start, writing snapshots to the store as they learn.

        Returns:
            The table of networks with their last scores and their ``outcome``.
        """
        task, schedule = self.task, schedule_of(self.settings, len(self.task.labels))
        count = len(self.networks)
        diverged, done, scores = np.zeros(count, bool), 0, {}
        orders = [Batches(task, c.groups, self.settings, self.seed) for c in self.cohorts]
        with self.writer() as writer:
            for step in schedule.steps.tolist():
                for cohort, batches in zip(self.cohorts, orders, strict=True):
                    for order in batches.between(done, step):
                        cohort.ensemble.train(
                            task.images, cohort.labels, order, self.settings.batch_size
                        )
                done, epoch = step, step / schedule.steps_per_epoch
                scores = _together([_scores(cohort, task) for cohort in self.cohorts])
                scores["epoch"] = np.full(count, epoch)
                weights = np.concatenate([c.recorded(c.ensemble.weights()) for c in self.cohorts])
                outputs = None
                if self.with_outputs:
                    outputs = np.concatenate(
                        [c.ensemble.outputs(task.probe_images) for c in self.cohorts]
                    )
                diverged |= ~np.isfinite(weights).all(axis=1) | ~np.isfinite(scores["train_loss"])
                writer.add(np.full(count, step), weights, scores, outputs)
                observe(Moment(step, epoch, scores))
            outcome = outcomes(scores["test_accuracy"], diverged, task)
            writer.label("outcome", outcome)
        return self.networks.assign(**scores, outcome=outcome)

    def writer(self, buffer_bytes: int = BUFFER_BYTES) -> StoreWriter:
        """What replaces the store."""
        task = self.task
        return StoreWriter(
            self.path,
            self.networks,
            self.parameters,
            self.attributes,
            snapshots=len(schedule_of(self.settings, len(task.labels)).steps),
            probes=task.probes if self.with_outputs else 0,
            classes=task.classes,
            probe_labels=task.test_labels[: task.probes].tolist(),
            replace=True,
            buffer_bytes=buffer_bytes,
        )


def schedule_of(settings: Any, examples: int) -> Schedule:
    """When snapshots are taken of a training on so many examples.

    Raises:
        ParamsError: the batch is larger than the training set.
    """
    if settings.batch_size > examples:
        raise ParamsError(
            f"batch_size is {settings.batch_size:,}, but {settings.dataset} has {examples:,} "
            "training examples; expected at most that many. Set it in params.yaml."
        )
    snapshots = settings.snapshots
    return Schedule.regular(
        steps_per_epoch(settings, examples),
        settings.epochs,
        snapshots.first_epoch,
        snapshots.per_epoch,
    )


def steps_per_epoch(settings: Any, examples: int) -> int:
    """As scikit-learn: the last batch of an epoch may be smaller."""
    return -(-examples // settings.batch_size)


class Batches:
    """Which examples each group of networks sees at which step."""

    def __init__(self, task: Task, groups: Sequence[str], settings: Any, seed: int) -> None:
        self._task, self._groups, self._seed = task.name, groups, seed
        self._examples, self._size = len(task.labels), settings.batch_size
        self._steps_per_epoch = steps_per_epoch(settings, self._examples)
        self._epoch, self._orders = -1, np.empty((len(groups), 0), np.int64)

    def between(self, start: int, stop: int) -> Iterator[Int[np.ndarray, "group position"]]:
        """The examples of the steps from ``start`` to ``stop``, in parts within one epoch each."""
        while start < stop:
            epoch, first = divmod(start, self._steps_per_epoch)
            count = min(stop - start, self._steps_per_epoch - first)
            if epoch != self._epoch:
                self._epoch = epoch
                self._orders = np.stack([self._order(epoch, group) for group in self._groups])
            yield self._orders[:, first * self._size : (first + count) * self._size]
            start += count

    def _order(self, epoch: int, group: str) -> Int[np.ndarray, " position"]:
        of = () if group == SHARED else ("pair", int(group))
        rng = seeds.generator(self._seed, "batch order", self._task, epoch, *of)
        return rng.permutation(self._examples).astype(np.int32)


SHARED = "all"  # the name of the only group where all pairs see the same mini-batches


def grouped(pairs: Sequence[int], batch_order: str) -> tuple[tuple[str, ...], list[int]]:
    """Names of the groups that share mini-batches, and the number of each network's group."""
    if batch_order == "shared":
        return (SHARED,), [0] * len(pairs)
    names = list(dict.fromkeys(pairs))
    return tuple(map(str, names)), [names.index(pair) for pair in pairs]


def outcomes(
    test_accuracy: np.ndarray, diverged: Bool[np.ndarray, " network"], task: Task
) -> list[str]:
    """How each network failed, or "" where it did not.

    "diverged": its weights or its loss were not finite at some snapshot. "dead": it ends no better
    than naming the most frequent class, as networks do whose units no longer respond.
    """
    dead = test_accuracy <= np.float32(task.largest_class)
    return np.where(diverged, "diverged", np.where(dead, "dead", "")).tolist()


def _scores(cohort: Cohort, task: Task) -> dict[str, np.ndarray]:
    train_loss, train_accuracy = cohort.ensemble.scores(
        task.scored_images, cohort.labels[task.scored]
    )
    test_loss, test_accuracy = cohort.ensemble.scores(task.test_images, task.test_labels)
    return {
        "train_loss": train_loss,
        "train_accuracy": train_accuracy,
        "test_loss": test_loss,
        "test_accuracy": test_accuracy,
    }


def _together(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
