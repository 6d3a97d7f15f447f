"""The self-organising map: a sheet of cells bent through the data, each row shown in its cell."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field

from deep_learning_dynamics.projection.distances import Points, Vectors
from deep_learning_dynamics.projection.method import METHODS, Fitted, MapCells, Method
from deep_learning_dynamics.projection.pca import principal_plane
from deep_learning_dynamics.seeds import generator

INSIDE = 0.45  # how far from a centre its rows lie at most; cells reach to 0.5


@METHODS.register
class SelfOrganisingMap(Method):
    """A hexagonal map (Kohonen, 1982) whose sheet starts on the plane of the principal components.

    The batch rule involves no chance; the online rule shows rows one by one in random order.
    """

    key, title, axes = "som", "Self-organising map", ("map column", "map row")
    reads = "Neighbouring cells hold similar weights, and shading shows how far apart cells are."
    cautions = (
        "Lengths and angles: every cell is drawn equally large, however far apart weights are."
    )

    @dataclass(frozen=True)
    class Settings:
        """The size of the map and how it learns."""

        rows: Annotated[int, Field(ge=2, le=64)] = 20
        columns: Annotated[int, Field(ge=2, le=64)] = 20
        rule: Literal["batch", "online"] = "batch"
        radius: Annotated[float, Field(ge=1, le=64)] = 5.0  # in cells, falling to 1
        epochs: Annotated[int, Field(ge=1, le=10_000)] = 60  # of the batch rule
        updates: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000  # of the online rule
        learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.5  # of the online rule, falling to 0

    @classmethod
    def uses_chance(cls, settings: Any) -> bool:
        return settings.rule == "online"

    @classmethod
    def fit_rows(cls, vectors: Vectors, seed: int, settings: Any) -> Fitted:
        """Learn the codebook; ``settings`` are those of a map, of this method or another."""
        from deep_learning_dynamics.projection import som_training

        centres = hexagonal_centres(settings.rows, settings.columns)
        apart = ((centres[:, None] - centres) ** 2).sum(axis=2)
        codebook = plane_start(vectors, centres)
        radius = min(settings.radius, float(np.hypot(settings.rows, settings.columns)))
        if settings.rule == "batch":
            radii = np.linspace(radius, 1, settings.epochs)
            single = [each.astype(np.float32) for each in (codebook, vectors)]
            codebook = som_training.train_batch(*single, apart, radii).astype(np.float64)
        else:
            updates = np.arange(settings.updates)
            order = generator(seed, "som").permutation(updates % len(vectors))
            falling = 1 - updates / settings.updates
            rates, radii = settings.learning_rate * falling, 1 + (radius - 1) * falling
            codebook = som_training.train_online(codebook, vectors, order, apart, rates, radii)
        sheet = TrainedMap(codebook, centres)
        return Fitted(
            coordinates=sheet.places(vectors),
            transform=sheet.places,
            properties=sheet.errors(vectors),
            cells=MapCells(centres, sheet.distances(), settings.rows, settings.columns),
        )


@dataclass(frozen=True)
class TrainedMap:
    """A map that has learnt."""

    codebook: Float[np.ndarray, "unit component"]
    centres: Float[np.ndarray, "unit 2"]

    def places(self, vectors: Vectors) -> Points:
        """Each row inside the cell of its best-matching unit.

        Where inside follows from the sheet around the unit: the row is projected onto the plane
        through the codebook vectors of the unit and its neighbours.
        """
        units = self.nearest(vectors, 1)[:, 0]
        places = self.centres[units]
        for unit in np.unique(units).tolist():
            mine, around = units == unit, self.neighbours(unit)
            steps = self.centres[around] - self.centres[unit]
            # The sheet's slope at the unit, by least squares, and the step on it towards a row.
            slope = np.linalg.pinv(steps) @ (self.codebook[around] - self.codebook[unit])
            inside = (vectors[mine] - self.codebook[unit]) @ np.linalg.pinv(slope)
            far = np.linalg.norm(inside, axis=1, keepdims=True)
            places[mine] += inside * (INSIDE * np.tanh(far / INSIDE) / np.maximum(far, 1e-300))
        return places

    def nearest(self, vectors: Vectors, count: int) -> Int[np.ndarray, "row rank"]:
        """The units nearest to each row, nearest first."""
        origin = self.codebook.mean(axis=0)
        codebook = self.codebook - origin
        squared = np.einsum("uc,uc->u", codebook, codebook)
        distances = squared - 2 * ((vectors - origin) @ codebook.T)
        return np.argsort(distances, axis=1, kind="stable")[:, :count]

    def neighbours(self, unit: int) -> Int[np.ndarray, " neighbour"]:
        """The units whose centres are 1 apart from that of a unit."""
        apart = np.linalg.norm(self.centres - self.centres[unit], axis=1)
        return np.flatnonzero((apart > 0) & (apart < 1.5))

    def distances(self) -> Float[np.ndarray, " unit"]:
        """The u-matrix (Ultsch & Siemon, 1990): each unit's mean distance to its neighbours."""
        apart = (
            np.linalg.norm(self.codebook[self.neighbours(unit)] - vector, axis=1)
            for unit, vector in enumerate(self.codebook)
        )
        return np.array([each.mean() for each in apart])

    def errors(self, vectors: Vectors) -> dict[str, float]:
        """Quantisation error (Kohonen, 2001) and topographic error (Kiviluoto, 1996)."""
        first, second = self.nearest(vectors, 2).T
        apart = np.linalg.norm(self.centres[first] - self.centres[second], axis=1)
        lengths = np.linalg.norm(vectors - self.codebook[first], axis=1)
        return {
            "quantisation_error": float(lengths.mean()),
            "topographic_error": float((apart > 1.5).mean()),
        }


def hexagonal_centres(rows: int, columns: int) -> Float[np.ndarray, "unit 2"]:
    """Centres of the units, neighbours 1 apart, column by column; every other row is shifted."""
    column, row = np.meshgrid(np.arange(columns), np.arange(rows), indexing="ij")
    shifted = (rows - 1 - row) % 2 == 0  # minisom's lattice: the last row is
    return np.column_stack([(column - 0.5 * shifted).ravel(), (row * np.sqrt(3) / 2).ravel()])


def plane_start(
    vectors: Vectors, centres: Float[np.ndarray, "unit 2"]
) -> Float[np.ndarray, "unit component"]:
    """A codebook on the plane of the first two principal components.

    It reaches from −2 to 2 standard deviations: the sheet covers most rows from the start.
    """
    mean, axes = principal_plane(vectors)
    spread = ((vectors - mean) @ axes).std(axis=0)
    middle = (centres.max(axis=0) + centres.min(axis=0)) / 2
    half = (centres.max(axis=0) - centres.min(axis=0)) / 2
    return mean + ((centres - middle) / half * 2 * spread) @ axes.T
