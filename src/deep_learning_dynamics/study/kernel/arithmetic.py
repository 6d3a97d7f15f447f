"""exp, log, tanh and the rule for tiny numbers, from IEEE float32 additions and products alone.

The functions of a processor's mathematical library differ in their last bit from one machine to
the next; these do not. Errors are below two units in the last place. The polynomials are those of
Cephes (Moshier, 1992: expf, logf and tanhf).
"""

import numpy as np
from numpy import float32, int32

from deep_learning_dynamics.study.kernel.compiler import compiled
from deep_learning_dynamics.study.kernel.vectors import bits_of, number_of

# Numbers closer to zero count as zero. Weights and momentum of units that no longer respond would
# otherwise shrink into denormal numbers, on which processors are many times slower. Products of two
# such numbers are far from denormal still. To weights it makes no difference: those that matter
# have a last place above it.
SMALLEST = float32(2.0**-50)
SMALLEST_SQUARE = float32(2.0**-100)

ZERO, HALF, ONE, TWO = float32(0), float32(0.5), float32(1), float32(2)
LOG2_E = float32(1.44269504088896341)
LN2_HIGH, LN2_LOW = float32(0.693359375), float32(-2.12194440e-4)
ROUNDER = float32(1.5 * 2**23)  # x + ROUNDER - ROUNDER is x rounded to a whole number
ROUNDER_BITS = ROUNDER.view(int32)
LARGEST_EXPONENT, SMALLEST_EXPONENT = float32(88.72283), float32(-87.33654)
INFINITY = float32(np.inf)
SQRT_HALF = float32(0.707106781186547524)
E0, E1, E2, E3, E4, E5 = (
    float32(c)
    for c in (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1,
              5.0000001201e-1)
)  # fmt: skip
L0, L1, L2, L3, L4, L5, L6, L7, L8 = (
    float32(c)
    for c in (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
              -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1)
)  # fmt: skip
T0, T1, T2, T3, T4 = (
    float32(c)
    for c in (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1,
              -3.33332819422e-1)
)  # fmt: skip
TANH_POLYNOMIAL_BELOW = float32(0.625)


@compiled
def flush(x: float) -> float:
    """``x``, or zero where it is closer to zero than ``SMALLEST``. NaN stays NaN."""
    return ZERO if abs(x) < SMALLEST else x


@compiled
def exp(x: float) -> float:
    """e to the power of a float32; zero where it would be denormal, infinity where too large."""
    shifted = x * LOG2_E + ROUNDER
    whole = shifted - ROUNDER
    rest = (x - whole * LN2_HIGH) - whole * LN2_LOW
    power = ((((E0 * rest + E1) * rest + E2) * rest + E3) * rest + E4) * rest + E5
    power = (power * (rest * rest) + rest) + ONE
    # The low bits of ``shifted`` are the whole number; half of it twice, so that neither overflows.
    exponent = bits_of(shifted) - ROUNDER_BITS
    half = exponent >> int32(1)
    first = number_of(int32((half + int32(127)) << int32(23)))
    second = number_of(int32((exponent - half + int32(127)) << int32(23)))
    result = (power * first) * second
    result = INFINITY if x > LARGEST_EXPONENT else result
    return ZERO if x < SMALLEST_EXPONENT else result


@compiled
def log(x: float) -> float:
    """The natural logarithm of a positive, normal float32."""
    bits = bits_of(x)
    exponent = ((bits >> int32(23)) & int32(255)) - int32(126)
    part = number_of(int32((bits & int32(0x007FFFFF)) | int32(0x3F000000)))  # 0.5 to 1
    if part < SQRT_HALF:
        exponent = exponent - int32(1)
        part = part + part
    rest = part - ONE
    square = rest * rest
    high = (((L0 * rest + L1) * rest + L2) * rest + L3) * rest + L4
    result = (((high * rest + L5) * rest + L6) * rest + L7) * rest + L8
    result = result * rest * square
    whole = float32(exponent)
    result = result + whole * LN2_LOW - HALF * square
    return (rest + result) + whole * LN2_HIGH


@compiled
def logistic(x: float) -> float:
    """1 / (1 + exp(-x)) of a float32."""
    return ONE / (ONE + exp(-x))


@compiled
def tanh(x: float) -> float:
    """The hyperbolic tangent of a float32."""
    square = x * x
    small = (((T0 * square + T1) * square + T2) * square + T3) * square + T4
    small = small * square * x + x
    size = abs(x)
    large = ONE - TWO / (exp(size + size) + ONE)
    large = -large if x < ZERO else large
    return small if size < TANH_POLYNOMIAL_BELOW else large
