"""Sums over weights in a fixed order, so that measures have the same bits on every processor.

Products of matrices differ in their last bits from one processor to the next, because libraries
add in the order that suits each. Here each sum runs over the weights in their order; lanes of
vector instructions are different sums. Compiled without reassociation or fused operations.
"""

from typing import no_type_check

import numpy as np
from numba import njit


@no_type_check  # numba cannot compile a function that checks its arguments
@njit(cache=True)
def add_products(rows: np.ndarray, sums: np.ndarray) -> None:
    """Add the inner products of all vectors to ``sums`` [vector, vector].

    ``rows`` [weight, vector] has the vectors as columns.
    """
    count = rows.shape[1]
    for weight in range(rows.shape[0]):
        for one in range(count):
            value = rows[weight, one]
            for other in range(one + 1):
                sums[one, other] += value * rows[weight, other]
    for one in range(count):
        for other in range(one):
            sums[other, one] = sums[one, other]


@no_type_check  # numba cannot compile a function that checks its arguments
@njit(cache=True)
def add_squared_distances(rows: np.ndarray, sums: np.ndarray) -> None:
    """Add the squared distances of all vectors to the first ones to ``sums`` [vector, first].

    ``rows`` [weight, vector] has the vectors as columns.
    """
    count, firsts = sums.shape
    for weight in range(rows.shape[0]):
        for one in range(count):
            value = rows[weight, one]
            for first in range(firsts):
                difference = value - rows[weight, first]
                sums[one, first] += difference * difference
