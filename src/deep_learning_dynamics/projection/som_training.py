"""Training of a self-organising map, by the batch rule and by the online rule.

Both are minisom's (``train_batch_offline`` and ``train_random``), many times faster: it touches the
whole codebook several times for every row.
"""

import math
from typing import no_type_check

import numpy as np
from jaxtyping import Float, Float32, Float64, Int
from numba import njit

BLOCK = 64  # updates between two passes over the whole codebook
MOST_INNER = 6000  # rows whose inner products are held in memory


def train_batch(
    codebook: Float32[np.ndarray, "unit component"],
    rows: Float32[np.ndarray, "row component"],
    apart: Float64[np.ndarray, "unit unit"],
    radii: Float64[np.ndarray, " epoch"],
) -> Float32[np.ndarray, "unit component"]:
    """The codebook after some epochs of the batch rule (Kohonen, 2013, section 5).

    In each epoch every unit moves to the mean of all rows, weighted by a Gaussian of the distance
    on the map between it and the row's unit. So codebook vectors are weighted sums of rows, and
    where these have many components, distances follow from the rows' inner products.

    Args:
        apart: squared distances on the map.
        radii: of the Gaussian, one for each epoch.
    """
    count, components = rows.shape
    inner = rows @ rows.T if components > len(codebook) and count <= MOST_INNER else None
    squared = np.einsum("uc,uc->u", codebook, codebook)
    products = codebook @ rows.T
    for radius in radii:
        units = (squared[:, None] - 2 * products).argmin(axis=0)  # |w − x|² but for |x|²
        taken, sizes = np.unique(units, return_counts=True)
        order = np.argsort(units, kind="stable")
        starts = np.cumsum(sizes) - sizes
        # Relative to the unit's own nearest, so that no unit's weights all vanish.
        exponents = apart[:, taken] - apart[:, taken].min(axis=1, keepdims=True)
        pulls = np.exp(-exponents / (2 * radius**2))
        pulls = (pulls / (pulls @ sizes)[:, None]).astype(np.float32)
        if inner is None:
            codebook = pulls @ np.add.reduceat(rows[order], starts, axis=0)
            squared = np.einsum("uc,uc->u", codebook, codebook)
            products = codebook @ rows.T
        else:
            sums = np.add.reduceat(inner[order], starts, axis=0)  # [taken, row]
            among = np.add.reduceat(sums[:, order], starts, axis=1)
            squared = np.einsum("ut,ut->u", pulls @ among, pulls)
            products = pulls @ sums
    if inner is not None:
        codebook = pulls @ np.add.reduceat(rows[order], starts, axis=0)
    return codebook


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
