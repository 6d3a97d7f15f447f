"""Training an ensemble: mini-batches in, snapshots out."""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deep_learning_dynamics import batches, seeds
from deep_learning_dynamics.datasets import Examples
from deep_learning_dynamics.ensemble import Ensemble
from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.images import Images
from deep_learning_dynamics.networks import Architecture
from deep_learning_dynamics.params import Pretrain
from deep_learning_dynamics.parts import Parts
from deep_learning_dynamics.trajectories import (
    Member,
    Observer,
    Schedule,
    Scores,
    SnapshotWriter,
)

# Multiply-adds of a step's first layer, were it dense, from which on networks are shared out over
# threads. Below, one thread takes all steps, while another makes the next mini-batches.
WORTH_THREADS = 25_000_000
UNITS_AT_ONCE = 200  # of the first layer in a part: its weights stay in the processor's cache
EXAMPLES_AT_ONCE = 2000  # when scoring: activations of that many stay in the processor's cache


@dataclass(frozen=True)
class Task:
    """What networks learn, and what they are scored on."""

    name: str  # "mnist" or "omniglot"
    images: Images
    labels: Int[Tensor, " example"]
    scored_images: Images  # a fixed part of the training set
    scored_labels: Int[Tensor, " scored"]
    test_images: Images
    test_labels: Int[Tensor, " test"]
    probes: int  # the first so many test examples, whose probabilities are kept
    classes: int


@dataclass(frozen=True)
class Outcome:
    """How a training ended, for each network."""

    scores: Scores  # at the last step
    failed: tuple[str, ...]  # "diverged", "dead" or "", as :func:`failures` says


def make_task(
    name: str, examples: Examples, seed: int, scored_examples: int, probes: int, device: str
) -> Task:
    """Put a dataset where training needs it.

    Scored and probe examples are drawn by fixed streams of ``seed``; where the dataset has fewer
    than asked for, all are taken.
    """

    def images(selected: Int[np.ndarray, " example"]) -> Images:
        flat = torch.from_numpy(examples.images[selected].reshape(len(selected), -1))
        return Images(flat.to(device))

    def labels(selected: Int[np.ndarray, " example"]) -> Tensor:
        return torch.from_numpy(examples.labels[selected]).to(device)

    train = np.flatnonzero(~examples.is_test)
    scored = seeds.generator(seed, "scored examples", name).permutation(train)[:scored_examples]
    # The probes come first, so that they are a slice of the test set.
    test = seeds.generator(seed, "probes", name).permutation(np.flatnonzero(examples.is_test))
    return Task(
        name,
        images(train),
        labels(train),
        images(scored),
        labels(scored),
        images(test),
        labels(test),
        probes=min(probes, len(test)),
        classes=len(examples.class_names),
    )


