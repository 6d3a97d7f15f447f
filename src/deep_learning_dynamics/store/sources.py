"""Where a recorder's weights come from: a torch model, or nested dictionaries of arrays.

A source starts copying in the training's thread and ends it in the one that writes. Nothing here
imports torch: who has a torch model has it imported.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from jaxtyping import Float

from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.store.schema import Parameters, are_probabilities

Finish = Callable[[], Float[np.ndarray, " weight"]]  # waits for a copy and gives it
Host = Callable[[], Any]  # likewise, of a tensor

# Parts of names that torch's wrappers put in: torch.compile, FSDP, activation checkpointing.
WRAPPERS = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}


def source_of(model: Any, names: str | Sequence[str]) -> "TorchSource | TreeSource":
    """
    Raises:
        StoreError: it is neither a torch model nor nested dictionaries of arrays.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        return TorchSource(model, names)
    if isinstance(model, Mapping | list | tuple):
        return TreeSource(model, names)
    raise StoreError(
        f"{type(model).__name__} cannot be recorded; expected a torch.nn.Module, or nested "
        "dictionaries of arrays such as Flax's parameters. Keras has its own callback, "
        "deep_learning_dynamics.store.callbacks.keras."
    )


def is_first_process() -> bool:
    """Whether this process writes, of those that train one network together."""
    torch = sys.modules.get("torch")
    distributed = torch.distributed if torch is not None else None
    if distributed and distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank() == 0
    jax = sys.modules.get("jax")
    return jax is None or jax.process_index() == 0


def to_host(tensor: Any) -> Host:
    """Start a copy of a tensor, which may change at once.

    It is queued behind what the training has queued on the tensor's device: a copy that another
    thread starts would not wait for a training on a stream of its own.
    """
    copied = tensor.detach().to("cpu", non_blocking=tensor.is_cuda, copy=True)
    done = queued({tensor.device})

    def finish() -> Any:
        done()
        return copied

    return finish


def queued(devices: set[Any]) -> Callable[[], None]:
    """What waits until torch devices have done all that this thread has queued on them so far."""
    torch = sys.modules["torch"]
    events = []
    for device in devices:
        if device.type == "cuda":
            events.append(torch.cuda.Event(blocking=True))  # the waiting thread sleeps
            events[-1].record(torch.cuda.current_stream(device))
        elif device.type != "cpu":
            torch.accelerator.synchronize()

    def wait() -> None:
        for event in events:
            event.synchronize()

    return wait


class TorchSource:
    """Floating-point parameters of a torch model, tied ones once, under the bare model's names."""

    def __init__(self, model: Any, names: str | Sequence[str]) -> None:
        self._model, self._torch = model, sys.modules["torch"]
        self._names = _bare_names(model)
        self._sharded = _is_sharded(model)
        tensors = dict(self._tensors())
        self._pinned = any(tensor.is_cuda for tensor in tensors.values())
        self.device = next((_device_of(each) for each in model.parameters()), "cpu")
        if tensors or not self._sharded:  # else another process gathers them
            self.parameters = Parameters.of_tensors(tensors, names)

    def buffer(self) -> Any:
        """Room for one copy of all weights in single precision."""
        return self._torch.empty(self.parameters.size, pin_memory=self._pinned)

    def copy(self, buffer: Any, weights: Any) -> Finish:
        """Start a copy into a buffer; training may go on at once.

        Args:
            weights: where they are now, if not in the model that the source was made of.
        """
        if weights is not None:
            raise StoreError(
                "A torch model was given to the recorder, and weights again with a step; expected "
                "the model alone."
            )
        position = 0
        tensors = dict(self._tensors())
        for name, shape in zip(self.parameters.names, self.parameters.shapes, strict=True):
            tensor = tensors.get(name)
            if tensor is None or tuple(tensor.shape) != shape:
                raise StoreError(_changed(name, shape, tensor))
            size = tensor.numel()
            flat = tensor.detach().reshape(-1)
            if tensor.is_cuda:  # on the device: pinned memory takes equal types
                flat = flat.to(self._torch.float32)
            buffer[position : position + size].copy_(flat, non_blocking=True)
            position += size
        done = queued({tensor.device for tensor in tensors.values()})

        def finish() -> Float[np.ndarray, " weight"]:
            done()
            return buffer.numpy()

        return finish

    def take_part(self) -> None:
        """What other processes than the first do while that one copies."""
        if self._sharded:
            dict(self._tensors())

    def predict(self, outputs: Any, weights: Any) -> Callable[[], Float[np.ndarray, "probe class"]]:
        """Predictions for the probe examples."""
        torch, model = self._torch, self._model
        training = [(module, module.training) for module in model.modules()]
        model.eval()
        try:
            with torch.no_grad():
                found = outputs(model) if callable(outputs) else model(outputs)
        finally:
            for module, was in training:
                module.training = was
        if not isinstance(found, torch.Tensor):
            found = torch.as_tensor(np.asarray(found))
        host = to_host(found.to(torch.float32))
        return lambda: _predictions(host().numpy())

    def _tensors(self) -> Iterator[tuple[str, Any]]:
        """Parameters by name; where they are sharded, gathered in the first process."""
        if self._sharded:
            yield from self._gathered()
            return
        for name, parameter in self._model.named_parameters():  # tied ones once
            if parameter.is_floating_point():
                yield self._names.get(name, name), parameter

    def _gathered(self) -> Iterator[tuple[str, Any]]:
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        state = get_model_state_dict(self._model, options=options)
        named = self._model.named_parameters
        tied = {name for name, _ in named(remove_duplicate=False)} - {name for name, _ in named()}
        left_out = {self._names.get(name, name) for name in tied}
        left_out |= {_bare(name, set()) for name, _ in self._model.named_buffers()}
        for name, tensor in state.items():
            if name not in left_out and tensor.is_floating_point():
                yield name, tensor


