"""One pass over the weights: every measure of every network, and distances between networks.

The weights are read in blocks of columns, in order of the parameters; nothing that has the length
of the weights is kept. Where a block ends depends on the store alone, so that the same store gives
the same bits on a machine with less memory.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Float64, Int

from deep_learning_dynamics.geometry.measures import (
    MEASURES,
    WHOLE,
    Measure,
    Measures,
    PathData,
    measure_of,
)
from deep_learning_dynamics.geometry.paths import Path, degrees
from deep_learning_dynamics.geometry.relations import is_twin, partners, phases, twins
from deep_learning_dynamics.store.schema import networks_table, score_names, titles_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

BLOCK_BYTES = 2**29  # of weights in single precision
FELLOWS = 20  # of a larger group, the first so many stand for all in distances within the group


def measure(
    runs: "xr.Dataset",
    *,
    by: str | None = "condition",
    measures: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    found: "pd.DataFrame | None" = None,
    progress: Callable[[int, int], None] | None = None,
) -> Measures:
    """Measure all networks of a store, twins and earlier phases too.

    Args:
        runs: a store, as :func:`deep_learning_dynamics.open` gives it.
        by: the coordinate whose values are the groups, for distances within them.
        measures: keys of the measures to take; all that are registered by default.
        settings: by key, the ``Settings`` of measures that shall not have their defaults.
        found: what analyses of many networks found (``Geometry.measures``): columns network,
            measure and value.
        progress: is called with the number of weights that are done and of all.
    """
    chosen = {key: MEASURES[key]((settings or {}).get(key)) for key in measures or tuple(MEASURES)}
    task = _Task.of(runs, by)
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
    """Who is in a store, which snapshots count and which networks are compared."""

    runs: "xr.Dataset"
    by: str | None
    networks: "pd.DataFrame"  # a row per network: its id and coordinates
    snapshots: list[Int[np.ndarray, " _"]]  # of each network, those that there are
    steps: list[Int[np.ndarray, " _"]]  # of these
    relations: list[_Relation]
    groups: list[Int[np.ndarray, " _"]]  # without twins and networks that diverged
    apart: Int[np.ndarray, " _"]  # whose ends are compared: not twins

    @classmethod
    def of(cls, runs: "xr.Dataset", by: str | None) -> "_Task":
        networks = networks_table(runs).reset_index()
        by = by if by in networks else None
        steps = runs["step"].values
        snapshots = [np.flatnonzero(row >= 0) for row in steps]
        taken = [row[kept].astype(np.int64) for row, kept in zip(steps, snapshots, strict=True)]
        twin = is_twin(networks)
        alive = ~twin & (networks["outcome"] != "diverged").to_numpy()
        alive &= np.array([len(kept) > 0 for kept in snapshots], bool)
        phase = phases(networks)
        of_group = [phase] if by is None else [phase, networks[by].astype(str)]
        labels = ["\0".join(label) for label in zip(*of_group, strict=True)]
        groups = [
            np.flatnonzero(alive & (np.array(labels, object) == label))
            for label in dict.fromkeys(labels)
        ]
        relations = []
        for one, other, kind in (*partners(networks, twin, phase), *twins(networks, twin)):
            _, ours, theirs = np.intersect1d(taken[one], taken[other], return_indices=True)
            common = snapshots[one][ours], snapshots[other][theirs]
            relations.append(_Relation(one, other, kind, *common))
        return cls(
            runs,
            by,
            networks,
            snapshots,
            taken,
            relations,
            [group for group in groups if len(group) > 1],
            np.flatnonzero(~twin),
        )


@dataclass
class _Sums:
    """What adds up over weights: inner products, and squared distances."""

    products: list[Float64[np.ndarray, "_ _"]]  # of each network, [move, move]
    related: list[Float64[np.ndarray, " _"]]  # of each relation, at common snapshots
    within: list[Float64[np.ndarray, "_ _ _"]]  # of each group, [snapshot, network, fellow]
    ends: Float64[np.ndarray, "network network"]  # squared distances
    displacements: Float64[np.ndarray, "network network"]  # inner products

    @classmethod
    def nothing(cls, task: _Task) -> "_Sums":
        moves = [max(len(kept) - 1, 0) for kept in task.snapshots]
        apart = len(task.apart)
        return cls(
            [np.zeros((count, count)) for count in moves],
            [np.zeros(len(relation.ours)) for relation in task.relations],
            [
                np.zeros((task.runs.sizes["snapshot"], len(group), min(len(group), FELLOWS)))
                for group in task.groups
            ],
            np.zeros((apart, apart)),
            np.zeros((apart, apart)),
        )

    def add(self, other: "_Sums") -> None:
        for name in ("products", "related", "within"):
            for mine, its in zip(getattr(self, name), getattr(other, name), strict=True):
                mine += its
        self.ends += other.ends
        self.displacements += other.displacements

    def add_weights(
        self, task: _Task, weights: Float[np.ndarray, "network snapshot weight"]
    ) -> None:
        """Add some columns of the weights of all networks."""
        from deep_learning_dynamics.geometry.sums import add_products, add_squared_distances

        for index, kept in enumerate(task.snapshots):
            add_products(
                _columns(np.diff(_wide(weights[index, kept]), axis=0)), self.products[index]
            )
        for sums, pair in zip(self.related, task.relations, strict=True):
            apart = _wide(weights[pair.one, pair.ours]) - weights[pair.other, pair.theirs]
            sums += np.einsum("sw,sw->s", apart, apart)
        for sums, group in zip(self.within, task.groups, strict=True):
            for snapshot in range(weights.shape[1]):
                add_squared_distances(_columns(weights[group, snapshot]), sums[snapshot])
        first, last = (_ends(weights, task, which) for which in (0, -1))
        add_squared_distances(_columns(last), self.ends)
        add_products(_columns(last - first), self.displacements)


class _Pass:
    """The pass itself: adds weights up, and measures a parameter as soon as it is complete."""

    def __init__(
        self, task: _Task, measures: dict[str, Measure], found: "pd.DataFrame | None"
    ) -> None:
        self._task, self._measures = task, measures
        self._found: dict[str, dict[str, float]] = {}  # by network and measure
        if found is not None:
            for name, key, value in found[["network", "measure", "value"]].itertuples(index=False):
                self._found.setdefault(str(name), {})[str(key)] = float(value)
            unknown = dict.fromkeys(found["measure"])
            self._measures = measures | {
                key: measure_of(key)() for key in unknown if key not in measures
            }
        self._values: list[dict[str, Any]] = []
        self._over_time: list[dict[str, Any]] = []
        self._distances: list[dict[str, Any]] = []
        self._scores = {name: task.runs[name].values for name in score_names(task.runs)}

    def run(self, progress: Callable[[int, int], None]) -> Measures:
        task = self._task
        names = [str(name) for name in task.runs["parameter"].values]
        starts, stops = (task.runs[name].values.astype(int) for name in ("start", "stop"))
        size = task.runs.sizes["weight"]
        whole, current = _Sums.nothing(task), _Sums.nothing(task)
        for columns, block in self._blocks(size):
            for name, start, stop in zip(names, starts, stops, strict=True):
                first, last = max(columns.start, start), min(columns.stop, stop)
                if first >= last:
                    continue
                part = block[:, :, first - columns.start : last - columns.start]
                current.add_weights(task, part)
                if last == stop:
                    self._measure(name, slice(int(start), int(stop)), current)
                    whole.add(current)
                    current = _Sums.nothing(task)
            progress(columns.stop, size)
        self._measure(WHOLE, slice(0, size), whole)
        return self._result(whole)

    def _blocks(
        self, size: int
    ) -> Iterator[tuple[slice, Float[np.ndarray, "network snapshot weight"]]]:
        weights = self._task.runs["weights"]
        width = max(1, BLOCK_BYTES // (4 * max(1, weights.shape[0] * weights.shape[1])))
        chunk = weights.encoding.get("chunks", (1, 1, size))[2]
        if width > chunk:  # no chunk is read twice
            width -= width % chunk
        for start in range(0, size, width):
            columns = slice(start, min(start + width, size))
            yield columns, weights[:, :, columns].values

    def _measure(self, parameter: str, columns: slice, sums: _Sums) -> None:
        task = self._task
        to_twin = {
            relation.one: float(np.sqrt(squared[-1]))
            for relation, squared in zip(task.relations, sums.related, strict=True)
            if relation.kind == "twin" and len(squared)
        }
        within = self._within(sums)
        for index, network in enumerate(task.networks.to_dict("records")):
            kept, steps = task.snapshots[index], task.steps[index]
            if len(kept) == 0:
                continue
            diverged = network["outcome"] == "diverged"
            path = Path(steps, sums.products[index])
            data = PathData(
                path,
                {name: values[index, kept] for name, values in self._scores.items()},
                network["outcome"],
                to_twin.get(index, float("nan")),
                lambda index=index, kept=kept: task.runs["weights"][index, kept, columns].values,
                self._found.get(str(network["network"]), {}),
            )
            who = {**network, "parameter": parameter}
            for key, measure in self._measures.items():
                if parameter != WHOLE and not measure.per_parameter:
                    continue
                # The length of a path to infinity says nothing.
                unknown = diverged and measure.family == "path"
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
        names = task.networks["network"].tolist()
        for relation, squared in zip(task.relations, sums.related, strict=True):
            self._distances.append(
                {
                    "network": names[relation.one],
                    "other": names[relation.other],
                    "relation": relation.kind,
                    "parameter": parameter,
                    "step": task.runs["step"].values[relation.one, relation.ours].astype(np.int64),
                    "distance": np.sqrt(squared),
                }
            )

    def _within(self, sums: _Sums) -> Float64[np.ndarray, "network snapshot"]:
        """The median distance of each network to others of its group at the same step.

        Not the mean, which one network that jumped far off would decide for all of them.
        """
        task = self._task
        steps = task.runs["step"].values
        medians = np.full(steps.shape, np.nan)
        for group, squared in zip(task.groups, sums.within, strict=True):
            fellows = group[: squared.shape[2]]
            apart = np.sqrt(np.maximum(squared, 0)).transpose(1, 0, 2)
            other_step = steps[group][:, :, None] != steps[fellows].T[None]
            itself = group[:, None, None] == fellows
            apart = np.ma.masked_invalid(np.ma.array(apart, mask=other_step | itself))
            medians[group] = np.ma.median(apart, axis=2).filled(np.nan)
        return medians

    def _result(self, whole: _Sums) -> Measures:
        import pandas as pd

        task, attributes = self._task, dict(self._task.runs.attrs)
        table = pd.DataFrame(self._values)
        if len(table):  # measures that no network has, such as those of scores never recorded
            known = table.groupby("measure")["value"].transform(lambda value: value.notna().any())
            table = table[known.to_numpy()].reset_index(drop=True)
        return Measures(
            task.by,
            table,
            _long(self._over_time),
            _long(
                self._distances, ["network", "other", "relation", "parameter", "step", "distance"]
            ),
            self._ends(whole),
            titles_of(attributes),
            {
                str(name): value.item() if isinstance(value, np.generic) else value
                for name, value in attributes.items()
                if name not in ("titles", "environment")
                and isinstance(value, str | int | float | bool | np.generic)
            },
        )

    def _ends(self, whole: _Sums) -> "pd.DataFrame":
        import pandas as pd

        names = self._task.networks["network"].to_numpy(object)[self._task.apart]
        one, other = np.triu_indices(len(names), 1)
        lengths = np.sqrt(np.maximum(np.diag(whole.displacements), 0))
        with np.errstate(invalid="ignore", divide="ignore"):
            cosine = whole.displacements / lengths[:, None] / lengths
            angle = degrees(cosine)
        columns = {
            "network": names[one].astype(str),
            "other": names[other].astype(str),
            "distance": np.sqrt(np.maximum(whole.ends, 0))[one, other],
            "angle": angle[one, other],
        }
        return pd.DataFrame(columns)


def _ends(
    weights: Float[np.ndarray, "network snapshot weight"], task: _Task, which: int
) -> Float64[np.ndarray, "compared weight"]:
    """The first (0) or last (-1) snapshot of the networks whose ends are compared."""
    ends = np.full((len(task.apart), weights.shape[2]), np.nan)
    for place, network in enumerate(task.apart):
        if len(task.snapshots[network]):
            ends[place] = weights[network, task.snapshots[network][which]]
    return ends


def _wide(values: Float[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    return values.astype(np.float64)


def _columns(rows: Float[np.ndarray, "vector weight"]) -> Float64[np.ndarray, "weight vector"]:
    return np.ascontiguousarray(_wide(rows).T)


def _long(blocks: list[dict[str, Any]], columns: list[str] | None = None) -> "pd.DataFrame":
    """One table of blocks, in which single values stand for all rows of their block."""
    import pandas as pd

    if not blocks:
        return pd.DataFrame(columns=columns)
    lengths = [
        next(len(v) for v in block.values() if isinstance(v, np.ndarray)) for block in blocks
    ]
    return pd.DataFrame(
        {
            name: np.concatenate([block[name] for block in blocks])
            if isinstance(blocks[0][name], np.ndarray)
            else np.repeat(np.array([block[name] for block in blocks]), lengths)
            for name in blocks[0]
        }
    )
