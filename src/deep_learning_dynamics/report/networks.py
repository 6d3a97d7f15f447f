"""The experiment's networks and what was scored while they learnt, apart from any projection.

Every projection has a row for each snapshot, so the scores stand in the coordinates of any.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from deep_learning_dynamics.figures.inputs import read_columns
from deep_learning_dynamics.params import Arm, Method

Phase = Literal["pretrain", "train"]
PHASES: tuple[Phase, ...] = ("pretrain", "train")
SCORES = ("test_accuracy", "test_loss")
_COLUMNS = ("phase", "arm", "pair", "layer", "step", "epoch", "failed", *SCORES)


@dataclass(frozen=True)
class Network:
    """Who a network is, and how its learning of MNIST ended."""

    arm: Arm
    pair: int
    failed: str  # "", "dead" or "diverged"


@dataclass(frozen=True)
class Learning:
    """One phase of learning; NaN where a network has no score, as before it was pre-trained."""

    steps: Int[np.ndarray, " snapshot"]
    epochs: Float[np.ndarray, " snapshot"]
    scores: dict[str, Float[np.ndarray, "network snapshot"]]  # by the names of ``SCORES``


@dataclass(frozen=True)
class Networks:
    """All networks in the order of the rows, and their learning in each phase."""

    members: tuple[Network, ...]
    learning: dict[Phase, Learning]  # without pre-training there is only "train"

    @property
    def arms(self) -> list[Arm]:
        return list(dict.fromkeys(network.arm for network in self.members))

    @property
    def pairs(self) -> list[int]:
        return sorted({network.pair for network in self.members})

    def number(self, arm: Arm, pair: int) -> int:
        """Which of ``members`` this is."""
        return [(network.arm, network.pair) for network in self.members].index((arm, pair))


def read_networks(folder: Path, method: Method) -> Networks:
    """The networks whose projection lies in ``folder``.

    Raises:
        ProjectionError: the coordinates are missing, or a column in them.
    """
    columns = read_columns(folder, method, _COLUMNS)
    # Layers tracked separately repeat the scores: those of the first are all.
    first = columns["layer"] == columns["layer"].min()
    columns = {name: values[first] for name, values in columns.items()}
    training = columns["phase"] == "train"
    names = zip(
        *(columns[name][training].tolist() for name in ("arm", "pair", "failed")), strict=True
    )
    members = tuple(Network(*name) for name in dict.fromkeys(names))
    learning = {
        phase: _learning(columns, members, phase)
        for phase in PHASES
        if (columns["phase"] == phase).any()
    }
    return Networks(members, learning)


def _learning(
    columns: dict[str, np.ndarray], members: tuple[Network, ...], phase: Phase
) -> Learning:
    of_phase = columns["phase"] == phase
    steps, firsts = np.unique(columns["step"][of_phase], return_index=True)
    epochs = columns["epoch"][of_phase][firsts].astype(np.float64)
    scores = {name: np.full((len(members), len(steps)), np.nan) for name in SCORES}
    for number, network in enumerate(members):
        rows = of_phase & (columns["arm"] == network.arm) & (columns["pair"] == network.pair)
        places = np.searchsorted(steps, columns["step"][rows])
        for name in SCORES:
            scores[name][number, places] = columns[name][rows]
    return Learning(steps.astype(np.int64), epochs, scores)
