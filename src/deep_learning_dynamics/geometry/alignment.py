"""Alignment: the symmetries of a multilayer perceptron taken out before networks are compared.

Two networks that compute the same function can lie far apart: hidden units can be permuted, and
units of relu rescaled (incoming weights times c, outgoing ones divided by c). Units are matched
layer by layer, each the best assignment given the others, until nothing changes (weight matching:
Ainsworth et al., "Git Re-Basin", ICLR 2023, section 3.2), here with the best scale of each unit.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from jaxtyping import Float, Float64, Int

from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.selection import ALIGNMENTS, ArrayWeights, Selection, select
from deep_learning_dynamics.store.schema import Parameters

if TYPE_CHECKING:
    import xarray as xr

Weights = Float[np.ndarray, " weight"]
OfUnits = Float64[np.ndarray, "place unit"]  # what fits a unit to each place

SWEEPS = 100  # over all layers, at most
ENOUGH = 1e-4  # of the distance: a sweep that gains less is the last; five times as fast as 1e-12
LARGEST_SCALE = 1e3  # of a unit; a unit without outgoing weights has no best one


@dataclass(frozen=True)
class AffineMap:
    """One affine map: where its matrix [outputs, inputs] and its biases lie in the vector."""

    weights: slice
    biases: slice | None
    outputs: int
    inputs: int

    def matrix(self, weights: Float[np.ndarray, "*row weight"]) -> np.ndarray:
        """[*row, output, input]."""
        shape = (*weights.shape[:-1], self.outputs, self.inputs)
        return weights[..., self.weights].reshape(shape)


@dataclass(frozen=True)
class Perceptron:
    """A stack of layers with hidden units between them."""

    layers: tuple[AffineMap, ...]
    rescales: bool  # whether the activation is relu, whose units can be rescaled

    @classmethod
    def of(cls, parameters: Parameters, activation: str = "") -> "Perceptron":
        """Read the layers from a table of parameters.

        Raises:
            StoreError: the parameters are not those of a stack of fully connected layers.
        """
        layers: list[AffineMap] = []
        for owner, positions in parameters.layers().items():
            shapes = {parameters.names[p]: parameters.shapes[p] for p in positions}
            matrices = [name for name, shape in shapes.items() if len(shape) == 2]
            biases = [name for name in shapes if name not in matrices]
            outputs, inputs = shapes[matrices[0]] if matrices else (0, 0)
            problem = ""
            if len(matrices) != 1 or [shapes[name] for name in biases] not in ([], [(outputs,)]):
                problem = "is no fully connected layer"
            elif layers and layers[-1].outputs != inputs:
                problem = f"has {inputs} inputs after {layers[-1].outputs} units"
            if problem:
                raise StoreError(
                    f"These networks cannot be aligned: {owner} {problem}; expected a stack of "
                    "fully connected layers. Set align to none."
                )
            weights, *bias = (parameters.slice(name) for name in (*matrices, *biases))
            layers.append(AffineMap(weights, bias[0] if bias else None, outputs, inputs))
        return cls(tuple(layers), activation == "relu")

    @classmethod
    def of_runs(cls, runs: "xr.Dataset") -> "Perceptron":
        """Read the layers of a store's networks."""
        return cls.of(Parameters.from_runs(runs), str(runs.attrs.get("activation", "")))

    @property
    def hidden(self) -> tuple[int, ...]:
        """Units of each hidden layer."""
        return tuple(layer.outputs for layer in self.layers[:-1])

    def incoming(self, weights: Weights, layer: int) -> Float64[np.ndarray, "unit incoming"]:
        """What leads into each unit of a hidden layer: its weights and its bias."""
        mine = self.layers[layer]
        matrix = mine.matrix(weights).astype(np.float64)
        return matrix if mine.biases is None else np.c_[matrix, weights[mine.biases]]

    def outgoing(self, weights: Weights, layer: int) -> Float64[np.ndarray, "unit outgoing"]:
        """What leads away from each unit of a hidden layer."""
        return self.layers[layer + 1].matrix(weights).T.astype(np.float64)


