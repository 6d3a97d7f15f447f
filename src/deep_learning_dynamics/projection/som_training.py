"""minisom's training, many times faster and with the same result up to rounding."""

import math
from typing import no_type_check

import numpy as np
from jaxtyping import Float
from minisom import MiniSom, _build_iteration_indexes
from numba import njit

BLOCK = 64  # updates between two passes over the whole codebook


def train(som: MiniSom, data: Float[np.ndarray, "row component"], updates: int) -> None:
    """What ``som.train_random(data, updates)`` does, order of the rows included.

    minisom touches the whole codebook [unit, component] several times at every update. But after
    some updates each codebook vector is still ``kept`` × its old self + ``gained`` × the rows shown
    since, so its distance to the next row follows from inner products that are computed for many
    rows at once: an update costs [unit] numbers, and the codebook is touched once per block.

    Raises:
        ValueError: the neighbourhood is not a Gaussian.
    """
    if som.neighborhood != som._gaussian:
        raise ValueError(f"the map's neighbourhood is {som.neighborhood}; expected a Gaussian")
    order = np.fromiter(
        _build_iteration_indexes(len(data), updates, False, som._random_generator), int
    )
    steps = np.arange(updates)
    rates = som._learning_rate_decay_function(som._learning_rate, steps, updates)
    radii = som._sigma_decay_function(som._sigma, steps, updates)
    shape = som._weights.shape
    places = np.stack([som._xx.T, som._yy.T], axis=-1).reshape(-1, 2)  # as units are numbered
    apart = ((places[:, None] - places) ** 2).sum(axis=2)
    codebook = som._weights.reshape(-1, shape[2])
    for start in range(0, updates, BLOCK):
        block = slice(start, start + BLOCK)
        codebook = _after(codebook, data[order[block]], apart, rates[block], radii[block])
    som._weights = codebook.reshape(shape)


def _after(
    codebook: Float[np.ndarray, "unit component"],
    shown: Float[np.ndarray, "step component"],
    apart: Float[np.ndarray, "unit unit"],
    rates: Float[np.ndarray, " step"],
    radii: Float[np.ndarray, " step"],
) -> Float[np.ndarray, "unit component"]:
    """The codebook after it was shown some rows."""
    # Relative to one of the rows, so that a common offset does not drown small differences.
    origin = shown[0]
    codebook, shown = codebook - origin, shown - origin
    squared = np.einsum("uc,uc->u", codebook, codebook)
    kept, gained = np.ones(len(codebook)), np.zeros((len(shown), len(codebook)))
    _update(shown @ codebook.T, shown @ shown.T, squared, apart, rates, radii, kept, gained)
    return kept[:, None] * codebook + gained.T @ shown + origin


@no_type_check  # numba cannot compile a function that checks its arguments
@njit(cache=True)  # 0.1 s to load; where nothing is cached yet, 1 s to compile
def _update(
    with_old: Float[np.ndarray, "step unit"],
    among: Float[np.ndarray, "step step"],
    squared: Float[np.ndarray, " unit"],
    apart: Float[np.ndarray, "unit unit"],
    rates: Float[np.ndarray, " step"],
    radii: Float[np.ndarray, " step"],
    kept: Float[np.ndarray, " unit"],
    gained: Float[np.ndarray, "step unit"],
) -> None:
    """One update after the other, from inner products of rows with the old codebook and each other.

    Changes ``squared`` (norms of the codebook's vectors), ``kept`` and ``gained``. ``apart`` holds
    squared distances on the map.
    """
    steps, units = with_old.shape
    products, left = np.empty(units), np.ones(units)
    for step in range(steps):
        for unit in range(units):
            products[unit] = kept[unit] * with_old[step, unit]
        for before in range(step):
            if before == step - 1:
                left[:] = 1  # it was gained after what the last update left of the others
            for unit in range(units):
                gained[before, unit] *= left[unit]
                products[unit] += among[step, before] * gained[before, unit]
        # |w − x|² without |x|², which is the same for every unit
        winner = (squared - 2 * products).argmin()
        for unit in range(units):
            pull = rates[step] * math.exp(-apart[winner, unit] / (2 * radii[step] ** 2))
            left[unit] = 1 - pull
            kept[unit] *= left[unit]
            gained[step, unit] = pull
            squared[unit] = (
                left[unit] ** 2 * squared[unit]
                + 2 * pull * left[unit] * products[unit]
                + pull**2 * among[step, step]
            )
    gained[:-1] *= left
