"""Our exp, log, logistic and tanh against those of float64; they differ by a few last places."""

import numba
import numpy as np
import pytest

from deep_learning_dynamics.study.kernel import arithmetic


def over(function):
    @numba.njit
    def all_of(numbers):
        results = np.empty_like(numbers)
        for i in range(len(numbers)):
            results[i] = function(numbers[i])
        return results

    return all_of


def places_off(found, exact):
    """How many units in the last place results are off."""
    return np.abs(found - exact) / np.spacing(np.abs(exact).astype(np.float32)).astype(float)


SPREAD = np.concatenate([np.linspace(-87.3, 88.7, 200_001), np.geomspace(1e-12, 80, 20_001)])


@pytest.mark.parametrize(
    ("function", "reference", "numbers", "most"),
    [
        (arithmetic.exp, np.exp, SPREAD, 1.5),
        (arithmetic.log, np.log, np.geomspace(1.2e-38, 3e38, 200_001), 1.5),
        (arithmetic.tanh, np.tanh, np.linspace(-12, 12, 200_001), 3),
        (arithmetic.logistic, lambda x: 1 / (1 + np.exp(-x)), np.linspace(-80, 20, 200_001), 3),
    ],
)
def test_functions_are_off_by_few_last_places(function, reference, numbers, most):
    numbers = numbers.astype(np.float32)
    exact = reference(numbers.astype(np.float64))
    kept = np.abs(exact) > 1e-37
    assert places_off(over(function)(numbers), exact)[kept].max() < most


def test_limits():
    numbers = np.array([np.inf, -np.inf, np.nan, 89, -88, 0, -0.0, 1e30, -1e30], np.float32)
    np.testing.assert_array_equal(
        over(arithmetic.exp)(numbers), np.float32([np.inf, 0, np.nan, np.inf, 0, 1, 1, np.inf, 0])
    )
    np.testing.assert_array_equal(
        over(arithmetic.logistic)(numbers)[[0, 1, 2, 5, 7, 8]],
        np.float32([1, 0, np.nan, 0.5, 1, 0]),
    )
    np.testing.assert_array_equal(
        over(arithmetic.tanh)(numbers)[[0, 1, 2, 5, 7, 8]], np.float32([1, -1, np.nan, 0, 1, -1])
    )
    np.testing.assert_array_equal(over(arithmetic.log)(np.float32([1])), [0])


def test_numbers_near_zero_are_zero_and_nan_stays():
    small = np.float32(2.0**-50)
    numbers = np.float32([small, -small, small / 2, -small / 2, 1e-40, 0, np.nan, np.inf])
    expected = np.float32([small, -small, 0, 0, 0, 0, np.nan, np.inf])
    np.testing.assert_array_equal(over(arithmetic.flush)(numbers), expected)
