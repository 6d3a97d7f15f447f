"""Rounding twins: networks that start one unit in the last place away from another.

What becomes of the difference says how much of a result rounding alone could have made: another
processor, another order of sums. Each weight that the images can reach moves to the next number
above or below, at random. Other weights (from pixels that are always dark) stay, because a change
of them changes nothing.
"""

import numpy as np
from jaxtyping import Bool, Float32


def twin_start(
    start: Float32[np.ndarray, " weight"],
    sensitive: Bool[np.ndarray, " weight"],
    rng: np.random.Generator,
) -> Float32[np.ndarray, " weight"]:
    """Where the twin of a network starts.

    Args:
        sensitive: weights that are to differ.
        rng: decides on the directions.
    """
    towards = np.where(rng.integers(0, 2, len(start)) == 0, -np.inf, np.inf).astype(np.float32)
    return np.where(sensitive, np.nextafter(start, towards), start)
