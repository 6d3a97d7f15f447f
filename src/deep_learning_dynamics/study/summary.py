"""The dozen numbers of an experiment that DVC and MLflow list: ``metrics/summary.json``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deep_learning_dynamics.files import write_json
from deep_learning_dynamics.geometry.measures import WHOLE
from deep_learning_dynamics.store.schema import last_phase

if TYPE_CHECKING:
    from deep_learning_dynamics.geometry import Measures
    from deep_learning_dynamics.inference import Comparisons

OF_CONDITIONS = ("final_accuracy", "steps_to_80", "path_length")  # medians, by condition
MOST_CONDITIONS = 3  # so that tables stay readable


def write(measures: "Measures", comparisons: "Comparisons") -> None:
    """Write medians of the main measures, how many networks failed, and what differs.

    A number that is not known, such as a time that most networks did not reach, is left out.
    """
    found: dict[str, Any] = {}
    networks = last_phase(measures.networks)
    for condition in comparisons.groups[:MOST_CONDITIONS]:
        names = networks.loc[networks[comparisons.by or "condition"] == condition, "network"]
        numbers = {"networks": len(names), "failed": comparisons.counts[condition]["failed"]}
        for key in OF_CONDITIONS:
            numbers[key] = _median(comparisons, key, condition)
        found[condition] = {key: value for key, value in numbers.items() if value is not None}
    for contrast in comparisons.contrasts[:1]:
        item = comparisons.of("final_accuracy", contrast)
        if item is not None:
            numbers = {
                "final_accuracy_difference": item.difference,
                "final_accuracy_p": item.adjusted_p,
                "rounding_share": item.rounding_share,
            }
            found["difference"] = {k: _rounded(v) for k, v in numbers.items() if v is not None}
    write_json(Path("metrics/summary.json"), found)


def _median(comparisons: "Comparisons", key: str, condition: str) -> float | None:
    """As the comparisons have it, which count failed networks in."""
    for item in comparisons.items:
        if (item.measure, item.parameter) == (key, WHOLE):
            values = {item.reference: item.reference_value, item.other: item.other_value}
            if (value := values.get(condition)) is not None:
                return _rounded(value)
    return None


def _rounded(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None
