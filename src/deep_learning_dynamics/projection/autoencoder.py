"""An autoencoder that starts as a principal component analysis and can only get better."""

import math
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from deep_learning_dynamics.errors import ProjectionError
from deep_learning_dynamics.projection.principal import principal_axes

if TYPE_CHECKING:
    import torch

KEPT_VARIANCE = 0.99  # of the input, at least; the rest counts as not explained


class Autoencoder(TransformerMixin, BaseEstimator):
    """Encoder and decoder, each a linear map plus a small network; the code is linear.

    encode(x) = x E + f(x) and decode(c) = c D + g(c), where f and g have one hidden layer of tanh.
    E and D start as the principal components and the output layers of f and g at zero. So the
    first reconstruction is that of the principal components, no unit can be dead at the start, and
    the best epoch of the best restart is at least as good (compare He et al., 2016, and Zhang,
    Dauphin & Ma, 2019, for networks that start as a simpler map). Restarts differ in the hidden
    layers of f and g; all are trained together, full batch, with Adam.

    Small networks and ``weight_decay`` on f and g keep the maps smooth: a code that can wiggle
    through every row explains all of the variance and shows nothing.
    """

    # Attributes: mean_ [component], scale_, axes_ [component, input] (principal axes of the input)
    # and the weights of the best restart: encoder_, encoder_hidden_, encoder_hidden_bias_,
    # encoder_output_, and decoder_... likewise; explained_variance_ratio_ of the fitted rows.

    def __init__(
        self,
        code_units: int = 2,
        hidden_units: int = 64,
        epochs: int = 1500,
        learning_rate: float = 0.003,
        restarts: int = 3,
        weight_decay: float = 1e-4,
        random_state: int = 0,
    ) -> None:
        self.code_units = code_units
        self.hidden_units = hidden_units
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.restarts = restarts
        self.weight_decay = weight_decay
        self.random_state = random_state

    def fit(self, X: Float[np.ndarray, "row component"], y: None = None) -> "Autoencoder":
        """Train the autoencoder.

        Raises:
            ProjectionError: all rows are equal, so that there is nothing to encode.
        """
        X = np.asarray(X, float)
        inputs = self._principal_inputs(X)
        units = min(self.code_units, inputs.shape[1])
        weights = _train(self, inputs, units)
        for name, value in weights.items():
            setattr(self, f"{name}_", value.astype(np.float64))
        residual = X - self.inverse_transform(self.transform(X))
        self.explained_variance_ratio_ = float(
            1 - (residual**2).sum() / ((X - self.mean_) ** 2).sum()
        )
        return self

    def transform(self, X: Float[np.ndarray, "row component"]) -> Float[np.ndarray, "row code"]:
        check_is_fitted(self, "encoder_")
        inputs = (np.asarray(X, float) - self.mean_) @ self.axes_ / self.scale_
        hidden = np.tanh(inputs @ self.encoder_hidden_ + self.encoder_hidden_bias_)
        return (inputs @ self.encoder_ + hidden @ self.encoder_output_) * self.scale_

    def inverse_transform(
        self, X: Float[np.ndarray, "row code"]
    ) -> Float[np.ndarray, "row component"]:
        check_is_fitted(self, "encoder_")
        code = np.asarray(X, float) / self.scale_
        hidden = np.tanh(code @ self.decoder_hidden_ + self.decoder_hidden_bias_)
        inputs = code @ self.decoder_ + hidden @ self.decoder_output_ + self.decoder_output_bias_
        return inputs * self.scale_ @ self.axes_.T + self.mean_

    def _principal_inputs(
        self, X: Float[np.ndarray, "row component"]
    ) -> Float[np.ndarray, "row input"]:
        """The principal components that hold nearly all of the variance, in units of the spread."""
        self.mean_ = X.mean(axis=0)
        spread, axes = principal_axes(X)
        variance = spread**2
        if len(X) < 2 or variance.sum() == 0:
            raise ProjectionError(
                "The rows are all equal; expected different weights to encode. "
                "Keep more snapshots (train.snapshots) or train longer (train.epochs)."
            )
        share = np.cumsum(variance) / variance.sum()
        rank = int((spread > spread[0] * 1e-12).sum())
        kept = min(rank, max(int(np.searchsorted(share, KEPT_VARIANCE)) + 1, 2 * self.code_units))
        self.axes_, self.scale_ = axes[:kept].T.copy(), float(spread[0])
        return (X - self.mean_) @ self.axes_ / self.scale_


