"""Training of a self-organising map, by the batch rule and by the online rule.

Both are minisom's (``train_batch_offline`` and ``train_random``), many times faster: it touches the
whole codebook several times for every row.
"""

import math
from typing import no_type_check

import numpy as np
from jaxtyping import Float, Int
from numba import njit

BLOCK = 64  # updates between two passes over the whole codebook


def train_batch(
    codebook: Float[np.ndarray, "unit component"],
    rows: Float[np.ndarray, "row component"],
    apart: Float[np.ndarray, "unit unit"],
    radii: Float[np.ndarray, " epoch"],
) -> Float[np.ndarray, "unit component"]:
    """The codebook after some epochs of the batch rule (Kohonen, 2013, section 5).

    In each epoch every unit moves to the mean of all rows, weighted by a Gaussian of the distance
    on the map between it and the row's unit.

    Args:
        apart: squared distances on the map.
        radii: of the Gaussian, one for each epoch.
    """
    for radius in radii:
        units = nearest_units(rows, codebook)
        taken = np.unique(units)
        order = np.argsort(units, kind="stable")
        starts = np.searchsorted(units[order], taken)
        sums = np.add.reduceat(rows[order], starts, axis=0)
        counts = np.bincount(units, minlength=len(codebook))[taken].astype(rows.dtype)
        pulls = np.exp(-apart[:, taken] / (2 * radius**2)).astype(rows.dtype)
        weight = pulls @ counts
        # Where the radius is small, units far from all rows are pulled by none, and stay.
        pulled = weight > np.finfo(rows.dtype).tiny
        codebook = codebook.copy()
        codebook[pulled] = (pulls[pulled] @ sums) / weight[pulled, None]
    return codebook


def nearest_units(
    rows: Float[np.ndarray, "row component"], codebook: Float[np.ndarray, "unit component"]
) -> Int[np.ndarray, " row"]:
    """The number of each row's best-matching unit."""
    # |w − x|² without |x|², which is the same for every unit
    squared = np.einsum("uc,uc->u", codebook, codebook)
    return (squared - 2 * (rows @ codebook.T)).argmin(axis=1)


def train_online(
    codebook: Float[np.ndarray, "unit component"],
    rows: Float[np.ndarray, "row component"],
    order: Int[np.ndarray, " update"],
    apart: Float[np.ndarray, "unit unit"],
    rates: Float[np.ndarray, " update"],
    radii: Float[np.ndarray, " update"],
) -> Float[np.ndarray, "unit component"]:
    """The codebook after rows were shown one by one, in the given order (Kohonen, 1982).

    Each row draws its best-matching unit and, by a Gaussian of the distance on the map, that unit's
    neighbours towards itself. After some updates each codebook vector is still ``kept`` × its old
    self + ``gained`` × the rows shown since, so that its distance to the next row follows from
    inner products computed for many rows at once.

    Args:
        order: numbers of rows.
        apart: squared distances on the map.
        rates, radii: the learning rate and the Gaussian's radius, for each update.
    """
    for start in range(0, len(order), BLOCK):
        block = slice(start, start + BLOCK)
        shown = rows[order[block]]
        # Relative to one of the rows, so that a common offset does not drown small differences.
        origin = shown[0]
        old, shown = codebook - origin, shown - origin
        squared = np.einsum("uc,uc->u", old, old)
        kept, gained = np.ones(len(old)), np.zeros((len(shown), len(old)))
        products, among = shown @ old.T, shown @ shown.T
        _update(products, among, squared, apart, rates[block], radii[block], kept, gained)
        codebook = kept[:, None] * old + gained.T @ shown + origin
    return codebook


@no_type_check  # numba cannot compile a function that checks its arguments
@njit(cache=True)  # 0.1 s to load; where nothing is cached yet, 1 s to compile
def _update(
    with_old: Float[np.ndarray, "update unit"],
    among: Float[np.ndarray, "update update"],
    squared: Float[np.ndarray, " unit"],
    apart: Float[np.ndarray, "unit unit"],
    rates: Float[np.ndarray, " update"],
    radii: Float[np.ndarray, " update"],
    kept: Float[np.ndarray, " unit"],
    gained: Float[np.ndarray, "update unit"],
) -> None:
    """One update after the other, from inner products of rows with the old codebook and each other.

    Changes ``squared`` (norms of the codebook's vectors), ``kept`` and ``gained``.
    """
    updates, units = with_old.shape
    products, left = np.empty(units), np.ones(units)
    for update in range(updates):
        for unit in range(units):
            products[unit] = kept[unit] * with_old[update, unit]
        for before in range(update):
            if before == update - 1:
                left[:] = 1  # it was gained after what the last update left of the others
            for unit in range(units):
                gained[before, unit] *= left[unit]
                products[unit] += among[update, before] * gained[before, unit]
        # |w − x|² without |x|², which is the same for every unit
        winner = (squared - 2 * products).argmin()
        for unit in range(units):
            pull = rates[update] * math.exp(-apart[winner, unit] / (2 * radii[update] ** 2))
            left[unit] = 1 - pull
            kept[unit] *= left[unit]
            gained[update, unit] = pull
            squared[unit] = (
                left[unit] ** 2 * squared[unit]
                + 2 * pull * left[unit] * products[unit]
                + pull**2 * among[update, update]
            )
    gained[:-1] *= left
