"""Do partners end in the same place? Networks of one pair against networks of different pairs."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64

from deep_learning_dynamics.geometry.measures import WHOLE, Measures
from deep_learning_dynamics.inference import statistics
from deep_learning_dynamics.inference.groups import Group
from deep_learning_dynamics.quantities import Quantity, define

if TYPE_CHECKING:
    import pandas as pd

define(
    Quantity(
        "partner_distance",
        "distance between partners' ends",
        meaning="Distance between the ends of two networks, divided by the mean of their "
        "displacements: of partners (other), and of networks of different pairs (reference).",
    ),
    Quantity(
        "partner_angle",
        "angle between partners' displacements",
        "degrees",
        meaning="Angle between the displacements of two networks: of partners (other), and of "
        "networks of different pairs (reference). 90 for unrelated directions.",
    ),
)


def partner_rows(
    measures: Measures, reference: Group, other: Group, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Two rows of the table: distances between ends, and angles between displacements.

    The reference value is that of networks of different pairs, the other one that of partners.
    Their difference is within pairs: the distance between partners, minus the median distance of
    either to the networks of other pairs in the other group. A row has the fields of
    :class:`Comparison`; networks without an end are left out, with their partners.
    """
    ends = measures.ends
    moved = measures.values("displacement")
    displacement = [moved.reindex(list(group.networks)).to_numpy() for group in (reference, other)]
    means = (displacement[0][:, None] + displacement[1]) / 2
    between = _matrix(ends, "distance", reference, other)
    with np.errstate(invalid="ignore", divide="ignore"):
        matrices = {
            "partner_distance": between / means,
            "partner_angle": _matrix(ends, "angle", reference, other),
        }
    return [
        row
        for key, matrix in matrices.items()
        if (row := _row(key, matrix, reference, other, rng)) is not None
    ]


def _row(
    key: str,
    matrix: Float64[np.ndarray, "network other"],
    reference: Group,
    other: Group,
    rng: np.random.Generator,
) -> dict[str, Any] | None:
    known = np.isfinite(matrix.diagonal())
    matrix = matrix[np.ix_(known, known)]
    count = len(matrix)
    if count < 3:
        return None
    different = np.where(np.eye(count, dtype=bool), np.nan, matrix)
    others = np.nanmedian(np.hstack([different, different.T]), axis=1)
    within = matrix.diagonal().copy()
    limits = np.full(count, np.nan)
    found = statistics.of_pairs(
        statistics.Sample(others, limits), statistics.Sample(within, limits), rng
    )
    kept = [group.take(known) for group in (reference, other)]
    return {
        "measure": key,
        "parameter": WHOLE,
        "reference": reference.name,
        "other": other.name,
        "design": "partners",
        "family": "partners",
        "pairs": count,
        "n_reference": count,
        "n_other": count,
        "reference_value": float(np.median(others)),
        "other_value": float(np.median(within)),
        **asdict(found),
        "failed_reference": kept[0].failed,
        "failed_other": kept[1].failed,
    }


def _matrix(
    ends: "pd.DataFrame", column: str, reference: Group, other: Group
) -> Float64[np.ndarray, "network other"]:
    rows = {name: place for place, name in enumerate(reference.networks)}
    columns = {name: place for place, name in enumerate(other.networks)}
    matrix = np.full((len(rows), len(columns)), np.nan)
    for one, two in (("network", "other"), ("other", "network")):
        mine = ends[ends[one].isin(rows) & ends[two].isin(columns)]
        matrix[mine[one].map(rows), mine[two].map(columns)] = mine[column]
    return matrix
