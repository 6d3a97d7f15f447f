"""Reading trajectories: one store or many as one lazy dataset.

Weights are read only where they are used. Everything small (steps, scores, coordinates) is read at
once, and checked.
"""

import glob
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.formatting import listed
from deep_learning_dynamics.store import schema

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from deep_learning_dynamics.store.lazy import StoredPart

Location = str | Path

# What zarr raises for a file that is not what it was.
DAMAGES = (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError, IndexError)


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
    table = _joined_tables(stores)
    axes = (schema.NETWORK, schema.SNAPSHOT)
    shape = (len(table), max(store.steps.shape[1] for store in stores))

    def lazy(name: str, lengths: Mapping[str, int], encoding: Any = None) -> xr.Variable:
        array = lazy_array([store.part(name) for store in stores], (*shape, *lengths.values()))
        return xr.Variable((*axes, *lengths), array, encoding=encoding)

    def joined(name: str, empty: Any) -> tuple[tuple[str, str], np.ndarray]:
        found = [store.scores[name] for store in stores if name in store.scores]
        values = np.full(shape, empty, np.result_type(*(each.dtype for each in found)))
        start = 0
        for store in stores:
            if name in store.scores:
                part = store.scores[name]
                values[start : start + len(part), : part.shape[1]] = part
            start += len(store.table)
        return axes, values

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
    for name in dict.fromkeys(name for store in stores for name in store.scores):
        if name not in (schema.STEP, schema.FINITE):
            variables[name] = joined(name, np.nan)
    coordinates: dict[str, Any] = {
        schema.NETWORK: (schema.NETWORK, np.array(table.index, object)),
        schema.STEP: joined(schema.STEP, schema.ABSENT),
    }
    if all(schema.FINITE in store.scores for store in stores):
        coordinates[schema.FINITE] = joined(schema.FINITE, False)
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
    import pandas as pd

    networks, steps = schema.networks_table(runs), runs[schema.STEP].values
    network, snapshot = np.nonzero(steps != schema.ABSENT)
    rows = networks.iloc[network].reset_index()
    columns = {schema.SNAPSHOT: snapshot, schema.STEP: steps[network, snapshot]}
    columns |= {name: of[network, snapshot] for name, of in schema.scores_of(runs).items()}
    return pd.concat([rows, pd.DataFrame(columns)], axis=1)


@dataclass(frozen=True)
class _Store:
    """One store as it was read: all that is small, and the arrays that are not."""

    path: str
    table: "pd.DataFrame"  # a row per network
    parameters: schema.Parameters
    scores: dict[str, np.ndarray]  # [network, snapshot], with steps
    arrays: dict[str, Any]  # weights and outputs
    labels: np.ndarray | None
    attributes: dict[str, Any]

    @property
    def steps(self) -> np.ndarray:
        return self.scores[schema.STEP]

    def part(self, name: str) -> "StoredPart":
        from deep_learning_dynamics.store.lazy import StoredPart

        return StoredPart(
            self.path, self.arrays.get(name), self.steps, self.scores.get(schema.FINITE)
        )


def _stores(location: Any) -> list[_Store]:
    if isinstance(location, Mapping):
        return [
            _as_run(store, str(run)) for run, each in location.items() for store in _stores(each)
        ]
    given = [location] if isinstance(location, str | Path) else list(location)
    paths = [path for each in given for path in _matching(str(each))]
    if not paths:
        raise StoreError("No store was named; expected at least one path.")
    return [_read(path) for path in paths]


def _as_run(store: _Store, run: str) -> _Store:
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


def _read(path: str) -> _Store:
    import zarr

    try:
        group = zarr.open_group(path, mode="r")
        arrays = dict(group.arrays())
    except ImportError as error:
        raise StoreError(f"{path} needs another package: {error}.") from None
    except (FileNotFoundError, zarr.errors.GroupNotFoundError) as error:
        raise StoreError(_nothing_at(path)) from error
    except DAMAGES as error:
        raise StoreError(
            f"{path} cannot be opened ({_first_line(error)}); expected a store of trajectories "
            "whose zarr.json files are whole. Copy it again, or record it again."
        ) from error
    missing = [
        name
        for name in (schema.WEIGHTS, schema.STEP, schema.NETWORK, *schema.COLUMNS[:4])
        if name not in arrays
    ]
    if missing:
        raise StoreError(
            f"{path} lacks {listed(missing)}; expected a store of trajectories. If it was one, "
            "copy it again, or record it again."
        )
    version = group.attrs.get("schema", schema.SCHEMA)
    if version != schema.SCHEMA:
        raise StoreError(
            f"{path} has schema {version}; this version reads schema {schema.SCHEMA}. "
            "Install the version of deep-learning-dynamics that wrote it."
        )
    try:
        return _contents(path, arrays, dict(group.attrs))
    except StoreError:
        raise
    except DAMAGES as error:
        raise damaged(path, error) from error


