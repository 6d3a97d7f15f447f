"""Representations: how alike the hidden layers of networks are, by centred kernel alignment.

CKA (Kornblith et al., ICML 2019) with the unbiased estimate of HSIC (Song et al., JMLR 2012; Nguyen
et al., ICLR 2021), so that it does not grow where layers are wider or examples fewer.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import chain

import numpy as np
import pandas as pd
from jaxtyping import Float

from deep_learning_dynamics.geometry.analysis import ANALYSES, Analysis, Finding, Subject
from deep_learning_dynamics.geometry.measures import MEASURES, OfNetworks
from deep_learning_dynamics.geometry.networks import per_network
from deep_learning_dynamics.selection import evenly

MOST_NETWORKS = 20  # of larger groups, the first 20 stand for all
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
        groups = [group[:MOST_NETWORKS] for group in subject.together(subject.proper)]
        chosen = list(chain(*groups))
        if not chosen:
            return None
        first = subject.forward.activations(subject.weights(chosen[0], 0))
        examples = len(next(iter(first.values()))) if first else 0
        if examples < LEAST_EXAMPLES:
            return None

        @lru_cache(max(3, MOST_BYTES // sum(each.nbytes for each in first.values())))
        def features(network: int, snapshot: int) -> _Features:
            return subject.forward.activations(subject.weights(network, snapshot))

        def at_end(network: int) -> _Features:
            return features(network, int(subject.snapshots[network][-1]))

        looked_at = [*chosen, *np.flatnonzero(subject.twin).tolist()]
        sound = {network for network in looked_at if subject.sound(network)}
        relations = [*subject.partners(), *chain(*map(_neighbours, groups)), *subject.twins()]
        ends = pd.DataFrame(
            [
                (subject.names[one], subject.names[other], kind, layer, value)
                for one, other, kind in sorted(relations)
                if {one, other} <= sound
                for layer, value in _alike(at_end(one), at_end(other))
            ],
            columns=["network", "other", "relation", "layer", "cka"],
        )
        over_time = _over_time(subject, [n for n in chosen if n in sound], features)
        return Finding(
            {"ends": ends, "over_time": over_time},
            {"layers": list(first), "examples": examples},
            _measures(ends, over_time),
        )


def _neighbours(group: list[int]) -> Iterator[tuple[int, int, str]]:
    """Each network of a group and the next one, in a circle."""
    others = [*group[1:], *group[:1]] if len(group) > 2 else group[1:]
    yield from ((one, other, "group") for one, other in zip(group, others, strict=False))


def _alike(one: _Features, other: _Features) -> Iterator[tuple[str, float]]:
    yield from ((layer, cka(one[layer], other[layer])) for layer in one if layer in other)


def _over_time(
    subject: Subject, chosen: list[int], features: Callable[[int, int], _Features]
) -> pd.DataFrame:
    numbers, rows = [], []
    for network in chosen:
        there = subject.snapshots[network]
        last = features(network, int(there[-1]))
        for snapshot in evenly(there, SNAPSHOTS).tolist():
            step = int(subject.steps[network, snapshot])
            for layer, value in _alike(features(network, snapshot), last):
                numbers.append(network)
                rows.append((snapshot, step, layer, value))
    found = pd.DataFrame(rows, columns=["snapshot", "step", "layer", "cka"])
    return subject.with_coordinates(numbers, found)


def _measures(ends: pd.DataFrame, over_time: pd.DataFrame) -> pd.DataFrame:
    first = over_time.groupby("network")["snapshot"].transform("min")
    tables = {
        StartToEnd.key: over_time[over_time["snapshot"] == first],
        ToTwin.key: ends[ends["relation"] == "twin"],
    }
    return per_network(
        {key: rows.groupby("network", sort=False)["cka"].mean() for key, rows in tables.items()}
    )
