"""Reading trajectories: one store or many as one lazy dataset.

Weights are read only where they are used; all else is read at once.
"""

import glob
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int, Shaped

from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.formatting import listed
from deep_learning_dynamics.store import schema
from deep_learning_dynamics.store.reading import StoredTrajectories, read

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Location = str | Path


def open(
    location: Location | Sequence[Location] | Mapping[str, Location | Sequence[Location]],
) -> "xr.Dataset":
    """A store, or several that become one along ``network``, as a lazy dataset.

    Where networks have fewer snapshots than others, steps are −1 and everything else is NaN.

    Args:
        location: a path, a URL such as s3://bucket/train.zarr, a pattern such as
            "runs/*.zarr", or a list of these. A mapping of names to these gives each network the
            coordinate ``run``, and its name the prefix "run/": for runs of the same networks.

    Raises:
        StoreError: there is no store, it is damaged, or stores have different parameters.
    """
    import xarray as xr  # 1 s, which an import of the package need not wait for

    from deep_learning_dynamics.store.lazy import lazy_array

    stores = _stores(location)
    first = stores[0]
    for other in stores[1:]:
        difference = first.parameters.difference(other.parameters, first.path, other.path)
        if difference:
            raise StoreError(
                f"{difference}; expected the same parameters in all stores that are opened "
                "together. Open them one at a time."
            )
    table, scores = _joined_tables(stores), _joined_scores(stores)
    axes, shape = (schema.NETWORK, schema.SNAPSHOT), scores[schema.STEP].shape

    def lazy(name: str, lengths: Mapping[str, int], encoding: Any = None) -> xr.Variable:
        array = lazy_array([store.part(name) for store in stores], (*shape, *lengths.values()))
        return xr.Variable((*axes, *lengths), array, encoding=encoding)

    chunk = (1, 1, first.arrays[schema.WEIGHTS].chunks[2])
    size = {schema.WEIGHT: first.parameters.size}
    variables: dict[str, Any] = {schema.WEIGHTS: lazy(schema.WEIGHTS, size, {"chunks": chunk})}
    with_outputs = [store for store in stores if schema.OUTPUTS in store.arrays]
    if with_outputs:
        sizes = {store.arrays[schema.OUTPUTS].shape[2:] for store in with_outputs}
        if len(sizes) > 1:
            raise StoreError(
                f"Outputs of {listed([store.path for store in with_outputs])} have {sizes} probes "
                "and classes; expected the same. Open them one at a time."
            )
        lengths = dict(zip((schema.PROBE, schema.CLASS), sizes.pop(), strict=True))
        variables[schema.OUTPUTS] = lazy(schema.OUTPUTS, lengths)
    for name in scores:
        if name not in (schema.STEP, schema.FINITE):
            variables[name] = (axes, scores[name])
    coordinates: dict[str, Any] = {
        schema.NETWORK: (schema.NETWORK, np.array(table.index, object)),
        schema.STEP: (axes, scores[schema.STEP]),
    }
    if all(schema.FINITE in store.scores for store in stores):
        coordinates[schema.FINITE] = (axes, scores[schema.FINITE])
    for name in table:
        values = table[name].to_numpy()
        numeric = values.dtype.kind in "biuf"
        coordinates[name] = (schema.NETWORK, values if numeric else values.astype(object))
    for name, column in first.parameters.columns().items():
        kind = object if isinstance(column[0], str) else np.int64
        coordinates[name] = (schema.PARAMETER, np.array(column, kind))
    labels = [store.labels for store in with_outputs]
    if labels and all(each is not None and np.array_equal(each, labels[0]) for each in labels):
        coordinates[schema.LABEL] = (schema.PROBE, labels[0])
    return xr.Dataset(variables, coordinates, _joined_attributes(stores))


def as_runs(data: Any) -> "xr.Dataset":
    """Opened stores as they are; paths, patterns and mappings of them opened."""
    is_named = isinstance(data, str | Path | list | tuple | dict)  # a dataset is a mapping, too
    return open(data) if is_named else data


def scores_table(runs: "xr.Dataset") -> "pd.DataFrame":
    """A row per snapshot: network, its coordinates, snapshot, step, and every score."""
    networks, steps = schema.networks_table(runs), runs[schema.STEP].values
    return _table(networks, steps, schema.scores_of(runs))


def read_scores(location: Any) -> tuple["pd.DataFrame", dict[str, Any]]:
    """The :func:`scores_table` and the attributes of stores, in a fifth of the time: no xarray.

    Args:
        location: as for :func:`open`.

    Raises:
        StoreError: there is no store, it is damaged, or accuracies are not shares.
    """
    stores = _stores(location)
    networks, scores = _joined_tables(stores), _joined_scores(stores)
    networks.index.name = schema.NETWORK
    steps = scores.pop(schema.STEP)
    scores = {name: scores[name] for name in sorted(scores.keys() - {schema.FINITE})}
    schema.refuse_percents(scores)
    return _table(networks, steps, scores), _joined_attributes(stores)


