"""Activations and optimisers over arrays, made from their functions of one number.

They are compiled apart and passed to the training's compiled code as callbacks, so that this is
compiled once for all of them, and a new activation within a second. In the loops below, ``value``,
``slope`` and ``update`` are the functions that ``callback`` is given.
"""

from functools import cache
from typing import Any

import numpy as np
from numba import carray, types

from deep_learning_dynamics.study.activations import Activation
from deep_learning_dynamics.study.kernel.arithmetic import SMALLEST_SQUARE, ZERO, flush
from deep_learning_dynamics.study.kernel.compiler import Function, callback
from deep_learning_dynamics.study.optimisers import Rule

NUMBERS = types.CPointer(types.float32)
VALUE = types.void(NUMBERS, NUMBERS, types.intp)
SLOPE = types.void(NUMBERS, NUMBERS, NUMBERS, types.intp)
UPDATE = types.void(NUMBERS, NUMBERS, NUMBERS, NUMBERS, types.intp, NUMBERS, types.float32)


@cache
def value_of(activation: type[Activation]) -> Function:
    """``outputs = value(inputs)``, for so many numbers."""

    def values(inputs: Any, outputs: Any, count: int) -> None:
        x, y = carray(inputs, (count,)), carray(outputs, (count,))
        for i in range(count):
            y[i] = flush(np.float32(value(x[i])))

    return callback(VALUE, values, value=activation.value)


@cache
def slope_of(activation: type[Activation]) -> Function:
    """``errors *= slope(inputs, outputs)``, for so many numbers."""

    def slopes(inputs: Any, outputs: Any, errors: Any, count: int) -> None:
        x, y, error = (
            carray(inputs, (count,)),
            carray(outputs, (count,)),
            carray(errors, (count,)),
        )
        for i in range(count):
            error[i] = flush(error[i] * np.float32(slope(x[i], y[i])))

    return callback(SLOPE, slopes, slope=activation.slope)


@cache
def update_of(rule: type[Rule]) -> Function:
    """A step of so many weights by their gradients, with ``decay`` times themselves."""
    two_states = rule.states == 2

    def updates(
        weights: Any,
        gradients: Any,
        firsts: Any,
        seconds: Any,
        count: int,
        constants: Any,
        decay: float,
    ) -> None:
        weight, gradient = carray(weights, (count,)), carray(gradients, (count,))
        first, second = carray(firsts, (count,)), carray(seconds, (count,))
        numbers = carray(constants, (2,))
        both = numbers[0], numbers[1]
        for i in range(count):
            slope = flush(gradient[i] + decay * weight[i])
            state = second[i] if two_states else ZERO
            new, state_1, state_2 = update(weight[i], slope, first[i], state, both)
            weight[i], first[i] = flush(np.float32(new)), flush(np.float32(state_1))
            if two_states:
                square = np.float32(state_2)
                second[i] = ZERO if abs(square) < SMALLEST_SQUARE else square

    return callback(UPDATE, updates, update=rule.update)
