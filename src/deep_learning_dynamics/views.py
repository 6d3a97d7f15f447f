"""Views: which weights of which snapshots are projected, as a table and a matrix on disk.

A view has a row per snapshot of each network (and of each layer, if layers are tracked separately)
and a column per tracked weight. It stands between the two stores of trajectories and projection.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

from deep_learning_dynamics.errors import SnapshotsError
from deep_learning_dynamics.networks import Architecture, Layer
from deep_learning_dynamics.params import Track
from deep_learning_dynamics.tracked_weights import (
    ALL_LAYERS,
    Segment,
    TrackedWeights,
    Trajectory,
)
from deep_learning_dynamics.trajectories import (
    SCORES,
    Member,
    architecture_of,
    members_of,
    open_snapshots,
)

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


@dataclass(frozen=True)
class View:
    """What is projected: ``table`` and ``weights`` have the same rows, in the same order.

    Rows run phase by phase ("pretrain", "train"), network by network, layer by layer, snapshot by
    snapshot. The table's columns: phase, arm, pair, layer (0: all tracked layers together), step,
    epoch, the four scores, failed.
    """

    table: "pd.DataFrame"
    weights: TrackedWeights
    finite: Bool[np.ndarray, " row"]  # weights and scores are all finite

    @property
    def usable(self) -> Bool[np.ndarray, " row"]:
        """Rows to fit on: a network that diverged is out, with its finite rows as well, because
        they may lie so far away that nothing else would be seen."""
        return self.finite & (self.table["failed"] != "diverged").to_numpy()

    @property
    def of_first_network(self) -> Bool[np.ndarray, " row"]:
        """Rows of the first network of the first arm; a pretrained one includes its pre-training.

        If the first network diverged, its first successor that did not stands in.
        """
        table = self.table
        training = table[(table["phase"] == "train").to_numpy() & self.usable]
        if training.empty:
            return np.zeros(len(table), bool)
        first = training.iloc[0]
        mine = (table["arm"] == first["arm"]) & (table["pair"] == first["pair"])
        return mine.to_numpy()


def view(pretrain: Path, train: Path, track: Track) -> View:
    """The tracked part of the snapshots in two stores.

    Raises:
        SnapshotsError: a store is missing, or the two do not come from one experiment.
    """
    stores = (open_snapshots(pretrain), open_snapshots(train))
    architecture = architecture_of(stores[1])
    _check_same_hidden_layers(pretrain, architecture_of(stores[0]), train, architecture)
    segments = _segments(architecture, track)
    paths = tuple(_paths(stores, tuple(segments), pretrain, train))
    rows = sum(path.snapshots for path in paths)
    weights = TrackedWeights(
        tuple(store["weights"] for store in stores), paths, segments, np.arange(rows)
    )
    table = _table(stores, paths)
    return View(table, weights, _finite(table, weights))


def _segments(architecture: Architecture, track: Track) -> dict[int, tuple[Segment, ...]]:
    last = len(architecture.layers)
    wanted = range(1, last + 1) if track.layers == "all" else track.layers

    def of(*layers: Layer) -> Iterator[Segment]:
        is_output = layers[0].number == last
        yield Segment(tuple(layer.weights for layer in layers), is_output)
        if track.biases:
            yield Segment(tuple(layer.biases for layer in layers), is_output)

    layers = [architecture.layers[number - 1] for number in wanted]
    if track.separately:
        return {layer.number: tuple(of(layer)) for layer in layers}
    groups = [(layer,) for layer in layers]
    if track.average_hidden_layers:
        groups = [(layers[0],), tuple(layers[1:-1]), (layers[-1],)]
    return {ALL_LAYERS: tuple(segment for group in groups for segment in of(*group))}


def _paths(
    stores: tuple["xr.Dataset", "xr.Dataset"], layers: tuple[int, ...], pretrain: Path, train: Path
) -> Iterator[Trajectory]:
    members = members_of(stores[1])
    for index, store in enumerate(stores):
        for network, member in enumerate(members_of(store)):
            output = None
            if index == 0:
                heir = Member("pretrained", member.pair)
                if heir not in members:
                    raise SnapshotsError(
                        f"{pretrain} holds pair {member.pair}, but {train} has no pretrained "
                        "network of that pair; expected both from one experiment. "
                        "Make them again with: dvc repro train"
                    )
                output = members.index(heir)
            for layer in layers:
                yield Trajectory(index, network, store.sizes["snapshot"], layer, output)


def _table(
    stores: tuple["xr.Dataset", "xr.Dataset"], paths: tuple[Trajectory, ...]
) -> "pd.DataFrame":
    import pandas as pd

    members = [members_of(store) for store in stores]
    failed = [[str(value) for value in store["failed"].values] for store in stores]
    names = ("step", "epoch", *SCORES)
    values = [{name: store[name].values for name in names} for store in stores]
    parts = []
    for path in paths:
        member, of_store = members[path.store][path.network], values[path.store]
        columns = {
            "phase": ("pretrain", "train")[path.store],
            "arm": member.arm,
            "pair": member.pair,
            "layer": path.layer,
            "step": of_store["step"],
            "epoch": of_store["epoch"],
        }
        columns |= {name: of_store[name][path.network].astype(float) for name in SCORES}
        columns["failed"] = failed[path.store][path.network]
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def _finite(table: "pd.DataFrame", weights: TrackedWeights) -> Bool[np.ndarray, " row"]:
    finite = np.isfinite(table[list(SCORES)].to_numpy(float)).all(axis=1)
    # Only networks that diverged can have such weights. The others are not read here, because a
    # pass over all weights may take minutes; the isometry refuses them if they are not finite.
    suspects = np.flatnonzero((table["failed"] == "diverged").to_numpy())
    if len(suspects):
        for block in weights.take(suspects).blocks():
            finite[suspects] &= np.isfinite(block).all(axis=1)
    return finite


def _check_same_hidden_layers(
    pretrain: Path, before: Architecture, train: Path, after: Architecture
) -> None:
    if before.widths[:-1] != after.widths[:-1]:
        raise SnapshotsError(
            f"{pretrain} holds networks {list(before.widths)}, {train} holds {list(after.widths)}; "
            "expected the same layers up to the classes. Make both again with: dvc repro train"
        )