@dataclass(frozen=True)
class Alignment:
    """Which unit takes each place of each hidden layer, and by what it is multiplied."""

    order: tuple[Int[np.ndarray, " _"], ...]  # units of each hidden layer
    scales: tuple[Float64[np.ndarray, " _"], ...]

    @classmethod
    def identity(cls, perceptron: Perceptron) -> "Alignment":
        units = perceptron.hidden
        return cls(tuple(map(np.arange, units)), tuple(map(np.ones, units)))

    def then(
        self, layer: int, units: Int[np.ndarray, " unit"], scales: Float64[np.ndarray, " unit"]
    ) -> "Alignment":
        """One more permutation and scaling of a layer that is aligned already."""
        order, factors = list(self.order), list(self.scales)
        order[layer] = self.order[layer][units]
        factors[layer] = self.scales[layer][units] * scales
        return Alignment(tuple(order), tuple(factors))

    def apply(
        self, perceptron: Perceptron, weights: Float[np.ndarray, "*row weight"]
    ) -> Float[np.ndarray, "*row weight"]:
        """The same functions in other coordinates; weights may have axes in front."""
        aligned = weights.astype(np.float64)
        for number, layer in enumerate(perceptron.layers):
            matrix = layer.matrix(aligned)
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


def align(weights: Weights, reference: Weights, perceptron: Perceptron) -> Alignment:
    """The alignment that brings a network closest to another.

    Each hidden layer in turn gets the best assignment and scales given the others, which never
    increases the distance, from two starts: as the network is, and matched from the first layer
    on by incoming weights alone, which finds a permuted and rescaled copy exactly.
    """
    matching = _Matching(weights, reference, perceptron)
    starts = Alignment.identity(perceptron), matching.forwards()
    return min(map(matching.descended, starts), key=lambda found: found[1])[0]


@dataclass(frozen=True)
class _Matching:
    """A network that is brought close to another."""

    weights: Weights
    reference: Weights
    perceptron: Perceptron

    def forwards(self) -> Alignment:
        """Each layer matched by its incoming weights, from the first layer on."""
        from scipy.optimize import linear_sum_assignment

        perceptron, rescales = self.perceptron, self.perceptron.rescales
        alignment = Alignment.identity(perceptron)
        for number in range(len(perceptron.hidden)):
            mine = perceptron.incoming(alignment.apply(perceptron, self.weights), number)
            theirs = perceptron.incoming(self.reference, number)
            norms = [np.maximum(np.linalg.norm(each, axis=1), 1e-300) for each in (theirs, mine)]
            products = theirs @ mine.T
            if rescales:
                similarity = products / norms[0][:, None] / norms[1]
            else:
                similarity = 2 * products - norms[1] ** 2
            places, units = linear_sum_assignment(similarity, maximize=True)
            scales = np.ones(len(units))
            if rescales:
                scales = _limited(norms[0][places] / norms[1][units])
            alignment = alignment.then(number, units, scales)
        return alignment

    def descended(self, alignment: Alignment) -> tuple[Alignment, float]:
        """The best alignment that is found from a start, and the distance that it leaves."""
        from scipy.optimize import linear_sum_assignment

        best = self._distance(alignment)
        for _ in range(SWEEPS):
            before = best
            for number in range(len(self.perceptron.hidden)):
                costs, scales = self._costs(alignment, number)
                places, units = linear_sum_assignment(costs)
                trial = alignment.then(number, units, scales[places, units])
                distance = self._distance(trial)
                if distance < best:
                    alignment, best = trial, distance
            if best >= before * (1 - ENOUGH):
                break
        return alignment, best

    def _aligned(self, alignment: Alignment) -> Float64[np.ndarray, " weight"]:
        return alignment.apply(self.perceptron, self.weights.astype(np.float64))

    def _distance(self, alignment: Alignment) -> float:
        return float(np.linalg.norm(self._aligned(alignment) - self.reference))

    def _costs(self, alignment: Alignment, layer: int) -> tuple[OfUnits, OfUnits]:
        """What the squared distance changes by if a unit takes a place, and the scale that makes
        it least."""
        both = self.reference, self._aligned(alignment)
        incoming = [self.perceptron.incoming(each, layer) for each in both]
        outgoing = [self.perceptron.outgoing(each, layer) for each in both]
        into, away = ((pair[1] ** 2).sum(axis=1) for pair in (incoming, outgoing))
        with_into, with_away = (pair[0] @ pair[1].T for pair in (incoming, outgoing))
        terms = [
            np.broadcast_to(each, with_into.shape) for each in (into, with_into, away, with_away)
        ]
        scales = _best_scales(*terms) if self.perceptron.rescales else np.ones_like(with_into)
        return _change(scales, *terms), scales


