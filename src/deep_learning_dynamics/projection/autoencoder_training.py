"""Trains the autoencoder: its loss with the gradient derived by hand, and L-BFGS.

A general library would differentiate a few small matrix products at ten times their cost.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float32, Float64

Weights = dict[str, Float32[np.ndarray, "_ _"]]
DECAYED = ("encoder_hidden", "encoder_output", "decoder_hidden", "decoder_output")
REMEMBERED = 20  # steps from which L-BFGS estimates the curvature


def train(
    inputs: Float[np.ndarray, "row input"],
    code_units: int,
    hidden_units: int,
    iterations: int,
    restarts: int,
    weight_decay: float,
    rng: np.random.Generator,
) -> Weights:
    """The weights of the best restart, by name.

    ``inputs`` are principal components, in the order of their variance. The loss is the squared
    error / the variance, plus a penalty: ``weight_decay`` × the squared weights of f and g × the
    error of the principal components, because no more than that can be gained.
    """
    from threadpoolctl import threadpool_limits

    rows = inputs.astype(np.float32)
    best = start(rows.shape[1], code_units, hidden_units, rng)
    # Where training would make it worse (it pays for the weights as well), the start is kept.
    unexplained = least = error(best, rows)
    first: Weights | None = best
    # Matrices are so small that threads would wait for each other most of the time.
    with threadpool_limits(1, user_api="blas"):
        for _ in range(restarts):
            began = start(rows.shape[1], code_units, hidden_units, rng) if first is None else first
            first = None
            found = _descended(began, rows, iterations, weight_decay * unexplained)
            remaining = error(found, rows)
            if remaining < least:
                best, least = found, remaining
    return best


def start(inputs: int, code_units: int, hidden_units: int, rng: np.random.Generator) -> Weights:
    """Principal components: the linear maps are the identity, f and g are zero."""

    def random(*shape: int) -> Float32[np.ndarray, "from to"]:
        # Inputs are of unit spread along their first axis: this keeps tanh in its curved range.
        return (rng.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32)

    def zeros(*shape: int) -> Float32[np.ndarray, "from to"]:
        return np.zeros(shape, np.float32)

    return {
        "encoder": np.eye(inputs, code_units, dtype=np.float32),
        "encoder_hidden": random(inputs, hidden_units),
        "encoder_hidden_bias": random(1, hidden_units),
        "encoder_output": zeros(hidden_units, code_units),
        "decoder": np.eye(code_units, inputs, dtype=np.float32),
        "decoder_hidden": random(code_units, hidden_units),
        "decoder_hidden_bias": random(1, hidden_units),
        "decoder_output": zeros(hidden_units, inputs),
        "decoder_output_bias": zeros(1, inputs),
    }


def error(weights: Weights, rows: Float32[np.ndarray, "row input"]) -> float:
    """Squared error / variance (the rows' mean is zero)."""
    return loss_and_gradient(weights, rows, 0.0)[0]


def loss_and_gradient(
    w: Weights, rows: Float32[np.ndarray, "row input"], weight_decay: float
) -> tuple[float, Weights]:
    """The loss and its derivative by each of the weights."""
    variance = float(np.vdot(rows, rows))
    encoded = np.tanh(rows @ w["encoder_hidden"] + w["encoder_hidden_bias"])
    code = rows @ w["encoder"] + encoded @ w["encoder_output"]
    decoded = np.tanh(code @ w["decoder_hidden"] + w["decoder_hidden_bias"])
    wrong = code @ w["decoder"] + decoded @ w["decoder_output"] + w["decoder_output_bias"] - rows
    loss = float(np.vdot(wrong, wrong)) / variance
    loss += weight_decay * sum(float(np.vdot(w[name], w[name])) for name in DECAYED)

    wrong *= 2 / variance
    by_decoded = (wrong @ w["decoder_output"].T) * (1 - decoded * decoded)
    by_code = wrong @ w["decoder"].T + by_decoded @ w["decoder_hidden"].T
    by_encoded = (by_code @ w["encoder_output"].T) * (1 - encoded * encoded)
    gradient = {
        "encoder": rows.T @ by_code,
        "encoder_hidden": rows.T @ by_encoded,
        "encoder_hidden_bias": by_encoded.sum(axis=0, keepdims=True),
        "encoder_output": encoded.T @ by_code,
        "decoder": code.T @ wrong,
        "decoder_hidden": code.T @ by_decoded,
        "decoder_hidden_bias": by_decoded.sum(axis=0, keepdims=True),
        "decoder_output": decoded.T @ wrong,
        "decoder_output_bias": wrong.sum(axis=0, keepdims=True),
    }
    for name in DECAYED:
        gradient[name] += 2 * weight_decay * w[name]
    return loss, gradient


def _descended(
    began: Weights, rows: Float32[np.ndarray, "row input"], iterations: int, weight_decay: float
) -> Weights:
    from scipy.optimize import minimize

    flat, unflat = _flattening(began)

    def objective(vector: Float64[np.ndarray, " weight"]) -> tuple[float, np.ndarray]:
        loss, gradient = loss_and_gradient(unflat(vector), rows, weight_decay)
        return loss, flat(gradient)

    found = minimize(
        objective,
        flat(began),
        jac=True,
        method="L-BFGS-B",
        # Until the iterations are used up, or no step helps any more at this precision.
        options={
            "maxiter": iterations,
            "maxfun": 10 * iterations,
            "maxcor": REMEMBERED,
            "ftol": 0,
            "gtol": 0,
        },
    )
    return unflat(found.x)


def _flattening(
    like: Weights,
) -> tuple[
    Callable[[Weights], Float64[np.ndarray, " weight"]],
    Callable[[Float64[np.ndarray, " weight"]], Weights],
]:
    """From weights by name to one vector, and back."""
    ends = np.cumsum([0, *(value.size for value in like.values())])

    def flat(weights: Weights) -> Float64[np.ndarray, " weight"]:
        return np.concatenate([weights[name].ravel() for name in like]).astype(np.float64)

    def unflat(vector: Float64[np.ndarray, " weight"]) -> Weights:
        short = vector.astype(np.float32)
        return {
            name: short[first:last].reshape(value.shape)
            for (name, value), first, last in zip(like.items(), ends, ends[1:], strict=False)
        }

    return flat, unflat
