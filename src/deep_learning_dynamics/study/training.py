"""Training networks of all conditions side by side: mini-batches in, a store of snapshots out."""

from collections.abc import Callable, Sequence
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
from deep_learning_dynamics.store.schema import DEAD, DIVERGED
from deep_learning_dynamics.store.writer import BUFFER_BYTES
from deep_learning_dynamics.study.datasets import Examples
from deep_learning_dynamics.study.networks import Ensemble

SHARED = "all"  # the name of the only group where all pairs see the same mini-batches
Observer = Callable[[int, float, dict[str, np.ndarray]], Any]


@dataclass(frozen=True)
class Task:
    """What networks learn, and what they are scored on."""

    name: str  # the key of the dataset
    images: UInt8[np.ndarray, "example pixel"]
    labels: Int64[np.ndarray, " example"]
    scored: Int64[np.ndarray, " scored"]  # which of the training examples are scored
    test_images: UInt8[np.ndarray, "test pixel"]
    test_labels: Int64[np.ndarray, " test"]
    probes: int  # how many test examples, the first ones, have their outputs recorded
    shape: tuple[int, int]  # height and width
    classes: int

    @classmethod
    def of(
        cls, name: str, examples: Examples, seed: int, scored_examples: int, probes: int
    ) -> "Task":
        """A dataset in the form that training needs.

        Scored and probe examples are drawn by fixed streams of ``seed``; where the dataset has
        fewer than asked for, all are taken.
        """
        flat = examples.images.reshape(len(examples.labels), -1)
        train = np.flatnonzero(~examples.is_test)
        order = seeds.generator(seed, "scored examples", name).permutation(len(train))
        # The probes come first, so that they are a slice of the test set.
        test = seeds.generator(seed, "probes", name).permutation(np.flatnonzero(examples.is_test))
        return cls(
            name=name,
            images=flat[train],
            labels=examples.labels[train],
            scored=order[:scored_examples],
            test_images=flat[test],
            test_labels=examples.labels[test],
            probes=min(probes, len(test)),
            shape=examples.images.shape[1:],
            classes=examples.classes,
        )


@dataclass(frozen=True)
class Cohort:
    """Networks that learn the same labels, side by side."""

    networks: pd.DataFrame  # a row each, indexed by name; columns: pair, condition, ...
    start: Callable[[], Ensemble]  # makes them, with their weights at the start
    labels: Int64[np.ndarray, " example"]  # what they learn of the training examples
    # Turns an ensemble's weights [network, weight] into those that are recorded.
    recorded: Callable[[Float32[np.ndarray, "network weight"]], Float32[np.ndarray, "network w"]]

    @cached_property
    def ensemble(self) -> Ensemble:
        """The networks."""
        return self.start()


