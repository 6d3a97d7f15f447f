"""What a projection method is: its titles, settings and fit. Each method is a file of its own.

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

from deep_learning_dynamics.errors import ParamsError, ProjectionError, TooFewRowsError
from deep_learning_dynamics.projection.distances import squared_distances
from deep_learning_dynamics.projection.isometry import numbers_of_equal
from deep_learning_dynamics.quantities import Quantity, define
from deep_learning_dynamics.registry import Registry

METHODS: Registry[type["Method"]] = Registry(
    "method",
    "deep_learning_dynamics.projection",
    ("pca", "som", "autoencoder", "autoencoder_som", "autoencoder_tsne", "umap", "inpca"),
)

REACH = 1000.0  # × how far the farthest fitted row is from the mean

define(
    Quantity(
        "explained_variance",
        "explained variance",
        "%",
        "higher",
        "Share of the variance of the weights that can be rebuilt from the plane.",
    ),
    Quantity(
        "code_explained_variance",
        "explained variance of the code",
        "%",
        "higher",
        "Share of the variance of the weights that can be rebuilt from the autoencoder's code.",
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

    coordinates: Float[np.ndarray, "row 2"]
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
    def fit_rows(
        cls, vectors: Float[np.ndarray, "row component"], seed: int, settings: Any
    ) -> Fitted:
        """Fit on finite rows of at least two components, which fall in variance.

        They are all different, unless the method says otherwise with ``merges_equal_rows``.
        """

    @classmethod
    def fit(
        cls,
        vectors: Float[np.ndarray, "row component"],
        seed: int = 0,
        settings: Any = None,
    ) -> Fitted:
        """Fit on some rows; equal rows share a place.

        Args:
            seed: of all random streams of the method.
            settings: a ``Settings``, a mapping of some of its fields, or ``None``: defaults.

        Raises:
            ParamsError: a setting is not valid.
            ProjectionError: a row is not finite, or there are too few or too many of them.
        """
        from threadpoolctl import threadpool_limits

        settings = cls.settings(settings)
        _check_finite(cls, vectors)
        cls.check_rows(len(vectors))
        different, of_row = different_rows(vectors)
        if len(different) < cls.least_rows:
            raise TooFewRowsError(
                f"{cls.title} needs at least {cls.least_rows} different rows; found "
                f"{len(different)}. Keep more snapshots or select more networks."
            )
        different, every = _wide(different), _wide(vectors)
        # Matrices are small: threads would wait for each other most of the time, and one thread's
        # sums do not depend on the machine.
        with threadpool_limits(1, user_api="blas"):
            fitted = cls.fit_rows(different if cls.merges_equal_rows else every, seed, settings)
        if not cls.merges_equal_rows:
            # Products of matrices may round equal rows differently, depending on where they stand.
            _, first = np.unique(of_row, return_index=True)
            fitted = replace(fitted, coordinates=fitted.coordinates[first])
        placing = _Placing(cls, vectors.shape[1], different, fitted)
        return replace(fitted, coordinates=fitted.coordinates[of_row], transform=placing)

    @classmethod
    def settings(cls, given: Any = None) -> Any:
        """Settings from a mapping of some of them; the others have their defaults.

        Raises:
            ParamsError: a key is unknown or a value out of bounds.
        """
        if isinstance(given, cls.Settings):
            given = vars(given)
        given = {} if given is None else given
        if not isinstance(given, Mapping):
            raise ParamsError(f"Settings of {cls.key} are {given!r}; expected a mapping.")
        known = [each.name for each in fields(cls.Settings)]
        for name in given:
            if name not in known:
                raise ParamsError(
                    f"{cls.key} has no setting {name!r}; expected "
                    f"{', '.join(known) if known else 'none'}."
                )
        return _validated(cls, dict(given))

    @classmethod
    def distances(
        cls,
        vectors: Float[np.ndarray, "row component"],
        others: Float[np.ndarray, "other component"] | None = None,
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


@dataclass(frozen=True)
class _Placing:
    """Places further rows: those equal to a fitted one where that one is."""

    method: type[Method]
    width: int
    different: Float[np.ndarray, "fitted component"]
    fitted: Fitted

    def __call__(self, vectors: Float[np.ndarray, "row component"]) -> Float[np.ndarray, "row 2"]:
        if vectors.shape[1] != self.width:
            raise ProjectionError(
                f"Rows have {vectors.shape[1]} components; expected {self.width}, as those that "
                f"{self.method.title} was fitted on. Give rows of the same reduction."
            )
        _check_finite(self.method, vectors)
        together, of_row = different_rows(np.concatenate([self.different, _wide(vectors)]))
        count = len(self.different)
        places = self.fitted.coordinates
        if len(together) > count:
            places = np.concatenate([places, self.fitted.transform(together[count:])])
        return places[of_row[count:]]


def different_rows(
    vectors: Float[np.ndarray, "row component"],
) -> tuple[Float[np.ndarray, "different component"], Int[np.ndarray, " row"]]:
    """The different rows in the order in which they appear, and which of them each row is."""
    of_row = numbers_of_equal(vectors)
    _, first = np.unique(of_row, return_index=True)
    return vectors[first], of_row


def within_reach(
    vectors: Float[np.ndarray, "row component"], fitted: Float[np.ndarray, "fitted component"]
) -> Float[np.ndarray, "row component"]:
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


def _check_finite(method: type[Method], vectors: np.ndarray) -> None:
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise ProjectionError(
            f"{method.title} was given {int((~finite).sum())} rows that are not finite (the first "
            f"is row {int(finite.argmin())}); expected finite ones. Leave out networks that "
            "diverged."
        )


def _validated(method: type[Method], given: dict[str, Any]) -> Any:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(method.Settings).validate_python(given)
    except ValidationError as error:
        problems = []
        for each in error.errors():
            name = ".".join(str(part) for part in each["loc"])
            message = each["msg"].replace("Input should be", "expected a value")
            problems.append(f"{method.key}.{name} is {each['input']!r}; {message}.")
        problems.append(f"Set it in params.yaml (project.{method.key}) or in settings=.")
        raise ParamsError("\n".join(problems)) from None
