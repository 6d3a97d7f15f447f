"""Multilayer perceptrons, trained by the study's own portable arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float32
from pydantic import Field

from deep_learning_dynamics.store import Parameters
from deep_learning_dynamics.study.kernel import Architecture, PortableEnsemble, initial_weights
from deep_learning_dynamics.study.networks.network import NETWORKS, Images, Network, Weights
from deep_learning_dynamics.study.optimisers import Optimisation
from deep_learning_dynamics.study.sections import key_of

Units = Annotated[int, Field(ge=1, le=4096)]


@NETWORKS.register
class Mlp(Network):
    """Fully connected layers; parameters are called hidden1.weight, hidden1.bias, ... output.bias.

    Matrices are [outputs, inputs], row by row.
    """

    key, title, arithmetic = "mlp", "multilayer perceptron", "portable"

    @dataclass(frozen=True)
    class Settings:
        hidden_layers: Annotated[tuple[Units, ...], Field(min_length=1)] = (8, 8, 8, 8, 8)
        activation: key_of("study.activations.ACTIVATIONS") = "relu"

    @cached_property
    def architecture(self) -> Architecture:
        """Its layers, as the arithmetic sees them."""
        pixels = self.shape[0] * self.shape[1]
        widths = (pixels, *self.settings.hidden_layers, self.classes)
        return Architecture(widths, self.settings.activation)

    @cached_property
    def parameters(self) -> Parameters:
        return Parameters.of(self.architecture.parameters())

    @cached_property
    def output(self) -> Bool[np.ndarray, " weight"]:
        mask = np.zeros(self.parameters.size, bool)
        mask[self.parameters.slice("output.weight").start :] = True
        return mask

    def initial(self, seed: int, pair: int, task: str) -> Float32[np.ndarray, " weight"]:
        return initial_weights(self.architecture, seed, pair, task)

    def ensemble(
        self, weights: Weights, optimisation: Optimisation, groups: Sequence[int], threads: int
    ) -> PortableEnsemble:
        return PortableEnsemble(self.architecture, weights, optimisation, groups, threads)

    def sensitive(self, images: Images) -> Bool[np.ndarray, " weight"]:
        """All weights but those from pixels that are always dark, which have no gradient."""
        mask = np.ones(self.parameters.size, bool)
        first = self.parameters.slice("hidden1.weight")
        bright = images.max(axis=0) > 0
        mask[first] = np.tile(bright, self.settings.hidden_layers[0])
        return mask
