"""Barriers: loss and error along the straight lines between networks.

A barrier is as high as the largest error on the line, minus the mean of the errors at its two ends;
networks without one (at most 2 %) are linearly connected (Frankle et al., "Linear Mode Connectivity
and the Lottery Ticket Hypothesis", ICML 2020, section 2). With alignment, the second network has
its units in the order and scale that bring it closest to the first.

A snapshot early in training makes many more errors than the end, so that the largest error on the
line between them always exceeds the mean of the two by far. Along a path towards an end, only a
rise above the worse end counts.
"""

import pickle
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, Float64, Int

from deep_learning_dynamics import seeds
from deep_learning_dynamics.execution import ThisProcess, run_tasks
from deep_learning_dynamics.geometry.alignment import align
from deep_learning_dynamics.geometry.analysis import ANALYSES, Analysis, Finding, Forward, Subject
from deep_learning_dynamics.geometry.measures import MEASURES, OfNetworks
from deep_learning_dynamics.geometry.networks import per_network
from deep_learning_dynamics.geometry.torch_forward import TorchForward
from deep_learning_dynamics.selection import evenly
from deep_learning_dynamics.store import schema

THRESHOLD = 0.02  # of the error: lower ones are no barriers (Frankle et al., 2020)
POINTS, POINTS_OF_SNAPSHOTS = 21, 11  # on a line, both ends among them
MOST_PAIRS = 20  # of networks, of each kind and of each group (or two groups)
MOST_SNAPSHOTS = 40  # of a network, evenly spread
BLOCK_BYTES = 2**26  # of weights that are evaluated at once

Weights = Float32[np.ndarray, " weight"]
Line = tuple[Weights, Weights]

_KEYS = ["kind", "group", "other_group", "aligned"]
_HEIGHTS = ["loss_barrier", "error_barrier"]
_PAIRS = ["kind", "network", "other", *_KEYS[1:], "distance", "relative_distance", *_HEIGHTS]
_QUARTILES = ("low", "median", "high")
_APPROACH = ["network", "group", "snapshot", "step", "loss_rise", "error_rise"]


@MEASURES.register
class TwinBarrier(OfNetworks):
    key, title, unit = "twin_barrier", "barrier to the rounding twin", "%"
    meaning = (
        "Largest error on the straight line between the ends of a network and its twin, whose "
        "start differs by rounding, minus the mean of the errors at both ends."
    )


@MEASURES.register
class CommitmentStep(OfNetworks):
    key, title, unit, censored = "commitment_step", "steps until commitment", "steps", True
    meaning = (
        "The first snapshot from which on the error on the straight line to the end of the "
        "network's rounding twin rises by at most 2 points above that of the worse end."
    )


@ANALYSES.register
class Barriers(Analysis):
    """Tables: ``pairs``, ``lines`` and ``snapshots``; networks that failed are left out, as are
    those whose weights are not finite at the end."""

    key, title, needs = "barriers", "Barriers between networks", ("forward",)

    @classmethod
    def find(cls, subject: Subject) -> Finding | None:
        pairs = _pairs(subject)
        if not pairs:
            return None
        work = partial(_joined, subject)
        backend = None if _can_be_sent(work) else ThisProcess()
        found = list(run_tasks(work, pairs, label="barriers", backend=backend))
        between = pd.DataFrame([row for pair in found for row in pair.rows], columns=_PAIRS)
        curves = {
            "loss": np.concatenate([pair.loss for pair in found]),
            "error": np.concatenate([pair.error for pair in found]),
        }
        approaches = pd.DataFrame(
            [row for pair in found for row in pair.approach], columns=_APPROACH
        )
        measures = _measures(between, approaches)
        return Finding(
            {"pairs": between, "lines": _quartiles(between, curves), "snapshots": approaches},
            _numbers(between, measures),
            measures if len(measures) else None,
        )


class _Pair(NamedTuple):
    kind: str  # "twins", "partners" or "members"
    first: int
    second: int


