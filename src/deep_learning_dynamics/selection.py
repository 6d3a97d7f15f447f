"""Which weights of which snapshots are analysed: a table of rows and a lazy matrix beside it.

A selection stands between stores and everything that looks at weights: projection, measures,
geometry.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.formatting import listed
from deep_learning_dynamics.registry import Registry
from deep_learning_dynamics.store import schema
from deep_learning_dynamics.store.matrix import ArrayWeights, Matrix, StoredWeights
from deep_learning_dynamics.store.opening import as_runs

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

# Symmetries that are taken out before anything is compared, beside "none".
ALIGNMENTS: Registry[Any] = Registry("alignment", "deep_learning_dynamics.geometry", ("alignment",))


@dataclass(frozen=True)
class Selection:
    """Weights of snapshots, ordered by path, then time.

    A path is what one network's weights went through, beginning with those of the network that it
    continues (pre-training), if that is selected too.
    """

    rows: "pd.DataFrame"
    """A row per snapshot: network, snapshot, step, path, position (along the path), usable (all
    weights are finite, and the network did not diverge), every coordinate of the network, every
    score. ``parameter``, where parameters are separate."""
    weights: Matrix
    titles: dict[str, dict[str, str]] = field(default_factory=dict)  # {coordinate: {value: title}}
    description: str = "all weights"
    outputs: "xr.DataArray | None" = None  # of the store: predictions by network and snapshot

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def usable(self) -> Bool[np.ndarray, " row"]:
        """Rows that a method may be fitted to."""
        return self.rows["usable"].to_numpy(bool)

    @property
    def paths(self) -> "list[Int[np.ndarray, ' row']]":
        """Rows of each path in time order."""
        return paths_of(self.rows)

    def take(self, mask: Bool[np.ndarray, " row"] | Int[np.ndarray, " chosen"]) -> "Selection":
        """Some of the rows, by mask or by number; nothing is read."""
        chosen = np.flatnonzero(mask) if np.asarray(mask).dtype == bool else np.asarray(mask)
        rows = self.rows.iloc[chosen].reset_index(drop=True)
        return replace(self, rows=rows, weights=self.weights.take(chosen))


def paths_of(rows: "pd.DataFrame") -> "list[Int[np.ndarray, ' row']]":
    """Rows of each path in time order, for a table with the columns path and position."""
    order = np.lexsort((rows["position"].to_numpy(), rows["path"].to_numpy()))
    path = rows["path"].to_numpy()[order]
    return np.split(order, np.flatnonzero(np.diff(path)) + 1) if len(order) else []


def evenly(numbers: Real[np.ndarray, " number"], most: int) -> Real[np.ndarray, " chosen"]:
    """At most ``most`` of the numbers, evenly spread, the first and the last among them."""
    if len(numbers) <= most:
        return numbers
    return numbers[np.linspace(0, len(numbers) - 1, most).round().astype(int)]


def select(
    runs: "xr.Dataset",
    parameters: str | Sequence[str] = "weights",
    *,
    networks: str | Sequence[Any] | np.ndarray | None = None,
    separately: bool = False,
    align: str = "none",
    snapshots: int | None = None,
) -> Selection:
    """Choose weights of snapshots. Weights are not read yet.

    Args:
        runs: opened stores, or their paths.
        parameters: "weights" (all matrices, no biases), "all", or names with * for anything.
        networks: which of them: a condition on their coordinates such as
            "condition == 'scratch' and not twin", a mask, or names. None: all.
        separately: each parameter has a path of its own; all must be of one size.
        align: "none", or the key of an alignment.
        snapshots: how many of each path at most, evenly spread over it, the first and last among
            them. None: all.

    Raises:
        StoreError: parameters or networks are not there, or do not fit.
        ParamsError: ``align`` is not known.
    """
    runs = as_runs(runs)
    table = schema.networks_table(runs)
    chosen = _chosen(table, networks)
    of_runs = schema.Parameters.from_runs(runs)
    positions = of_runs.matching(parameters)
    groups = [(position,) for position in positions] if separately else [positions]
    sizes = {sum(of_runs.stops[each] - of_runs.starts[each] for each in part) for part in groups}
    if len(sizes) > 1:
        names = [of_runs.names[position] for position in positions]
        raise StoreError(
            f"Parameters {listed(names)} have {listed([f'{size:,}' for size in sorted(sizes)])} "
            "weights; expected as many of each to follow them separately. "
            'Name some of one size, such as "hidden*.weight".'
        )
    segments = [_segments(of_runs, part) for part in groups]
    chains = _chains(table.iloc[chosen], chosen)
    rows, sources = _rows(runs, table, of_runs, chains, groups if separately else None, snapshots)
    weights = StoredWeights(runs[schema.WEIGHTS], segments, sources)
    if schema.FINITE in runs.variables:
        finite = runs[schema.FINITE].values.astype(bool)[sources[:, 0], sources[:, 1]]
    else:  # somebody else wrote the store
        finite = weights.finite_rows()
    rows["usable"] = finite & (rows[schema.OUTCOME] != schema.DIVERGED).to_numpy()
    selection = Selection(
        rows,
        weights,
        schema.titles_of(runs.attrs),
        _description(of_runs, positions),
        runs.get(schema.OUTPUTS),
    )
    return selection if align == "none" else ALIGNMENTS[align].of(runs, selection)


def from_arrays(
    weights: Float[np.ndarray, "row weight"],
    rows: "pd.DataFrame",
    titles: dict[str, dict[str, str]] | None = None,
    description: str = "all weights",
) -> Selection:
    """A selection of anybody's matrix.

    Args:
        rows: a row for each of the matrix, with ``network`` (or ``path``) and ``step`` at least,
            in any order; what else a selection's rows have is filled in.

    Raises:
        StoreError: the table has another length, or lacks these columns.
    """
    if len(rows) != len(weights) or not {"network", "path"} & set(rows) or "step" not in rows:
        raise StoreError(
            f"{len(rows)} rows with the columns {listed(list(map(str, rows)))} were given for "
            f"{len(weights)} rows of weights; expected as many, with network and step."
        )
    table = rows.reset_index(drop=True).copy()
    if "path" not in table:
        table["path"] = table["network"].factorize()[0]
    along = "position" if "position" in table else "step"
    order = np.lexsort((table[along].to_numpy(), table["path"].to_numpy()))
    table = table.iloc[order].reset_index(drop=True)
    table["position"] = table.groupby("path").cumcount()
    if "network" not in table:
        table["network"] = [f"network-{path}" for path in table["path"]]
    if "snapshot" not in table:
        table["snapshot"] = table["position"]
    matrix = ArrayWeights(weights, order)
    if "usable" not in table:
        outcomes = table.get(schema.OUTCOME, "")
        table["usable"] = matrix.finite_rows() & (np.asarray(outcomes) != schema.DIVERGED)
    first = ["network", "snapshot", "step", "path", "position", "usable"]
    table = table[[*first, *(name for name in table if name not in first)]]
    return Selection(table, matrix, titles or {}, description)


def _segments(parameters: schema.Parameters, positions: Sequence[int]) -> list[slice]:
    """Columns of parameters, those that follow each other as one."""
    segments: list[slice] = []
    for position in positions:
        start, stop = parameters.starts[position], parameters.stops[position]
        if segments and segments[-1].stop == start:
            segments[-1] = slice(segments[-1].start, stop)
        else:
            segments.append(slice(start, stop))
    return segments


def _chosen(
    table: "pd.DataFrame", networks: str | Sequence[Any] | np.ndarray | None
) -> Int[np.ndarray, " chosen"]:
    """Numbers of the networks that are wanted, in the store's order."""
    everyone = np.arange(len(table))
    if networks is None:
        return everyone
    if isinstance(networks, str):
        try:
            found = table.assign(number=everyone).query(networks)["number"].to_numpy()
        except Exception as error:  # pandas raises what the condition raises
            raise StoreError(
                f"Networks cannot be chosen by {networks!r} ({error}); expected a condition on "
                f"{listed(['network', *map(str, table)])}, such as \"condition == 'scratch'\"."
            ) from None
    elif np.asarray(networks).dtype == bool:
        if len(networks) != len(table):
            raise StoreError(
                f"A mask of {len(networks)} was given for {len(table)} networks; "
                "expected true or false for each."
            )
        found = everyone[np.asarray(networks)]
    else:
        names = [str(name) for name in networks]
        missing = [name for name in names if name not in table.index]
        if missing:
            raise StoreError(
                f"There is no network {missing[0]!r}; these are there: "
                f"{', '.join(table.index[:10])}. Use some of these names."
            )
        found = everyone[table.index.isin(names)]
    if not len(found):
        raise StoreError(
            f"No network of {len(table)} matches {networks!r}; expected at least one. "
            f"What is known of them: {listed(list(map(str, table)))}."
        )
    return np.sort(found)


