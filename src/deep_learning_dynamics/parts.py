"""An ensemble in parts, each of which a thread of its own trains.

Within a thread every product is computed by that thread alone. So threads meet once in many steps,
where torch's own would meet a dozen times in each, and wait there for what else the machine does.
"""

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from types import TracebackType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from deep_learning_dynamics.batches import Step
from deep_learning_dynamics.ensemble import Ensemble, Optimiser
from deep_learning_dynamics.images import Own
from deep_learning_dynamics.networks import Architecture
from deep_learning_dynamics.params import Pretrain
from deep_learning_dynamics.trajectories import Scores


class Parts:
    """Networks in ``count`` parts and their optimisers. Use it in a ``with`` block."""

    def __init__(
        self,
        architecture: Architecture,
        weights: Float[np.ndarray, "network weight"],
        settings: Pretrain,
        device: torch.device,
        by_pixel: bool = False,
        count: int = 1,
        threads: int = 1,
    ) -> None:
        self._count_of_threads = min(threads, count)
        spans = np.linspace(0, len(weights), count + 1).astype(int)
        self._networks = [slice(*ends) for ends in itertools.pairwise(spans)]
        self._ensembles = [
            Ensemble(architecture, weights[part], device, by_pixel) for part in self._networks
        ]
        self._optimisers = [
            Optimiser(each, settings.algorithm, settings.learning_rate, settings.weight_decay)
            for each in self._ensembles
        ]

    def __enter__(self) -> "Parts":
        self._threads = ThreadPoolExecutor(self._count_of_threads, initializer=_prepare)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.shutdown()

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many networks each part has."""
        return tuple(ensemble.networks for ensemble in self._ensembles)

    def take(self, steps: Sequence[Step]) -> None:
        """One step after the other, with all networks."""

        def train(part: int) -> None:
            networks = self._networks[part]
            for images, labels in steps:
                mine = images.of(networks) if isinstance(images, Own) else images
                targets = labels[networks] if labels.dim() == 2 else labels
                self._ensembles[part].step(self._optimisers[part], mine, targets)

        self._each(train)

    def weights(self) -> Float[np.ndarray, "network weight"]:
        """A copy of every network's weight vector."""
        return np.concatenate([ensemble.weights() for ensemble in self._ensembles])

    def scores(self, score: Callable[[Ensemble], Scores]) -> Scores:
        """Those of all networks, from those of an ensemble."""
        found = self._each(lambda part: score(self._ensembles[part]))
        names = [field.name for field in fields(Scores)]
        return Scores(*(np.concatenate([getattr(f, name) for f in found]) for name in names))

    def _each(self, work: Callable[[int], Any]) -> list[Any]:
        def alone(part: int) -> Any:
            with torch.inference_mode():  # it counts for one thread only
                return work(part)

        return list(self._threads.map(alone, range(len(self._ensembles))))


def _prepare() -> None:
    # Weights that shrink towards zero would otherwise end as denormal numbers, many times slower.
    torch.set_flush_denormal(True)
