"""An autoencoder that starts as a principal component analysis and can only get better."""

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from deep_learning_dynamics.errors import ProjectionError
from deep_learning_dynamics.projection.autoencoder_training import train
from deep_learning_dynamics.projection.principal import principal_axes

KEPT_VARIANCE = 0.99  # of the input, at least; the rest counts as not explained


class Autoencoder(TransformerMixin, BaseEstimator):
    """Encoder and decoder, each a linear map plus a small network; the code is linear.

    encode(x) = x E + f(x) and decode(c) = c D + g(c), where f and g have one hidden layer of tanh.
    E and D start as the principal components and the output layers of f and g at zero. So the
    first reconstruction is that of the principal components, no unit can be dead at the start, and
    the best restart is at least as good (compare He et al., 2016, and Zhang, Dauphin & Ma, 2019,
    for networks that start as a simpler map). Restarts differ in the hidden layers of f and g.
    All rows are one batch, so L-BFGS is used: it needs a tenth of Adam's time.

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
        iterations: int = 1000,
        restarts: int = 1,
        weight_decay: float = 1e-4,
        random_state: int = 0,
    ) -> None:
        self.code_units = code_units
        self.hidden_units = hidden_units
        self.iterations = iterations
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
        weights = train(
            inputs,
            units,
            self.hidden_units,
            self.iterations,
            self.restarts,
            self.weight_decay,
            np.random.default_rng(self.random_state),
        )
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