def _pairs(subject: Subject) -> list[_Pair]:
    """Which ends are joined: all twins, and some partners and members of each group."""
    outcomes = enumerate(subject.table[schema.OUTCOME])
    sound = np.array(
        [outcome == "" and subject.sound(number) for number, outcome in outcomes], bool
    )

    def joined(kind: str, pairs: Iterable[tuple[int, int, str]]) -> list[_Pair]:
        return [
            _Pair(kind, one, other)
            for one, other, _ in pairs
            if sound[one] and sound[other] and subject.phases[one] == 0
        ]

    found = joined("twins", subject.twins())
    of_groups: dict[tuple[str, ...], list[_Pair]] = {}
    for pair in joined("partners", subject.partners()):
        key = subject.groups[pair.first], subject.groups[pair.second]
        of_groups.setdefault(key, []).append(pair)
    for key, these in of_groups.items():
        order = seeds.generator(subject.seed, "barriers", *key).permutation(len(these))
        found += [these[place] for place in sorted(order[:MOST_PAIRS])]
    for mine in subject.together(sound & subject.proper):
        group = subject.groups[mine[0]]
        # A ring: every network is in two pairs at most.
        order = seeds.generator(subject.seed, "barriers", group).permutation(mine).tolist()
        ring = zip(order, [*order[1:], *order[:1]], strict=True)
        distinct = dict.fromkeys(tuple(sorted(pair)) for pair in ring if pair[0] != pair[1])
        found += [_Pair("members", *pair) for pair in list(distinct)[:MOST_PAIRS]]
    return found


