"""An autoencoder that starts as a principal component analysis and can only get better.

encode(x) = x E + f(x) and decode(c) = c D + g(c), where f and g have one hidden layer of tanh. E
starts as the principal components and the output layer of f at zero, so that the first code is that
of the principal components and no unit can be dead at the start (compare He et al., 2016, and
Zhang, Dauphin and Ma, 2019, for networks that start as a simpler map).

All that the decoder multiplies its features with (D and the output layer of g) is linear, so it is
solved for at each step, and only the rest is searched (variable projection, Golub and Pereyra,
1973): 100 iterations explain more than 1,000 of a search among all weights. The gradient is derived
by hand: a general library would differentiate a few small products at ten times their cost.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float32, Float64

from deep_learning_dynamics.projection.distances import Vectors

Weights = dict[str, Float32[np.ndarray, "_ _"]]
Rows = Float32[np.ndarray, "row input"]
Features = tuple[np.ndarray, np.ndarray, np.ndarray]

DECAYED = ("encoder_hidden", "encoder_output", "decoder_hidden")
# Times the squared weights of f and g. It keeps the maps smooth: a code that can wiggle through
# every row explains all of the variance and shows nothing.
WEIGHT_DECAY = 1e-4
RIDGE = 1e-6  # of a feature's variance, so that the decoder is defined
KEPT_VARIANCE = 0.99  # of the input, at least; the rest counts as not explained
GAIN = 1e-6  # of the variance; less is rounding
REMEMBERED = 10  # steps from which L-BFGS estimates the curvature


@dataclass(frozen=True)
class Autoencoder:
    """A trained encoder and decoder."""

    weights: dict[str, Float64[np.ndarray, "_ _"]]
    mean: Float64[np.ndarray, " component"]
    inputs: int  # the first components, which are encoded
    scale: float

    def encode(self, vectors: Vectors) -> Float64[np.ndarray, "row code"]:
        """Codes, in the units of the vectors."""
        w, inputs = self.weights, (vectors - self.mean)[:, : self.inputs] / self.scale
        hidden = np.tanh(inputs @ w["encoder_hidden"] + w["encoder_hidden_bias"])
        return (inputs @ w["encoder"] + hidden @ w["encoder_output"]) * self.scale

    def decode(self, codes: Float[np.ndarray, "row code"]) -> Float64[np.ndarray, "row component"]:
        """Vectors again."""
        w, codes = self.weights, codes / self.scale
        hidden = np.tanh(codes @ w["decoder_hidden"] + w["decoder_hidden_bias"])
        rebuilt = codes @ w["decoder"] + hidden @ w["decoder_output"] + w["decoder_output_bias"]
        vectors = np.tile(self.mean, (len(codes), 1))
        vectors[:, : self.inputs] += rebuilt * self.scale
        return vectors

    def explained_variance(self, vectors: Vectors) -> float:
        """1 − squared error of the reconstruction / variance."""
        rebuilt = self.decode(self.encode(vectors))
        variance = ((vectors - vectors.mean(axis=0)) ** 2).sum()
        return float(1 - ((vectors - rebuilt) ** 2).sum() / variance)


def train(
    vectors: Vectors,
    code_units: int,
    hidden_units: int,
    iterations: int,
    restarts: int,
    rng: np.random.Generator,
) -> Autoencoder:
    """The best of some restarts, which differ in the hidden layers of f and g.

    All rows are one batch, so L-BFGS is used: it needs a tenth of Adam's time. The loss is the
    squared error / the variance, plus a penalty on f and g in proportion to the error of the
    principal components, because no more than that can be gained.

    Args:
        vectors: components along principal axes, by falling variance.
    """
    mean = vectors.mean(axis=0)
    centred = vectors - mean
    variance = (centred**2).sum(axis=0)
    share = np.cumsum(variance) / variance.sum()
    enough = max(int(np.searchsorted(share, KEPT_VARIANCE)) + 1, 2 * code_units)
    inputs = min(enough, max(2, int((variance > variance.max() * 1e-24).sum())))
    scale = float(np.sqrt(variance.max() / len(vectors)))
    rows = (centred[:, :inputs] / scale).astype(np.float32)
    units = min(code_units, inputs)

    best = start(inputs, units, hidden_units, rng)
    # Where training gains nothing (it pays for the weights as well), the start is kept.
    unexplained = least = Loss(rows, WEIGHT_DECAY).error(best)
    loss = Loss(rows, WEIGHT_DECAY * unexplained)
    for restart in range(restarts):
        began = start(inputs, units, hidden_units, rng) if restart else best
        found = _descended(began, loss, iterations)
        remaining = loss.error(found)
        if remaining < least - GAIN:
            best, least = found, remaining
    weights = best | loss.decoder(*loss.features(best)[1:])
    weights = {name: value.astype(np.float64) for name, value in weights.items()}
    return Autoencoder(weights, mean, inputs, scale)


def start(inputs: int, code_units: int, hidden_units: int, rng: np.random.Generator) -> Weights:
    """Principal components: the linear map is the identity, f is zero."""

    def random(*shape: int) -> Float32[np.ndarray, "from to"]:
        # Inputs are of unit spread along their first axis: this keeps tanh in its curved range.
        return (rng.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32)

    return {
        "encoder": np.eye(inputs, code_units, dtype=np.float32),
        "encoder_hidden": random(inputs, hidden_units),
        "encoder_hidden_bias": random(1, hidden_units),
        "encoder_output": np.zeros((hidden_units, code_units), np.float32),
        "decoder_hidden": random(code_units, hidden_units),
        "decoder_hidden_bias": random(1, hidden_units),
    }


@dataclass(frozen=True)
class Loss:
    """How well an encoder does on some rows, with the best decoder."""

    rows: Rows
    decay: float  # times the squared weights of f and g

    @cached_property
    def variance(self) -> float:
        return float(np.vdot(self.rows, self.rows))

    def with_gradient(self, w: Weights) -> tuple[float, Weights]:
        """The loss, and its derivative by each of the weights.

        As the decoder is the best, the loss does not change with it to first order.
        """
        encoded, code, decoded = self.features(w)
        best = self.decoder(code, decoded)
        wrong = _rebuilt(best, code, decoded) - self.rows
        loss = float(np.vdot(wrong, wrong)) / self.variance
        loss += self.decay * sum(float(np.vdot(w[name], w[name])) for name in DECAYED)
        for name, penalty in zip(("decoder", "decoder_output"), self._penalties, strict=True):
            loss += penalty * float(np.vdot(best[name], best[name])) / self.variance

        wrong *= 2 / self.variance
        by_decoded = (wrong @ best["decoder_output"].T) * (1 - decoded * decoded)
        by_code = wrong @ best["decoder"].T + by_decoded @ w["decoder_hidden"].T
        by_encoded = (by_code @ w["encoder_output"].T) * (1 - encoded * encoded)
        gradient = {
            "encoder": self.rows.T @ by_code,
            "encoder_hidden": self.rows.T @ by_encoded,
            "encoder_hidden_bias": by_encoded.sum(axis=0, keepdims=True),
            "encoder_output": encoded.T @ by_code,
            "decoder_hidden": code.T @ by_decoded,
            "decoder_hidden_bias": by_decoded.sum(axis=0, keepdims=True),
        }
        for name in DECAYED:
            gradient[name] += 2 * self.decay * w[name]
        return loss, gradient

    def error(self, w: Weights) -> float:
        """Squared error / variance."""
        _, *features = self.features(w)
        wrong = _rebuilt(self.decoder(*features), *features) - self.rows
        return float(np.vdot(wrong, wrong) / np.vdot(self.rows, self.rows))

    def features(self, w: Weights) -> Features:
        """The hidden layer of f, the code, and the hidden layer of g."""
        encoded = np.tanh(self.rows @ w["encoder_hidden"] + w["encoder_hidden_bias"])
        code = self.rows @ w["encoder"] + encoded @ w["encoder_output"]
        return encoded, code, np.tanh(code @ w["decoder_hidden"] + w["decoder_hidden_bias"])

    def decoder(self, code: np.ndarray, decoded: np.ndarray) -> Weights:
        """The best linear maps from the code and the hidden layer of g back to the rows."""
        from scipy.linalg import solve

        units = code.shape[1]
        constant = np.ones((len(code), 1), np.float32)
        features = np.concatenate([code, decoded, constant], axis=1)
        square = features.astype(np.float64)
        square = square.T @ square
        of_code, of_decoded = self._penalties
        square[np.diag_indices(len(square))] += of_code
        hidden = np.arange(units, len(square) - 1)
        square[hidden, hidden] += of_decoded - of_code
        found = solve(square, (features.T @ self.rows).astype(np.float64), assume_a="pos")
        found = found.astype(np.float32)
        return {
            "decoder": found[:units],
            "decoder_output": found[units:-1],
            "decoder_output_bias": found[-1:],
        }

    @property
    def _penalties(self) -> tuple[float, float]:
        """Times squared weights of the decoder: those that read the code, and those of g."""
        ridge = RIDGE * len(self.rows)
        return ridge, self.decay * self.variance + ridge


def _rebuilt(best: Weights, code: np.ndarray, decoded: np.ndarray) -> Rows:
    return code @ best["decoder"] + decoded @ best["decoder_output"] + best["decoder_output_bias"]


def _descended(began: Weights, loss: Loss, iterations: int) -> Weights:
    from scipy.optimize import minimize

    ends = np.cumsum([value.size for value in began.values()])[:-1]

    def flat(weights: Weights) -> Float64[np.ndarray, " weight"]:
        return np.concatenate([weights[name].ravel() for name in began]).astype(np.float64)

    def unflat(vector: Float64[np.ndarray, " weight"]) -> Weights:
        parts = zip(began.items(), np.split(vector.astype(np.float32), ends), strict=True)
        return {name: part.reshape(value.shape) for (name, value), part in parts}

    def objective(vector: Float64[np.ndarray, " weight"]) -> tuple[float, np.ndarray]:
        value, gradient = loss.with_gradient(unflat(vector))
        return value, flat(gradient)

    # Until the iterations are used up, or no step helps any more at this precision.
    limits = {"maxiter": iterations, "maxfun": 10 * iterations, "ftol": 0, "gtol": 0}
    options = {"maxcor": REMEMBERED, **limits}
    found = minimize(objective, flat(began), jac=True, method="L-BFGS-B", options=options)
    return unflat(found.x)
