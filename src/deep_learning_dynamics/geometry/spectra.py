"""Spectra and distributions: the weights of each layer over training, and the tail of its spectrum.

The tail exponent is that of WeightWatcher (Martin, Peng and Mahoney, Nature Communications 2021):
eigenvalues of WᵀW from some smallest one on are taken for a power law, fitted by maximum
likelihood; the smallest is where data and law agree best (Clauset, Shalizi and Newman, SIAM Review
2009). The same number of the same entries in random places says what it means.
"""

import math

import numpy as np
import pandas as pd
from jaxtyping import Float

from deep_learning_dynamics import seeds
from deep_learning_dynamics.geometry.analysis import ANALYSES, Analysis, Finding, Subject
from deep_learning_dynamics.quantities import Quantity, define
from deep_learning_dynamics.selection import evenly
from deep_learning_dynamics.store.schema import Parameters

SNAPSHOTS = 10  # of each network, evenly spread, the first and the last among them
LEAST, MOST = 8, 1024  # eigenvalues of a layer: with fewer there is no tail, more take long
LEAST_TAIL = 5  # eigenvalues that a law is fitted to
SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)  # of the weights that are below each quantile
QUANTILES = tuple(f"q{round(100 * share):02d}" for share in SHARES)
EXPONENTS = ("spectral_exponent", "null_exponent")

define(
    Quantity(
        "spectral_exponent",
        "spectral exponent",
        meaning="Exponent α of the power law λ^−α that fits the largest eigenvalues λ of WᵀW.",
    )
)


@ANALYSES.register
class Spectra(Analysis):
    """Quantiles of each layer's weights over training, and its spectral exponent.

    Table ``layers``: network, its coordinates, parameter, snapshot, step, q05 to q95 (quantiles of
    the weights), spectral_exponent, null_exponent (of the same entries in random places); NaN for
    layers with fewer than 8 eigenvalues (or more than 1,024). Numbers: eigenvalues of each
    parameter.
    """

    key, title = "spectra", "Spectra and distributions"

    @classmethod
    def find(cls, subject: Subject) -> Finding | None:
        parameters = Parameters.from_runs(subject.runs)
        kinds = zip(parameters.names, parameters.shapes, parameters.kinds, strict=True)
        sides = {
            name: (shape[0], math.prod(shape[1:]))
            for name, shape, kind in kinds
            if kind == "weight"
        }
        if not sides:
            return None
        numbers, rows = [], []
        for network in np.flatnonzero(subject.proper).tolist():
            for snapshot in evenly(subject.snapshots[network], SNAPSHOTS).tolist():
                weights = subject.weights(network, snapshot).astype(np.float64)
                step = int(subject.steps[network, snapshot])
                for name, shape in sides.items():
                    use = "spectra", subject.names[network], name, snapshot
                    matrix = weights[parameters.slice(name)].reshape(shape)
                    found = _layer(matrix, seeds.generator(subject.seed, *use))
                    numbers.append(network)
                    rows.append((name, snapshot, step, *found))
        columns = ["parameter", "snapshot", "step", *QUANTILES, *EXPONENTS]
        table = subject.with_coordinates(numbers, pd.DataFrame(rows, columns=columns))
        eigenvalues = {name: min(shape) for name, shape in sides.items()}
        return Finding({"layers": table}, {"eigenvalues": eigenvalues, "least": LEAST})


def exponent(eigenvalues: Float[np.ndarray, " eigenvalue"]) -> float:
    """The exponent α of the power law that fits the upper tail; NaN where there are too few.

    Of all smallest values the one with the least distance of Kolmogorov and Smirnov between the
    tail and its law is taken (Clauset, Shalizi and Newman, 2009, sections 3.1 and 3.3).
    """
    values = np.sort(eigenvalues[eigenvalues > 0].astype(np.float64))
    best, found = np.inf, float("nan")
    for start in range(len(values) - LEAST_TAIL + 1):
        tail = values[start:]
        logs = np.log(tail / tail[0])
        if logs.sum() <= 0:
            continue
        slope = len(tail) / logs.sum()
        law = 1 - np.exp(-slope * logs)
        distance = np.abs(np.arange(len(tail)) / len(tail) - law).max()
        if distance < best:
            best, found = distance, 1 + slope
    return float(found)


def _layer(
    matrix: Float[np.ndarray, "output input"], rng: np.random.Generator
) -> tuple[float, ...]:
    """Quantiles, exponent, and exponent of the same entries in random places."""
    if not np.isfinite(matrix).all():
        return (float("nan"),) * (len(SHARES) + 2)
    quantiles = np.quantile(matrix, SHARES).tolist()
    if not LEAST <= min(matrix.shape) <= MOST:
        return (*quantiles, float("nan"), float("nan"))
    shuffled = rng.permutation(matrix.ravel()).reshape(matrix.shape)
    spectra = (np.linalg.svd(each, compute_uv=False) ** 2 for each in (matrix, shuffled))
    return (*quantiles, *map(exponent, spectra))
