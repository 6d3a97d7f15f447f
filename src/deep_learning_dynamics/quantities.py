"""Titles and units of everything that is measured, in one place.

A score, a measure or a property of a projection is a :class:`Quantity`. Whoever defines one
registers it; figures, tables, report and MLflow look it up. An unknown key, such as a score of
somebody's own training, is a quantity with its key as its title.
"""

from dataclasses import dataclass
from typing import Literal

from deep_learning_dynamics import formatting


@dataclass(frozen=True)
class Quantity:
    """Something that has a number."""

    key: str  # "test_accuracy"
    title: str  # "test accuracy": as within a sentence; figures capitalise it
    unit: str = ""  # "%", "nats", "steps", "degrees"; "%": values are shares from 0 to 1
    better: Literal["higher", "lower", "neither"] = "neither"
    meaning: str = ""  # one sentence for captions and the data dictionary
    index: bool = False  # a number of at most 1, such as a correlation

    def format(self, value: float | None) -> str:
        """A value with its unit; "–" for None and NaN."""
        if self.unit == "%":
            return formatting.percent(value)
        if self.index:
            return formatting.index(value)
        return self._with_unit(formatting.number(value))

    def difference(self, value: float) -> str:
        """A difference between two values, signed, with its unit (percentage points)."""
        if self.unit == "%":
            return f"{formatting.signed(100 * value)} points"
        return self._with_unit(formatting.signed(value))

    def _with_unit(self, text: str) -> str:
        return f"{text} {self.unit}" if self.unit and text != "–" else text


_QUANTITIES: dict[str, Quantity] = {}


def define(*quantities: Quantity) -> None:
    """Register quantities; a later definition of a key replaces an earlier one."""
    _QUANTITIES.update({quantity.key: quantity for quantity in quantities})


def quantity(key: str) -> Quantity:
    """The quantity of that key."""
    return _QUANTITIES.get(key) or Quantity(key, key.replace("_", " "))


_RIGHT = "examples classified correctly."
define(
    Quantity("test_accuracy", "test accuracy", "%", "higher", f"Share of test {_RIGHT}"),
    Quantity("train_accuracy", "training accuracy", "%", "higher", f"Share of training {_RIGHT}"),
    Quantity("test_loss", "test loss", "nats", "lower", "Mean cross-entropy on the test set."),
    Quantity(
        "train_loss", "training loss", "nats", "lower", "Mean cross-entropy on training examples."
    ),
    Quantity("loss", "loss", "", "lower"),
    Quantity("epoch", "epoch", "", meaning="Passes through the training set since initialisation."),
    Quantity("step", "step", "", meaning="Optimiser steps since initialisation."),
)
