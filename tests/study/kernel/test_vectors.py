"""Vectors compute each lane as one number, and fuse multiplication and addition exactly everywhere."""

from fractions import Fraction

import numpy as np
import pytest
from numba import njit

from deep_learning_dynamics.study.kernel import vectors as module

WIDTH = 8


def multiplied_and_added(x, y, z):
    across = module.vectors(WIDTH)
    load, store, multiply_add = across.load, across.store, across.multiply_add

    @njit
    def all_of(x, y, z, result):
        for i in range(0, len(x), WIDTH):
            store(result, i, multiply_add(load(x, i), load(y, i), load(z, i)))

    result = np.zeros_like(x)
    all_of(x, y, z, result)
    return result


def numbers():
    """Of all sizes; many sums nearly cancel or lie half way between two float32 numbers."""
    rng = np.random.default_rng(0)
    count = 40_000
    x, y = (
        (rng.normal(size=count) * 2.0 ** rng.integers(-30, 30, count)).astype(np.float32)
        for _ in range(2)
    )
    z = (rng.normal(size=count) * 2.0 ** rng.integers(-60, 60, count)).astype(np.float32)
    near = rng.random(count) < 0.5
    z[near] = -(x * y)[near]
    half = rng.random(count) < 0.3  # x · y is half of the last place of z, or a little off that
    x[half] = np.float32(1) + np.float32(2.0**-23) * rng.integers(-1, 2, half.sum())
    y[half] = rng.choice([-1, 1], half.sum()) * np.float32(2.0**-24)
    z[half] = np.float32(1) + np.float32(2.0**-23) * rng.integers(0, 1000, half.sum())
    return x, y, z


def rounded(exact):
    """The float32 nearest to a fraction; of two, the even one."""
    guess = np.float32(float(exact))
    around = [
        np.nextafter(guess, np.float32(-np.inf)),
        guess,
        np.nextafter(guess, np.float32(np.inf)),
    ]
    distance = [abs(Fraction(float(each)) - exact) for each in around]
    nearest = [each for each, d in zip(around, distance, strict=True) if d == min(distance)]
    return next(each for each in nearest if len(nearest) == 1 or each.view(np.uint32) % 2 == 0)


@pytest.mark.parametrize("fused", [True, False])
def test_products_and_sums_are_rounded_once_with_and_without_the_operation(fused, monkeypatch):
    monkeypatch.setattr(module, "FUSED", fused)
    x, y, z = numbers()
    found = multiplied_and_added(x, y, z)
    exact = [
        rounded(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)))
        for a, b, c in zip(x[:8000], y[:8000], z[:8000], strict=True)
    ]
    np.testing.assert_array_equal(found[:8000], np.float32(exact))
    assert (found != x * y + z).mean() > 0.1  # rounding twice would differ


def test_emulation_equals_the_operation_bit_by_bit(monkeypatch):
    x, y, z = numbers()
    special = np.float32([np.inf, -np.inf, 0, -0.0, 1, 1e38, 1e-38, 3e-45])
    x, y, z = (
        np.concatenate([all_, each.ravel()])
        for all_, each in zip((x, y, z), np.meshgrid(special, special, special), strict=True)
    )
    ends = []
    for fused in (True, False):
        monkeypatch.setattr(module, "FUSED", fused)
        ends.append(multiplied_and_added(x, y, z))
    numbers_ = ~np.isnan(ends[0])
    np.testing.assert_array_equal(np.isnan(ends[0]), np.isnan(ends[1]))
    assert ends[0][numbers_].tobytes() == ends[1][numbers_].tobytes()


def test_a_total_adds_halves():
    total = module.vectors(WIDTH).total
    load = module.vectors(WIDTH).load

    @njit
    def of(x):
        return total(load(x, 0))

    x = np.random.default_rng(0).normal(size=WIDTH).astype(np.float32)
    halves = x[:4] + x[4:]
    quarters = halves[:2] + halves[2:]
    assert of(x) == quarters[0] + quarters[1]
