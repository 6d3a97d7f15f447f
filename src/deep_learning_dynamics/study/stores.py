"""Where the study keeps its trajectories, what their networks are called, how to open them."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

PRETRAIN, TRAIN = Path("snapshots/pretrain.zarr"), Path("snapshots/train.zarr")


def network_name(dataset: str, condition: str, pair: int) -> str:
    """The name of a network in its store: "mnist/scratch-3"."""
    return f"{dataset}/{condition}-{pair}"


def open_runs() -> "xr.Dataset":
    """The networks of the study: those that were trained, and those that they continue.

    Pre-trained networks of which only a part was taken over (controls) are left out.

    Raises:
        StoreError: a store is missing or damaged.
    """
    from deep_learning_dynamics import store

    paths = [str(path) for path in (PRETRAIN, TRAIN) if (path / "zarr.json").exists()]
    found = store.open(paths or str(TRAIN))  # which says that it is not there
    names = found["network"].values.astype(str)
    continued = set(found["continues"].values.astype(str))
    trained = found["dataset"].values == found["dataset"].values[-1]
    return found.isel(network=np.flatnonzero(trained | np.isin(names, list(continued))))
