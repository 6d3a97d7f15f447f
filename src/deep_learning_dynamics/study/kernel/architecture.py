"""Architectures: the layers of a multilayer perceptron and where each lies in the weight vector."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Float32

from deep_learning_dynamics import seeds
from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.study.activations import ACTIVATIONS


@dataclass(frozen=True)
class Layer:
    """One affine map: a matrix [outputs, inputs] and a bias for each output."""

    name: str  # "hidden1", ..., "output"
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
    activation: str  # a key of ACTIVATIONS

    def __post_init__(self) -> None:
        if len(self.widths) < 3 or min(self.widths) < 1:
            raise ParamsError(
                f"an architecture has widths {self.widths}; expected inputs, at least one hidden "
                "layer and classes, each of 1 or more. Add a hidden layer."
            )

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """From the inputs to the classes."""
        layers: list[Layer] = []
        start = 0
        for number, (inputs, outputs) in enumerate(pairwise(self.widths), start=1):
            name = "output" if number == len(self.widths) - 1 else f"hidden{number}"
            middle = start + inputs * outputs
            end = middle + outputs
            layers.append(Layer(name, inputs, outputs, slice(start, middle), slice(middle, end)))
            start = end
        return tuple(layers)

    @property
    def size(self) -> int:
        """The number of weights and biases."""
        return self.layers[-1].biases.stop

    @property
    def classes(self) -> int:
        return self.widths[-1]

    def parameters(self) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter by its name, in the order of the weight vector."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in self.layers:
            shapes[f"{layer.name}.weight"] = (layer.outputs, layer.inputs)
            shapes[f"{layer.name}.bias"] = (layer.outputs,)
        return shapes


def initial_weights(
    architecture: Architecture, seed: int, pair: int, task: str
) -> Float32[np.ndarray, " weight"]:
    """Where the networks of a pair start: uniform as Glorot & Bengio (2010), as scikit-learn's MLP.

    Hidden layers draw from streams of the pair alone, the output layer from one of pair and
    ``task``. So networks of a pair start with the same hidden layers in every task, and with the
    same output layer where the task is the same.
    """
    weights = np.empty(architecture.size, np.float32)
    factor = ACTIVATIONS[architecture.activation].initial_factor
    for number, layer in enumerate(architecture.layers, start=1):
        name = f"output for {task}" if layer.name == "output" else number
        rng = seeds.generator(seed, "initialisation", pair, name)
        bound = np.sqrt(factor / (layer.inputs + layer.outputs))
        for part in (layer.weights, layer.biases):
            weights[part] = rng.uniform(-bound, bound, part.stop - part.start)
    return weights