class TreeSource:
    """Nested dictionaries of floating-point arrays: pytrees of JAX and Flax, state dictionaries."""

    def __init__(self, tree: Any, names: str | Sequence[str]) -> None:
        leaves = dict(_leaves(tree))
        self._tree = tree
        self.device = next(map(_device_of, leaves.values()), "cpu")
        self.parameters = Parameters.of_tensors(leaves, names)

    def buffer(self) -> Float[np.ndarray, " weight"]:
        return np.empty(self.parameters.size, np.float32)

    def copy(self, buffer: Float[np.ndarray, " weight"], weights: Any) -> Finish:
        leaves = dict(_leaves(self._tree if weights is None else weights))
        parameters = self.parameters
        for name, shape, start, stop in zip(
            parameters.names, parameters.shapes, parameters.starts, parameters.stops, strict=True
        ):
            leaf = leaves.get(name)
            if leaf is None or tuple(np.shape(leaf)) != shape:
                raise StoreError(_changed(name, shape, leaf))
            # At once, also where arrays never change: JAX may give their memory to the next ones.
            buffer[start:stop] = _array(leaf).reshape(-1)
        return lambda: buffer

    def take_part(self) -> None:
        """Nothing: each process has all weights."""

    def predict(self, outputs: Any, weights: Any) -> Callable[[], Float[np.ndarray, "probe class"]]:
        if not callable(outputs):
            raise StoreError(
                "outputs is no function; expected one that takes the weights and gives "
                "predictions [probe, class]."
            )
        found = outputs(self._tree if weights is None else weights)
        return lambda: _predictions(np.array(_array(found), np.float32))


def _predictions(found: np.ndarray) -> Float[np.ndarray, "probe class"]:
    """Probabilities as they are; of what does not add up to 1, logits, the softmax."""
    if found.ndim != 2 or found.shape[1] < 2:
        raise StoreError(
            f"Outputs have shape {found.shape}; expected [probe, class], of two classes or more. "
            "Pass a function as outputs= that gives such predictions."
        )
    if not are_probabilities(found):
        with np.errstate(invalid="ignore"):  # infinite logits of a network that diverged
            powers = np.exp(found - found.max(axis=1, keepdims=True))
        found = powers / powers.sum(axis=1, keepdims=True)
    return found.astype(np.float32, copy=False)


def _bare_names(model: Any) -> dict[str, str]:
    """The bare model's names of parameters by the names they have in their wrappers."""
    torch = sys.modules["torch"]
    wrappers = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
    inside = {
        f"{prefix}.module".lstrip(".")
        for prefix, module in model.named_modules()
        if isinstance(module, wrappers)
    }
    everyone = model.named_parameters(remove_duplicate=False)
    return {name: _bare(name, inside) for name, _ in everyone}


def _bare(name: str, inside: set[str]) -> str:
    parts = name.split(".")
    paths = accumulate(parts, "{}.{}".format)
    kept = [
        part
        for part, path in zip(parts, paths, strict=True)
        if part not in WRAPPERS and path not in inside
    ]
    return ".".join(kept)


def _is_sharded(model: Any) -> bool:
    """Whether each process has only a part of the parameters (FSDP, tensor parallelism)."""
    torch = sys.modules["torch"]
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return False
    from torch.distributed.fsdp import FullyShardedDataParallel
    from torch.distributed.tensor import DTensor

    wrapped = any(isinstance(module, FullyShardedDataParallel) for module in model.modules())
    return wrapped or any(isinstance(parameter, DTensor) for parameter in model.parameters())


def _leaves(tree: Any, prefix: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """Floating-point arrays of a tree by their path, an array that is there twice once."""
    seen = set() if seen is None else seen
    if isinstance(tree, Mapping):
        children = [(str(key), child) for key, child in tree.items()]
    elif isinstance(tree, list | tuple):
        children = [(str(number), child) for number, child in enumerate(tree)]
    else:
        if "float" in str(getattr(tree, "dtype", "")) and id(tree) not in seen:
            seen.add(id(tree))
            yield prefix, tree
        return
    for key, child in children:
        yield from _leaves(child, f"{prefix}.{key}".lstrip("."), seen)


def _device_of(array: Any) -> str:
    """The name of the accelerator on which an array lies; else "cpu"."""
    if hasattr(array, "devices"):  # JAX
        return str(min(array.devices(), key=lambda device: device.id).device_kind)
    device = getattr(array, "device", "cpu")  # NumPy's is a word, and torch's has a type
    if getattr(device, "type", device) == "cuda":
        return sys.modules["torch"].cuda.get_device_name(device)
    return str(getattr(device, "type", device))


def _changed(name: str, shape: tuple[int, ...], found: Any) -> str:
    now = "gone" if found is None else tuple(np.shape(found))
    return (
        f"Parameter {name} is {now}; it was {shape} when recording began. Record what changes its "
        "parameters in another store."
    )


def _array(leaf: Any) -> np.ndarray:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(leaf, torch.Tensor):
        return leaf.detach().to(torch.float32).cpu().numpy()
    return np.asarray(leaf)
