"""Quality: what a layout in the plane keeps of the distances between weights."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64, Int

from deep_learning_dynamics.projection.distances import (
    Points,
    RankedDistances,
    Vectors,
    agreement,
    limited,
    rank_correlations,
    sampled,
    squared_distances,
)
from deep_learning_dynamics.quantities import Quantity, define
from deep_learning_dynamics.selection import evenly

NEIGHBOURS = 10
MOST_ROWS = 3000  # above, quality is estimated on a sample of the rows
_BLOCK = 2**22  # distances that are worked on at once

_Distances = Callable[..., Float64[np.ndarray, "row other"]]  # of rows, or to others
_Space = tuple[np.ndarray, _Distances]  # rows, and what is between them

for _key, _meaning in {
    "trustworthiness": "Whether neighbours in the plane are neighbours in weight space: 1 if all "
    "are, about 0.5 if they are any snapshots (Venna and Kaski, 2001).",
    "continuity": "Whether neighbours in weight space are neighbours in the plane: 1 if all are, "
    "about 0.5 if they are any snapshots (Venna and Kaski, 2001).",
    "distance_rank_correlation": "Spearman's correlation between distances in weight space and in "
    "the plane, over all pairs of snapshots: 1 if their order is kept, 0 if it is lost.",
    "path_trustworthiness": "Trustworthiness among the snapshots of one path; the median over "
    "paths.",
    "path_continuity": "Continuity among the snapshots of one path; the median over paths.",
    "path_distance_rank_correlation": "Distance rank correlation over the pairs of snapshots of "
    "one path; the median over paths.",
}.items():
    _title = _key.replace("_", " ")
    if _title.startswith("path "):
        _title = f"{_title.removeprefix('path ')} along paths"
    define(Quantity(_key, _title, "", "higher", _meaning, index=True))


@dataclass(frozen=True)
class Spread:
    """Of a number over paths."""

    median: float
    minimum: float
    maximum: float


@dataclass(frozen=True)
class Quality:
    """How faithful a layout is; None where a number is not defined.

    Keys of the numbers are those of their quantities.
    """

    rows: int  # that have a place in the plane
    rows_measured: int  # all of them, or a sample with the same share of every path
    neighbours: int  # k of trustworthiness and continuity
    trustworthiness: float | None
    continuity: float | None
    distance_rank_correlation: float | None
    along_paths: Mapping[str, Spread] = field(default_factory=dict)  # by key without "path_"
    properties: Mapping[str, float] = field(default_factory=dict)  # that only the method has

    def numbers(self) -> dict[str, float]:
        """All that are defined, by the keys of their quantities; along paths, the medians."""
        found = {
            "trustworthiness": self.trustworthiness,
            "continuity": self.continuity,
            "distance_rank_correlation": self.distance_rank_correlation,
            **{f"path_{key}": spread.median for key, spread in self.along_paths.items()},
            **self.properties,
        }
        return {key: value for key, value in found.items() if value is not None}

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON, floats with 10 significant digits."""
        return rounded(asdict(self))

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Quality":
        """That which :meth:`as_json` wrote."""
        along = {key: Spread(**spread) for key, spread in content["along_paths"].items()}
        return cls(**{**content, "along_paths": along})


