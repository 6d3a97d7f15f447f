"""Alignment: the symmetries of a multilayer perceptron taken out before networks are compared.

Two networks that compute the same function can lie far apart: hidden units can be permuted, and
units of relu rescaled (incoming weights times c, outgoing ones divided by c). Units are matched
layer by layer, each the best assignment given the others, until nothing changes (weight matching:
Ainsworth et al., "Git Re-Basin", ICLR 2023, section 3.2), here with the best scale of each unit.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from jaxtyping import Float, Float64, Int

from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.selection import ALIGNMENTS, ArrayWeights, Selection, select
from deep_learning_dynamics.store.schema import Parameters

if TYPE_CHECKING:
    import xarray as xr

SWEEPS = 100  # over all layers, at most
ENOUGH = 1e-4  # of the distance: a sweep that gains less is the last; five times as fast as 1e-12
LARGEST_SCALE = 1e3  # of a unit; a unit without outgoing weights has no best one


@dataclass(frozen=True)
class Layer:
    """One affine map: where its matrix [outputs, inputs] and its biases lie in the vector."""

    weights: slice
    biases: slice | None
    outputs: int
    inputs: int


@dataclass(frozen=True)
class Perceptron:
    """A stack of layers with hidden units between them."""

    layers: tuple[Layer, ...]
    rescales: bool  # whether the activation is relu, whose units can be rescaled

    @classmethod
    def of(cls, parameters: Parameters, activation: str = "") -> "Perceptron":
        """Read the layers from a table of parameters.

        Raises:
            StoreError: the parameters are not those of a stack of fully connected layers.
        """
        layers = []
        for owner, positions in parameters.layers().items():
            matrices = [p for p in positions if len(parameters.shapes[p]) == 2]
            vectors = [p for p in positions if len(parameters.shapes[p]) == 1]
            if len(matrices) != 1 or len(matrices) + len(vectors) != len(positions):
                raise _no_perceptron(f"{owner} is no fully connected layer")
            outputs, inputs = parameters.shapes[matrices[0]]
            biases = [p for p in vectors if parameters.shapes[p] == (outputs,)]
            if len(biases) != len(vectors) or len(biases) > 1:
                raise _no_perceptron(f"{owner} has more than weights and biases")
            if layers and layers[-1].outputs != inputs:
                raise _no_perceptron(
                    f"{owner} has {inputs} inputs after {layers[-1].outputs} units"
                )
            span = slice(parameters.starts[matrices[0]], parameters.stops[matrices[0]])
            bias = (
                slice(parameters.starts[biases[0]], parameters.stops[biases[0]]) if biases else None
            )
            layers.append(Layer(span, bias, outputs, inputs))
        return cls(tuple(layers), activation == "relu")

    @property
    def hidden(self) -> tuple[int, ...]:
        """Units of each hidden layer."""
        return tuple(layer.outputs for layer in self.layers[:-1])

    def incoming(
        self, weights: Float[np.ndarray, " weight"], layer: int
    ) -> Float64[np.ndarray, "unit incoming"]:
        """What leads into each unit of a hidden layer: its weights and its bias."""
        mine = self.layers[layer]
        matrix = weights[mine.weights].reshape(mine.outputs, mine.inputs).astype(np.float64)
        if mine.biases is None:
            return matrix
        return np.column_stack([matrix, weights[mine.biases]])

    def outgoing(
        self, weights: Float[np.ndarray, " weight"], layer: int
    ) -> Float64[np.ndarray, "unit outgoing"]:
        """What leads away from each unit of a hidden layer."""
        following = self.layers[layer + 1]
        matrix = weights[following.weights].reshape(following.outputs, following.inputs)
        return matrix.T.astype(np.float64)


@dataclass(frozen=True)
class Alignment:
    """Which unit takes each place of each hidden layer, and by what it is multiplied."""

    order: tuple[Int[np.ndarray, " _"], ...]  # units of each hidden layer
    scales: tuple[Float64[np.ndarray, " _"], ...]

    @classmethod
    def identity(cls, perceptron: Perceptron) -> "Alignment":
        return cls(
            tuple(np.arange(units) for units in perceptron.hidden),
            tuple(np.ones(units) for units in perceptron.hidden),
        )

    def apply(
        self, perceptron: Perceptron, weights: Float[np.ndarray, "*row weight"]
    ) -> Float[np.ndarray, "*row weight"]:
        """The same functions in other coordinates; weights may have axes in front."""
        aligned = weights.astype(np.float64)
        for number, layer in enumerate(perceptron.layers):
            shape = (*weights.shape[:-1], layer.outputs, layer.inputs)
            matrix = aligned[..., layer.weights].reshape(shape)
            if number > 0:
                matrix = matrix[..., self.order[number - 1]] / self.scales[number - 1]
            if number < len(self.order):
                order, scales = self.order[number], self.scales[number]
                matrix = matrix[..., order, :] * scales[:, None]
                if layer.biases is not None:
                    biases = aligned[..., layer.biases]
                    aligned[..., layer.biases] = biases[..., order] * scales
            aligned[..., layer.weights] = matrix.reshape(*weights.shape[:-1], -1)
        return aligned.astype(weights.dtype)


def align(
    weights: Float[np.ndarray, " weight"],
    reference: Float[np.ndarray, " weight"],
    perceptron: Perceptron,
) -> Alignment:
    """The alignment that brings a network closest to another.

    Each hidden layer in turn gets the best assignment and scales given the others, which never
    increases the distance, from two starts: as the network is, and matched from the first layer
    on by incoming weights alone, which finds a permuted and rescaled copy exactly.
    """
    found = [
        _descend(start, weights, reference, perceptron)
        for start in (
            Alignment.identity(perceptron),
            _matched_forwards(weights, reference, perceptron),
        )
    ]
    return min(found, key=lambda each: each[1])[0]


def _matched_forwards(
    weights: Float[np.ndarray, " weight"],
    reference: Float[np.ndarray, " weight"],
    perceptron: Perceptron,
) -> Alignment:
    from scipy.optimize import linear_sum_assignment

    alignment = Alignment.identity(perceptron)
    for number in range(len(perceptron.hidden)):
        mine = perceptron.incoming(alignment.apply(perceptron, weights), number)
        theirs = perceptron.incoming(reference, number)
        norms = [np.maximum(np.linalg.norm(each, axis=1), 1e-300) for each in (theirs, mine)]
        products = theirs @ mine.T
        if perceptron.rescales:
            similarity = products / norms[0][:, None] / norms[1]
        else:
            similarity = 2 * products - norms[1] ** 2
        places, units = linear_sum_assignment(similarity, maximize=True)
        scales = np.ones(len(units))
        if perceptron.rescales:
            scales = np.clip(norms[0][places] / norms[1][units], 1 / LARGEST_SCALE, LARGEST_SCALE)
        alignment = _with_layer(alignment, number, units, scales)
    return alignment


def _descend(
    alignment: Alignment,
    weights: Float[np.ndarray, " weight"],
    reference: Float[np.ndarray, " weight"],
    perceptron: Perceptron,
) -> tuple[Alignment, float]:
    from scipy.optimize import linear_sum_assignment

    best = _distance(alignment, weights, reference, perceptron)
    for _ in range(SWEEPS):
        before = best
        for number in range(len(perceptron.hidden)):
            aligned = alignment.apply(perceptron, weights.astype(np.float64))
            costs, scales = _costs(aligned, reference, perceptron, number)
            places, units = linear_sum_assignment(costs)
            trial = _with_layer(alignment, number, units, scales[places, units])
            distance = _distance(trial, weights, reference, perceptron)
            if distance < best:
                alignment, best = trial, distance
        if best >= before * (1 - ENOUGH):
            break
    return alignment, best


def _with_layer(
    alignment: Alignment,
    layer: int,
    units: Int[np.ndarray, " unit"],
    scales: Float64[np.ndarray, " unit"],
) -> Alignment:
    """One more permutation and scaling of a layer that is aligned already."""
    order, factors = list(alignment.order), list(alignment.scales)
    order[layer] = alignment.order[layer][units]
    factors[layer] = alignment.scales[layer][units] * scales
    return Alignment(tuple(order), tuple(factors))


def _costs(
    aligned: Float64[np.ndarray, " weight"],
    reference: Float[np.ndarray, " weight"],
    perceptron: Perceptron,
    layer: int,
) -> tuple[Float64[np.ndarray, "place unit"], Float64[np.ndarray, "place unit"]]:
    """What the squared distance changes by if a unit takes a place, and the scale that makes it
    least."""
    incoming = [perceptron.incoming(each, layer) for each in (reference, aligned)]
    outgoing = [perceptron.outgoing(each, layer) for each in (reference, aligned)]
    into, away = ((pair[1] ** 2).sum(axis=1) for pair in (incoming, outgoing))
    with_into, with_away = (pair[0] @ pair[1].T for pair in (incoming, outgoing))
    scales = np.ones_like(with_into)
    if perceptron.rescales:
        scales = _best_scales(into, with_into, away, with_away)
    return _change(scales, into, with_into, away, with_away), scales


def _best_scales(
    into: Float64[np.ndarray, " unit"],
    with_into: Float64[np.ndarray, "place unit"],
    away: Float64[np.ndarray, " unit"],
    with_away: Float64[np.ndarray, "place unit"],
) -> Float64[np.ndarray, "place unit"]:
    """The scale c with the least |c a − a'|² + |b / c − b'|²: a root of a quartic.

    The derivative times c³ / 2 is |a|² c⁴ − (a·a') c³ + (b·b') c − |b|².
    """
    leading = np.broadcast_to(
        np.maximum(into, 1e-12 * (into.max() + away.max() + 1e-300)), with_into.shape
    )
    coefficients = [-with_into / leading, np.zeros_like(with_into), with_away / leading]
    coefficients.append(-np.broadcast_to(away, with_into.shape) / leading)
    companion = np.zeros((*with_into.shape, 4, 4))
    companion[..., 1, 0] = companion[..., 2, 1] = companion[..., 3, 2] = 1
    for column, coefficient in enumerate(coefficients):
        companion[..., 0, column] = -coefficient
    roots = np.linalg.eigvals(companion)
    real = np.where(
        (np.abs(roots.imag) < 1e-7 * (1 + np.abs(roots))) & (roots.real > 0), roots.real, 1
    )
    candidates = np.clip(real, 1 / LARGEST_SCALE, LARGEST_SCALE)
    candidates = np.concatenate([candidates, np.ones((*with_into.shape, 1))], axis=-1)
    every = (each[..., None] for each in (into, with_into, away, with_away))
    values = _change(candidates, *every)
    return np.take_along_axis(candidates, values.argmin(axis=-1)[..., None], axis=-1)[..., 0]


def _change(
    scales: Float64[np.ndarray, "..."],
    into: Float64[np.ndarray, "..."],
    with_into: Float64[np.ndarray, "..."],
    away: Float64[np.ndarray, "..."],
    with_away: Float64[np.ndarray, "..."],
) -> Float64[np.ndarray, "..."]:
    """|c a − a'|² + |b / c − b'|², without |a'|² and |b'|², which do not depend on c."""
    return into * scales**2 - 2 * with_into * scales + away / scales**2 - 2 * with_away / scales


def _distance(
    alignment: Alignment,
    weights: Float[np.ndarray, " weight"],
    reference: Float[np.ndarray, " weight"],
    perceptron: Perceptron,
) -> float:
    aligned = alignment.apply(perceptron, weights.astype(np.float64))
    return float(np.linalg.norm(aligned - reference))


def _no_perceptron(found: str) -> StoreError:
    return StoreError(
        f"These networks cannot be aligned: {found}; expected a stack of fully connected layers. "
        "Set align to none."
    )


# Alignments of a whole selection


class _Aligned(ABC):
    """A way to align the paths of a selection; it takes the weights as a whole into memory."""

    key: ClassVar[str]
    title: ClassVar[str]

    @staticmethod
    @abstractmethod
    def each(
        perceptron: Perceptron,
        paths: Sequence[Float[np.ndarray, "snapshot weight"]],
        reference: Float[np.ndarray, "snapshot weight"],
    ) -> list[np.ndarray]:
        """The paths, aligned to one of them."""

    @classmethod
    def of(cls, runs: "xr.Dataset", selection: Selection) -> Selection:
        """The selection with its usable paths aligned to the first of them.

        Raises:
            StoreError: parameters have paths of their own, or networks are no perceptrons.
        """
        if "parameter" in selection.rows:
            raise StoreError(
                "Parameters on paths of their own cannot be aligned, as a permutation concerns "
                "several of them. Set align to none, or separately to false."
            )
        activation = str(runs.attrs.get("activation", ""))
        perceptron = Perceptron.of(Parameters.from_runs(runs), activation)
        whole = select(runs, "all", networks=list(dict.fromkeys(selection.rows["network"])))
        keys, wanted = (
            each.rows.set_index(["network", "snapshot"]).index for each in (whole, selection)
        )
        weights = np.array(whole.take(keys.get_indexer(wanted)).weights)
        sound = [rows for rows in selection.paths if selection.usable[rows].all()]
        if sound:
            found = cls.each(perceptron, [weights[rows] for rows in sound], weights[sound[0]])
            for rows, aligned in zip(sound, found, strict=True):
                weights[rows] = aligned
        columns = _columns(runs, selection)
        return replace(
            selection,
            weights=ArrayWeights(weights[:, columns], np.arange(len(weights))),
            description=f"{selection.description}, {cls.title}",
        )


@ALIGNMENTS.register
class Ends(_Aligned):
    """Every path aligned once, by its end, to the end of the first usable path."""

    key, title = "ends", "aligned by the ends of the trajectories"

    @staticmethod
    def each(
        perceptron: Perceptron,
        paths: Sequence[Float[np.ndarray, "snapshot weight"]],
        reference: Float[np.ndarray, "snapshot weight"],
    ) -> list[np.ndarray]:
        return [
            align(path[-1], reference[-1], perceptron).apply(perceptron, path) for path in paths
        ]


@ALIGNMENTS.register
class EverySnapshot(_Aligned):
    """Every snapshot aligned to the snapshot of the first usable path that is as far along."""

    key, title = "every_snapshot", "aligned snapshot by snapshot"

    @staticmethod
    def each(
        perceptron: Perceptron,
        paths: Sequence[Float[np.ndarray, "snapshot weight"]],
        reference: Float[np.ndarray, "snapshot weight"],
    ) -> list[np.ndarray]:
        aligned = []
        for path in paths:
            # Counted from the end: paths that begin with another network are longer in front.
            partners = np.maximum(np.arange(len(path)) + len(reference) - len(path), 0)
            rows = [
                align(row, reference[partner], perceptron).apply(perceptron, row)
                for row, partner in zip(path, partners, strict=True)
            ]
            aligned.append(np.stack(rows))
        return aligned


def _columns(runs: "xr.Dataset", selection: Selection) -> Int[np.ndarray, " column"]:
    """The selection's columns among all weights."""
    segments = getattr(selection.weights, "segments", None)
    if segments is None:
        return np.arange(runs.sizes["weight"])
    return np.concatenate([np.arange(part.start, part.stop) for part in segments[0]])
