"""The loss on a plane in weight space, and how wrong it is where the networks really are.

A picture of a loss surface shows the loss at points of a plane; the paths drawn on it are only
projections. So at every snapshot the loss at its projection is compared with its own. Three planes:
that of the first two principal components of all snapshots ("all"), of one network's alone ("one"),
and the known baseline, spanned by two random directions around that network's end, with each unit's
weights scaled to the network's ("random": Li et al., "Visualizing the Loss Landscape of Neural
Nets", NeurIPS 2018, section 4).
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64, Int

from deep_learning_dynamics import seeds
from deep_learning_dynamics.geometry.analysis import ANALYSES, Analysis, Finding, Forward, Subject
from deep_learning_dynamics.selection import Selection, select
from deep_learning_dynamics.store import schema

Places = Float64[np.ndarray, "row 2"]  # in a plane
Weights = Float[np.ndarray, "row weight"]

POINTS = 41  # of the grid, along each axis
MARGIN = 0.12  # around the projected snapshots, as a share of their range
REGIONS = 6  # along each axis; in each, the error at the snapshots there
SMALLEST = 3  # snapshots in a plane
MOST_ROWS = 2_000  # snapshots
MOST_BYTES = 2**29  # of their weights
BLOCK_BYTES = 2**26  # of weights that are evaluated at once


@ANALYSES.register
class Surface(Analysis):
    """Tables ``grid``, ``snapshots`` and ``regions``, of all planes; of networks that others do not
    continue, without twins and networks that diverged."""

    key, title, needs = "surface", "Loss surface", ("forward",)

    @classmethod
    def find(cls, subject: Subject) -> Finding | None:
        selection = _selected(subject)
        if selection is None:
            return None
        weights = np.asarray(selection.weights).astype(np.float32)
        true = _scores(subject.forward, lambda rows: weights[rows], len(weights))
        tables: dict[str, list[pd.DataFrame]] = {"grid": [], "snapshots": [], "regions": []}
        numbers: dict[str, Any] = {}
        for name, (plane, chosen) in _planes(selection, weights, subject).items():
            places = plane.place(weights[chosen])
            grid = _grid(plane, places, subject.forward)
            snapshots = _snapshots(plane, places, selection.take(chosen).rows, subject)
            snapshots = snapshots.assign(**{score: of[chosen] for score, of in true.items()})
            numbers[name] = _numbers(plane, weights[chosen], snapshots)
            parts = grid, snapshots, _regions(grid, snapshots)
            for found, part in zip(tables.values(), parts, strict=True):
                part.insert(0, "plane", name)
                found.append(part)
        whole = {key: pd.concat(parts, ignore_index=True) for key, parts in tables.items()}
        return Finding(whole, numbers)


@dataclass(frozen=True)
class WeightPlane:
    """A plane in weight space."""

    origin: Float64[np.ndarray, " weight"]
    axes: Float64[np.ndarray, "2 weight"]  # orthonormal
    reach: float = 0.0  # how far from the origin it is looked at, at least

    def place(self, weights: Weights) -> Places:
        """Where weights lie when they are projected onto the plane."""
        return np.array([self.axes @ (row - self.origin) for row in weights]).reshape(-1, 2)

    def weights(self, places: Places) -> Weights:
        """The weights at places of the plane."""
        return (self.origin + places @ self.axes).astype(np.float32)


def principal_plane(weights: Weights) -> WeightPlane:
    """The plane of the first two principal components."""
    from scipy.linalg import eigh

    origin = weights.mean(axis=0, dtype=np.float64)
    centred = weights - origin
    last = [len(weights) - 2, len(weights) - 1]
    _, vectors = eigh(centred @ centred.T, subset_by_index=last)
    return WeightPlane(origin, _orthonormal((vectors[:, ::-1]).T @ centred))


def random_plane(
    centre: Float[np.ndarray, " weight"], parameters: schema.Parameters, rng: np.random.Generator
) -> WeightPlane:
    """A plane through a network in two random directions.

    The weights into each unit (a row of a matrix, a filter of a kernel) are as long as those of the
    network; biases and other vectors do not change.
    """
    directions = np.zeros((2, len(centre)))
    for name, shape in zip(parameters.names, parameters.shapes, strict=True):
        if len(shape) < 2:
            continue
        own = parameters.slice(name)
        into = centre[own].reshape(shape[0], -1)
        lengths = np.linalg.norm(into, axis=1, keepdims=True)
        for direction in directions:
            drawn = rng.normal(size=into.shape)
            drawn *= lengths / np.linalg.norm(drawn, axis=1, keepdims=True)
            direction[own] = drawn.ravel()
    reach = float(np.linalg.norm(directions, axis=1).mean())
    return WeightPlane(centre.astype(np.float64), _orthonormal(directions), reach)


def _orthonormal(rows: Float64[np.ndarray, "2 weight"]) -> Float64[np.ndarray, "2 weight"]:
    axes = np.linalg.qr(rows.T)[0].T
    # A principal axis has no sign of its own: its largest entry is made positive.
    largest = np.abs(axes).argmax(axis=1)
    return axes * np.sign(axes[np.arange(len(axes)), largest])[:, None]


def _selected(subject: Subject) -> Selection | None:
    """The snapshots that are placed; ``None`` where there are too few for a plane."""
    sound = subject.proper & (subject.table[schema.OUTCOME] != schema.DIVERGED).to_numpy()
    sound &= np.array([len(there) > 0 for there in subject.snapshots], bool)
    if not sound.any():
        return None
    most = min(MOST_ROWS, MOST_BYTES // (4 * subject.runs.sizes[schema.WEIGHT]))
    each = max(2, most // int(sound.sum()))
    selection = select(subject.runs, "all", networks=sound, snapshots=each)
    selection = selection.take(selection.usable)
    return selection if len(selection) >= SMALLEST else None


def _planes(
    selection: Selection, weights: Weights, subject: Subject
) -> dict[str, tuple[WeightPlane, Int[np.ndarray, " chosen"]]]:
    """The planes, each with the rows that are placed in it: all, or those of the network that it
    lies around."""
    own = selection.paths[0]
    planes = {"all": (principal_plane(weights), np.arange(len(weights)))}
    if len(own) >= SMALLEST and len(own) < len(weights):
        planes["one"] = principal_plane(weights[own]), own
    parameters = schema.Parameters.from_runs(subject.runs)
    if any(len(shape) > 1 for shape in parameters.shapes):
        rng = seeds.generator(subject.seed, "surface", "random directions")
        planes["random"] = random_plane(weights[own[-1]], parameters, rng), own
    return planes


def _grid(plane: WeightPlane, places: Places, forward: Forward) -> pd.DataFrame:
    """Loss and accuracy on a square grid that holds all places; x runs fastest."""
    low, high = places.min(axis=0), places.max(axis=0)
    half = (0.5 + MARGIN) * float((high - low).max())
    middle = (low + high) / 2
    if plane.reach > half:  # around the origin
        middle, half = np.zeros(2), plane.reach
    axes = np.linspace(middle - half, middle + half, POINTS)
    nodes = np.stack(np.meshgrid(*axes.T), axis=-1).reshape(-1, 2)
    scores = _scores(forward, lambda rows: plane.weights(nodes[rows]), len(nodes))
    return pd.DataFrame({"x": nodes[:, 0], "y": nodes[:, 1], **scores})


def _snapshots(
    plane: WeightPlane, places: Places, rows: pd.DataFrame, subject: Subject
) -> pd.DataFrame:
    """Where snapshots lie in the plane, and what the surface says there."""
    found = _scores(subject.forward, lambda chosen: plane.weights(places[chosen]), len(places))
    by = subject.by if subject.by in rows else None
    return pd.DataFrame(
        {
            "network": rows["network"].to_numpy(),
            "group": rows[by].astype(str).to_numpy() if by else "",
            "snapshot": rows["snapshot"].to_numpy(),
            "step": rows["step"].to_numpy(),
            "x": places[:, 0],
            "y": places[:, 1],
            **{f"surface_{score}": values for score, values in found.items()},
        }
    )


def _regions(grid: pd.DataFrame, snapshots: pd.DataFrame) -> pd.DataFrame:
    """How wrong the surface is in each part of it: unknown where no snapshot is."""
    edges = {axis: np.linspace(grid[axis].min(), grid[axis].max(), REGIONS + 1) for axis in "xy"}
    cells = [
        np.clip(np.searchsorted(edges[axis], snapshots[axis], "right") - 1, 0, REGIONS - 1)
        for axis in "xy"
    ]
    error = (snapshots["surface_loss"] - snapshots["loss"]).abs()
    rows = []
    for column, row in product(range(REGIONS), repeat=2):
        here = (cells[0] == column) & (cells[1] == row)
        rows.append(
            {
                "left": edges["x"][column],
                "right": edges["x"][column + 1],
                "bottom": edges["y"][row],
                "top": edges["y"][row + 1],
                "snapshots": int(here.sum()),
                "loss": float(snapshots["loss"][here].median()),
                "error": float(error[here].median()),
            }
        )
    return pd.DataFrame(rows)


def _numbers(plane: WeightPlane, weights: Weights, snapshots: pd.DataFrame) -> dict[str, Any]:
    from scipy.stats import spearmanr

    from_origin = float(((weights - plane.origin) ** 2).sum())
    held = float((snapshots[["x", "y"]].to_numpy() ** 2).sum())
    known = np.isfinite(snapshots[["loss", "surface_loss"]]).all(axis=1)
    true, surface = snapshots["loss"][known], snapshots["surface_loss"][known]
    error = (surface - true).abs()
    distinct = min(true.nunique(), surface.nunique()) > 1
    return {
        "share": held / from_origin if from_origin > 0 else None,  # of the squared distances
        "snapshots": len(true),
        "median_loss": _number(true.median()),
        "median_surface_loss": _number(surface.median()),
        "median_error": _number(error.median()),
        "error_90": _number(error.quantile(0.9)),
        "too_high": float((surface > true).mean()) if len(true) else None,
        "rank_correlation": _number(spearmanr(true, surface).statistic) if distinct else None,
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _scores(
    forward: Forward, weights: Callable[[slice], Weights], count: int
) -> dict[str, Float64[np.ndarray, " row"]]:
    """Loss and accuracy of ``count`` rows of weights, in blocks of bounded memory."""
    found: dict[str, list[np.ndarray]] = {"loss": [], "accuracy": []}
    size = len(weights(slice(0, 1))[0])
    at_once = max(1, BLOCK_BYTES // (4 * size))
    for start in range(0, count, at_once):
        scores = forward.scores(weights(slice(start, min(start + at_once, count))))
        for values, part in zip(found.values(), scores, strict=True):
            values.append(np.asarray(part, np.float64))
    return {name: np.concatenate(parts) for name, parts in found.items()}
