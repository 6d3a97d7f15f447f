"""How numbers are written in the report, for people and for the page's scripts."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from deep_learning_dynamics.figures import captions

NONE = "–"  # what is not defined


def index(value: float | None) -> str:
    """Three digits, of which the last is cut: what is not perfect is not shown as 1."""
    if value is None or not np.isfinite(value):
        return NONE
    return captions.index(value)


def percent(value: float | None) -> str:
    """A share in percent, cut likewise."""
    if value is None or not np.isfinite(value):
        return NONE
    return captions.percent(value)


def number(value: float | None, signed: bool = False) -> str:
    """Three digits, thousands whole."""
    if value is None or not np.isfinite(value):
        return NONE
    digits = f"{abs(value):,.0f}" if abs(value) >= 1000 else f"{abs(value):.3g}"
    if "e" in digits:
        digits = f"{abs(value):.4f}".rstrip("0").rstrip(".")
    sign = "−" if value < 0 and float(digits.replace(",", "")) else ""
    return f"{sign or ('+' if signed and value > 0 else '')}{digits}"


def p_value(value: float | None) -> str:
    if value is None or not np.isfinite(value):
        return NONE
    return "< 0.001" if value < 0.001 else f"{value:.2g}"


def short(values: Iterable[float], decimals: int) -> list[Any]:
    """Rounded numbers for JSON, as short as they can be written; null where there is none."""
    rounded = np.round(np.asarray(list(values), np.float64), decimals).tolist()
    return [
        None if not np.isfinite(value) else int(value) if value == int(value) else value
        for value in rounded
    ]
