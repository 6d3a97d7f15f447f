"""Any ``torch.nn.Module`` as a kind of network, trained in torch's arithmetic.

A plug-in writes a subclass of :class:`ModuleNetwork` with a ``build`` and registers it. Modules may
not draw random numbers while they run, nor keep running statistics (use group or layer norms).
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float32

from deep_learning_dynamics import seeds
from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.store import Parameters
from deep_learning_dynamics.study.networks.network import Ensemble, Network, Weights
from deep_learning_dynamics.study.optimisers import Optimisation

if TYPE_CHECKING:
    import torch


class ModuleNetwork(Network):
    """Networks that a function builds; subclasses write :meth:`build`."""

    arithmetic = "torch"

    def build(self, shape: tuple[int, int], classes: int) -> "torch.nn.Module":
        """A new network from torch's own initialisation.

        It maps images [example, 1, height, width] with values from 0 to 1 to logits
        [example, class].
        """
        raise NotImplementedError

    @cached_property
    def parameters(self) -> Parameters:
        built = self._built(self.classes, 0)
        if next(built.buffers(), None) is not None:
            name = next(iter(dict(built.named_buffers())))
            raise ParamsError(
                f"network.kind is {self.key}, whose module has the buffer {name}; expected "
                "parameters alone. Use group or layer normalisation instead of batch normalisation."
            )
        return Parameters.of({n: tuple(p.shape) for n, p in built.named_parameters()})

    @cached_property
    def output(self) -> Bool[np.ndarray, " weight"]:
        """The parameters whose shape the number of classes decides."""
        other = dict(self._built(self.classes + 1, 0).named_parameters())
        mask = np.zeros(self.parameters.size, bool)
        for name, shape in zip(self.parameters.names, self.parameters.shapes, strict=True):
            mask[self.parameters.slice(name)] = tuple(other[name].shape) != shape
        return mask

    def initial(self, seed: int, pair: int, task: str) -> Float32[np.ndarray, " weight"]:
        body, output = (
            self._vector(seeds.integer(seed, "initialisation", pair, *name))
            for name in ((), (f"output for {task}",))
        )
        return np.where(self.output, output, body)

    def ensemble(
        self, weights: Weights, optimisation: Optimisation, groups: Sequence[int], threads: int
    ) -> Ensemble:
        from deep_learning_dynamics.study.torch_training import ModuleEnsemble

        module = self._built(self.classes, 0)
        return ModuleEnsemble(module, self.shape, weights, optimisation, groups, threads)

    def _vector(self, seed: int) -> Float32[np.ndarray, " weight"]:
        import torch

        module = self._built(self.classes, seed)
        return torch.nn.utils.parameters_to_vector(module.parameters()).detach().numpy()

    def _built(self, classes: int, seed: int) -> "torch.nn.Module":
        import torch

        with torch.random.fork_rng(devices=[]):  # torch's own random numbers stay as they were
            torch.default_generator.manual_seed(seed)  # and those of GPUs
            return self.build(self.shape, classes).float()
