"""Blocks: networks that see the same mini-batches, laid out for one thread to train them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int

from deep_learning_dynamics.study.kernel.architecture import Architecture
from deep_learning_dynamics.study.kernel.layers import LANES
from deep_learning_dynamics.study.kernel.vectors import aligned_zeros

# Units of the first layer in a block. Of so many, weights, gradients and momentum of 784 pixels
# take 300 kB, and stay in a core's cache from one step to the next.
UNITS_IN_BLOCK = 32

# Weights, their gradients, and the optimiser's two states.
Numbers = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Block:
    """Some networks of one group: their weights and the state of their optimiser."""

    networks: Int[np.ndarray, " block"]  # which of the ensemble's
    group: int
    first: Numbers  # the first matrices, each a flat [pixel, lane]; a lane is a network's unit
    rest: Numbers  # [network, weight] without the first matrix; gradients have one row

    @classmethod
    def of(
        cls,
        architecture: Architecture,
        weights: Float32[np.ndarray, "network weight"],
        networks: Int[np.ndarray, " block"],
        group: int,
        states: int,
    ) -> "Block":
        """A block with the weights of those networks, before its first step."""
        own, layer = weights[networks], architecture.layers[0]
        units = len(networks) * layer.outputs
        matrices = own[:, layer.weights].reshape(units, layer.inputs)
        lanes = -(-units // LANES) * LANES
        first = aligned_zeros(layer.inputs * lanes)
        first.reshape(-1, lanes)[:, :units] = matrices.T
        rest = np.ascontiguousarray(own[:, layer.weights.stop :], np.float32)

        def state(number: int, numbers: np.ndarray) -> np.ndarray:
            # Those that an optimiser does not have are never read.
            shape = numbers.shape if number <= states else (*numbers.shape[:-1], 1)
            return aligned_zeros(math.prod(shape)).reshape(shape)

        return cls(
            networks,
            group,
            (first, aligned_zeros(len(first)), state(1, first), state(2, first)),
            (rest, np.zeros_like(rest[:1]), state(1, rest), state(2, rest)),
        )

    def weights(self, architecture: Architecture) -> Float32[np.ndarray, "block weight"]:
        """A copy of the weight vectors."""
        layer = architecture.layers[0]
        units = len(self.networks) * layer.outputs
        first = self.first[0].reshape(layer.inputs, -1)[:, :units]
        matrices = first.T.reshape(len(self.networks), -1)
        return np.concatenate([matrices, self.rest[0]], axis=1)


def split(
    groups: Int[np.ndarray, " network"], units: int, threads: int
) -> Iterator[tuple[int, Int[np.ndarray, " block"]]]:
    """The group and the networks of each block: as many as fit, at least one for each thread.

    How networks are split changes no bit of theirs, only the time that they take.
    """
    found = np.unique(groups)
    for group in found.tolist():
        networks = np.flatnonzero(groups == group)
        blocks = max(-(-len(networks) * units // UNITS_IN_BLOCK), -(-threads // len(found)))
        for part in np.array_split(networks, min(blocks, len(networks))):
            yield group, part