def _train(
    settings: Autoencoder, inputs: Float[np.ndarray, "row input"], units: int
) -> dict[str, Float[np.ndarray, "..."]]:
    """The weights of the best epoch of the best restart, by name."""
    import torch  # 3 s

    threads = torch.get_num_threads()
    # One thread is as fast for so few rows, and does not stall when the machine has other work.
    torch.set_num_threads(1)
    try:
        return _best(settings, torch.from_numpy(inputs).float(), units)
    finally:
        torch.set_num_threads(threads)


def _best(
    settings: Autoencoder, rows: "torch.Tensor", units: int
) -> dict[str, Float[np.ndarray, "..."]]:
    import torch

    from deep_learning_dynamics.optimisers import Adam

    parameters = _start(settings, rows.shape[1], units)
    variance = float((rows**2).sum())
    with torch.no_grad():
        unexplained = float(_losses(parameters, rows)[0]) / variance
    # Steps in proportion to what is left to gain: where the principal components already explain
    # nearly everything, as with 128 code units, full steps would only lead away from them.
    rate = settings.learning_rate * math.sqrt(unexplained)
    optimiser = Adam(list(parameters.values()))
    best = torch.full((settings.restarts,), math.inf)
    kept = {name: value.detach().clone() for name, value in parameters.items()}
    for epoch in range(settings.epochs + 1):
        losses = _losses(parameters, rows) / variance
        better = losses.detach() < best
        best = torch.where(better, losses.detach(), best)
        for name, value in parameters.items():
            torch.where(better[:, None, None], value.detach(), kept[name], out=kept[name])
        objective = (losses + settings.weight_decay * _penalties(parameters)).sum()
        gradients = torch.autograd.grad(objective, list(parameters.values()))
        annealed = rate * (1 + math.cos(math.pi * epoch / settings.epochs)) / 2
        with torch.no_grad():
            optimiser.step(gradients, annealed)
    leader = int(best.argmin())
    return {name: value[leader].numpy() for name, value in kept.items()}


def _start(settings: Autoencoder, inputs: int, units: int) -> dict[str, "torch.Tensor"]:
    """All restarts' parameters, each [restart, from, to]."""
    import torch

    generator = torch.Generator().manual_seed(settings.random_state)
    restarts, hidden = settings.restarts, settings.hidden_units

    def random(*shape: int) -> "torch.Tensor":
        # Inputs are of unit spread along their first axis: this keeps tanh in its curved range.
        return torch.randn(restarts, *shape, generator=generator) / math.sqrt(shape[0])

    identity = torch.eye(inputs, units).expand(restarts, inputs, units)
    parameters = {
        "encoder": identity.clone(),
        "encoder_hidden": random(inputs, hidden),
        "encoder_hidden_bias": random(1, hidden),
        "encoder_output": torch.zeros(restarts, hidden, units),
        "decoder": identity.transpose(1, 2).clone(),
        "decoder_hidden": random(units, hidden),
        "decoder_hidden_bias": random(1, hidden),
        "decoder_output": torch.zeros(restarts, hidden, inputs),
        "decoder_output_bias": torch.zeros(restarts, 1, inputs),
    }
    return {name: value.requires_grad_() for name, value in parameters.items()}


def _losses(parameters: dict[str, "torch.Tensor"], rows: "torch.Tensor") -> "torch.Tensor":
    """The squared error of each restart."""
    import torch

    p = parameters
    hidden = torch.tanh(
        torch.baddbmm(p["encoder_hidden_bias"], _each(rows, p), p["encoder_hidden"])
    )
    code = torch.matmul(rows, p["encoder"]) + hidden @ p["encoder_output"]
    hidden = torch.tanh(torch.baddbmm(p["decoder_hidden_bias"], code, p["decoder_hidden"]))
    rebuilt = (
        torch.baddbmm(p["decoder_output_bias"], code, p["decoder"]) + hidden @ p["decoder_output"]
    )
    return ((rebuilt - rows) ** 2).sum(dim=(1, 2))


def _penalties(parameters: dict[str, "torch.Tensor"]) -> "torch.Tensor":
    """The squared weights of f and g, of each restart."""
    names = ("encoder_hidden", "encoder_output", "decoder_hidden", "decoder_output")
    return sum((parameters[name] ** 2).sum(dim=(1, 2)) for name in names)


def _each(rows: "torch.Tensor", parameters: dict[str, "torch.Tensor"]) -> "torch.Tensor":
    return rows.expand(len(parameters["encoder"]), *rows.shape)
