"""What the page's script draws: paths, learning curves and networks, as plain values for JSON.

Colours, cells and fading are those of the figures, so that both show the same; ellipses, and the
room for them, are in the figures alone.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from deep_learning_dynamics.figures.learning_curves import score_keys
from deep_learning_dynamics.figures.nulls import share_of_snapshots
from deep_learning_dynamics.figures.paths import color_of, method_of, plane_of
from deep_learning_dynamics.figures.plane import Plane, hexagons, shades
from deep_learning_dynamics.figures.style import (
    Groups,
    ScoreScale,
    Style,
    colour,
    end_marker,
)
from deep_learning_dynamics.figures.trajectories import Trajectory, trajectories_of
from deep_learning_dynamics.formatting import capital
from deep_learning_dynamics.null_models import NULL_MODELS
from deep_learning_dynamics.quantities import quantity
from deep_learning_dynamics.store.schema import last_phase

if TYPE_CHECKING:
    from deep_learning_dynamics.projection.projection import Projection
    from deep_learning_dynamics.results import Results

# What plotly calls the markers of ends.
SYMBOLS = {
    "s": "square", "D": "diamond", "^": "triangle-up", "v": "triangle-down", "P": "cross",
    "p": "pentagon", "h": "hexagon", "8": "octagon",
}  # fmt: skip


@dataclass(frozen=True)
class LinkedNetworks:
    """The networks of the page: those that no other continues."""

    table: pd.DataFrame  # by name: group (number), pair, failed, title, label
    groups: Groups

    @classmethod
    def of(cls, results: "Results") -> "LinkedNetworks":
        snapshots = table_of(results)
        groups = Groups.of(snapshots, results.by, results.titles)
        known = last_phase(snapshots).drop_duplicates("network").set_index("network")
        columns = {
            "group": np.maximum(groups.numbers(known), 0).astype(int),
            "pair": known["pair"].astype(str) if "pair" in known else "",
            "failed": known["outcome"] != "" if "outcome" in known else False,
        }
        table = pd.DataFrame(columns, index=known.index)
        counted = table.groupby("group").cumcount().astype(str)
        table["title"] = [
            f"{groups.title(row.group)}, {f'pair {row.pair}' if row.pair else row.Index}"
            for row in table.itertuples()
        ]
        table["label"] = table["pair"].where(table["pair"] != "", counted)
        return cls(table, groups)

    def number(self, network: str) -> int:
        """Where a network stands in the table."""
        return int(self.table.index.get_loc(network))


def table_of(results: "Results") -> pd.DataFrame:
    """A row per snapshot with its scores, from the stores or else from a projection."""
    if results.scores is not None:
        return results.scores
    first = next(iter((results.projections or {}).values()), None)
    return pd.DataFrame({"network": [], "step": []}) if first is None else first.coordinates


def linked(results: "Results", networks: LinkedNetworks, methods: list[str]) -> dict[str, Any]:
    """Everything that the script reads."""
    projections = [results.projections[key] for key in methods]
    snapshots = last_phase(table_of(results))
    models = dict.fromkeys(key for each in projections for key in _null_examples(each))
    return {
        "groups": [
            {
                "colour": to_hex(colour(number)),
                "dark": to_hex(colour(number, 1.0)),
                "symbol": SYMBOLS[end_marker(number)],
            }
            for number in range(len(networks.groups))
        ],
        "networks": networks.table[["group", "pair", "failed", "title"]].to_dict("records"),
        "methods": [_method(projection, results, networks) for projection in projections],
        "null_models": {key: capital(NULL_MODELS[key].title) for key in models},
        "curves": [_curve(snapshots, key, networks) for key in _scores(snapshots)],
        "steps": sorted({int(step) for step in snapshots["step"]}) or [0],
    }


def _scores(snapshots: pd.DataFrame) -> list[str]:
    """The scores that change; a number that does not is a coordinate, such as a learning rate."""
    keys = score_keys(snapshots) if len(snapshots) else []
    changes = snapshots.groupby("network")[keys].nunique().max() if keys else {}
    return [key for key in keys if changes[key] > 1]


def _curve(snapshots: pd.DataFrame, key: str, networks: LinkedNetworks) -> dict[str, Any]:
    """One score of every network over steps."""
    rows = snapshots[np.isfinite(snapshots[key].to_numpy(float))]
    scale = ScoreScale.over(key, rows[key].to_numpy())
    return {
        "title": capital(quantity(key).title),
        "percent": quantity(key).unit == "%",
        "log": scale is not None and scale.spacing == "log",
        "lines": [
            {
                "network": networks.number(str(network)),
                "x": of_network["step"].tolist(),
                "y": _short(of_network[key].to_numpy()),
            }
            for network, of_network in rows.groupby("network", sort=False)
        ],
    }


def _method(
    projection: "Projection", results: "Results", networks: LinkedNetworks
) -> dict[str, Any]:
    """One projection: its paths, what stands behind them, and its null models."""
    plane, groups = plane_of(projection, results, Style())
    table, color, cells = projection.coordinates, color_of(projection, Style()), plane.cells
    nulls = {}
    for key, places in _null_examples(projection).items():
        seen = np.isfinite(places).all(axis=1)
        null = Plane(trajectories_of(table[seen], groups, points=places[seen]))
        real = Plane(trajectories_of(table[seen], groups, color), plane.scale)
        nulls[key] = {
            **_plane(null, table, networks, color),
            # The real paths at the same snapshots: with more, they would look less smooth.
            "real": _plane(real, table, networks, color)["paths"],
            "snapshots": share_of_snapshots(table, seen),
        }
    return {
        "title": method_of(projection).title,
        "nulls": nulls,
        "cells": []
        if cells is None
        else [
            ["L".join(f"{x:.3f},{y:.3f}" for x, y in corners), to_hex([shade] * 3)]
            for corners, shade in zip(hexagons(cells.centres), shades(cells.distances), strict=True)
        ],
        **_plane(plane, table, networks, color),
    }


def _plane(
    plane: Plane, table: pd.DataFrame, networks: LinkedNetworks, color: str
) -> dict[str, Any]:
    """The paths in a plane and the part of it that is shown."""
    earlier = {t.network: t for t in plane.trajectories if t.earlier}
    continued = table.drop_duplicates("network").set_index("network").get("continues", {})
    paths = [
        _path(t, earlier.get(str(continued.get(t.network, ""))), plane, networks, color)
        for t in plane.trajectories
        if not t.earlier and len(t.points)
    ]
    (left, low), (right, high) = plane.frame_of_paths
    return {"paths": paths, "frame": {"x": _short([left, right]), "y": _short([low, high])}}


def _path(
    trajectory: Trajectory,
    before: Trajectory | None,
    plane: Plane,
    networks: LinkedNetworks,
    color: str,
) -> dict[str, Any]:
    network = networks.number(trajectory.network)
    texts = [
        f"{networks.table['title'].iloc[network]}<br>step {step:,.0f}" for step in trajectory.steps
    ]
    if trajectory.score is not None:
        known = quantity(color)
        scores = [
            f"{known.title} {known.format(value) if recorded else 'not recorded'}"
            for value, recorded in zip(trajectory.score, trajectory.recorded, strict=True)
        ]
        texts = [f"{text}<br>{score}" for text, score in zip(texts, scores, strict=True)]
    led = np.empty((0, 2))
    if before is not None and len(before.points):
        # The dotted line of earlier training ends where the network itself starts.
        led = np.concatenate([before.points, trajectory.points[:1]])
    return {
        "network": network,
        "before": [_short(axis) for axis in led.T],
        "x": _short(trajectory.points[:, 0]),
        "y": _short(trajectory.points[:, 1]),
        "steps": trajectory.steps.tolist(),
        "colours": [to_hex(each) for each in plane.colours(trajectory)],
        "inks": np.round(trajectory.inks, 2).tolist(),
        "text": texts,
    }


def _null_examples(projection: "Projection") -> dict[str, Any]:
    return {} if projection.robustness is None else projection.robustness.examples


def _short(values: Any) -> list[float]:
    """Numbers with as many digits as a screen can show."""
    return [float(f"{value:.5g}") for value in values]
