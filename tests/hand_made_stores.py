"""Stores in memory, built by hand: what a recorder would have written."""

import json

import numpy as np
import xarray as xr

NAMES, SHAPES = ("hidden1.weight", "hidden1.bias", "output.weight"), ("6,5", "6", "4,6")
SIZES = (30, 6, 24)
SIZE = sum(SIZES)


def dataset(weights, step=None, scores=None, titles=None, attributes=None, **coordinates):
    """A store of given weights [network, snapshot, weight]; SIZE weights in three parameters."""
    weights = np.asarray(weights, np.float32)
    networks, snapshots, size = weights.shape
    assert size == SIZE
    if step is None:
        step = np.tile(10 * np.arange(snapshots), (networks, 1))
    stops = np.cumsum(SIZES)
    names = coordinates.pop("network", [f"network-{index}" for index in range(networks)])
    variables = {
        "weights": (("network", "snapshot", "weight"), weights),
        "step": (("network", "snapshot"), np.asarray(step, np.int64)),
    }
    for name, values in (scores or {}).items():
        variables[name] = (("network", "snapshot"), np.asarray(values, np.float32))
    return xr.Dataset(
        variables,
        {
            "network": ("network", np.array(names)),
            **{name: ("network", np.asarray(values)) for name, values in coordinates.items()},
            "parameter": ("parameter", np.array(NAMES)),
            "shape": ("parameter", np.array(SHAPES)),
            "start": ("parameter", stops - SIZES),
            "stop": ("parameter", stops),
            "kind": ("parameter", np.array(["weight", "bias", "weight"])),
        },
        {"schema": 1, "titles": json.dumps(titles or {}), **(attributes or {})},
    )


def walks(networks, snapshots, seed=0):
    """Random walks of that many networks."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(networks, snapshots, SIZE)).cumsum(axis=1).astype(np.float32)