@dataclass(frozen=True)
class Training:
    """A training that is ready to run."""

    path: Path  # of the store
    cohorts: tuple[Cohort, ...]
    groups: tuple[str, ...]  # names of those that see the same mini-batches, in each cohort's order
    task: Task
    settings: Any  # a ``PretrainSection`` or ``TrainSection``
    seed: int
    parameters: Parameters
    attributes: dict[str, Any]  # of the store
    title: str  # for people: "MNIST"
    with_outputs: bool  # whether predictions for the probes are kept

    @cached_property
    def networks(self) -> pd.DataFrame:
        """A row per network, indexed by its name."""
        return pd.concat([cohort.networks for cohort in self.cohorts])

    def run(self, observe: Observer = lambda step, epoch, scores: None) -> None:
        """Train the networks from where they start, writing snapshots to the store as they learn.

        Args:
            observe: called at every snapshot with the step, the epoch, and by their names the
                scores of each network.
        """
        task, size = self.task, self.settings.batch_size
        steps = snapshot_steps(self.settings, len(task.labels))
        per_epoch = steps_per_epoch(self.settings, len(task.labels))
        count, done = len(self.networks), 0
        diverged = np.zeros(count, bool)
        # The same arrays at every snapshot: ensembles remember what they make of images.
        scored, probes = task.images[task.scored], task.test_images[: task.probes]
        with self.writer() as writer:
            for step in steps.tolist():
                if step > 0:  # there is a snapshot at the end of every epoch
                    epoch, first = divmod(done, per_epoch)
                    if first == 0:
                        orders = np.stack([self._order(epoch, group) for group in self.groups])
                    order = orders[:, first * size : (step - epoch * per_epoch) * size]
                    for each in self.cohorts:
                        each.ensemble.train(task.images, each.labels, order, size)
                done = step
                parts = [_scores(cohort, task, scored) for cohort in self.cohorts]
                scores = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
                scores["epoch"] = np.full(count, step / per_epoch)
                weights = np.concatenate([c.recorded(c.ensemble.weights()) for c in self.cohorts])
                outputs = None
                if self.with_outputs:
                    outputs = np.concatenate([c.ensemble.outputs(probes) for c in self.cohorts])
                diverged |= ~np.isfinite(weights).all(axis=1) | ~np.isfinite(scores["train_loss"])
                writer.add(np.full(count, step), weights, scores, outputs)
                observe(step, step / per_epoch, scores)
            writer.label("outcome", outcomes(scores["test_accuracy"], diverged, task))

    def _order(self, epoch: int, group: str) -> Int[np.ndarray, " position"]:
        """The order in which a group of networks sees the examples of an epoch."""
        of = () if group == SHARED else ("pair", int(group))
        rng = seeds.generator(self.seed, "batch order", self.task.name, epoch, *of)
        return rng.permutation(len(self.task.labels)).astype(np.int32)

    def writer(self, buffer_bytes: int = BUFFER_BYTES) -> StoreWriter:
        """What replaces the store."""
        task, probes = self.task, self.task.probes if self.with_outputs else 0
        return StoreWriter(
            self.path,
            self.networks,
            self.parameters,
            self.attributes,
            snapshots=len(snapshot_steps(self.settings, len(task.labels))),
            probes=probes,
            classes=task.classes,
            probe_labels=task.test_labels[:probes].tolist(),
            replace=True,
            buffer_bytes=buffer_bytes,
        )


def snapshot_steps(settings: Any, examples: int) -> Int64[np.ndarray, " snapshot"]:
    """The steps at which snapshots are taken of a training on so many examples: at 0, then
    ``first_epoch`` times in the first epoch, and ``per_epoch`` times in each later one.

    Where an epoch has fewer steps than snapshots were asked for, every step has one.

    Raises:
        ParamsError: the batch is larger than the training set.
    """
    if settings.batch_size > examples:
        raise ParamsError(
            f"batch_size is {settings.batch_size:,}, but {settings.dataset} has {examples:,} "
            "training examples; expected at most that many. Set it in params.yaml."
        )
    per_epoch = settings.snapshots.per_epoch
    first = np.linspace(0, 1, settings.snapshots.first_epoch + 1)
    later = 1 + np.arange(1, (settings.epochs - 1) * per_epoch + 1) / per_epoch
    epochs = np.concatenate([first, later])
    return np.unique(np.rint(epochs * steps_per_epoch(settings, examples)).astype(np.int64))


def steps_per_epoch(settings: Any, examples: int) -> int:
    """As scikit-learn: the last batch of an epoch may be smaller."""
    return -(-examples // settings.batch_size)


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
    most_frequent = np.bincount(task.test_labels).max() / len(task.test_labels)
    # Accuracies may be in single precision, and rounded up or down.
    dead = np.float32(test_accuracy) <= np.float32(most_frequent)
    return np.where(diverged, DIVERGED, np.where(dead, DEAD, "")).tolist()


def _scores(
    cohort: Cohort, task: Task, scored: UInt8[np.ndarray, "scored pixel"]
) -> dict[str, np.ndarray]:
    train_loss, train_accuracy = cohort.ensemble.scores(scored, cohort.labels[task.scored])
    test_loss, test_accuracy = cohort.ensemble.scores(task.test_images, task.test_labels)
    return {
        "train_loss": train_loss,
        "train_accuracy": train_accuracy,
        "test_loss": test_loss,
        "test_accuracy": test_accuracy,
    }