def _chains(table: "pd.DataFrame", numbers: Int[np.ndarray, " chosen"]) -> list[list[int]]:
    """Networks that continue each other, in time order; chains in the order of their last ones.

    Where several continue the same network, it belongs to the first of them.
    """
    number = dict(zip(table.index, numbers.tolist(), strict=True))
    before = {
        number[name]: number[str(earlier)]
        for name, earlier in table[schema.CONTINUES].items()
        if str(earlier) in number
    }
    heirs: dict[int, int] = {}
    for later, earlier in before.items():
        heirs.setdefault(earlier, later)
    chains = []
    for last in number.values():
        if last not in heirs:
            chain = [last]
            while heirs.get(before.get(chain[0])) == chain[0]:
                chain.insert(0, before[chain[0]])
            chains.append(chain)
    if sum(map(len, chains)) < len(numbers):
        raise StoreError(
            "Networks continue each other in a circle; expected a beginning. "
            f"Correct their coordinate {schema.CONTINUES}."
        )
    return chains


def _rows(
    runs: "xr.Dataset",
    table: "pd.DataFrame",
    parameters: schema.Parameters,
    chains: list[list[int]],
    groups: list[tuple[int, ...]] | None,
    snapshots: int | None,
) -> "tuple[pd.DataFrame, Int[np.ndarray, 'row 3']]":
    """The table of rows, and of each its network, snapshot and group of parameters."""
    import pandas as pd

    steps = runs[schema.STEP].values
    present = steps != schema.ABSENT
    sources, paths, positions = [], [], []
    for chain in chains:
        of_chain = np.argwhere(present[chain])
        if not len(of_chain):
            continue
        of_chain[:, 0] = np.array(chain)[of_chain[:, 0]]
        position = np.arange(len(of_chain))
        if snapshots is not None:
            position = evenly(position, max(1, snapshots))
        for group in range(1 if groups is None else len(groups)):
            sources.append(np.insert(of_chain[position], 2, group, axis=1))
            positions.append(position)
            paths.append(np.full(len(position), len(paths)))
    if not sources:
        raise StoreError("The networks have no snapshot yet; expected at least one. Record some.")
    source = np.concatenate(sources)
    network, snapshot, group = source.T
    columns: dict[str, Any] = {
        schema.NETWORK: table.index.to_numpy()[network],
        schema.SNAPSHOT: snapshot,
        schema.STEP: steps[network, snapshot],
        "path": np.concatenate(paths),
        "position": np.concatenate(positions),
        "usable": True,
    }
    if groups is not None:
        names = np.array([parameters.names[part[0]] for part in groups], object)
        columns[schema.PARAMETER] = names[group]
    columns |= {name: table[name].to_numpy()[network] for name in table}
    columns |= {name: of[network, snapshot] for name, of in schema.scores_of(runs).items()}
    return pd.DataFrame(columns), source


def _description(parameters: schema.Parameters, positions: Sequence[int]) -> str:
    """What was selected, for captions."""
    kinds = set(parameters.kinds)
    chosen = set(positions)
    if len(chosen) == len(parameters):
        return "all weights and biases" if "bias" in kinds else "all weights"
    of_kind = {at for at, kind in enumerate(parameters.kinds) if kind == "weight"}
    if chosen == of_kind:
        return "all weight matrices, without biases" if "bias" in kinds else "all weight matrices"
    names = [parameters.names[position] for position in positions]
    if len(names) > 4:
        return f"{len(names)} of {len(parameters)} parameters"
    return listed(names)
