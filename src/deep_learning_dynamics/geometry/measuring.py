"""One pass over the weights: every measure of every network, and distances between networks.

The weights are read in blocks of columns, in order of the parameters; nothing that has the length
of the weights is kept. Where a block ends depends on the store alone, so that the same store gives
the same bits on a machine with less memory.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

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
from deep_learning_dynamics.geometry.sums import Block, Compared, Sums
from deep_learning_dynamics.store import schema
from deep_learning_dynamics.store.opening import as_runs

if TYPE_CHECKING:
    import xarray as xr

BLOCK_BYTES = 2**29  # of weights in single precision


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
    compared = Compared.of(Networks(runs, by))
    return _Pass(compared, chosen, found).run(progress or (lambda done, of: None))


class _Pass:
    """The pass itself: adds weights up, and measures a parameter as soon as it is complete."""

    def __init__(
        self, compared: Compared, measures: dict[str, Measure], found: pd.DataFrame | None
    ) -> None:
        self._compared, self._runs, self._measures = compared, compared.networks.runs, measures
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
        whole, current = Sums.nothing(self._compared), Sums.nothing(self._compared)
        for columns, block in self._blocks(size):
            for name in parameters.names:
                own = parameters.slice(name)
                first, last = max(columns.start, own.start), min(columns.stop, own.stop)
                if first >= last:
                    continue
                part = block[:, :, first - columns.start : last - columns.start]
                current.add_weights(part)
                if last == own.stop:
                    self._measure(name, own, current)
                    whole.add(current)
                    current = Sums.nothing(self._compared)
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

    def _measure(self, parameter: str, columns: slice, sums: Sums) -> None:
        compared, networks = self._compared, self._compared.networks
        to_twin = {
            relation.one: float(np.sqrt(squared[-1]))
            for relation, squared in zip(compared.relations, sums.related, strict=True)
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
        for relation, squared in zip(compared.relations, sums.related, strict=True):
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

    def _within(self, sums: Sums) -> Float64[np.ndarray, "network snapshot"]:
        """The median distance of each network to others of its group at the same step.

        Not the mean, which one network that jumped far off would decide for all of them.
        """
        steps = self._compared.networks.steps
        medians = np.full(steps.shape, np.nan)
        for group, squared in zip(self._compared.groups, sums.within, strict=True):
            fellows = group[: squared.shape[2]]
            apart = np.sqrt(np.maximum(squared, 0)).transpose(1, 0, 2)
            other_step = steps[group][:, :, None] != steps[fellows].T[None]
            itself = group[:, None, None] == fellows
            apart = np.ma.masked_invalid(np.ma.array(apart, mask=other_step | itself))
            medians[group] = np.ma.median(apart, axis=2).filled(np.nan)
        return medians

    def _result(self, whole: Sums) -> Measures:
        networks, attributes = self._compared.networks, dict(self._runs.attrs)
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

    def _ends(self, whole: Sums) -> pd.DataFrame:
        names = self._compared.networks.names[self._compared.apart]
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
