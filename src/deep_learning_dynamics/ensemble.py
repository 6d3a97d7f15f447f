"""Many networks of one architecture, stacked and trained together.

All networks take a step in a dozen matrix products instead of a dozen each. Activations are kept
as [network, unit, example], so that every reshape below is a view. The first layer, where nearly
all the work lies, is multiplied as its images like it (``images.py``).
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from deep_learning_dynamics.images import Batch
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
    """A number for every parameter of the ensemble, and its parts as matrices.

    The first layer's matrices are one tensor, those of the other layers a vector, layer by layer,
    and all biases another: so each layer of the stack is contiguous, and an optimiser sees three
    tensors (the last of which does not decay).
    """

    def __init__(
        self, architecture: Architecture, networks: int, device: torch.device, by_pixel: bool
    ) -> None:
        first, *others = architecture.layers
        self._by_pixel = by_pixel
        self.of_pixels = torch.zeros(
            (first.inputs, networks, first.outputs)
            if by_pixel
            else (networks, first.outputs, first.inputs),
            device=device,
        )
        matrices = [networks * layer.outputs * layer.inputs for layer in others]
        biases = [networks * layer.outputs for layer in architecture.layers]
        self.other_weights = torch.zeros(sum(matrices), device=device)
        self.all_biases = torch.zeros(sum(biases), device=device)
        self.other_matrices: list[Float[Tensor, "network output input"]] = [
            values.view(networks, layer.outputs, layer.inputs)
            for values, layer in zip(self.other_weights.split(matrices), others, strict=True)
        ]
        self.biases: list[Float[Tensor, "network output 1"]] = [
            values.view(networks, layer.outputs, 1)
            for values, layer in zip(
                self.all_biases.split(biases), architecture.layers, strict=True
            )
        ]

    @property
    def weights(self) -> list[Float[Tensor, "network output input"]]:
        first = self.of_pixels.permute(1, 2, 0) if self._by_pixel else self.of_pixels
        return [first, *self.other_matrices]

    def put_first(self, matrix: Float[Tensor, "network output input"]) -> None:
        """Take over values for the first layer; where they lie as here, without a copy."""
        self.of_pixels = (matrix.permute(2, 0, 1) if self._by_pixel else matrix).contiguous()


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
        by_pixel: bool = False,
    ) -> None:
        """``by_pixel``: keep the first layer as [pixel, network, unit], as sparse batches like it.

        It changes what is fast, and nothing else.
        """
        self.architecture = architecture
        self.networks = len(weights)
        self.device = torch.device(device)
        self._activate = _ACTIVATIONS[architecture.activation]
        self._activation_gradient = _ACTIVATION_GRADIENTS[architecture.activation]
        self._classes = torch.eye(architecture.classes, device=self.device)
        self._parameters = _StackedLayers(architecture, self.networks, self.device, by_pixel)
        self._gradients = _StackedLayers(architecture, self.networks, self.device, by_pixel)
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

    def logits(self, images: Batch) -> Float[Tensor, "network class example"]:
        """Each network's scores before the softmax, for the same images or for its own."""
        return self._forward(images)[-1]

    def step(
        self, optimiser: "Optimiser", images: Batch, labels: Int[Tensor, "*network example"]
    ) -> None:
        """One optimiser step on a mini-batch: the same for all networks, or one for each."""
        self._backward(self._forward(images), images, labels)
        optimiser.step(examples=images.examples)

    def _layers(self) -> Iterator[tuple[Layer, Tensor, Tensor]]:
        parameters = self._parameters
        return zip(self.architecture.layers, parameters.weights, parameters.biases, strict=True)

    def _forward(self, images: Batch) -> list[Tensor]:
        """The output of every layer, [network, unit, example]; the last is without softmax."""
        outputs: list[Tensor] = []
        for layer, weights, biases in self._layers():
            if outputs:
                output = torch.baddbmm(biases, weights, outputs[-1])
            else:
                output = images.product(weights).add_(biases)
            is_last = layer.number == len(self.architecture.layers)
            outputs.append(output if is_last else self._activate(output))
        return outputs

    def _backward(self, outputs: list[Tensor], images: Batch, labels: Tensor) -> None:
        """The gradient of each network's mean cross-entropy, by hand.

        For a plain perceptron this costs a third of what building and walking torch's graph does;
        the tests hold it against ``torch.nn`` with autograd.
        """
        weights, gradients = self._parameters.weights, self._gradients
        targets = torch.index_select(self._classes, 1, labels.flatten())
        targets = targets.view(-1, *labels.shape).movedim(0, -2)  # [*network, class, example]
        error = torch.softmax(outputs[-1], dim=1).sub_(targets).div_(images.examples)
        for index in range(len(weights) - 1, 0, -1):
            torch.bmm(error, outputs[index - 1].mT, out=gradients.other_matrices[index - 1])
            torch.sum(error, dim=2, keepdim=True, out=gradients.biases[index])
            error = torch.bmm(weights[index].mT, error)
            error = self._activation_gradient(error, outputs[index - 1])
        gradients.put_first(images.gradient(error))
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
        parameters = ensemble._parameters
        kind = {"sgd": SGD, "adam": Adam}[algorithm]
        self._weights = kind([parameters.of_pixels, parameters.other_weights])
        self._biases = kind([parameters.all_biases])

    def step(self, examples: int) -> None:
        """Move by the gradients of a mini-batch of so many examples."""
        gradients, decay = self._gradients, self._weight_decay / examples
        self._weights.step(
            [gradients.of_pixels, gradients.other_weights], self._learning_rate, decay
        )
        self._biases.step([gradients.all_biases], self._learning_rate)
