"""One pass over the weights: every measure of every network, and distances between networks.

The weights are read in blocks of columns, in order of the parameters; nothing that has the length
of the weights is kept. Where a block ends depends on the store alone, so that the same store gives
the same bits on a machine with less memory.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64, Int

from deep_learning_dynamics.geometry.measures import (
    MEASURES,
    WHOLE,
    Measure,
    Measures,
    PathData,
    measure_of,
)
from deep_learning_dynamics.geometry.networks import Networks
from deep_learning_dynamics.geometry.paths import Path, degrees
from deep_learning_dynamics.store import schema
from deep_learning_dynamics.store.opening import as_runs

if TYPE_CHECKING:
    import xarray as xr

Block = Float[np.ndarray, "network snapshot weight"]

BLOCK_BYTES = 2**29  # of weights in single precision
FELLOWS = 20  # of a larger group, the first so many stand for all in distances within the group


def measure(
    runs: "xr.Dataset",
    *,
    by: str | None = None,
    measures: Sequence[str] | None = None,
    found: pd.DataFrame | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Measures:
    """Measure all networks of a store, twins and earlier phases too.

    Args:
        runs: stores, as :func:`deep_learning_dynamics.open` gives them, or their paths.
        by: the coordinate whose values are the groups, for distances within them; by default
            "condition", or the first coordinate in words that has a few values; "": one group.
        measures: keys of the measures to take; all that are registered by default.
        found: what analyses of many networks found (``Geometry.measures``): columns network,
            measure and value.
        progress: is called with the number of weights that are done and of all.
    """
    chosen = {key: MEASURES[key]() for key in measures or MEASURES}
    runs = as_runs(runs)
    by = schema.grouped_by(schema.networks_table(runs).reset_index(), by)
    task = _Task.of(Networks(runs, by))
    return _Pass(task, chosen, found).run(progress or (lambda done, of: None))


@dataclass(frozen=True)
class _Relation:
    """Two networks whose distance is measured, at the snapshots that both have at one step."""

    one: int
    other: int
    kind: str  # "pair" or "twin"
    ours: Int[np.ndarray, " common"]  # snapshots of the one
    theirs: Int[np.ndarray, " common"]


@dataclass(frozen=True)
class _Task:
    """Which networks of a store are compared."""

    networks: Networks
    relations: list[_Relation]
    groups: list[Int[np.ndarray, " _"]]  # without twins and networks that diverged
    apart: Int[np.ndarray, " _"]  # whose ends are compared: not twins

    @classmethod
    def of(cls, networks: Networks) -> "_Task":
        snapshots, steps = networks.snapshots, networks.steps
        relations = []
        for one, other, kind in (*networks.partners(), *networks.twins()):
            taken = [steps[each, snapshots[each]] for each in (one, other)]
            _, ours, theirs = np.intersect1d(*taken, return_indices=True)
            common = snapshots[one][ours], snapshots[other][theirs]
            relations.append(_Relation(one, other, kind, *common))
        alive = (networks.table[schema.OUTCOME] != schema.DIVERGED).to_numpy() & ~networks.twin
        alive &= np.array([len(kept) > 0 for kept in snapshots], bool)
        groups = [np.array(group) for group in networks.together(alive) if len(group) > 1]
        return cls(networks, relations, groups, np.flatnonzero(~networks.twin))


@dataclass(frozen=True)
class _Sums:
    """What adds up over weights: inner products, and squared distances."""

    products: list[Float64[np.ndarray, "_ _"]]  # of each network, [move, move]
    related: list[Float64[np.ndarray, " _"]]  # of each relation, at common snapshots
    within: list[Float64[np.ndarray, "_ _ _"]]  # of each group, [snapshot, network, fellow]
    ends: Float64[np.ndarray, "network network"]  # squared distances
    displacements: Float64[np.ndarray, "network network"]  # inner products

    @classmethod
    def nothing(cls, task: _Task) -> "_Sums":
        moves = [max(len(kept) - 1, 0) for kept in task.networks.snapshots]
        snapshots, apart = task.networks.steps.shape[1], len(task.apart)
        sizes = [(snapshots, len(group), min(len(group), FELLOWS)) for group in task.groups]
        return cls(
            [np.zeros((count, count)) for count in moves],
            [np.zeros(len(relation.ours)) for relation in task.relations],
            [np.zeros(size) for size in sizes],
            np.zeros((apart, apart)),
            np.zeros((apart, apart)),
        )

    def add(self, other: "_Sums") -> None:
        for mine, its in zip(self._arrays(), other._arrays(), strict=True):
            mine += its

    def _arrays(self) -> list[np.ndarray]:
        return [*self.products, *self.related, *self.within, self.ends, self.displacements]

    def add_weights(self, task: _Task, weights: Block) -> None:
        """Add some columns of the weights of all networks."""
        from deep_learning_dynamics.geometry.sums import add_products, add_squared_distances

        for path, kept, sums in zip(weights, task.networks.snapshots, self.products, strict=True):
            add_products(_columns(np.diff(path[kept].astype(np.float64), axis=0)), sums)
        for pair, sums in zip(task.relations, self.related, strict=True):
            ours, theirs = weights[pair.one, pair.ours], weights[pair.other, pair.theirs]
            apart = ours.astype(np.float64) - theirs
            sums += np.einsum("sw,sw->s", apart, apart)
        for group, sums in zip(task.groups, self.within, strict=True):
            for snapshot, of_snapshot in enumerate(sums):
                add_squared_distances(_columns(weights[group, snapshot]), of_snapshot)
        first, last = (_ends(weights, task, which) for which in (0, -1))
        add_squared_distances(_columns(last), self.ends)
        add_products(_columns(last - first), self.displacements)


class _Pass:
    """The pass itself: adds weights up, and measures a parameter as soon as it is complete."""

    def __init__(
        self, task: _Task, measures: dict[str, Measure], found: pd.DataFrame | None
    ) -> None:
        self._task, self._runs, self._measures = task, task.networks.runs, measures
        self._found: dict[str, dict[str, float]] = {}  # by network and measure
        if found is not None:
            for name, key, value in found[["network", "measure", "value"]].itertuples(index=False):
                self._found.setdefault(str(name), {})[str(key)] = float(value)
                if key not in self._measures:
                    self._measures[key] = measure_of(key)()
        self._values: list[dict[str, Any]] = []
        self._over_time: list[dict[str, Any]] = []
        self._distances: list[dict[str, Any]] = []
        self._scores = schema.scores_of(self._runs)

    def run(self, progress: Callable[[int, int], None]) -> Measures:
        parameters = schema.Parameters.from_runs(self._runs)
        size = self._runs.sizes["weight"]
        whole, current = _Sums.nothing(self._task), _Sums.nothing(self._task)
        for columns, block in self._blocks(size):
            for name in parameters.names:
                own = parameters.slice(name)
                first, last = max(columns.start, own.start), min(columns.stop, own.stop)
                if first >= last:
                    continue
                part = block[:, :, first - columns.start : last - columns.start]
                current.add_weights(self._task, part)
                if last == own.stop:
                    self._measure(name, own, current)
                    whole.add(current)
                    current = _Sums.nothing(self._task)
            progress(columns.stop, size)
        self._measure(WHOLE, slice(0, size), whole)
        return self._result(whole)

    def _blocks(self, size: int) -> Iterator[tuple[slice, Block]]:
        weights = self._runs["weights"]
        width = max(1, BLOCK_BYTES // (4 * max(1, weights.shape[0] * weights.shape[1])))
        chunk = weights.encoding.get("chunks", (1, 1, size))[2]
        if width > chunk:  # no chunk is read twice
            width -= width % chunk
        for start in range(0, size, width):
            columns = slice(start, min(start + width, size))
            yield columns, weights[:, :, columns].values

    def _measure(self, parameter: str, columns: slice, sums: _Sums) -> None:
        task, networks = self._task, self._task.networks
        to_twin = {
            relation.one: float(np.sqrt(squared[-1]))
            for relation, squared in zip(task.relations, sums.related, strict=True)
            if relation.kind == "twin" and len(squared)
        }
        within = self._within(sums)
        for index, network in enumerate(networks.table.to_dict("records")):
            kept = networks.snapshots[index]
            if len(kept) == 0:
                continue
            steps = networks.steps[index, kept]
            path = Path(steps, sums.products[index])
            data = PathData(
                path,
                {name: values[index, kept] for name, values in self._scores.items()},
                network["outcome"],
                to_twin.get(index, float("nan")),
                lambda index=index, kept=kept: self._runs["weights"][index, kept, columns].values,
                self._found.get(str(network["network"]), {}),
            )
            who = {**network, "parameter": parameter}
            for key, measure in self._measures.items():
                if parameter != WHOLE and not measure.per_parameter:
                    continue
                # The length of a path to infinity says nothing.
                unknown = network["outcome"] == schema.DIVERGED and measure.family == "path"
                value = float("nan") if unknown else float(measure.of(data))
                limit = float(steps[-1]) if measure.censored else float("nan")
                self._values.append({**who, "measure": key, "value": value, "limit": limit})
            self._over_time.append(
                {
                    **who,
                    "snapshot": kept,
                    "step": steps,
                    "speed": path.speed,
                    "turning_angle": path.turning,
                    "distance_to_start": path.from_start,
                    "distance_to_end": path.to_end,
                    "distance_within_group": within[index, kept],
                }
            )
        for relation, squared in zip(task.relations, sums.related, strict=True):
            self._distances.append(
                {
                    "network": networks.names[relation.one],
                    "other": networks.names[relation.other],
                    "relation": relation.kind,
                    "parameter": parameter,
                    "step": networks.steps[relation.one, relation.ours],
                    "distance": np.sqrt(squared),
                }
            )

    def _within(self, sums: _Sums) -> Float64[np.ndarray, "network snapshot"]:
        """The median distance of each network to others of its group at the same step.

        Not the mean, which one network that jumped far off would decide for all of them.
        """
        steps = self._task.networks.steps
        medians = np.full(steps.shape, np.nan)
        for group, squared in zip(self._task.groups, sums.within, strict=True):
            fellows = group[: squared.shape[2]]
            apart = np.sqrt(np.maximum(squared, 0)).transpose(1, 0, 2)
            other_step = steps[group][:, :, None] != steps[fellows].T[None]
            itself = group[:, None, None] == fellows
            apart = np.ma.masked_invalid(np.ma.array(apart, mask=other_step | itself))
            medians[group] = np.ma.median(apart, axis=2).filled(np.nan)
        return medians

    def _result(self, whole: _Sums) -> Measures:
        networks, attributes = self._task.networks, dict(self._runs.attrs)
        table = pd.DataFrame(self._values)
        if len(table):  # measures that no network has, such as those of scores never recorded
            known = table.groupby("measure")["value"].transform(lambda value: value.notna().any())
            table = table[known.to_numpy()].reset_index(drop=True)
        columns = ["network", "other", "relation", "parameter", "step", "distance"]
        plain = str | int | float | bool | np.generic
        return Measures(
            networks.by if networks.by in networks.table else None,
            table,
            _long(self._over_time),
            _long(self._distances) if self._distances else pd.DataFrame(columns=columns),
            self._ends(whole),
            schema.titles_of(attributes),
            {
                str(name): value.item() if isinstance(value, np.generic) else value
                for name, value in attributes.items()
                if name not in ("titles", "environment") and isinstance(value, plain)
            },
        )

    def _ends(self, whole: _Sums) -> pd.DataFrame:
        names = self._task.networks.names[self._task.apart]
        one, other = np.triu_indices(len(names), 1)
        lengths = np.sqrt(np.maximum(np.diag(whole.displacements), 0))
        with np.errstate(invalid="ignore", divide="ignore"):
            angle = degrees(whole.displacements / lengths[:, None] / lengths)
        columns = {
            "network": names[one].astype(str),
            "other": names[other].astype(str),
            "distance": np.sqrt(np.maximum(whole.ends, 0))[one, other],
            "angle": angle[one, other],
        }
        return pd.DataFrame(columns)


def _ends(weights: Block, task: _Task, which: int) -> Float64[np.ndarray, "compared weight"]:
    """The first (0) or last (-1) snapshot of the networks whose ends are compared."""
    ends = np.full((len(task.apart), weights.shape[2]), np.nan)
    for place, network in enumerate(task.apart):
        if len(kept := task.networks.snapshots[network]):
            ends[place] = weights[network, kept[which]]
    return ends


def _columns(rows: Float[np.ndarray, "vector weight"]) -> Float64[np.ndarray, "weight vector"]:
    return np.ascontiguousarray(rows.T, np.float64)


def _long(blocks: list[dict[str, Any]]) -> pd.DataFrame:
    """One table of blocks, in which single values stand for all rows of their block."""
    lengths = [
        next(len(value) for value in block.values() if isinstance(value, np.ndarray))
        for block in blocks
    ]
    columns = {}
    for name, value in (blocks[0] if blocks else {}).items():
        values = [block[name] for block in blocks]
        is_array = isinstance(value, np.ndarray)
        columns[name] = np.concatenate(values) if is_array else np.repeat(values, lengths)
    return pd.DataFrame(columns)
