"""Many networks of one architecture, stacked and trained together.

All networks take a step in a dozen matrix products instead of a dozen each. Activations are kept
as [network, unit, example], so that every reshape below is a view; where all networks see the same
mini-batch, the first layer of all of them is one product [network·unit, pixel] × [pixel, example].
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from deep_learning_dynamics.networks import Architecture, Layer
from deep_learning_dynamics.optimisers import SGD, Adam
from deep_learning_dynamics.params import Algorithm

_ACTIVATIONS = {
    "identity": lambda z: z,
    "logistic": torch.sigmoid_,
    "tanh": torch.tanh_,
    "relu": torch.relu_,
}
# Gradient before the activation, from the gradient after it and the activation's own output.
_ACTIVATION_GRADIENTS = {
    "identity": lambda gradient, output: gradient,
    "logistic": torch.ops.aten.sigmoid_backward,
    "tanh": torch.ops.aten.tanh_backward,
    "relu": lambda gradient, output: torch.ops.aten.threshold_backward(gradient, output, 0),
}


class _StackedLayers:
    """A vector of numbers for every parameter of the ensemble, and its parts as matrices.

    All matrices come first, layer by layer, then all biases: so each layer of the stack is
    contiguous, and an optimiser sees two vectors (only the first of which decays).
    """

    def __init__(self, architecture: Architecture, networks: int, device: torch.device) -> None:
        layers = architecture.layers
        matrices = sum(layer.inputs * layer.outputs for layer in layers) * networks
        values = torch.zeros(architecture.size * networks, device=device)
        self.all_weights, self.all_biases = values[:matrices], values[matrices:]
        self.weights: list[Float[Tensor, "network output input"]] = []
        self.biases: list[Float[Tensor, "network output 1"]] = []
        start = start_of_biases = 0
        for layer in layers:
            end = start + networks * layer.inputs * layer.outputs
            end_of_biases = start_of_biases + networks * layer.outputs
            weights = self.all_weights[start:end]
            biases = self.all_biases[start_of_biases:end_of_biases]
            self.weights.append(weights.view(networks, layer.outputs, layer.inputs))
            self.biases.append(biases.view(networks, layer.outputs, 1))
            start, start_of_biases = end, end_of_biases


class Ensemble:
    """Networks of one architecture with cross-entropy loss.

    Element-wise optimisers act on the stack exactly as on each network alone, and so does
    :meth:`step`: a network's path does not depend on the others (up to rounding).
    """

    def __init__(
        self,
        architecture: Architecture,
        weights: Float[np.ndarray, "network weight"],
        device: torch.device | str = "cpu",
    ) -> None:
        self.architecture = architecture
        self.networks = len(weights)
        self.device = torch.device(device)
        self._activate = _ACTIVATIONS[architecture.activation]
        self._activation_gradient = _ACTIVATION_GRADIENTS[architecture.activation]
        self._parameters = _StackedLayers(architecture, self.networks, self.device)
        self._gradients = _StackedLayers(architecture, self.networks, self.device)
        values = torch.from_numpy(np.ascontiguousarray(weights, np.float32)).to(self.device)
        for layer, matrix, biases in self._layers():
            matrix.copy_(values[:, layer.weights].view_as(matrix))
            biases.copy_(values[:, layer.biases].view_as(biases))

    def weights(self) -> Float[np.ndarray, "network weight"]:
        """A copy of every network's weight vector."""
        values = torch.empty(self.networks, self.architecture.size, device=self.device)
        for layer, matrix, biases in self._layers():
            values[:, layer.weights] = matrix.flatten(1)
            values[:, layer.biases] = biases.flatten(1)
        return values.cpu().numpy()

    def logits(
        self, images: Float[Tensor, "*network example pixel"]
    ) -> Float[Tensor, "network class example"]:
        """Each network's scores before the softmax, for the same images or for its own."""
        return self._forward(images)[-1]

    def step(
        self,
        optimiser: "Optimiser",
        images: Float[Tensor, "*network example pixel"],
        labels: Int[Tensor, "*network example"],
    ) -> None:
        """One optimiser step on a mini-batch: the same for all networks, or one for each."""
        self._backward(self._forward(images), images, labels)
        optimiser.step(examples=images.shape[-2])

    def _layers(self) -> Iterator[tuple[Layer, Tensor, Tensor]]:
        parameters = self._parameters
        return zip(self.architecture.layers, parameters.weights, parameters.biases, strict=True)

    def _forward(self, images: Tensor) -> list[Tensor]:
        """The output of every layer, [network, unit, example]; the last is without softmax."""
        outputs: list[Tensor] = []
        for layer, weights, biases in self._layers():
            if outputs:
                output = torch.baddbmm(biases, weights, outputs[-1])
            elif images.dim() == 2:
                output = torch.mm(weights.flatten(0, 1), images.T)
                output = output.view(self.networks, layer.outputs, len(images)).add_(biases)
            else:
                output = torch.baddbmm(biases, weights, images.mT)
            is_last = layer.number == len(self.architecture.layers)
            outputs.append(output if is_last else self._activate(output))
        return outputs

    def _backward(self, outputs: list[Tensor], images: Tensor, labels: Tensor) -> None:
        """The gradient of each network's mean cross-entropy, by hand.

        For a plain perceptron this costs a third of what building and walking torch's graph does;
        the tests hold it against ``torch.nn`` with autograd.
        """
        weights, gradients = self._parameters.weights, self._gradients
        targets = torch.nn.functional.one_hot(labels, self.architecture.classes).mT
        error = torch.softmax(outputs[-1], dim=1).sub_(targets).div_(images.shape[-2])
        for index in range(len(weights) - 1, 0, -1):
            torch.bmm(error, outputs[index - 1].mT, out=gradients.weights[index])
            torch.sum(error, dim=2, keepdim=True, out=gradients.biases[index])
            error = torch.bmm(weights[index].mT, error)
            error = self._activation_gradient(error, outputs[index - 1])
        if images.dim() == 2:
            torch.mm(error.flatten(0, 1), images, out=gradients.weights[0].flatten(0, 1))
        else:
            torch.bmm(error, images, out=gradients.weights[0])
        torch.sum(error, dim=2, keepdim=True, out=gradients.biases[0])


class Optimiser:
    """An optimiser on an ensemble, with the penalty of scikit-learn's MLP.

    The penalty on the matrices (not the biases) is ``weight_decay`` / (2 · examples) times their
    squared norm, where examples counts the mini-batch; the gradient includes it before momentum.
    """

    def __init__(
        self, ensemble: Ensemble, algorithm: Algorithm, learning_rate: float, weight_decay: float
    ) -> None:
        self._learning_rate, self._weight_decay = learning_rate, weight_decay
        self._gradients = ensemble._gradients
        kind = {"sgd": SGD, "adam": Adam}[algorithm]
        self._weights = kind([ensemble._parameters.all_weights])
        self._biases = kind([ensemble._parameters.all_biases])

    def step(self, examples: int) -> None:
        """Move by the gradients of a mini-batch of so many examples."""
        decay = self._weight_decay / examples
        self._weights.step([self._gradients.all_weights], self._learning_rate, decay)
        self._biases.step([self._gradients.all_biases], self._learning_rate)
