"""What the study's networks compute on test images: a forward function for analyses of geometry."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32
from numpy.ctypeslib import as_ctypes

from deep_learning_dynamics import environment, seeds
from deep_learning_dynamics.geometry import torch_forward
from deep_learning_dynamics.study import datasets
from deep_learning_dynamics.study.activations import ACTIVATIONS
from deep_learning_dynamics.study.kernel.elementwise import value_of
from deep_learning_dynamics.study.networks import NETWORKS, Network
from deep_learning_dynamics.study.networks.mlp import Mlp
from deep_learning_dynamics.study.networks.module import ModuleNetwork
from deep_learning_dynamics.study.networks.network import Images, Labels, Weights
from deep_learning_dynamics.study.optimisers import Optimisation

if TYPE_CHECKING:
    from deep_learning_dynamics.study.params import Params

# Networks that are evaluated together: torch keeps their activations on all examples.
AT_ONCE = {"portable": 1024, "torch": 16}
BRIGHTEST = 255
Activations = dict[str, Float[np.ndarray, "example unit"]]  # by layer


class StudyForward:
    """The scores and activations of networks of one kind on fixed images."""

    def __init__(self, network: Network, images: Images, labels: Labels) -> None:
        self._network, self._images, self._labels = network, images, labels

    def scores(
        self, weights: Weights
    ) -> tuple[Float[np.ndarray, " network"], Float[np.ndarray, " network"]]:
        """Mean cross-entropy in nats and the share of correct predictions, of each network."""
        found = np.zeros((2, len(weights)))
        at_once = AT_ONCE[self._network.arithmetic]
        # torch's bits may depend on the number of threads.
        threads = environment.cores() if self._network.arithmetic == "portable" else 1
        for start in range(0, len(weights), at_once):
            some = weights[start : start + at_once]
            # How they would be trained does not matter: they are not.
            ensemble = self._network.ensemble(
                some, Optimisation("sgd", 0.1, 0.0), [0] * len(some), threads
            )
            found[:, start : start + at_once] = ensemble.scores(self._images, self._labels)
        return found[0], found[1]

    def activations(self, weights: Float32[np.ndarray, " weight"]) -> Activations:
        """After the activation, of a multilayer perceptron; before it, of other modules."""
        if isinstance(self._network, ModuleNetwork):
            return self._of_module(weights)
        if not isinstance(self._network, Mlp):
            return {}
        layers = self._network.architecture
        value = value_of(ACTIVATIONS[layers.activation])
        units = self._images.astype(np.float32) / np.float32(BRIGHTEST)
        parameters, found = self._network.parameters, {}
        for name in list(parameters.layers())[:-1]:
            bias = weights[parameters.slice(f"{name}.bias")]
            matrix = weights[parameters.slice(f"{name}.weight")].reshape(len(bias), -1)
            # Summed in double precision: in single precision, the order of a library's sums, which
            # depends on the processor, would show.
            sums = units.astype(np.float64) @ matrix.T.astype(np.float64)
            before = (sums + bias).astype(np.float32)
            units = np.empty_like(before)
            value.ctypes(*(as_ctypes(numbers.ravel()) for numbers in (before, units)), units.size)
            found[name] = units
        return found

    def _of_module(self, weights: Float32[np.ndarray, " weight"]) -> Activations:
        import torch

        network = self._network
        images = torch.from_numpy(self._images).float().div(BRIGHTEST)
        images = images.view(len(images), 1, *network.shape)
        module = network.build(network.shape, network.classes).float()
        return torch_forward(module, images, torch.from_numpy(self._labels)).activations(weights)


def forward(params: "Params") -> StudyForward:
    """The forward function of an experiment's networks, on some of its test images."""
    data = datasets.load(Path("data", f"{params.train.dataset}.npz"))
    rng = seeds.generator(params.seed, "examples of geometry", params.train.dataset)
    chosen = np.sort(rng.permutation(np.flatnonzero(data.is_test))[: params.geometry.examples])
    kind = NETWORKS[params.network.kind]
    network = kind(params.network.settings(), data.images.shape[1:], data.classes)
    return StudyForward(network, data.images[chosen].reshape(len(chosen), -1), data.labels[chosen])
