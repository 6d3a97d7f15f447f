"""Function space: networks as points by what they predict, not by their weights."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int

from deep_learning_dynamics import predictions
from deep_learning_dynamics.geometry.analysis import ANALYSES, Analysis, Finding, Subject
from deep_learning_dynamics.geometry.measures import MEASURES, OfNetworks
from deep_learning_dynamics.geometry.relations import is_twin, partners, phases, twins
from deep_learning_dynamics.quantities import Quantity, define
from deep_learning_dynamics.store import schema

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

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
        runs = subject.runs
        networks = schema.networks_table(runs).reset_index()
        twin, phase = is_twin(networks), phases(networks)
        last = np.array([each == "0" for each in phase])
        mine = np.flatnonzero(last & ~twin)
        most, everything = _most_of_each(runs, mine)
        network, snapshot, roots = _snapshots(runs, mine, most)
        if len(network) < COMPONENTS:
            return None
        embedding = predictions.inpca(predictions.distances(roots), COMPONENTS)
        rows = networks.iloc[network].reset_index(drop=True)
        rows["snapshot"], rows["step"] = snapshot, runs[schema.STEP].values[network, snapshot]
        measures = {}
        if schema.LABEL in runs:
            rows["progress"] = predictions.progress(roots, runs[schema.LABEL].values)
            ends = rows.groupby("network", sort=False)["progress"].last()
            measures["final_progress"] = ends
        for number, values in enumerate(embedding.coordinates.T, 1):
            rows[f"c{number}"] = values
        relations = [*partners(networks, twin, phase), *twins(networks, twin)]
        ends = _ends(runs, networks, np.flatnonzero(last), twin, relations)
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
                "of_snapshots": everything if most is not None else len(rows),
                "probes": runs.sizes[schema.PROBE],
            },
            _long(measures),
        )


def _most_of_each(
    runs: "xr.Dataset", numbers: Int[np.ndarray, " chosen"]
) -> tuple[int | None, int]:
    """How many snapshots of each network are embedded (None: all), and how many there are."""
    everything = int((runs[schema.STEP].values[numbers] != schema.ABSENT).sum())
    few = everything <= MOST_ROWS
    return None if few else max(2, MOST_ROWS // len(numbers)), everything


def _snapshots(
    runs: "xr.Dataset", numbers: Int[np.ndarray, " chosen"], most: int | None
) -> tuple[Int[np.ndarray, " row"], Int[np.ndarray, " row"], Float64[np.ndarray, "row output"]]:
    """Number of the network, of the snapshot and roots of the finite predictions of some networks.

    Args:
        most: snapshots of each, evenly spread, the last (and with more than one the first) among
            them; None: all.
    """
    steps = runs[schema.STEP].values
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for number in numbers:
        there = np.flatnonzero(steps[number] != schema.ABSENT)
        if most is not None:
            places = np.linspace(len(there) - 1, 0, most).round().astype(int)
            there = there[np.unique(places)] if len(there) else there
        if len(there):
            roots = predictions.roots_of(runs[schema.OUTPUTS][int(number), there].values)
            finite = np.isfinite(roots).all(axis=1)
            found.append((np.full(finite.sum(), number), there[finite], roots[finite]))
    if not found:
        return np.zeros(0, int), np.zeros(0, int), np.zeros((0, 0))
    network, snapshot, roots = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return network, snapshot, roots


def _ends(
    runs: "xr.Dataset",
    networks: "pd.DataFrame",
    numbers: Int[np.ndarray, " chosen"],
    twin: np.ndarray,
    relations: list[tuple[int, int, str]],
) -> "pd.DataFrame":
    """Distances between last predictions, of each two networks and of each network and its twin."""
    import pandas as pd

    network, _, roots = _snapshots(runs, numbers, 1)
    related = {frozenset((one, other)): kind for one, other, kind in relations}
    names = networks["network"].to_numpy()
    apart = predictions.distances(roots)
    one, other = np.triu_indices(len(network), 1)
    swapped = twin[network[one]]  # a network comes before its twin
    one, other = np.where(swapped, other, one), np.where(swapped, one, other)
    found = [
        (names[network[one]], names[network[other]], kind, apart[one, other])
        for one, other in zip(one, other, strict=True)
        if (kind := related.get(frozenset((network[one], network[other])), "")) == "twin"
        or not twin[network[[one, other]]].any()
    ]
    return pd.DataFrame(found, columns=["network", "other", "relation", "distance"])


def _long(measures: "dict[str, pd.Series]") -> "pd.DataFrame":
    """Values by network as a table with the columns network, measure, value."""
    import pandas as pd

    parts = [
        pd.DataFrame({"network": of.index, "measure": key, "value": of.to_numpy(float)})
        for key, of in measures.items()
    ]
    empty = pd.DataFrame(columns=["network", "measure", "value"])
    return pd.concat(parts, ignore_index=True) if parts else empty
