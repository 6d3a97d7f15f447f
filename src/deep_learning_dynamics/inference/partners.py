"""Do partners end in the same place? Networks of one pair against networks of different pairs."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from deep_learning_dynamics.geometry.measures import Measures
from deep_learning_dynamics.inference.groups import Group
from deep_learning_dynamics.inference.statistics import Sample
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


def partner_samples(
    measures: Measures, reference: Group, other: Group
) -> Iterator[tuple[str, list[Group], list[Sample]]]:
    """Distances between ends, and angles between displacements: the quantity, groups, samples.

    The first sample has the median distance of either partner to the networks of other pairs in the
    other group, the second one the distance between partners. Networks without an end are left out,
    with their partners.
    """
    moved = measures.values("displacement")
    displacement = [moved.reindex(group.networks).to_numpy() for group in (reference, other)]
    means = (displacement[0][:, None] + displacement[1]) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        matrices = {
            "partner_distance": _matrix(measures.ends, "distance", reference, other) / means,
            "partner_angle": _matrix(measures.ends, "angle", reference, other),
        }
    for key, matrix in matrices.items():
        known = np.isfinite(matrix.diagonal())
        matrix = matrix[np.ix_(known, known)]
        if len(matrix) < 3:
            continue
        different = np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix)
        others = np.nanmedian(np.hstack([different, different.T]), axis=1)
        samples = [Sample.of(others), Sample.of(matrix.diagonal().copy())]
        yield key, [group.take(known) for group in (reference, other)], samples


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