def _table(
    networks: "pd.DataFrame",
    steps: Int[np.ndarray, "network snapshot"],
    scores: "Mapping[str, np.ndarray]",
) -> "pd.DataFrame":
    import pandas as pd

    network, snapshot = np.nonzero(steps != schema.ABSENT)
    rows = networks.iloc[network].reset_index()
    columns = {schema.SNAPSHOT: snapshot, schema.STEP: steps[network, snapshot]}
    columns |= {name: values[network, snapshot] for name, values in scores.items()}
    return pd.concat([rows, pd.DataFrame(columns)], axis=1)


def _stores(location: Any) -> list[StoredTrajectories]:
    if isinstance(location, Mapping):
        return [
            _as_run(store, str(run)) for run, each in location.items() for store in _stores(each)
        ]
    given = [location] if isinstance(location, str | Path) else list(location)
    paths = [path for each in given for path in _matching(str(each))]
    if not paths:
        raise StoreError("No store was named; expected at least one path.")
    return [read(path) for path in paths]


def _as_run(store: StoredTrajectories, run: str) -> StoredTrajectories:
    table = store.table.copy()
    table.index = [f"{run}/{name}" for name in table.index]
    known = table[schema.CONTINUES] != ""
    table.loc[known, schema.CONTINUES] = f"{run}/" + table.loc[known, schema.CONTINUES]
    table.insert(0, "run", run)
    return replace(store, table=table)


def _matching(path: str) -> list[str]:
    """Paths that a pattern stands for; a path that is no pattern stands for itself."""
    if not any(letter in path for letter in "*?[") or Path(path).exists():
        return [path]
    if "://" in path:
        import fsspec

        files, inner = fsspec.core.url_to_fs(path)
        found = [files.unstrip_protocol(each) for each in files.glob(inner)]
    else:
        found = glob.glob(path, recursive=True)  # noqa: PTH207  Path.glob wants a relative pattern
    if not found:
        raise StoreError(f"No store matches {path}; expected a folder such as runs/adam.zarr.")
    return sorted(found, key=_natural)


def stores_at(source: str) -> list[str]:
    """The stores that a source names: one, a pattern, or a folder of them."""
    path = Path(source)
    if "://" in source or is_store(path):
        return [source]
    if path.is_dir():
        return sorted(map(str, filter(is_store, path.glob("*.zarr"))), key=_natural)
    return [source] if source.endswith(".zarr") and "{" not in source else []


def is_store(path: Path) -> bool:
    """Whether there are trajectories, and not a zarr group of somebody else's."""
    return all((path / name / "zarr.json").exists() for name in (schema.STEP, schema.NETWORK))


def _natural(path: str) -> list[tuple[int, str]]:
    """An order in which run-10 comes after run-2."""
    words = re.split(r"(\d+)", path)
    return [(int(word), "") if word.isdigit() else (-1, word) for word in words]


def _joined_tables(stores: Sequence[StoredTrajectories]) -> "pd.DataFrame":
    import pandas as pd

    owners: dict[str, str] = {}
    for store in stores:
        for name in store.table.index:
            if name in owners:
                raise StoreError(
                    f"Network {name!r} lies in {owners[name]} and in {store.path}; expected a name "
                    "of its own for each. Open runs of the same networks as "
                    'dld.open({"first": path, "second": path}).'
                )
            owners[name] = store.path
    table = pd.concat([store.table for store in stores])
    for name in table:
        kinds = {store.table[name].dtype.kind for store in stores if name in store.table}
        known = table[name].notna()
        if kinds == {"b"}:
            table[name] = table[name].where(known, False).astype(bool)
        elif not kinds <= set("iuf"):  # unknown numbers are NaN
            table[name] = table[name].where(known, "").map(str)
    return table


def _joined_scores(
    stores: Sequence[StoredTrajectories],
) -> dict[str, Shaped[np.ndarray, "network snapshot"]]:
    """Scores, steps and whether weights are finite; where a store has none, NaN, −1 and False."""
    shape = sum(len(store.table) for store in stores), max(store.steps.shape[1] for store in stores)
    joined = {}
    for name in dict.fromkeys(name for store in stores for name in store.scores):
        kinds = [store.scores[name].dtype for store in stores if name in store.scores]
        empty = {schema.STEP: schema.ABSENT, schema.FINITE: False}.get(name, np.nan)
        joined[name] = np.full(shape, empty, np.result_type(*kinds))
        start = 0
        for store in stores:
            if name in store.scores:
                part = store.scores[name]
                joined[name][start : start + len(part), : part.shape[1]] = part
            start += len(store.table)
    return joined


def _joined_attributes(stores: Sequence[StoredTrajectories]) -> dict[str, Any]:
    """What all stores agree on, with all their titles and environments."""
    titles: dict[str, dict[str, str]] = {}
    for store in stores:
        for name, of_values in schema.titles_of(store.attributes, store.path).items():
            titles.setdefault(name, {}).update(of_values)
    joined = {
        name: value
        for name, value in stores[0].attributes.items()
        if name != "coordinates" and all(each.attributes.get(name) == value for each in stores)
    }
    environments = [store.attributes.get("environment") for store in stores]
    distinct = list(dict.fromkeys(each for each in environments if isinstance(each, str)))
    if len(distinct) > 1:
        joined["environments"] = json.dumps([json.loads(each) for each in distinct])
    joined["titles"] = json.dumps(titles, ensure_ascii=False)
    joined["paths"] = [store.path for store in stores]
    return joined
