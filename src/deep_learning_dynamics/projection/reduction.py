"""The reduction: rows of weights as short vectors with the same distances, once for all methods."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float64

from deep_learning_dynamics import predictions
from deep_learning_dynamics.errors import ProjectionError, ResultsError, TooFewRowsError
from deep_learning_dynamics.execution import one_thread
from deep_learning_dynamics.files import NOTE, read_json, replacing, write_json
from deep_learning_dynamics.formatting import size
from deep_learning_dynamics.projection import isometry, sketch
from deep_learning_dynamics.projection.method import Method
from deep_learning_dynamics.selection import Selection

EXACT = 6000  # components; beyond, an exact decomposition takes minutes
# Components beyond it: as many as a sketch finds in about a minute, within these limits.
LEAST_LIMITED, MOST_LIMITED, LIMITED_NUMBERS = 256, 1024, 10**7
MOST_BYTES = 4 * 10**9


@dataclass(frozen=True)
class Reduction:
    """Principal components of a selection: distances between vectors are those between weights.

    Components are centred on the mean of the usable rows, which alone decide on the axes. Other
    rows are shown by their shadow on the span of these, or as NaN where they are not finite.
    """

    vectors: Float64[np.ndarray, "row component"]  # components by falling variance
    rows: pd.DataFrame  # as in the selection
    weights: int  # in each row of the selection
    variance: Float64[np.ndarray, " component"]  # of the usable rows along each component
    total_variance: float
    # Share of the squared distances among usable rows, summed over all pairs, that lies outside
    # the components; distances among vectors are never longer than those among weights.
    lost: float
    titles: dict[str, dict[str, str]]  # of coordinate values, for display
    description: str  # "all weight matrices, without biases"
    # Roots of what each row predicts (``predictions.roots_of``), for methods that see these; NaN
    # where nothing was recorded, None where it never was (or there is more than fits in memory).
    roots: Float64[np.ndarray, "row output"] | None = None

    def seen_by(self, method: type[Method]) -> Float64[np.ndarray, "row component"]:
        """The rows as a method sees them.

        Raises:
            ProjectionError: it sees predictions, and there are none.
        """
        if method.sees == "weights":
            return self.vectors
        if self.roots is None:
            raise ProjectionError(
                f"{method.title} sees what networks predict, which was not recorded (or takes "
                f"more than {size(float(MOST_BYTES))}); expected outputs on probe examples. "
                f"Record them with Recorder(outputs=...), set train.probes, or leave {method.key} "
                "out of project.methods."
            )
        return np.asarray(self.roots)

    def save(self, folder: Path | str) -> None:
        """Write the reduction to a folder; identical reductions give identical bytes."""
        content = {
            "weights": self.weights,
            "total_variance": self.total_variance,
            "lost": self.lost,
            "description": self.description,
            "titles": self.titles,
        }
        with replacing(Path(folder)) as partial:
            partial.mkdir()
            write_json(partial / "reduction.json", content)
            self.rows.to_parquet(partial / "rows.parquet", index=False)
            np.save(partial / "vectors.npy", self.vectors)
            np.save(partial / "variance.npy", self.variance)
            if self.roots is not None:
                np.save(partial / "roots.npy", self.roots)

    @classmethod
    def load(cls, folder: Path | str) -> "Reduction":
        """Read what :meth:`save` wrote.

        Raises:
            TooFewRowsError: there was nothing to reduce.
            ResultsError: a file is missing or damaged.
        """
        folder = Path(folder)
        if (folder / NOTE).exists():
            raise TooFewRowsError((folder / NOTE).read_text().strip())
        content = read_json(folder / "reduction.json", "dvc repro reduce")
        roots = folder / "roots.npy"
        try:
            return cls(
                vectors=np.load(folder / "vectors.npy", allow_pickle=False),
                rows=pd.read_parquet(folder / "rows.parquet"),
                variance=np.load(folder / "variance.npy", allow_pickle=False),
                # Mapped: most methods do not read them.
                roots=np.load(roots, "r", allow_pickle=False) if roots.exists() else None,
                **content,
            )
        except (TypeError, ValueError, OSError) as error:
            raise ResultsError(
                f"{folder} does not hold a whole reduction ({error}). "
                "Make it again with: dvc repro --force reduce"
            ) from None


@one_thread()
def reduce(selection: Selection, *, progress: Callable[[float], None] | None = None) -> Reduction:
    """Principal components of the selected weights, without loss up to 6,000 rows or weights.

    The weights are read once, in blocks of columns. Of more, 256 to 1,024 components are found in
    a few passes.

    Args:
        progress: called with the share of the work that is done, from 0 to 1.

    Raises:
        ProjectionError: there are too few usable rows, one of them is not finite, or they need
            more memory than 4 GB.
    """
    rows, (count, weights) = selection.rows, selection.weights.shape
    usable, stray = np.flatnonzero(selection.usable), np.flatnonzero(~selection.usable)
    if len(usable) < 2:
        raise TooFewRowsError(
            f"There are {len(usable)} usable rows of weights; expected at least 2 to compare. "
            "Keep more snapshots, or see why networks diverged."
        )
    rank = min(len(usable), weights)
    exact = rank <= EXACT
    kept = rank if exact else max(LEAST_LIMITED, min(MOST_LIMITED, LIMITED_NUMBERS // count))
    # Vectors and two copies; inner products, their factor and decomposition.
    needed = 8 * (3 * count * kept + (5 * rank**2 if exact else 0))
    if needed > MOST_BYTES:
        raise ProjectionError(
            f"{kept:,} components of {count:,} rows need about {size(float(needed))} of memory; "
            f"expected at most {size(float(MOST_BYTES))}. Take fewer snapshots of each network "
            "(view.snapshots)."
        )
    tell = progress or (lambda share: None)
    if exact:
        found = isometry.principal_components(selection.weights, usable, stray, tell)
    else:
        found = sketch.principal_components(selection.weights, usable, stray, kept, tell)
    lost = 0.0
    if not exact and found.total_variance > 0:
        lost = max(0.0, 1 - float(found.variance.sum()) / found.total_variance)
    description = selection.description
    if lost > 0:
        share = f"{max(100 * lost, 0.01):.2g}"
        description += f" (of squared distances, {share} % lie outside of {kept:,} components)"
    return Reduction(
        vectors=found.vectors,
        rows=rows.reset_index(drop=True),
        weights=weights,
        variance=found.variance,
        total_variance=found.total_variance,
        lost=lost,
        titles=dict(selection.titles),
        description=description,
        roots=_roots(selection),
    )


def _roots(selection: Selection) -> Float64[np.ndarray, "row output"] | None:
    """What the rows predict."""
    outputs, rows = selection.outputs, selection.rows
    if outputs is None or 8 * len(rows) * outputs.shape[2] * outputs.shape[3] > MOST_BYTES:
        return None
    numbers = {str(name): number for number, name in enumerate(outputs["network"].values)}
    roots = np.empty((len(rows), outputs.shape[2] * outputs.shape[3]))
    for network, places in rows.groupby("network", sort=False).indices.items():
        snapshots = rows["snapshot"].to_numpy()[places]
        read = outputs[numbers[network]].values[snapshots]
        roots[places] = predictions.roots_of(read)
    return None if np.isnan(roots).all() else roots
