"""Representations: how alike the hidden layers of networks are, by centred kernel alignment.

CKA (Kornblith et al., ICML 2019) with the unbiased estimate of HSIC (Song et al., JMLR 2012; Nguyen
et al., ICLR 2021), so that it does not grow where layers are wider or examples fewer.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from deep_learning_dynamics.geometry.analysis import ANALYSES, Analysis, Finding, Subject
from deep_learning_dynamics.geometry.measures import MEASURES, OfNetworks
from deep_learning_dynamics.geometry.relations import is_twin, partners, phases, twins
from deep_learning_dynamics.store import schema

if TYPE_CHECKING:
    import pandas as pd

MOST_NETWORKS = 20  # of a larger group, the first so many stand for all
SNAPSHOTS = 5  # of each network over training, the first and the last among them
MOST_BYTES = 10**9  # of activations that are kept
LEAST_EXAMPLES = 4  # of which the unbiased HSIC can be estimated

_Features = dict[str, Float[np.ndarray, "example _"]]


@MEASURES.register
class StartToEnd(OfNetworks):
    key, title = "cka_start_to_end", "CKA of the start with the end"
    meaning = (
        "Similarity of the hidden layers before and after training: unbiased linear CKA, the mean "
        "over layers. 1: the same up to rotation and scale, 0: nothing in common."
    )


@MEASURES.register
class ToTwin(OfNetworks):
    key, title = "cka_to_twin", "CKA with the rounding twin"
    meaning = (
        "Similarity of the hidden layers of a network and of its twin, whose start differs by "
        "rounding, at the end: unbiased linear CKA, the mean over layers."
    )


def hsic(
    one: Float[np.ndarray, "example unit"], other: Float[np.ndarray, "example other_unit"]
) -> float:
    """The unbiased estimate of HSIC with linear kernels (Song et al., 2012, equation 5).

    Raises:
        ValueError: there are fewer than four examples.
    """
    count = len(one)
    if count < LEAST_EXAMPLES:
        raise ValueError(f"There are {count} examples; expected at least {LEAST_EXAMPLES}.")
    # Shifts change nothing but the rounding.
    one, other = (each - each.mean(axis=0) for each in (np.float64(one), np.float64(other)))
    squares = [np.einsum("eu,eu->e", each, each) for each in (one, other)]
    if max(one.shape[1], other.shape[1]) > count:
        trace = float(((one @ one.T) * (other @ other.T)).sum())
    else:
        trace = float(((one.T @ other) ** 2).sum())
    trace -= float(squares[0] @ squares[1])
    # Rows of the kernels without their diagonals sum to minus these, as columns sum to 0.
    sums = squares[0].sum() * squares[1].sum() / ((count - 1) * (count - 2))
    rows = 2 / (count - 2) * float(squares[0] @ squares[1])
    return float((trace + sums - rows) / (count * (count - 3)))


def cka(
    one: Float[np.ndarray, "example unit"], other: Float[np.ndarray, "example other_unit"]
) -> float:
    """Unbiased linear CKA: 1 for layers that differ by rotation, scale and shift, about 0 for
    independent ones; NaN where a layer gives the same for all examples."""
    own = [hsic(each, each) for each in (one, other)]
    return hsic(one, other) / float(np.sqrt(own[0] * own[1])) if min(own) > 0 else float("nan")


@ANALYSES.register
class Representations(Analysis):
    """How alike the hidden layers of networks are, and how much they change.

    Tables: ``ends`` (network, other, relation "pair", "group" or "twin", layer, cka at the end; of
    a group each network and the next one), ``over_time`` (network, its coordinates, snapshot, step,
    layer, cka with its own end). Of a larger group, the first 20 networks stand for all.
    """

    key, title, needs = "representations", "Representations", ("forward",)

    @classmethod
    def find(cls, subject: Subject) -> Finding | None:
        import pandas as pd

        runs, forward = subject.runs, subject.forward
        assert forward is not None
        networks = schema.networks_table(runs).reset_index()
        twin, phase = is_twin(networks), phases(networks)
        steps = runs[schema.STEP].values
        groups = _groups(networks, twin, phase, subject.by)
        chosen = np.concatenate(groups) if groups else np.zeros(0, int)
        if not len(chosen):
            return None

        def read(network: int, snapshot: int) -> Float[np.ndarray, " weight"]:
            return runs[schema.WEIGHTS][network, snapshot].values

        first = forward.activations(read(int(chosen[0]), 0))
        if not first or len(next(iter(first.values()))) < LEAST_EXAMPLES:
            return None
        most = max(3, MOST_BYTES // sum(each.nbytes for each in first.values()))

        @lru_cache(most)
        def features(network: int, snapshot: int) -> _Features:
            return forward.activations(read(network, snapshot))

        there = [np.flatnonzero(row != schema.ABSENT) for row in steps]
        sound = {n for n in range(len(networks))
                 if (twin[n] or n in chosen) and len(there[n])
                 and np.isfinite(read(n, int(there[n][-1]))).all()}  # fmt: skip
        relations = [
            (one, other, kind)
            for one, other, kind in (
                *partners(networks, twin, phase),
                *_neighbours(groups),
                *twins(networks, twin),
            )
            if {one, other} <= sound
        ]
        names = networks["network"].to_numpy()
        ends = [
            (names[one], names[other], kind, layer, value)
            for one, other, kind in sorted(relations)
            for layer, value in _alike(
                features(one, int(there[one][-1])), features(other, int(there[other][-1]))
            ).items()
        ]
        over_time = _over_time(
            networks, [n for n in map(int, chosen) if n in sound], there, steps, features
        )
        table = pd.DataFrame(ends, columns=["network", "other", "relation", "layer", "cka"])
        return Finding(
            {"ends": table, "over_time": over_time},
            {"layers": list(first), "examples": len(next(iter(first.values())))},
            _measures(table, over_time),
        )


def _groups(
    networks: "pd.DataFrame", twin: np.ndarray, phase: list[str], by: str | None
) -> list[Int[np.ndarray, " _"]]:
    """The networks of each group that are looked at."""
    apart = ~twin & np.array([each == "0" for each in phase])
    labels = networks[by].astype(str) if by in networks else networks["network"].map(lambda _: "")
    return [
        np.flatnonzero(apart & (labels == label).to_numpy())[:MOST_NETWORKS]
        for label in dict.fromkeys(labels[apart])
    ]


def _neighbours(groups: list[Int[np.ndarray, " _"]]) -> Iterator[tuple[int, int, str]]:
    """Each network of a group and the next one, in a circle."""
    for group in groups:
        others = np.roll(group, -1)[: len(group) if len(group) > 2 else len(group) - 1]
        yield from ((int(a), int(b), "group") for a, b in zip(group, others, strict=False))


def _alike(one: _Features, other: _Features) -> dict[str, float]:
    return {layer: cka(one[layer], other[layer]) for layer in one if layer in other}


def _over_time(
    networks: "pd.DataFrame",
    chosen: list[int],
    there: list[Int[np.ndarray, " _"]],
    steps: Int[np.ndarray, "network snapshot"],
    features: Callable[[int, int], _Features],
) -> "pd.DataFrame":
    import pandas as pd

    numbers, rows = [], []
    for network in chosen:
        places = np.unique(np.linspace(0, len(there[network]) - 1, SNAPSHOTS).round().astype(int))
        last = features(network, int(there[network][-1]))
        for snapshot in there[network][places].tolist():
            for layer, value in _alike(features(network, snapshot), last).items():
                numbers.append(network)
                rows.append((snapshot, int(steps[network, snapshot]), layer, value))
    found = pd.DataFrame(rows, columns=["snapshot", "step", "layer", "cka"])
    return pd.concat([networks.iloc[numbers].reset_index(drop=True), found], axis=1)


def _measures(ends: "pd.DataFrame", over_time: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    first = over_time.groupby("network")["snapshot"].transform("min")
    tables = {
        "cka_start_to_end": over_time[over_time["snapshot"] == first],
        "cka_to_twin": ends[ends["relation"] == "twin"],
    }
    rows = [
        (network, key, value)
        for key, table in tables.items()
        for network, value in table.groupby("network", sort=False)["cka"].mean().items()
    ]
    return pd.DataFrame(rows, columns=["network", "measure", "value"])
