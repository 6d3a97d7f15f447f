"""Barriers: loss and error along the straight lines between networks.

A barrier is as high as the largest error on the line, minus the mean of the errors at its two ends;
networks without one (at most 2 %) are linearly connected (Frankle et al., "Linear Mode Connectivity
and the Lottery Ticket Hypothesis", ICML 2020, section 2). With alignment, the second network has
its units in the order and scale that bring it closest to the first.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Float32, Float64, Int

from deep_learning_dynamics import seeds
from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.geometry.alignment import Perceptron, align
from deep_learning_dynamics.geometry.analysis import ANALYSES, Analysis, Finding, Forward, Subject
from deep_learning_dynamics.geometry.measures import MEASURES, OfNetworks
from deep_learning_dynamics.geometry.relations import is_twin, partners, phases, twins
from deep_learning_dynamics.store import schema

if TYPE_CHECKING:
    import pandas as pd

THRESHOLD = 0.02  # of the error: lower ones are no barriers (Frankle et al., 2020)
POINTS, POINTS_OF_SNAPSHOTS = 21, 11  # on a line, both ends among them
MOST_PAIRS = 20  # of networks, of each kind and of each group (or two groups)
MOST_SNAPSHOTS = 40  # of a network, evenly spread
BLOCK_BYTES = 2**26  # of weights that are evaluated at once

Line = tuple[Float32[np.ndarray, " weight"], Float32[np.ndarray, " weight"]]


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
        "The first snapshot from which on the error barrier to the end of the network's rounding "
        "twin is at most 2 %."
    )


@ANALYSES.register
class Barriers(Analysis):
    """Tables: ``pairs``, ``lines`` and ``snapshots``; networks that failed are left out, as are
    those whose weights are not finite at the end."""

    key, title, needs = "barriers", "Barriers between networks", ("forward",)

    @classmethod
    def find(cls, subject: Subject) -> Finding | None:
        import pandas as pd

        assert subject.forward is not None
        ends = _Ends.of(subject)
        pairs = ends.pairs(subject.seed)
        snapshots = pd.DataFrame(
            [
                row
                for pair in pairs
                if pair.kind == "twins"
                for row in _approach(ends, pair, subject)
            ]
        )
        if not pairs:
            return None
        approaches = pd.DataFrame(snapshots, columns=_APPROACH)
        rows, curves = _between(ends, pairs, subject.forward)
        measures = _per_network(rows, approaches)
        return Finding(
            {"pairs": rows, "lines": _quartiles(rows, curves), "snapshots": approaches},
            _numbers(rows, measures),
            measures if len(measures) else None,
        )


@dataclass(frozen=True)
class _Pair:
    kind: str  # "twins", "partners" or "members"
    first: int
    second: int


@dataclass(frozen=True)
class _Ends:
    """The networks of a store, and where those end that did not fail."""

    subject: Subject
    networks: "pd.DataFrame"
    groups: list[str]  # of each network
    snapshots: list[Int[np.ndarray, " _"]]  # of each network; none of those that failed
    perceptron: Perceptron | None  # None: networks that cannot be aligned

    @classmethod
    def of(cls, subject: Subject) -> "_Ends":
        runs = subject.runs
        networks = schema.networks_table(runs).reset_index()
        steps = runs[schema.STEP].values
        there = [np.flatnonzero(row >= 0) for row in steps]
        for number, outcome in enumerate(networks[schema.OUTCOME]):
            last = runs[schema.WEIGHTS][number, there[number][-1:]].values
            if outcome != "" or not np.isfinite(last).all():
                there[number] = there[number][:0]
        by = subject.by if subject.by in networks else None
        groups = networks[by].astype(str).tolist() if by else [""] * len(networks)
        try:
            parameters = schema.Parameters.from_runs(runs)
            perceptron = Perceptron.of(parameters, str(runs.attrs.get("activation", "")))
        except StoreError:
            perceptron = None
        return cls(subject, networks, groups, there, perceptron)

    def pairs(self, seed: int) -> list[_Pair]:
        """Which ends are joined: all twins, and some partners and members of each group."""
        twin, phase = is_twin(self.networks), phases(self.networks)
        sound = [len(kept) > 0 for kept in self.snapshots]
        found = [
            _Pair("twins", one, other)
            for one, other, _ in twins(self.networks, twin)
            if sound[one] and sound[other] and phase[one] == "0"
        ]
        of_groups: dict[tuple[str, str], list[_Pair]] = {}
        for one, other, _ in partners(self.networks, twin, phase):
            if sound[one] and sound[other] and phase[one] == "0":
                key = self.groups[one], self.groups[other]
                of_groups.setdefault(key, []).append(_Pair("partners", one, other))
        for key, these in of_groups.items():
            order = seeds.generator(seed, "barriers", *key).permutation(len(these))
            found += [these[place] for place in sorted(order[:MOST_PAIRS])]
        mine_of: dict[str, list[int]] = {}
        for number, group in enumerate(self.groups):
            if sound[number] and not twin[number] and phase[number] == "0":
                mine_of.setdefault(group, []).append(number)
        for group, mine in mine_of.items():
            # A ring: every network is in two pairs at most.
            order = seeds.generator(seed, "barriers", group).permutation(mine).tolist()
            ring = zip(order, [*order[1:], *order[:1]], strict=True)
            distinct = dict.fromkeys(tuple(sorted(pair)) for pair in ring if pair[0] != pair[1])
            found += [_Pair("members", *pair) for pair in list(distinct)[:MOST_PAIRS]]
        return found

    def weights(
        self, network: int, snapshots: int | Sequence[int] | np.ndarray
    ) -> Float32[np.ndarray, "*snapshot weight"]:
        chosen = self.subject.runs[schema.WEIGHTS][network, snapshots]
        return chosen.values.astype(np.float32)

    def end(self, network: int) -> Float32[np.ndarray, " weight"]:
        return self.weights(network, int(self.snapshots[network][-1]))

    def moved(self, network: int) -> float:
        """How far the end of a network is from its start."""
        start = self.weights(network, int(self.snapshots[network][0]))
        return _distance(start, self.end(network))


def along(
    lines: Iterable[Line], forward: Forward, points: int
) -> tuple[Float64[np.ndarray, "line point"], Float64[np.ndarray, "line point"]]:
    """Loss and error at evenly spaced points of straight lines, in blocks of bounded memory."""
    shares = np.linspace(0, 1, points).astype(np.float32)[:, None]
    losses, errors = [np.zeros((0, points))], [np.zeros((0, points))]
    for some in _blocks(lines, points):
        rows = [(1 - shares) * start + shares * end for start, end in some]
        loss, accuracy = forward.scores(np.concatenate(rows))
        losses.append(np.asarray(loss, np.float64).reshape(-1, points))
        errors.append(1 - np.asarray(accuracy, np.float64).reshape(-1, points))
    return np.concatenate(losses), np.concatenate(errors)


def heights(values: Float64[np.ndarray, "line point"]) -> Float64[np.ndarray, " line"]:
    """The largest value on each line, minus the mean of its two ends."""
    return values.max(axis=1) - (values[:, 0] + values[:, -1]) / 2


def _blocks(lines: Iterable[Line], points: int) -> Iterator[list[Line]]:
    lines = iter(lines)
    for first in lines:
        at_once = max(1, BLOCK_BYTES // (4 * points * len(first[0])))
        yield list(islice(chain([first], lines), at_once))


def _between(
    ends: _Ends, pairs: list[_Pair], forward: Forward
) -> "tuple[pd.DataFrame, dict[str, np.ndarray]]":
    """A row for each pair, as it is and aligned, and loss and error along its line."""
    import pandas as pd

    rows: list[dict[str, Any]] = []

    def lines() -> Iterator[Line]:
        for pair in pairs:
            first, second = ends.end(pair.first), ends.end(pair.second)
            moved = (ends.moved(pair.first) + ends.moved(pair.second)) / 2
            for aligned in (False, True):
                if aligned and ends.perceptron is None:
                    continue
                if aligned:
                    found = align(second, first, ends.perceptron)
                    second = found.apply(ends.perceptron, second)
                distance = _distance(first, second)
                rows.append(
                    {
                        "kind": pair.kind,
                        "network": ends.networks["network"][pair.first],
                        "other": ends.networks["network"][pair.second],
                        "group": ends.groups[pair.first],
                        "other_group": ends.groups[pair.second],
                        "aligned": aligned,
                        "distance": distance,
                        "relative_distance": distance / moved if moved > 0 else np.nan,
                    }
                )
                yield first, second

    loss, error = along(lines(), forward, POINTS)
    table = pd.DataFrame(rows)
    table["loss_barrier"], table["error_barrier"] = heights(loss), heights(error)
    return table, {"loss": loss, "error": error}


def _quartiles(rows: "pd.DataFrame", curves: dict[str, np.ndarray]) -> "pd.DataFrame":
    """Loss and error along the lines of each kind, groups and alignment."""
    import pandas as pd

    parts = []
    for key, places in rows.groupby(_KEYS, sort=False).indices.items():
        part: dict[str, Any] = dict(zip(_KEYS, key, strict=True))
        part["share"] = np.linspace(0, 1, POINTS)
        for name, values in curves.items():
            found = np.quantile(values[places], [0.25, 0.5, 0.75], axis=0)
            part |= {f"{name}_{q}": row for q, row in zip(_QUARTILES, found, strict=True)}
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


_KEYS = ["kind", "group", "other_group", "aligned"]
_QUARTILES = ("low", "median", "high")
_APPROACH = ["network", "group", "towards", "snapshot", "step", "loss_barrier", "error_barrier"]


def _approach(ends: _Ends, pair: _Pair, subject: Subject) -> list[dict[str, Any]]:
    """Barriers between snapshots of a network and its own end, and the end of its twin."""
    kept = ends.snapshots[pair.first]
    if len(kept) > MOST_SNAPSHOTS:
        kept = kept[np.unique(np.rint(np.linspace(0, len(kept) - 1, MOST_SNAPSHOTS)).astype(int))]
    path = ends.weights(pair.first, kept)
    steps = subject.runs[schema.STEP].values[pair.first, kept]
    rows = []
    for towards, end in (("own_end", path[-1]), ("twin_end", ends.end(pair.second))):
        lines = ((start, end) for start in path)
        loss, error = along(lines, subject.forward, POINTS_OF_SNAPSHOTS)
        rows += [
            {
                "network": ends.networks["network"][pair.first],
                "group": ends.groups[pair.first],
                "towards": towards,
                "snapshot": int(snapshot),
                "step": int(step),
                "loss_barrier": float(loss_height),
                "error_barrier": float(error_height),
            }
            for snapshot, step, loss_height, error_height in zip(
                kept, steps, heights(loss), heights(error), strict=True
            )
        ]
    return rows


def commitment(
    steps: Int[np.ndarray, " snapshot"], barriers: Float[np.ndarray, " snapshot"]
) -> float:
    """The first step from which on there is no barrier; ∞ where there is one at the end."""
    behind = np.flatnonzero(~(barriers <= THRESHOLD))
    first = behind[-1] + 1 if len(behind) else 0
    return float(steps[first]) if first < len(steps) else float("inf")


def _per_network(rows: "pd.DataFrame", snapshots: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    found = []
    of_twins = rows[(rows["kind"] == "twins") & ~rows["aligned"]]
    for network, barrier in zip(of_twins["network"], of_twins["error_barrier"], strict=True):
        found.append((network, TwinBarrier.key, float(barrier)))
    if len(snapshots):
        towards = snapshots[snapshots["towards"] == "twin_end"]
        for network, path in towards.groupby("network", sort=False):
            step = commitment(path["step"].to_numpy(), path["error_barrier"].to_numpy())
            found.append((network, CommitmentStep.key, step))
    return pd.DataFrame(found, columns=["network", "measure", "value"])


def _numbers(rows: "pd.DataFrame", measures: "pd.DataFrame") -> dict[str, Any]:
    """Medians by kind, groups and alignment, and how many networks committed."""
    medians = []
    for key, part in rows.groupby(_KEYS, sort=False):
        numbers = ("relative_distance", "loss_barrier", "error_barrier")
        medians.append(
            {
                **dict(zip(_KEYS, [str(each) for each in key[:3]], strict=False)),
                "aligned": bool(key[3]),
                "pairs": len(part),
                "connected": int((part["error_barrier"] <= THRESHOLD).sum()),
                # JSON has no NaN, which a distance is that no network has moved.
                **{
                    name: value if np.isfinite(value := float(part[name].median())) else None
                    for name in numbers
                },
            }
        )
    steps = measures.loc[measures["measure"] == CommitmentStep.key, "value"].astype(float)
    return {
        "threshold": THRESHOLD,
        "medians": medians,
        "networks_with_twin": len(steps),
        "committed": int(np.isfinite(steps).sum()),
    }


def _distance(one: Float32[np.ndarray, " weight"], other: Float32[np.ndarray, " weight"]) -> float:
    return float(np.linalg.norm(one.astype(np.float64) - other))