def _best_scales(into: OfUnits, with_into: OfUnits, away: OfUnits, with_away: OfUnits) -> OfUnits:
    """The scale c with the least |c a − a'|² + |b / c − b'|²: a root of a quartic.

    The derivative times c³ / 2 is |a|² c⁴ − (a·a') c³ + (b·b') c − |b|².
    """
    leading = np.maximum(into, 1e-12 * (into.max() + away.max() + 1e-300))
    companion = np.zeros((*into.shape, 4, 4))
    companion[..., 1, 0] = companion[..., 2, 1] = companion[..., 3, 2] = 1
    companion[..., 0, 0] = with_into / leading
    companion[..., 0, 2] = -(with_away / leading)
    companion[..., 0, 3] = away / leading
    roots = np.linalg.eigvals(companion)
    is_real = (np.abs(roots.imag) < 1e-7 * (1 + np.abs(roots))) & (roots.real > 0)
    candidates = _limited(np.where(is_real, roots.real, 1))
    candidates = np.concatenate([candidates, np.ones((*into.shape, 1))], axis=-1)
    terms = (each[..., None] for each in (into, with_into, away, with_away))
    values = _change(candidates, *terms)
    return np.take_along_axis(candidates, values.argmin(axis=-1)[..., None], axis=-1)[..., 0]


def _change(scales: np.ndarray, *terms: np.ndarray) -> np.ndarray:
    """|c a − a'|² + |b / c − b'|², without |a'|² and |b'|², which do not depend on c."""
    into, with_into, away, with_away = terms
    return into * scales**2 - 2 * with_into * scales + away / scales**2 - 2 * with_away / scales


def _limited(scales: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    return np.clip(scales, 1 / LARGEST_SCALE, LARGEST_SCALE)


# Alignments of a whole selection

Snapshots = Float[np.ndarray, "snapshot weight"]


class _Aligned:
    """A way to align the paths of a selection; it takes the weights as a whole into memory."""

    key: ClassVar[str]
    title: ClassVar[str]

    @staticmethod
    def path(perceptron: Perceptron, path: Snapshots, reference: np.ndarray) -> Snapshots:
        """A path, aligned to another one."""
        raise NotImplementedError

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
        perceptron = Perceptron.of_runs(runs)
        whole = select(runs, "all", networks=list(dict.fromkeys(selection.rows["network"])))
        keys, wanted = (
            each.rows.set_index(["network", "snapshot"]).index for each in (whole, selection)
        )
        weights = np.array(whole.take(keys.get_indexer(wanted)).weights)
        sound = [rows for rows in selection.paths if selection.usable[rows].all()]
        reference = weights[sound[0]] if sound else None
        for rows in sound:
            weights[rows] = cls.path(perceptron, weights[rows], reference)
        (segments,) = selection.weights.segments  # the selected columns among all weights
        columns = np.concatenate([np.arange(each.start, each.stop) for each in segments])
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
    def path(perceptron: Perceptron, path: Snapshots, reference: np.ndarray) -> Snapshots:
        return align(path[-1], reference[-1], perceptron).apply(perceptron, path)


@ALIGNMENTS.register
class EverySnapshot(_Aligned):
    """Every snapshot aligned to the snapshot of the first usable path that is as far along."""

    key, title = "every_snapshot", "aligned snapshot by snapshot"

    @staticmethod
    def path(perceptron: Perceptron, path: Snapshots, reference: np.ndarray) -> Snapshots:
        # Counted from the end: paths that begin with another network are longer in front.
        partners = np.maximum(np.arange(len(path)) + len(reference) - len(path), 0)
        return np.stack(
            [
                align(row, reference[partner], perceptron).apply(perceptron, row)
                for row, partner in zip(path, partners, strict=True)
            ]
        )