def along(
    lines: Iterable[Line], forward: Forward, points: int
) -> tuple[Float64[np.ndarray, "line point"], Float64[np.ndarray, "line point"]]:
    """Loss and error at evenly spaced points of straight lines, in blocks of bounded memory."""
    shares = np.linspace(0, 1, points).astype(np.float32)[:, None]
    losses, errors = [np.zeros((0, points))], [np.zeros((0, points))]
    lines = iter(lines)
    for first in lines:
        at_once = max(1, BLOCK_BYTES // (4 * points * len(first[0])))
        some = [first, *islice(lines, at_once - 1)]
        rows = [(1 - shares) * start + shares * end for start, end in some]
        loss, accuracy = forward.scores(np.concatenate(rows))
        losses.append(np.asarray(loss, np.float64).reshape(-1, points))
        errors.append(1 - np.asarray(accuracy, np.float64).reshape(-1, points))
    return np.concatenate(losses), np.concatenate(errors)


def heights(values: Float64[np.ndarray, "line point"]) -> Float64[np.ndarray, " line"]:
    """The largest value on each line, minus the mean of its two ends."""
    return values.max(axis=1) - (values[:, 0] + values[:, -1]) / 2


def rises(values: Float64[np.ndarray, "line point"]) -> Float64[np.ndarray, " line"]:
    """How far the values on each line rise above the larger one of its two ends."""
    return values.max(axis=1) - np.maximum(values[:, 0], values[:, -1])


class _Joined(NamedTuple):
    """What is found of one pair: a row and a line as it is and, where units match, aligned."""

    rows: list[tuple[Any, ...]]
    loss: Float64[np.ndarray, "line point"]
    error: Float64[np.ndarray, "line point"]
    approach: list[tuple[Any, ...]]  # of twins: a row for each snapshot


def _can_be_sent(work: partial) -> bool:
    """Whether other processes can do it: a forward function may hold a GPU, a file or a lock."""
    forward = work.args[0].forward
    if isinstance(forward, TorchForward) and forward.is_on_gpu:
        return False
    try:
        pickle.dumps(work)
    except Exception:
        return False
    return True


def _joined(subject: Subject, pair: _Pair) -> _Joined:
    names = subject.names[pair.first], subject.names[pair.second]
    groups = subject.groups[pair.first], subject.groups[pair.second]
    first, second = subject.end(pair.first), subject.end(pair.second)
    moved = (_moved(subject, pair.first) + _moved(subject, pair.second)) / 2
    lines = [(first, second)]
    if subject.perceptron:
        aligned = align(second, first, subject.perceptron).apply(subject.perceptron, second)
        lines.append((first, aligned))
    loss, error = along(lines, subject.forward, POINTS)
    rows = []
    for number, ends in enumerate(lines):
        distance = _distance(*ends)
        relative = distance / moved if moved > 0 else np.nan
        high = float(heights(loss)[number]), float(heights(error)[number])
        rows.append((pair.kind, *names, *groups, number == 1, distance, relative, *high))
    approach = list(_approach(subject, pair)) if pair.kind == "twins" else []
    return _Joined(rows, loss, error, approach)


def _quartiles(rows: pd.DataFrame, curves: dict[str, np.ndarray]) -> pd.DataFrame:
    """Loss and error along the lines of each kind, groups and alignment."""
    parts = []
    for key, places in rows.groupby(_KEYS, sort=False).indices.items():
        part: dict[str, Any] = dict(zip(_KEYS, key, strict=True))
        part["share"] = np.linspace(0, 1, POINTS)
        for name, values in curves.items():
            found = np.quantile(values[places], [0.25, 0.5, 0.75], axis=0)
            part |= {f"{name}_{q}": row for q, row in zip(_QUARTILES, found, strict=True)}
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


def _approach(subject: Subject, pair: _Pair) -> Iterator[tuple[Any, ...]]:
    """Rises on the lines from snapshots of a network to the end of its twin."""
    kept = evenly(subject.snapshots[pair.first], MOST_SNAPSHOTS)
    path = subject.weights(pair.first, kept)
    steps = subject.steps[pair.first, kept]
    who = subject.names[pair.first], subject.groups[pair.first]
    end = subject.end(pair.second)
    found = along(((start, end) for start in path), subject.forward, POINTS_OF_SNAPSHOTS)
    for *at, loss, error in zip(kept, steps, *map(rises, found), strict=True):
        yield *who, *map(int, at), float(loss), float(error)


def commitment(
    steps: Int[np.ndarray, " snapshot"], errors: Float[np.ndarray, " snapshot"]
) -> float:
    """The first step from which on the error does not rise; ∞ where it does at the end."""
    behind = np.flatnonzero(~(errors <= THRESHOLD))
    first = behind[-1] + 1 if len(behind) else 0
    return float(steps[first]) if first < len(steps) else float("inf")


def _measures(rows: pd.DataFrame, snapshots: pd.DataFrame) -> pd.DataFrame:
    of_twins = rows[(rows["kind"] == "twins") & ~rows["aligned"]].set_index("network")
    steps = {
        network: commitment(path["step"].to_numpy(), path["error_rise"].to_numpy())
        for network, path in snapshots.groupby("network", sort=False)
    }
    found = {TwinBarrier.key: of_twins["error_barrier"], CommitmentStep.key: pd.Series(steps)}
    return per_network(found)


def _numbers(rows: pd.DataFrame, measures: pd.DataFrame) -> dict[str, Any]:
    """Medians by kind, groups and alignment, and how many networks committed."""
    medians = []
    for (*key, aligned), part in rows.groupby(_KEYS, sort=False):
        entry = dict(zip(_KEYS, (*map(str, key), bool(aligned)), strict=True))
        entry["pairs"] = len(part)
        entry["connected"] = int((part["error_barrier"] <= THRESHOLD).sum())
        for name in ("relative_distance", "loss_barrier", "error_barrier"):
            value = float(part[name].median())
            # JSON has no NaN, which a distance is that no network has moved.
            entry[name] = value if np.isfinite(value) else None
        medians.append(entry)
    steps = measures.loc[measures["measure"] == CommitmentStep.key, "value"].astype(float)
    return {
        "threshold": THRESHOLD,
        "medians": medians,
        "networks_with_twin": len(steps),
        "committed": int(np.isfinite(steps).sum()),
    }


def _moved(subject: Subject, network: int) -> float:
    """How far the end of a network is from its start."""
    start = subject.weights(network, int(subject.snapshots[network][0]))
    return _distance(start, subject.end(network))


def _distance(one: Weights, other: Weights) -> float:
    return float(np.linalg.norm(one.astype(np.float64) - other))
