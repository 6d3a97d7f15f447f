"""The forward function of any torch module, for analyses that evaluate weights."""

import copy
from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Float32, Float64

from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.store.schema import Parameters

if TYPE_CHECKING:
    import torch
    import xarray as xr

NETWORKS_AT_ONCE, EXAMPLES_AT_ONCE = 16, 1000


def torch_forward(
    model: "torch.nn.Module",
    inputs: "torch.Tensor",
    labels: "torch.Tensor",
    runs: "xr.Dataset | None" = None,
) -> "TorchForward":
    """What a module computes with any weights of a store, on fixed examples.

    Running statistics (BatchNorm) are not recorded, and those of the module would be another
    network's: where the store lacks them, layers normalise by up to 1,000 examples at a time.

    Args:
        model: as it was recorded; it runs in evaluation mode, on the device that it is on, and is
            not changed.
        inputs: examples [example, ...], as the module takes them.
        labels: the class of each [example], or of each of its places [example, place]; the module
            gives logits [example, class] or [example, place, class].
        runs: the store whose weights are evaluated. Its parameters are found in the module by their
            names; others keep the module's values. By default weights are in the order of
            ``model.named_parameters()``.

    Raises:
        StoreError: a parameter of the store is not in the module, or has another shape there; or
            batches cannot be normalised.
    """
    own = dict(model.named_parameters()) | dict(model.named_buffers())
    shapes = {name: each.shape for name, each in model.named_parameters()}
    parameters = Parameters.of(shapes) if runs is None else Parameters.from_runs(runs)
    for name, shape in zip(parameters.names, parameters.shapes, strict=True):
        found = tuple(own[name].shape) if name in own else "none"
        if found != shape:
            raise StoreError(
                f"Parameter {name} has the shape {shape} in the store and {found} in the module; "
                "expected the same. Build the module as it was when it was recorded."
            )
    model = _normalising(model, parameters.names, len(inputs))
    return TorchForward(model, inputs, labels, parameters)


def _normalising(
    model: "torch.nn.Module", known: Container[str], examples: int
) -> "torch.nn.Module":
    """The module; or a copy that normalises by its examples where statistics are not known."""
    names = [
        name
        for name, module in model.named_modules()
        if getattr(module, "track_running_stats", False)
        and f"{name}.running_mean".lstrip(".") not in known
    ]
    if names:
        if examples < 2:
            name = names[0] or type(model).__name__
            raise StoreError(
                f"{name} normalises batches, and its running statistics are not in the store; "
                "expected at least 2 examples by which it can normalise."
            )
        try:
            model = copy.deepcopy(model)
        except RuntimeError as error:
            raise StoreError(
                f"The module cannot be copied ({error}); expected a new one, as it was before its "
                "training."
            ) from None
        for name in names:
            module = model.get_submodule(name)
            module.track_running_stats = False
            module.running_mean = module.running_var = module.num_batches_tracked = None
    return model


@dataclass(frozen=True)
class TorchForward:
    """A :class:`~deep_learning_dynamics.geometry.analysis.Forward` of stacked networks."""

    model: "torch.nn.Module"
    inputs: "torch.Tensor"
    labels: "torch.Tensor"
    parameters: Parameters  # in the order of the vectors of weights

    @property
    def is_on_gpu(self) -> bool:
        return any(each.device.type != "cpu" for each in self.model.parameters())

    def scores(
        self, weights: Float32[np.ndarray, "network weight"]
    ) -> tuple[Float64[np.ndarray, " network"], Float64[np.ndarray, " network"]]:
        """Mean cross-entropy in nats and the share of correct predictions, of each network."""
        import torch

        found = np.zeros((2, len(weights)))
        for first in range(0, len(weights), NETWORKS_AT_ONCE):
            some = slice(first, first + NETWORKS_AT_ONCE)
            count = 0
            for examples in self._parts():
                logits = self._logits(weights[some], self.inputs[examples]).flatten(1, -2)
                labels = self.labels[examples].flatten().to(logits.device)
                chances = torch.log_softmax(logits, dim=2)
                picked = chances.gather(2, labels.expand(len(logits), -1)[..., None])
                found[0, some] -= picked.sum((1, 2)).cpu().numpy()
                found[1, some] += (logits.argmax(2) == labels).sum(1).cpu().numpy()
                count += len(labels)
            found[:, some] /= count
        return found[0], found[1]

    def activations(
        self, weights: Float32[np.ndarray, " weight"]
    ) -> dict[str, Float[np.ndarray, "example unit"]]:
        """What each module with parameters of its own gives, but the last, before activations.

        Of modules that give several tensors (recurrent ones, attention) the first.
        """
        found: dict[str, list[np.ndarray]] = {}  # in the order in which modules are called

        def keep(name: str, _module: object, _inputs: object, output: Any) -> None:
            while isinstance(output, tuple):
                output = output[0]
            found.setdefault(name, []).append(output.detach().flatten(1).cpu().numpy())

        hooks = [
            module.register_forward_hook(partial(keep, name))
            for name, module in self.model.named_modules()
            if next(module.parameters(recurse=False), None) is not None
        ]
        try:
            for examples in self._parts():
                self._logits(weights[None], self.inputs[examples])
        finally:
            for hook in hooks:
                hook.remove()
        *hidden, _ = found
        return {name: np.concatenate(found[name]) for name in hidden}

    def _parts(self) -> Iterator[slice]:
        """Examples that are evaluated together: about as many each, as some layers need several."""
        count = len(self.inputs)
        parts = -(-count // EXAMPLES_AT_ONCE)
        for part in range(parts):
            yield slice(part * count // parts, (part + 1) * count // parts)

    def _logits(
        self, weights: Float32[np.ndarray, "network weight"], inputs: "torch.Tensor"
    ) -> "torch.Tensor":
        """Logits [network, example, ..., class]."""
        import torch

        own = dict(self.model.named_parameters()) | dict(self.model.named_buffers())
        device = next(iter(own.values())).device
        values = {}
        for name, shape in zip(self.parameters.names, self.parameters.shapes, strict=True):
            part = weights[:, self.parameters.slice(name)].reshape(-1, *shape)
            values[name] = torch.tensor(part, dtype=own[name].dtype, device=device)
        inputs = inputs.to(device)

        def call(of_one: dict[str, torch.Tensor]) -> torch.Tensor:
            return torch.func.functional_call(self.model, of_one, (inputs,))

        training = [module for module in self.model.modules() if module.training]
        self.model.eval()
        try:
            with torch.no_grad():
                # An operation may not allow stacking, or take too much memory.
                with suppress(RuntimeError):
                    if len(weights) > 1:
                        return torch.func.vmap(call)(values)
                rows = range(len(weights))
                return torch.stack(
                    [call({name: of[row] for name, of in values.items()}) for row in rows]
                )
        finally:
            for module in training:
                module.training = True
