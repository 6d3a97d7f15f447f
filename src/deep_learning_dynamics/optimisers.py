"""torch's optimisers as the functions behind ``torch.optim``'s classes.

Making an object of one of those classes imports torch's compiler, which takes longer than
training a small ensemble. The functions are the same code without it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

MOMENTUM = 0.9  # with Nesterov's correction, as in scikit-learn's MLPClassifier


class SGD:
    """Stochastic gradient descent with Nesterov momentum."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._parameters = list(parameters)
        self._momentum = [torch.zeros_like(p, requires_grad=False) for p in parameters]

    def step(
        self, gradients: Sequence[Tensor], learning_rate: float, weight_decay: float = 0.0
    ) -> None:
        """Change the parameters in place. ``weight_decay`` times them is added to the gradients."""
        sgd(
            self._parameters,
            list(gradients),
            self._momentum,
            fused=True,
            weight_decay=weight_decay,
            momentum=MOMENTUM,
            lr=learning_rate,
            dampening=0.0,
            nesterov=True,
            maximize=False,
        )


class Adam:
    """Adam (Kingma & Ba, 2015) with torch's and scikit-learn's default decay rates."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._parameters = list(parameters)
        self._means = [torch.zeros_like(p, requires_grad=False) for p in parameters]
        self._squares = [torch.zeros_like(p, requires_grad=False) for p in parameters]
        self._steps = [torch.zeros((), device=p.device) for p in parameters]

    def step(
        self, gradients: Sequence[Tensor], learning_rate: float, weight_decay: float = 0.0
    ) -> None:
        """Change the parameters in place. ``weight_decay`` times them is added to the gradients."""
        adam(
            self._parameters,
            list(gradients),
            self._means,
            self._squares,
            [],
            self._steps,
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=learning_rate,
            weight_decay=weight_decay,
            eps=1e-8,
            maximize=False,
        )