def rounded(content: Any) -> Any:
    """JSON content with floats of 10 significant digits, None for those that are not finite."""
    if isinstance(content, Mapping):
        return {key: rounded(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [rounded(value) for value in content]
    if isinstance(content, float):
        return float(f"{content:.10g}") if np.isfinite(content) else None
    return content


@dataclass(frozen=True)
class Assessment:
    """What is found of one layout."""

    quality: Quality
    trust: Float64[np.ndarray, " row"]  # each row's share of trustworthiness; NaN if not defined
    continuity: Float64[np.ndarray, " row"]  # likewise


def assess(
    vectors: Vectors,
    points: Points,
    paths: Sequence[Int[np.ndarray, " _"]],
    properties: Mapping[str, float] | None = None,
    distances: _Distances = squared_distances,
) -> Assessment:
    """Compare a layout of rows with their vectors. All must be finite.

    Above ``MOST_ROWS`` rows, ranks and pairs are those among a sample with the same share of every
    path, evenly spread over it; values of single rows are their ranks among the sample. What is
    measured along each path uses all of its rows (at most ``MOST_ROWS``).

    Args:
        vectors: weights, or coordinates with the same distances.
        points: in the plane.
        paths: the rows of each path, in the order of time.
        properties: of the method's own, to be part of the quality.
        distances: among vectors, of which only the order counts.
    """
    sample = sampled(len(vectors), paths, MOST_ROWS)
    far, near = (vectors, distances), (points, squared_distances)
    space, plane = (RankedDistances(between(rows[sample])[None]) for rows, between in (far, near))
    trust = _of_rows(far, near, sample, agreement(space, plane, NEIGHBOURS))
    continuity = _of_rows(near, far, sample, agreement(plane, space, NEIGHBOURS))
    whole = trust[sample].mean(), continuity[sample].mean(), rank_correlations(space, plane)[0]
    quality = Quality(
        len(points),
        len(sample),
        limited(NEIGHBOURS, len(sample)),
        *(float(value) if np.isfinite(value) else None for value in whole),
        along_paths=_along_paths(far, near, paths),
        properties=dict(properties or {}),
    )
    return Assessment(quality, trust, continuity)


def _of_rows(
    space: _Space,
    other: _Space,
    sample: Int[np.ndarray, " measured"],
    values: Float64[np.ndarray, "1 measured"],
) -> Float64[np.ndarray, " row"]:
    """Agreement of the sample and, from their ranks among the sample, of the other rows."""
    found = np.full(len(space[0]), np.nan)
    found[sample] = values[0]
    others = np.setdiff1d(np.arange(len(found)), sample)
    for block in np.array_split(others, max(1, len(others) * len(sample) // _BLOCK)):
        if len(block):
            ranked = [
                RankedDistances(between(rows[block], rows[sample])[None], among_themselves=False)
                for rows, between in (space, other)
            ]
            found[block] = agreement(*ranked, NEIGHBOURS)[0]
    return found


def _along_paths(
    space: _Space, plane: _Space, paths: Sequence[Int[np.ndarray, " _"]]
) -> dict[str, Spread]:
    parts: dict[str, list[np.ndarray]] = {
        "trustworthiness": [], "continuity": [], "distance_rank_correlation": []
    }  # fmt: skip
    for block in _of_equal_length(paths):
        far, near = (
            RankedDistances(np.stack([between(rows[path]) for path in block]))
            for rows, between in (space, plane)
        )
        parts["trustworthiness"].append(agreement(far, near, NEIGHBOURS).mean(axis=1))
        parts["continuity"].append(agreement(near, far, NEIGHBOURS).mean(axis=1))
        # A path that the plane shows as a point keeps none of its distances; one that never
        # moved has none to keep.
        moved = far.pair_ranks.any(axis=1)
        kept = np.nan_to_num(rank_correlations(far, near))[moved]
        parts["distance_rank_correlation"].append(kept)
    found = {}
    for key, of_blocks in parts.items():
        values = np.concatenate([np.zeros(0), *of_blocks])
        values = values[np.isfinite(values)]
        if len(values):
            found[key] = Spread(*(float(of(values)) for of in (np.median, np.min, np.max)))
    return found


def _of_equal_length(
    paths: Sequence[Int[np.ndarray, " _"]],
) -> Iterator[Int[np.ndarray, "path snapshot"]]:
    """Paths that are compared together; of a very long one, rows evenly spread over it."""
    by_length: dict[int, list[Int[np.ndarray, " _"]]] = {}
    for path in paths:
        taken = evenly(path, MOST_ROWS)
        by_length.setdefault(len(taken), []).append(taken)
    for length, alike in by_length.items():
        together = max(1, _BLOCK // length**2)
        for begin in range(0, len(alike), together):
            yield np.stack(alike[begin : begin + together])