def _contents(path: str, arrays: dict[str, Any], attributes: dict[str, Any]) -> _Store:
    import pandas as pd

    along = (schema.NETWORK, schema.SNAPSHOT)
    tables = ((schema.NETWORK,), (schema.PARAMETER,), (schema.PROBE,))
    axes = {name: tuple(array.metadata.dimension_names or ()) for name, array in arrays.items()}
    # A writer that was killed while it extended the arrays leaves some longer than others.
    by_snapshot = [name for name in arrays if axes[name][:2] == along]
    small = {name: _values(path, arrays[name]) for name in arrays if axes[name] in (along, *tables)}
    names = small.pop(schema.NETWORK)
    networks = min(len(names), *(arrays[name].shape[0] for name in by_snapshot))
    length = min(arrays[name].shape[1] for name in by_snapshot)
    present = small[schema.STEP][:networks, :length] != schema.ABSENT
    used = np.flatnonzero(present.any(axis=0))
    length = int(used[-1]) + 1 if len(used) else 0
    present = present[:, :length]
    scores = {}
    for name in by_snapshot:
        if axes[name] == along:
            scores[name] = small[name][:networks, :length].copy()
            if name != schema.STEP:
                # A snapshot whose step was not written yet, or was dropped, does not count.
                scores[name][~present] = np.nan if scores[name].dtype.kind == "f" else False
    columns = {name: small[name][:networks] for name in small if axes[name] == (schema.NETWORK,)}
    for name in (schema.CONTINUES, schema.OUTCOME):
        columns.setdefault(name, np.full(networks, "", object))
    order = [name for name in str(attributes.get("coordinates", "")).split() if name in columns]
    order += [name for name in sorted(columns) if name not in order]
    table = pd.DataFrame({name: columns[name] for name in order}, index=list(names[:networks]))
    parameters = schema.Parameters.from_runs(small)
    size = arrays[schema.WEIGHTS].shape[2]
    if parameters.size != size:
        raise StoreError(
            f"{path} holds {size:,} weights for parameters of {parameters.size:,}; expected as "
            "many. Copy it again, or record it again."
        )
    large = {name: arrays[name] for name in (schema.WEIGHTS, schema.OUTPUTS) if name in arrays}
    return _Store(path, table, parameters, scores, large, small.get(schema.LABEL), attributes)


def _values(path: str, array: Any) -> np.ndarray:
    try:
        values = np.asarray(array[:])
        if array.attrs.get("whole") and not array.nchunks_initialized:
            raise OSError("its chunk is missing")
    except DAMAGES as error:
        raise damaged(f"{path}/{array.path}", error) from error
    if values.dtype.kind in "biuf":
        return values
    return np.array([str(value) for value in values], object)


def _nothing_at(path: str) -> str:
    folder = Path(path)
    if "://" in path:
        return f"There is no store at {path}. Check the address, and that you may read it."
    if not folder.exists():
        return (
            f"{path} does not exist; expected a store of trajectories. "
            "Write one with dld.Recorder, or dynamics collect."
        )
    inside = len(list(folder.glob("*.zarr")))
    if inside:
        return f"{path} is a folder of {inside} stores. Open them with {folder / '*.zarr'}"
    return (
        f"{path} is no store: it has no whole zarr.json. Copy it again, or write one with "
        "dld.Recorder or dynamics collect."
    )


def _joined_tables(stores: Sequence[_Store]) -> "pd.DataFrame":
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
        elif not kinds <= set("iuf"):  # what is not known of numbers is NaN
            table[name] = table[name].where(known, "").map(str)
    return table


def _joined_attributes(stores: Sequence[_Store]) -> dict[str, Any]:
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


def damaged(where: str, error: BaseException) -> StoreError:
    """Of a store, or of an array or a file in it."""
    return StoreError(
        f"{where} is damaged ({_first_line(error)}). Copy the store again, or record it again."
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
