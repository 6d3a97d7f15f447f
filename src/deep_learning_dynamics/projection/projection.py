"""A projection: where a method puts the snapshots in the plane, and how far it can be trusted."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from deep_learning_dynamics.errors import ProjectionError, ResultsError
from deep_learning_dynamics.execution import one_thread
from deep_learning_dynamics.files import read_json, replacing, write_json
from deep_learning_dynamics.projection.method import METHODS, MapCells
from deep_learning_dynamics.projection.quality import Quality, assess
from deep_learning_dynamics.projection.reduction import Reduction, reduce
from deep_learning_dynamics.projection.refits import assess_robustness
from deep_learning_dynamics.projection.robustness import Robustness, RobustnessSettings
from deep_learning_dynamics.selection import Selection, paths_of, select


@dataclass(frozen=True)
class Projection:
    """What a method made of a selection of weights."""

    method: str
    # The selection's rows, and: fitted (bool), x, y, trust and continuity (0 to 1, of each row);
    # with robustness also spread_xx, spread_xy and spread_yy (covariance of its place over refits).
    # Rows that are not finite have no place (NaN).
    coordinates: pd.DataFrame
    quality: Quality
    robustness: Robustness | None
    cells: MapCells | None  # of a self-organising map
    settings: dict[str, Any]
    weights: int  # in each row; 0: rows are predictions
    titles: dict[str, dict[str, str]]  # of coordinate values, for display
    description: str  # "all weight matrices, without biases"

    @property
    def points(self) -> Float[np.ndarray, "row 2"]:
        """The rows' places, NaN where they have none."""
        return self.coordinates[["x", "y"]].to_numpy()

    def plot(self, color: str | None = None, width: float = 7.0, **options: Any) -> Any:
        """The paths as a matplotlib figure, coloured by a column of ``coordinates``."""
        from deep_learning_dynamics import figures

        return figures.paths(self, color=color, width=width, **options)

    def save(self, folder: Path | str) -> None:
        """Write the projection to a folder; identical projections give identical bytes."""
        content = {
            "method": self.method,
            "settings": self.settings,
            "weights": self.weights,
            "description": self.description,
            "titles": self.titles,
            "quality": self.quality.as_json(),
        }
        with replacing(Path(folder)) as partial:
            partial.mkdir()
            write_json(partial / "projection.json", content)
            self.coordinates.to_parquet(partial / "coordinates.parquet", index=False)
            if self.cells is not None:
                np.savez(partial / "cells.npz", **vars(self.cells))
            if self.robustness is not None:
                self.robustness.save(partial)

    @classmethod
    def load(cls, folder: Path | str) -> "Projection":
        """Read what :meth:`save` wrote.

        Raises:
            ResultsError: a file is missing or damaged.
        """
        folder = Path(folder)
        made_by = f"dvc repro project@{folder.name}"
        content = read_json(folder / "projection.json", made_by)
        try:
            return cls(
                method=content["method"],
                coordinates=pd.read_parquet(folder / "coordinates.parquet"),
                quality=Quality.from_json(content["quality"]),
                robustness=Robustness.load(folder),
                cells=_cells(folder / "cells.npz"),
                settings=content["settings"],
                weights=content["weights"],
                titles=content["titles"],
                description=content["description"],
            )
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise ResultsError(
                f"{folder} does not hold a whole projection ({error}). "
                f"Make it again with: {made_by}"
            ) from None


@one_thread()
def project(
    data: Any,
    method: str = "pca",
    *,
    settings: Any = None,
    seed: int = 0,
    robustness: bool | str | Mapping[str, Any] | RobustnessSettings = False,
    fit_on: str | None = None,
) -> Projection:
    """Project weights to the plane.

    Args:
        data: stores (opened, or their paths), a ``Selection`` or a ``Reduction``. Reduce once to
            project with several methods.
        method: a key of ``METHODS``.
        settings: those of the method's ``Settings`` that are not to be the default.
        seed: of all random streams.
        robustness: whether to refit the method with other seeds and without some networks, and to
            compare it with null models; or how: a preset's name, or settings.
        fit_on: the rows that the method is fitted on, as a pandas query of the table of rows
            (``"network == 'scratch-0'"``); the others are placed afterwards. Default: all. Rows of
            networks that diverged are never fitted.

    Raises:
        ProjectionError: there are too few or too many rows.
        ParamsError: the method or a setting is not known.
    """
    kind = METHODS[method]
    settings = kind.settings(settings)
    if isinstance(data, Reduction):
        reduction = data
    else:
        selection = data if isinstance(data, Selection) else select(data)
        kind.check_rows(int((selection.usable & _asked(fit_on, selection.rows)).sum()))
        reduction = reduce(selection)
    vectors, rows = reduction.seen_by(kind), reduction.rows
    placed = np.isfinite(vectors).all(axis=1)
    fitted = placed & rows["usable"].to_numpy(bool) & _asked(fit_on, rows)
    found = kind.fit(vectors[fitted], seed, settings)
    points = np.full((len(rows), 2), np.nan)
    points[fitted] = found.coordinates
    if (others := placed & ~fitted).any():
        points[others] = found.transform(vectors[others])
    shown = points[placed]
    paths = paths_of(rows[placed])
    assessment = assess(vectors[placed], shown, paths, found.properties, kind.distances)
    columns = np.full((len(rows), 4), np.nan)
    columns[placed] = np.c_[shown, assessment.trust, assessment.continuity]
    names = ("x", "y", "trust", "continuity")
    coordinates = rows.assign(fitted=fitted, **dict(zip(names, columns.T, strict=True)))
    projection = Projection(
        method=method,
        coordinates=coordinates,
        quality=assessment.quality,
        robustness=None,
        cells=found.cells,
        settings=vars(settings),
        weights=reduction.weights if kind.sees == "weights" else 0,
        titles=reduction.titles,
        description=reduction.description if kind.sees == "weights" else "predictions",
    )
    if robustness is False:
        return projection
    return assess_robustness(projection, reduction, robustness, seed)


def _asked(fit_on: str | None, rows: pd.DataFrame) -> Bool[np.ndarray, " row"]:
    if fit_on is None:
        return np.ones(len(rows), bool)
    try:
        return rows.eval(fit_on).to_numpy(bool)
    except Exception as error:
        raise ProjectionError(
            f"fit_on is {fit_on!r}, which is no query of the rows ({error}); expected one of the "
            f"columns {', '.join(rows.columns)}, such as \"network == 'scratch-0'\"."
        ) from None


def _cells(path: Path) -> MapCells | None:
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as file:
        return MapCells(file["centres"], file["distances"], int(file["rows"]), int(file["columns"]))
