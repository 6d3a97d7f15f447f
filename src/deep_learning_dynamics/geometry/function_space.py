"""Function space: networks as points by what they predict, not by their weights."""

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int

from deep_learning_dynamics import predictions
from deep_learning_dynamics.geometry.analysis import ANALYSES, Analysis, Finding, Subject
from deep_learning_dynamics.geometry.measures import MEASURES, OfNetworks
from deep_learning_dynamics.geometry.networks import per_network
from deep_learning_dynamics.quantities import Quantity, define
from deep_learning_dynamics.store import schema

COMPONENTS = 3
MOST_ROWS = 3000  # snapshots; of more, some of each network, evenly spread over it

define(
    Quantity(
        "progress",
        "progress to the truth",
        "%",
        "higher",
        "The nearest point on the geodesic from ignorance (all classes alike) to the true labels.",
    ),
)


@MEASURES.register
class FinalProgress(OfNetworks):
    key, title, unit, better = "final_progress", "final progress to the truth", "%", "higher"
    meaning = (
        "How far the last predictions on probe examples are along the geodesic from ignorance "
        "(all classes alike) to the true labels."
    )


@MEASURES.register
class TwinFunctionDistance(OfNetworks):
    key, title = "twin_function_distance", "function distance to the rounding twin"
    meaning = (
        "Bhattacharyya distance between the last predictions of a network and of its twin, whose "
        "start differs by rounding."
    )


@ANALYSES.register
class FunctionSpace(Analysis):
    """Where networks are in function space, and how far they are from each other at the end.

    Tables: ``rows`` (network, its coordinates, snapshot, step, progress from 0: ignorance to 1: the
    truth, c1 to c3: coordinates of InPCA), ``ends`` (network, other, relation "pair", "twin" or "",
    distance between their last predictions). Numbers: signs, eigenvalues and explained
    stress of the components; snapshots that were embedded, and of how many.
    """

    key, title, needs = "function_space", "Function space", ("outputs",)

    @classmethod
    def find(cls, subject: Subject) -> Finding | None:
        runs, numbers = subject.runs, np.flatnonzero(subject.proper)
        everything = sum(len(subject.snapshots[number]) for number in numbers)
        few = everything <= MOST_ROWS
        most = everything if few else max(2, MOST_ROWS // len(numbers))
        network, snapshot, roots = _predictions(subject, numbers, most)
        if len(network) < COMPONENTS:
            return None
        embedding = predictions.inpca(predictions.distances(roots), COMPONENTS)
        rows = subject.table.iloc[network].reset_index(drop=True)
        rows["snapshot"], rows["step"] = snapshot, subject.steps[network, snapshot]
        measures = {}
        if schema.LABEL in runs:
            rows["progress"] = predictions.progress(roots, runs[schema.LABEL].values)
            of_networks = rows.groupby("network", sort=False)["progress"]
            measures["final_progress"] = of_networks.last()
        for number, values in enumerate(embedding.coordinates.T, 1):
            rows[f"c{number}"] = values
        ends = _ends(subject)
        to_twin = ends[ends["relation"] == "twin"]
        if len(to_twin):
            measures["twin_function_distance"] = to_twin.set_index("network")["distance"]
        return Finding(
            {"rows": rows, "ends": ends},
            {
                "signs": embedding.signs.tolist(),
                "eigenvalues": embedding.eigenvalues.tolist(),
                "explained_stress": embedding.explained.tolist(),
                "snapshots": len(rows),
                "of_snapshots": len(rows) if few else everything,
                "probes": runs.sizes[schema.PROBE],
            },
            per_network(measures),
        )


def _predictions(
    subject: Subject, numbers: Int[np.ndarray, " chosen"], most: int
) -> tuple[Int[np.ndarray, " row"], Int[np.ndarray, " row"], Float64[np.ndarray, "row output"]]:
    """Number of the network, of the snapshot and roots of the finite predictions of some networks.

    Args:
        most: snapshots of each, evenly spread, the last (and with more than one the first) among
            them.
    """
    found = []
    for number in numbers.tolist():
        there = subject.snapshots[number]
        if len(there) > most:
            there = there[np.unique(np.linspace(len(there) - 1, 0, most).round().astype(int))]
        if len(there):
            roots = predictions.roots_of(subject.runs[schema.OUTPUTS][number, there].values)
            finite = np.isfinite(roots).all(axis=1)
            found.append((np.full(finite.sum(), number), there[finite], roots[finite]))
    if not found:
        return np.zeros(0, int), np.zeros(0, int), np.zeros((0, 0))
    network, snapshot, roots = map(np.concatenate, zip(*found, strict=True))
    return network, snapshot, roots


def _ends(subject: Subject) -> pd.DataFrame:
    """Distances between last predictions, of each two networks and of each network and its twin."""
    numbers = np.flatnonzero(subject.phases == 0)
    network, _, roots = _predictions(subject, numbers, 1)
    related = {
        frozenset((one, other)): kind
        for one, other, kind in (*subject.partners(), *subject.twins())
    }
    names, twin = subject.names[network], subject.twin[network]
    apart = predictions.distances(roots)
    one, other = np.triu_indices(len(network), 1)
    one, other = np.where(twin[one], other, one), np.where(twin[one], one, other)
    found = [
        (names[first], names[second], kind, apart[first, second])
        for first, second in zip(one, other, strict=True)  # a network comes before its twin
        if (kind := related.get(frozenset(network[[first, second]].tolist()), "")) == "twin"
        or not twin[[first, second]].any()
    ]
    return pd.DataFrame(found, columns=["network", "other", "relation", "distance"])
