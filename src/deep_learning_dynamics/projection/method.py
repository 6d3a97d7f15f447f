"""What a projection method is: its titles, settings and fit.

A method sees *vectors*: rows along their principal axes (``Reduction.vectors``), whose pairwise
distances are those of the weights, or the roots of what they predict (``Reduction.roots``). It
returns a place in the plane for each of them, and a function that places further rows.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from pydantic import TypeAdapter, ValidationError

from deep_learning_dynamics.errors import ParamsError, ProjectionError, TooFewRowsError
from deep_learning_dynamics.execution import one_thread
from deep_learning_dynamics.projection.distances import Points, Vectors, squared_distances
from deep_learning_dynamics.projection.isometry import numbers_of_equal
from deep_learning_dynamics.quantities import Quantity, define
from deep_learning_dynamics.registry import Registry

METHODS: Registry[type["Method"]] = Registry(
    "method",
    "deep_learning_dynamics.projection",
    ("pca", "som", "autoencoder", "umap", "inpca"),
)

REACH = 1000.0  # × how far the farthest fitted row is from the mean

define(
    Quantity(
        "explained_variance",
        "explained variance",
        "%",
        "higher",
        "Share of the variance of the fitted weights that can be rebuilt from the plane.",
    ),
    Quantity(
        "code_explained_variance",
        "explained variance of the code",
        "%",
        "higher",
        "Share of the variance of the fitted weights that can be rebuilt from the autoencoder's "
        "code.",
    ),
    Quantity(
        "quantisation_error",
        "quantisation error",
        "",
        "lower",
        "Mean distance from a snapshot to the unit of the map that it belongs to.",
    ),
    Quantity(
        "topographic_error",
        "topographic error",
        "%",
        "lower",
        "Share of snapshots whose two nearest units are not neighbours on the map.",
    ),
)


@dataclass(frozen=True)
class MapCells:
    """The cells of a self-organising map, in the plane of its projection."""

    centres: Float[np.ndarray, "unit 2"]  # neighbouring centres are 1 apart
    distances: Float[np.ndarray, " unit"]  # mean distance to neighbours' codebook vectors
    rows: int
    columns: int


@dataclass(frozen=True)
class Fitted:
    """What a method made of the rows it was fitted on."""

    coordinates: Points
    transform: Callable[[np.ndarray], np.ndarray]  # vectors [row, component] to places [row, 2]
    properties: dict[str, float] = field(default_factory=dict)  # by the keys of quantities
    cells: MapCells | None = None


class Method(ABC):
    """A way to project rows to the plane; a subclass registers itself with ``METHODS.register``.

    Subclasses write :meth:`fit_rows`; everybody else calls :meth:`fit`.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    axes: ClassVar[tuple[str, str]]
    reads: ClassVar[str]  # one sentence: what may be read from the picture
    cautions: ClassVar[str]  # one sentence: what may not
    least_rows: ClassVar[int] = 3  # different ones
    most_rows: ClassVar[int | None] = None  # beyond which a fit takes unreasonably long
    merges_equal_rows: ClassVar[bool] = True  # whether rows that are equal are fitted once
    sees: ClassVar[Literal["weights", "predictions"]] = "weights"

    @dataclass(frozen=True)
    class Settings:
        """Fields with defaults; ``Annotated[int, Field(ge=1)]`` states their bounds."""

    @classmethod
    @abstractmethod
    def fit_rows(cls, vectors: Vectors, seed: int, settings: Any) -> Fitted:
        """Fit on finite rows of at least two components, which fall in variance.

        They are all different, unless the method says otherwise with ``merges_equal_rows``.
        """

    @classmethod
    @one_thread()
    def fit(cls, vectors: Vectors, seed: int = 0, settings: Any = None) -> Fitted:
        """Fit on some rows, all of them finite; equal rows share a place.

        Args:
            seed: of all random streams of the method.
            settings: a ``Settings``, a mapping of some of its fields, or ``None``: defaults.

        Raises:
            ParamsError: a setting is not valid.
            ProjectionError: there are too few or too many rows.
        """
        settings = cls.settings(settings)
        cls.check_rows(len(vectors))
        different, of_row = different_rows(_wide(vectors))
        if len(different) < cls.least_rows:
            raise TooFewRowsError(
                f"{cls.title} needs at least {cls.least_rows} different rows; found "
                f"{len(different)}. Keep more snapshots or select more networks."
            )
        rows = different if cls.merges_equal_rows else _wide(vectors)
        fitted = cls.fit_rows(rows, seed, settings)
        places = fitted.coordinates  # of the different rows
        if not cls.merges_equal_rows:
            # Products of matrices may round equal rows differently, depending on where they stand.
            places = places[np.unique(of_row, return_index=True)[1]]

        def transform(vectors: Vectors) -> Points:
            """Places of further rows; those equal to a fitted row are where that one is."""
            together, which = different_rows(np.concatenate([different, _wide(vectors)]))
            new = together[len(different) :]
            found = np.concatenate([places, fitted.transform(new)]) if len(new) else places
            return found[which[len(different) :]]

        return replace(fitted, coordinates=places[of_row], transform=transform)

    @classmethod
    def settings(cls, given: Any = None) -> Any:
        """Settings from a mapping of some of them; the others have their defaults.

        Raises:
            ParamsError: a key is unknown or a value out of bounds.
        """
        remedy = f"Set it in params.yaml (project.{cls.key}) or in settings=."
        return read_settings(cls.Settings, {} if given is None else given, cls.key, remedy)

    @classmethod
    def distances(
        cls, vectors: Vectors, others: Float[np.ndarray, "other component"] | None = None
    ) -> Float[np.ndarray, "row other"]:
        """What the plane should keep the order of: here squared distances between weights."""
        return squared_distances(vectors, others)

    @classmethod
    def uses_chance(cls, settings: Any) -> bool:
        """Whether another seed may give another projection."""
        return True

    @classmethod
    def check_rows(cls, rows: int) -> None:
        """
        Raises:
            ProjectionError: there are more rows than the method can take in reasonable time.
        """
        if cls.most_rows is not None and rows > cls.most_rows:
            raise ProjectionError(
                f"{cls.title} would be fitted on {rows:,} rows; expected at most "
                f"{cls.most_rows:,}, as it takes too long beyond. Take fewer snapshots of each "
                "network (view.snapshots), fit on some of the networks, or leave the method "
                f"{cls.key} out of project.methods."
            )


