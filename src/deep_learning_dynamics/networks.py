"""Architectures: the layers of a multilayer perceptron and where each lies in the weight vector."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from deep_learning_dynamics import seeds
from deep_learning_dynamics.params import Activation


@dataclass(frozen=True)
class Layer:
    """One affine map: a matrix [outputs, inputs] and a bias for each output."""

    number: int  # from 1, the layer that leaves the pixels
    inputs: int
    outputs: int
    weights: slice  # of the network's weight vector, the matrix row by row
    biases: slice


@dataclass(frozen=True)
class Architecture:
    """A multilayer perceptron. Its weight vector runs layer by layer, matrix before biases.

    This is the order of ``torch.nn.utils.parameters_to_vector`` for a stack of ``torch.nn.Linear``.
    """

    widths: tuple[int, ...]  # units from the input to the classes, e.g. (784, 8, 8, 10)
    activation: Activation

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        layers, offset = [], 0
        for number, (inputs, outputs) in enumerate(pairwise(self.widths), start=1):
            end = offset + inputs * outputs
            layer = Layer(number, inputs, outputs, slice(offset, end), slice(end, end + outputs))
            layers.append(layer)
            offset = end + outputs
        return tuple(layers)

    @property
    def size(self) -> int:
        """The number of weights and biases."""
        return self.layers[-1].biases.stop

    @property
    def classes(self) -> int:
        return self.widths[-1]


def initial_weights(
    architecture: Architecture, seed: int, pair: int, task: str
) -> Float[np.ndarray, " weight"]:
    """Where network ``pair`` starts: uniform as Glorot & Bengio (2010) and scikit-learn's MLP.

    Hidden layers draw from streams of the pair alone, the output layer from one of pair and
    ``task``. So both arms of a pair, and pre-training, start with the same hidden layers, and both
    arms have the same output layer for MNIST.
    """
    weights = np.empty(architecture.size, np.float32)
    factor = 2.0 if architecture.activation == "logistic" else 6.0
    for layer in architecture.layers:
        is_output = layer.number == len(architecture.layers)
        rng = seeds.generator(
            seed, "initialisation", pair, f"output for {task}" if is_output else layer.number
        )
        bound = np.sqrt(factor / (layer.inputs + layer.outputs))
        for part in (layer.weights, layer.biases):
            weights[part] = rng.uniform(-bound, bound, part.stop - part.start)
    return weights
