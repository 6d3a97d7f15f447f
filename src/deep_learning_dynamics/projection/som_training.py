"""minisom's training, many times faster and with the same result up to rounding."""

from typing import Any

import numpy as np
from jaxtyping import Float
from minisom import MiniSom, _build_iteration_indexes

BLOCK = 64  # updates between two passes over the whole codebook


def train(som: MiniSom, data: Float[np.ndarray, "row component"], updates: int) -> None:
    """What ``som.train_random(data, updates)`` does, order of the rows included.

    minisom touches the whole codebook [unit, component] several times at every update. But after
    some updates each codebook vector is still ``kept`` × its old self + ``gained`` × the rows shown
    since, so its distance to the next row follows from inner products that are computed for many
    rows at once: an update costs [unit] numbers, and the codebook is touched once per block.
    """
    order = np.fromiter(
        _build_iteration_indexes(len(data), updates, False, som._random_generator), int
    )
    for start in range(0, updates, BLOCK):
        _train_block(som, data[order[start : start + BLOCK]], start, updates)


def _train_block(
    som: MiniSom, shown: Float[np.ndarray, "step component"], start: int, updates: int
) -> None:
    shape = som._weights.shape
    # Relative to one of the rows, so that a common offset does not drown small differences.
    origin = shown[0]
    codebook, shown = som._weights.reshape(-1, shape[2]) - origin, shown - origin
    squared = np.einsum("uc,uc->u", codebook, codebook)
    with_old = shown @ codebook.T  # [step, unit]
    among = shown @ shown.T
    kept, gained = np.ones(len(codebook)), np.zeros((len(shown), len(codebook)))
    for step in range(len(shown)):
        products = kept * with_old[step] + among[step, :step] @ gained[:step]
        # |w − x|² without |x|², which is the same for every unit
        winner = int((squared - 2 * products).argmin())
        pull = _pull(som, winner, start + step, updates)
        kept *= 1 - pull
        gained[:step] *= 1 - pull
        gained[step] = pull
        squared *= (1 - pull) ** 2
        squared += 2 * pull * (1 - pull) * products + pull**2 * among[step, step]
    codebook = kept[:, None] * codebook + gained.T @ shown
    som._weights = (codebook + origin).reshape(shape)


def _pull(som: Any, winner: int, step: int, updates: int) -> Float[np.ndarray, " unit"]:
    """How far each unit goes towards the row: minisom's learning rate × neighbourhood."""
    rate = som._learning_rate_decay_function(som._learning_rate, step, updates)
    radius = som._sigma_decay_function(som._sigma, step, updates)
    at = np.unravel_index(winner, som._weights.shape[:2])
    return rate * som.neighborhood(at, radius).ravel()