def read_settings(kind: type, given: Any, name: str, remedy: str) -> Any:
    """Settings (a dataclass with defaults) from some of their fields.

    Raises:
        ParamsError: a key is unknown or a value out of bounds; the last line is the remedy.
    """
    given = vars(given) if isinstance(given, kind) else given
    if not isinstance(given, Mapping):
        raise ParamsError(f"{name} is {given!r}; expected a mapping of settings.")
    known = [each.name for each in fields(kind)]
    for key in given:
        if key not in known:
            expected = ", ".join(known) or "none"
            raise ParamsError(f"{name} has no setting {key!r}; expected {expected}.")
    try:
        return TypeAdapter(kind).validate_python(dict(given))
    except ValidationError as error:
        problems = []
        for each in error.errors():
            key = ".".join(str(part) for part in (name, *each["loc"]))
            message = each["msg"].replace("Input should be", "expected a value")
            problems.append(f"{key} is {each['input']!r}; {message}.")
        raise ParamsError("\n".join([*problems, remedy])) from None


def different_rows(
    vectors: Vectors,
) -> tuple[Float[np.ndarray, "different component"], Int[np.ndarray, " row"]]:
    """The different rows in the order in which they appear, and which of them each row is."""
    of_row = numbers_of_equal(vectors)
    _, first = np.unique(of_row, return_index=True)
    return vectors[first], of_row


def within_reach(vectors: Vectors, fitted: Float[np.ndarray, "fitted component"]) -> Vectors:
    """The rows, those that a divergence took very far off moved straight towards the fitted ones.

    Single precision holds their squares then, and they keep their nearest fitted rows up to one
    part in ``REACH``.
    """
    mean = fitted.mean(axis=0)
    away = vectors - mean
    largest = np.maximum(np.abs(away).max(axis=1), 1e-300)
    far = largest * np.linalg.norm(away / largest[:, None], axis=1)  # no square may overflow
    most = REACH * np.linalg.norm(fitted - mean, axis=1).max()
    share = most / np.maximum(far, most)
    beyond: Bool[np.ndarray, " row"] = share < 1
    # Rows within reach stay what they are, without a rounding.
    return np.where(beyond[:, None], mean + share[:, None] * away, vectors)


def _wide(vectors: np.ndarray) -> np.ndarray:
    """With two components at least: rows on a line lie in a plane, too."""
    return np.pad(vectors, ((0, 0), (0, max(0, 2 - vectors.shape[1]))))