def pick_device() -> str:
    """The GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def train(
    path: Path,
    members: Sequence[Member],
    weights: Float[np.ndarray, "network weight"],
    architecture: Architecture,
    task: Task,
    settings: Pretrain,
    seed: int,
    observers: Sequence[Observer] = (),
) -> Outcome:
    """Train networks from where they start, writing their snapshots to ``path`` as they learn.

    Networks of one pair see the same mini-batches; with ``batch_order: shared`` all networks do.

    Raises:
        ParamsError: the batch is larger than the training set.
    """
    if settings.batch_size > len(task.labels):
        raise ParamsError(
            f"batch_size is {settings.batch_size:,}, but {task.name} has {len(task.labels):,} "
            "training examples; expected at most that many. Set it in params.yaml."
        )
    schedule = _schedule(settings, len(task.labels))
    coming = batches.ahead(mini_batches(task, architecture, members, settings, seed))
    with (
        shared_out(task, architecture, weights, settings) as networks,
        SnapshotWriter(
            path, members, architecture, schedule, task.probes, {"dataset": task.name}
        ) as writer,
    ):
        diverged, steps = np.zeros(len(members), bool), schedule.steps.tolist()
        ready: list[batches.Step] = []
        for step, missing in zip(steps, np.diff(steps, prepend=0), strict=True):
            while missing > 0:
                ready = ready or next(coming)
                networks.take(ready[:missing])
                missing, ready = missing - len(ready), ready[missing:]
            scores = networks.scores(lambda ensemble: score(ensemble, task))
            snapshot = networks.weights()
            diverged |= ~np.isfinite(snapshot).all(axis=1) | ~np.isfinite(scores.train_loss)
            writer.add(snapshot, scores)
            for observe in observers:
                observe(step, step / schedule.steps_per_epoch, scores)
        failed = failures(scores, diverged, task)
        writer.mark_failed(failed)
    return Outcome(scores, failed)


@contextmanager
def shared_out(
    task: Task,
    architecture: Architecture,
    weights: Float[np.ndarray, "network weight"],
    settings: Pretrain,
) -> Iterator[Parts]:
    """The networks, in as many parts and on as many threads as their work is worth."""
    inputs, units = architecture.widths[:2]
    work, device = settings.batch_size * inputs * units * len(weights), task.images.device
    threads, parts = torch.get_num_threads() if work >= WORTH_THREADS else 1, 1
    if 1 < threads <= len(weights) and device.type == "cpu":
        parts = min(len(weights), max(threads, -(-units * len(weights) // UNITS_AT_ONCE)))
    by_pixel = settings.batch_order == "shared" and task.images.sparse_for(units * len(weights))
    with (
        _torch_threads(1 if parts > 1 else threads),
        Parts(architecture, weights, settings, device, by_pixel, parts, threads) as networks,
    ):
        yield networks


def mini_batches(
    task: Task,
    architecture: Architecture,
    members: Sequence[Member],
    settings: Pretrain,
    seed: int,
) -> Iterator[list[batches.Step]]:
    """What these networks see, step by step."""
    pairs = [member.pair for member in members]
    units = architecture.widths[1] * len(members)
    return batches.batches(task.name, task.images, task.labels, pairs, settings, seed, units)


@torch.inference_mode()
def score(ensemble: Ensemble, task: Task) -> Scores:
    """How well every network does at this moment."""
    train_loss, train_accuracy = _loss_and_accuracy(
        ensemble, task.scored_images, task.scored_labels
    )
    test_loss, test_accuracy = _loss_and_accuracy(ensemble, task.test_images, task.test_labels)
    logits = ensemble.logits(task.test_images.span(slice(0, task.probes)))
    probabilities = torch.softmax(logits, dim=1).mT.cpu().numpy()
    return Scores(train_loss, train_accuracy, test_loss, test_accuracy, probabilities)


def failures(last: Scores, diverged: Bool[np.ndarray, " network"], task: Task) -> tuple[str, ...]:
    """How each network failed, from its last scores, or "" where it did not.

    "diverged": its weights or its loss were not finite at some snapshot. "dead": it ends no better
    than naming the most frequent class, as networks do whose units no longer respond.
    """
    largest_class = torch.bincount(task.test_labels).max().item() / len(task.test_labels)
    dead = last.test_accuracy <= largest_class
    return tuple(np.where(diverged, "diverged", np.where(dead, "dead", "")).tolist())


def summary(outcome: Outcome, members: Sequence[Member], arm: str) -> dict[str, Any]:
    """The last scores of an arm over its networks, for ``metrics/*.json``."""
    chosen = [index for index, member in enumerate(members) if member.arm == arm]
    result: dict[str, Any] = {}
    for name in (field.name for field in dataclasses.fields(Scores)):
        values = getattr(outcome.scores, name)
        if values.ndim == 1:
            finite = values[chosen][np.isfinite(values[chosen])].astype(float)
            result[name] = {
                statistic: round(float(function(finite)), 6) if len(finite) else None
                for statistic, function in (
                    ("median", np.median),
                    ("minimum", np.min),
                    ("maximum", np.max),
                )
            }
    return result | {"failed": sum(outcome.failed[index] != "" for index in chosen)}


def headline(what: str, metrics: dict[str, Any]) -> str:
    """One line for people: the test accuracy that an arm reached."""
    accuracy = metrics["test_accuracy"]
    if accuracy["median"] is None:
        return f"{what}: no network has an accuracy"
    spread = f"{accuracy['minimum']:.1%} to {accuracy['maximum']:.1%}"
    failed = f", {metrics['failed']} failed" if metrics["failed"] else ""
    return f"{what}: median test accuracy {accuracy['median']:.1%} ({spread}{failed})"


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _schedule(settings: Pretrain, examples: int) -> Schedule:
    # As scikit-learn: the last batch of an epoch may be smaller.
    steps_per_epoch = -(-examples // settings.batch_size)
    snapshots = settings.snapshots
    return Schedule.regular(
        steps_per_epoch, settings.epochs, snapshots.first_epoch, snapshots.per_epoch
    )


def _loss_and_accuracy(
    ensemble: Ensemble, images: Images, labels: Int[Tensor, " example"]
) -> tuple[Float[np.ndarray, " network"], Float[np.ndarray, " network"]]:
    """Mean cross-entropy in nats and the share of correct predictions.

    A network that diverged predicts the first class: logits that are not numbers have no largest.
    """
    loss = torch.zeros(ensemble.networks, device=ensemble.device)
    correct = torch.zeros(ensemble.networks, device=ensemble.device)
    for start in range(0, len(labels), EXAMPLES_AT_ONCE):
        span = slice(start, start + EXAMPLES_AT_ONCE)
        logits = ensemble.logits(images.span(span))
        index = labels[span].expand(ensemble.networks, 1, -1)
        loss += (torch.logsumexp(logits, dim=1) - logits.gather(1, index)[:, 0]).sum(1)
        correct += (logits.argmax(1) == labels[span]).sum(1)
    return (loss / len(labels)).cpu().numpy(), (correct / len(labels)).cpu().numpy()
