"""Training any ``torch.nn.Module`` many times over: the general path, in torch's arithmetic.

Networks train side by side as one stacked module (``torch.func.vmap``), on a GPU where there is
one, whose memory then has the images, too. The result depends on the processor and the device in
the last bits, which training amplifies; ``study.kernel`` is the portable path.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32, Int
from torch import Tensor
from torch.func import functional_call, vmap

from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.study.networks.network import Images, Labels, Weights
from deep_learning_dynamics.study.optimisers import Optimisation

BRIGHTEST = 255
EXAMPLES_AT_ONCE = 1000  # when scoring
# On a GPU, convolutions would round to 10 bits, far more than what sets twins apart, and sum in
# another order each time.
in_single_precision = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)


def device() -> torch.device:
    """Where networks train."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name() -> str:
    """Of the GPU on which networks train; else "cpu"."""
    return torch.cuda.get_device_name() if device().type == "cuda" else "cpu"


class ModuleEnsemble:
    """Networks of one module that train together."""

    def __init__(
        self,
        module: torch.nn.Module,
        shape: tuple[int, int],
        weights: Weights,
        optimisation: Optimisation,
        groups: Sequence[int],
        threads: int,
    ) -> None:
        torch.set_num_threads(threads)
        self._device = device()
        self._module = module.to(self._device).eval()
        self._shape = shape
        self._groups = torch.tensor(groups, device=self._device)
        self._known: dict[int, tuple[Images, Tensor]] = {}  # images that are on the device
        self._stacked: dict[str, Tensor] = {}
        start = 0
        for name, parameter in module.named_parameters():
            stop = start + parameter.numel()
            values = torch.from_numpy(weights[:, start:stop].copy()).to(self._device)
            values = values.view(len(weights), *parameter.shape)
            self._stacked[name] = values.requires_grad_()
            start = stop
        self._decay = optimisation.weight_decay
        self._penalised = [self._stacked[n] for n, p in module.named_parameters() if p.dim() > 1]
        self._optimiser = _optimiser(optimisation, list(self._stacked.values()))

    @in_single_precision
    def train(
        self,
        images: Images,
        labels: Labels,
        orders: Int[np.ndarray, "group position"],
        batch_size: int,
    ) -> None:
        """Take one step for each mini-batch that the orders are cut into."""
        brightness = self._there(images)
        classes = torch.from_numpy(labels).to(self._device)
        examples = torch.from_numpy(orders).to(self._device)
        for start in range(0, orders.shape[1], batch_size):
            batches = examples[:, start : start + batch_size]
            if len(batches) == 1:  # all networks see the same
                logits = self._logits(brightness[batches[0]])
                answers = classes[batches[0]].expand(len(self._groups), -1)
            else:
                chosen = batches[self._groups]
                shown = brightness.index_select(0, chosen.flatten()).unflatten(0, chosen.shape)
                logits = vmap(self._of_one)(self._stacked, self._images(shown))
                answers = classes[chosen]
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), answers.flatten(), reduction="sum"
            )
            # As scikit-learn: the penalty is divided by the number of examples in the batch.
            penalty = sum((matrix**2).sum() for matrix in self._penalised)
            self._optimiser.zero_grad()
            ((loss + self._decay / 2 * penalty) / batches.shape[1]).backward()
            self._optimiser.step()

    @torch.no_grad()
    def weights(self) -> Weights:
        """As they are now."""
        parts = [values.flatten(1) for values in self._stacked.values()]
        return torch.cat(parts, dim=1).cpu().numpy()

    @in_single_precision
    @torch.no_grad()
    def scores(self, images: Images, labels: Labels) -> tuple[np.ndarray, np.ndarray]:
        """Mean cross-entropy in nats and the share of correct predictions, of each network."""
        loss = torch.zeros(len(self._groups), device=self._device)
        correct = torch.zeros(len(self._groups), device=self._device)
        brightness, classes = self._there(images), torch.from_numpy(labels).to(self._device)
        for start in range(0, len(labels), EXAMPLES_AT_ONCE):
            span = slice(start, start + EXAMPLES_AT_ONCE)
            logits, answers = self._logits(brightness[span]), classes[span]
            picked = logits.gather(2, answers.expand(len(logits), -1)[..., None])[..., 0]
            loss += (torch.logsumexp(logits, dim=2) - picked).sum(1)
            correct += (logits.argmax(2) == answers).sum(1)
        # A GPU multiplies by the reciprocal of a number instead, which rounds otherwise.
        return loss.cpu().numpy() / len(labels), correct.cpu().numpy() / len(labels)

    @in_single_precision
    @torch.no_grad()
    def outputs(self, images: Images) -> Float32[np.ndarray, "network example class"]:
        """Probabilities of the classes."""
        return torch.softmax(self._logits(self._there(images)), dim=2).cpu().numpy()

    def _there(self, images: Images) -> Tensor:
        """Images on the device, remembered: the same arrays come again, and do not change."""
        if id(images) not in self._known:
            self._known[id(images)] = images, torch.from_numpy(images).to(self._device)
        return self._known[id(images)][1]

    def _logits(self, brightness: Tensor) -> Tensor:
        """Of all networks, for the same images."""
        return vmap(self._of_one, in_dims=(0, None))(self._stacked, self._images(brightness))

    def _of_one(self, parameters: dict[str, Tensor], images: Tensor) -> Tensor:
        return functional_call(self._module, parameters, (images,))

    def _images(self, brightness: Tensor) -> Tensor:
        return brightness.float().div_(BRIGHTEST).unflatten(-1, (1, *self._shape))


def _optimiser(optimisation: Optimisation, parameters: list[Tensor]) -> torch.optim.Optimizer:
    """torch's optimiser of the same rule as the portable one of that key.

    All of them work weight by weight, so that stacked networks do not notice each other.
    """
    rate = optimisation.learning_rate
    if optimisation.optimiser == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=0.9, nesterov=True)
    if optimisation.optimiser == "adam":
        return torch.optim.Adam(parameters, lr=rate)
    raise ParamsError(
        f"optimiser {optimisation.optimiser} is not there in torch's arithmetic; expected sgd or "
        "adam. Set it in params.yaml, or network.kind: mlp."
    )
