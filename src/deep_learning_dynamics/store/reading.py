"""One store as it lies on disk: all that is small is read at once, and checked."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deep_learning_dynamics.errors import StoreError, first_line
from deep_learning_dynamics.formatting import listed
from deep_learning_dynamics.store import schema

if TYPE_CHECKING:
    import pandas as pd

    from deep_learning_dynamics.store.lazy import StoredPart

# What zarr raises for a file that is not what it was.
DAMAGES = (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError, IndexError)


@dataclass(frozen=True)
class StoredTrajectories:
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


def read(path: str) -> StoredTrajectories:
    """All of a store but its weights and outputs, checked.

    Raises:
        StoreError: there is none, it is damaged, or of another version.
    """
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
            f"{path} cannot be opened ({first_line(error)}); expected a store of trajectories "
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


def _contents(path: str, arrays: dict[str, Any], attributes: dict[str, Any]) -> StoredTrajectories:
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
    return StoredTrajectories(
        path, table, parameters, scores, large, small.get(schema.LABEL), attributes
    )


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


def damaged(where: str, error: BaseException) -> StoreError:
    """Of a store, or of an array or a file in it."""
    reason = first_line(error)
    if "checksum" in reason:  # zarr prints both, as bytes
        reason = "its checksum does not match"
    return StoreError(f"{where} is damaged ({reason}). Copy the store again, or record it again.")
