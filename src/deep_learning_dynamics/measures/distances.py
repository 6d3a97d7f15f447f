"""One pass over each network's weights: the moves of its path and how far the networks are apart.

Reads a store of snapshots piece by piece and keeps nothing that has the length of the weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int

from deep_learning_dynamics.networks import Architecture
from deep_learning_dynamics.trajectories import architecture_of, members_of

if TYPE_CHECKING:
    import xarray as xr

PIECE_BYTES = 64 * 2**20
FELLOWS = 200


@dataclass(frozen=True)
class Distances:
    """What is known of a store's paths, layer by layer; weights and biases count alike."""

    products: Float64[np.ndarray, "layer network move move"]  # inner products of moves
    # The first part is the whole network, then come its layers.
    to_partner: Float64[np.ndarray, "part network snapshot"]  # of its pair; NaN without one
    within_arm: Float64[np.ndarray, "part network snapshot"]  # the median, to the others


def distances(snapshots: "xr.Dataset", piece_bytes: int = PIECE_BYTES) -> Distances:
    """Measure a store's networks in pieces of at most about ``piece_bytes``.

    ``within_arm`` leaves out networks that diverged and is NaN where no other is left. With more
    than ``FELLOWS`` networks in an arm it is the median over the first of them.
    """
    architecture, members = architecture_of(snapshots), members_of(snapshots)
    weights = snapshots["weights"]
    diverged = snapshots["failed"].values == "diverged"
    networks, count = weights.shape[0], weights.shape[1]
    layers = len(architecture.layers)
    products = np.zeros((layers, networks, count - 1, count - 1))
    to_partner = np.full((1 + layers, networks, count), np.nan)
    for pair in dict.fromkeys(member.pair for member in members):
        mine = np.array([n for n, member in enumerate(members) if member.pair == pair])
        products[:, mine], apart = _of_pair(weights, mine, architecture, piece_bytes)
        if len(mine) == 2:
            to_partner[:, mine] = apart[:, None]
    within_arm = np.full((1 + layers, networks, count), np.nan)
    for arm in dict.fromkeys(member.arm for member in members):
        fellows = np.flatnonzero([member.arm == arm for member in members] & ~diverged)
        if len(fellows) > 1:
            within_arm[:, fellows] = _of_arm(weights, fellows, architecture, piece_bytes)
    return Distances(products, to_partner, within_arm)


def _of_pair(
    weights: "xr.DataArray",
    mine: Int[np.ndarray, " network"],
    architecture: Architecture,
    piece_bytes: int,
) -> tuple[Float64[np.ndarray, "layer network move move"], Float64[np.ndarray, "part snapshot"]]:
    """The moves of one or two networks, and the distance between the first and the last."""
    count, layers = weights.shape[1], len(architecture.layers)
    products = np.zeros((layers, len(mine), count - 1, count - 1))
    squared = np.zeros((layers, count))
    for columns in _spans(architecture.size, piece_bytes // (16 * len(mine) * count)):
        piece = weights[mine, :, columns].values.astype(np.float64)
        moves, apart = np.diff(piece, axis=1), piece[0] - piece[-1]
        for layer, part in _parts(architecture, columns):
            products[layer] += moves[..., part] @ moves[..., part].transpose(0, 2, 1)
            squared[layer] += (apart[:, part] ** 2).sum(axis=1)
    return products, np.sqrt(_with_whole(squared))


def _of_arm(
    weights: "xr.DataArray",
    mine: Int[np.ndarray, " network"],
    architecture: Architecture,
    piece_bytes: int,
) -> Float64[np.ndarray, "part network snapshot"]:
    """The median distance of each network to the others, for each snapshot.

    Not the mean, which one network that jumped far off would decide for all of them.
    """
    count, size, networks = weights.shape[1], architecture.size, len(mine)
    fellows, layers = min(networks, FELLOWS), len(architecture.layers)
    medians = np.empty((1 + layers, networks, count))
    per_snapshot = 16 * networks * max(size, layers * fellows)
    for moments in _spans(count, piece_bytes // per_snapshot):
        taken = moments.stop - moments.start
        products = np.zeros((layers, taken, networks, fellows))
        squares = np.zeros((layers, taken, networks))
        for columns in _spans(size, piece_bytes // (16 * networks * taken)):
            piece = weights[mine, moments, columns].values.astype(np.float64).transpose(1, 0, 2)
            # Not their mean, whose rounding one network far off would put into all distances.
            piece -= np.median(piece[:, :fellows], axis=1, keepdims=True)
            for layer, part in _parts(architecture, columns):
                of_layer = piece[..., part]
                products[layer] += of_layer @ of_layer[:, :fellows].transpose(0, 2, 1)
                squares[layer] += (of_layer**2).sum(axis=2)
        squared = squares[..., None] + squares[..., None, :fellows] - 2 * products
        apart = np.sqrt(np.maximum(_with_whole(squared), 0))
        apart[..., range(fellows), range(fellows)] = np.nan  # to itself
        medians[..., moments] = np.nanmedian(apart, axis=-1).transpose(0, 2, 1)
    return medians


def _with_whole(
    squared: Float64[np.ndarray, "layer *rest"],
) -> Float64[np.ndarray, "part *rest"]:
    """Squared distances in the whole network, then those in each layer that they add up from."""
    return np.concatenate([squared.sum(axis=0, keepdims=True), squared])


def _spans(size: int, most: int) -> Iterator[slice]:
    for start in range(0, size, max(1, most)):
        yield slice(start, min(start + max(1, most), size))


def _parts(architecture: Architecture, columns: slice) -> Iterator[tuple[int, slice]]:
    """Which layers (from 0) a span of columns touches, and where within the span."""
    for index, layer in enumerate(architecture.layers):
        first = max(columns.start, layer.weights.start)
        last = min(columns.stop, layer.biases.stop)
        if first < last:
            yield index, slice(first - columns.start, last - columns.start)
