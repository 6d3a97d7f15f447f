"""What a network is to the study: its parameters, where it starts, and what trains many of it.

A kind of network is a class in a file of its own that registers itself with
``NETWORKS.register``. ``mlp`` is trained by the study's own arithmetic, which gives the same bits
on every processor; a :class:`~.module.ModuleNetwork` wraps any ``torch.nn.Module``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Int, Int64, UInt8

from deep_learning_dynamics.registry import Registry
from deep_learning_dynamics.store import Parameters
from deep_learning_dynamics.study.optimisers import Optimisation

NETWORKS: Registry[type["Network"]] = Registry(
    "kind of network", "deep_learning_dynamics.study.networks", ("mlp",)
)
Weights = Float32[np.ndarray, "network weight"]
Images = UInt8[np.ndarray, "example pixel"]
Labels = Int64[np.ndarray, " example"]


@runtime_checkable
class Ensemble(Protocol):
    """Many networks of one kind that train together."""

    def train(
        self,
        images: Images,
        labels: Labels,
        orders: Int[np.ndarray, "group position"],
        batch_size: int,
    ) -> None:
        """Take one step for each mini-batch that the orders are cut into.

        Networks of group ``g`` see the examples ``orders[g]``; the last batch may be smaller.
        """

    def weights(self) -> Weights:
        """As they are now."""

    def scores(self, images: Images, labels: Labels) -> tuple[np.ndarray, np.ndarray]:
        """Mean cross-entropy in nats and the share of correct predictions, of each network."""

    def outputs(self, images: Images) -> Float32[np.ndarray, "network example class"]:
        """What each network predicts: probabilities of the classes."""


class Network:
    """Networks of one kind, for images of one shape and a number of classes."""

    key: ClassVar[str]
    title: ClassVar[str]
    arithmetic: ClassVar[Literal["portable", "torch"]]

    @dataclass(frozen=True)
    class Settings:
        """Fields with defaults, set in ``params.yaml`` as ``network``."""

    def __init__(self, settings: Any, shape: tuple[int, int], classes: int) -> None:
        self.settings, self.shape, self.classes = settings, shape, classes

    @property
    def parameters(self) -> Parameters:
        """The table of parameters."""
        raise NotImplementedError

    @property
    def output(self) -> Bool[np.ndarray, " weight"]:
        """Which weights belong to the output layer, whose size the number of classes decides."""
        raise NotImplementedError

    def initial(self, seed: int, pair: int, task: str) -> Float32[np.ndarray, " weight"]:
        """Where the networks of a pair start.

        All but the output layer depends on ``seed`` and ``pair`` alone, the output layer on
        ``task`` too, so that a pair starts with the same hidden layers in both phases.
        """
        raise NotImplementedError

    def ensemble(
        self, weights: Weights, optimisation: Optimisation, groups: Sequence[int], threads: int
    ) -> Ensemble:
        """Networks with those weights. Networks of one group see the same mini-batches."""
        raise NotImplementedError

    def sensitive(self, images: Images) -> Bool[np.ndarray, " weight"]:
        """The weights that these images can reach: a change of others would change nothing."""
        return np.ones(self.parameters.size, bool)
