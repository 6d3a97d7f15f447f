"""What the page's script draws: paths, learning curves and networks, as plain values for JSON."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from deep_learning_dynamics.figures.style import Groups, ScoreScale, colour, ramp
from deep_learning_dynamics.formatting import number
from deep_learning_dynamics.null_models import NULL_MODELS
from deep_learning_dynamics.projection.method import METHODS, MapCells
from deep_learning_dynamics.quantities import quantity

if TYPE_CHECKING:
    from deep_learning_dynamics.projection.projection import Projection
    from deep_learning_dynamics.results import Results

MARGIN = 0.06  # around the networks that did not fail, as a share of their extent
FEWEST_SNAPSHOTS = 2  # of a network that has a learning curve
NO_SCORES = (
    "network",
    "snapshot",
    "step",
    "epoch",
    "path",
    "position",
    "x",
    "y",
    "trust",
    "continuity",
    "spread_xx",
    "spread_xy",
    "spread_yy",
)
CIRCLE, SQUARE, CROSS = "circle-open", "square", "x-thin"


@dataclass(frozen=True)
class Networks:
    """The networks of the page, each the last of its path."""

    table: pd.DataFrame  # by name: group (number), pair, failed, title, label
    groups: Groups

    @classmethod
    def of(cls, results: "Results") -> "Networks":
        scores = table_of(results)
        groups = Groups.of(scores, results.by, results.titles)
        last = scores.drop_duplicates("network", keep="last").set_index("network")
        if "twin" in last:
            last = last[~last["twin"].fillna(False).astype(bool)]
        if "continues" in last:
            last = last[~last.index.isin(set(last["continues"]))]
        numbers = groups.numbers(last)
        pairs = last["pair"].astype(str) if "pair" in last else pd.Series("", last.index)
        outcomes = last["outcome"] if "outcome" in last else pd.Series("", last.index)
        titles = [
            f"{groups.title(group)}{f', pair {pair}' if pair else f', {name}'}"
            for group, pair, name in zip(numbers, pairs, last.index, strict=True)
        ]
        counted = last.groupby(numbers).cumcount().astype(str) if len(last) else pairs
        table = pd.DataFrame(
            {
                "group": numbers,
                "pair": pairs,
                "failed": (outcomes != "").to_numpy(),
                "title": titles,
                "label": pairs.where(pairs != "", counted),
            },
            index=last.index,
        )
        return cls(table, groups)

    def number(self, network: str) -> int | None:
        return self.table.index.get_loc(network) if network in self.table.index else None


def table_of(results: "Results") -> pd.DataFrame:
    """A row per snapshot with its scores, from the stores or else from a projection."""
    if results.scores is not None:
        return results.scores
    first = next(iter((results.projections or {}).values()), None)
    return pd.DataFrame({"network": [], "step": []}) if first is None else first.coordinates


def linked(
    results: "Results", networks: Networks, methods: list[str], shade: str
) -> dict[str, Any]:
    """Everything that the script reads."""
    projections = {key: (results.projections or {})[key] for key in methods}
    scores = table_of(results)
    steps = sorted(
        {
            int(step)
            for network, step in zip(scores["network"], scores["step"], strict=True)
            if network in networks.table.index
        }
    )
    models = sorted({key for p in projections.values() for key in _examples(p)})
    return {
        "groups": [
            {"colour": to_hex(colour(index)), "dark": to_hex(colour(index, 1.0))}
            for index in range(len(networks.groups))
        ],
        "networks": [
            {"group": max(int(row.group), 0), "pair": row.pair, "failed": bool(row.failed),
             "title": row.title}
            for row in networks.table.itertuples()
        ],
        "methods": [_method(projection, networks, shade) for projection in projections.values()],
        "null_models": {key: _capital(NULL_MODELS[key].title) for key in models},
        "curves": curves(results, networks),
        "steps": steps or [0],
        "last_step": steps[-1] if steps else 0,
    }  # fmt: skip


def curves(results: "Results", networks: Networks) -> list[dict[str, Any]]:
    """Every score over steps; the one that says most comes first."""
    table = table_of(results)
    table = table[table["network"].isin(networks.table.index)]
    found = []
    for key in table.columns:
        values = table[key]
        if key in NO_SCORES or values.dtype.kind != "f" or not np.isfinite(values).any():
            continue
        if (table.groupby("network")[key].nunique() <= 1).all():
            continue  # a coordinate of networks, such as their learning rate
        lines = []
        for network, rows in table.groupby("network", sort=False):
            rows = rows[np.isfinite(rows[key])]
            if len(rows) >= FEWEST_SNAPSHOTS:
                y = [_short(value) for value in rows[key]]
                line = {
                    "network": networks.number(str(network)),
                    "x": rows["step"].tolist(),
                    "y": y,
                }
                lines.append(line)
        low, high = values.min(), values.max()
        title = quantity(key).title
        found.append(
            {
                "key": key,
                "title": _capital(title),
                "lines": lines,
                "percent": quantity(key).unit == "%",
                "log": bool(low > 0 and high > 30 * low and quantity(key).unit != "%"),
            }
        )
    first = {"test_accuracy": 0, "test_loss": 1, "train_accuracy": 2}
    return sorted(found, key=lambda curve: first.get(curve["key"], 9))


def _method(projection: "Projection", networks: Networks, shade: str) -> dict[str, Any]:
    table = projection.coordinates
    scale = ScoreScale.over(shade, table[shade]) if shade in table else None
    paths, examples = [], _examples(projection)
    nulls: dict[str, dict[int, Any]] = {key: {} for key in examples}
    for _, rows in table.groupby("path", sort=False):
        rows = rows.sort_values("position")
        placed = np.isfinite(rows[["x", "y"]].to_numpy()).all(axis=1)
        rows = rows[placed]
        network = networks.number(str(rows["network"].iloc[-1])) if len(rows) else None
        if network is None:
            continue
        paths.append(_path(rows, network, networks, scale))
        for key, points in examples.items():
            of_path = points[rows.index.to_numpy()]
            known = of_path[np.isfinite(of_path).all(axis=1)]
            xy = known.T if len(known) else np.empty((2, 0))
            # Nulls know a subset of the snapshots: each stands for those up to the next.
            nulls[key][network] = [_stretched(part, len(rows)) for part in xy]
    return {
        "key": projection.method,
        "title": METHODS[projection.method].title,
        "paths": paths,
        "nulls": nulls,
        "frame": frame(projection),
        "cells": _cells(projection.cells),
    }


def _path(
    rows: pd.DataFrame, network: int, networks: Networks, scale: ScoreScale | None
) -> dict[str, Any]:
    group = int(networks.table["group"].iloc[network])
    failed = bool(networks.table["failed"].iloc[network])
    start = int((rows["network"] != rows["network"].iloc[-1]).sum())
    values = rows[scale.key].to_numpy(float) if scale is not None else np.zeros(len(rows))
    positions = scale.position(values) if scale is not None else np.full(len(rows), 0.62)
    colours = [to_hex(c) for c in ramp(max(group, 0))(positions)]
    symbols, size = ["circle"] * len(rows), [4] * len(rows)
    edges = [0.0] * len(rows)
    symbols[start], size[start], edges[start] = CIRCLE, 9, 1.5
    symbols[-1], size[-1] = (CROSS, 10) if failed else (SQUARE, 8)
    edges[-1] = 2.0 if failed else 0.5
    title = networks.table["title"].iloc[network]
    shown = quantity(scale.key) if scale is not None else None
    text = [
        f"{title}<br>step {step:,}" + (f"<br>{shown.title} {shown.format(value)}" if shown else "")
        for step, value in zip(rows["step"], values, strict=True)
    ]
    trust = rows["trust"].to_numpy(float) if "trust" in rows else np.ones(len(rows))
    opacity = np.where(np.isfinite(trust), 0.25 + 0.75 * np.clip((trust - 0.5) / 0.4, 0, 1), 1.0)
    return {
        "network": network,
        "start": start,
        "x": [_short(value) for value in rows["x"]],
        "y": [_short(value) for value in rows["y"]],
        "steps": rows["step"].tolist(),
        "colours": colours,
        "symbols": symbols,
        "size": size,
        "edges": edges,
        "opacity": [round(float(value), 2) for value in opacity],
        "text": text,
    }


def frame(projection: "Projection") -> dict[str, list[float]]:
    """The part of the plane that is shown: where the networks are that did not fail."""
    table = projection.coordinates
    points = table[["x", "y"]].to_numpy()
    placed = np.isfinite(points).all(axis=1)
    if "outcome" in table:
        learnt = placed & (table["outcome"] == "").to_numpy()
        placed = learnt if learnt.any() else placed
    if not placed.any():
        return {"x": [0.0, 1.0], "y": [0.0, 1.0]}
    points = points[placed]
    if projection.cells is not None:
        points = np.concatenate([points, projection.cells.centres])
    low, high = points.min(axis=0), points.max(axis=0)
    margin = MARGIN * max(float((high - low).max()), 1e-9)
    low, high = low - margin, high + margin
    return {
        "x": [_short(low[0]), _short(high[0])],
        "y": [_short(low[1]), _short(high[1])],
    }


def _cells(cells: MapCells | None) -> list[list[str]]:
    """Hexagons of a map, with a grey that is darker where neighbours are far apart."""
    if cells is None:
        return []
    angles = np.pi / 6 + np.arange(6) * np.pi / 3
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) / np.sqrt(3)
    known = cells.distances[np.isfinite(cells.distances) & (cells.distances > 0)]
    low, high = np.quantile(known, [0.05, 0.95]) if len(known) else (1.0, 2.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.log(cells.distances / low) / max(np.log(high / low), 1e-9)
    shades = 0.97 - 0.32 * np.clip(np.nan_to_num(share, nan=0, neginf=0), 0, 1)
    return [
        ["L".join(f"{x:.3f},{y:.3f}" for x, y in centre + corners), to_hex([shade] * 3)]
        for centre, shade in zip(cells.centres, shades, strict=True)
    ]


def _stretched(values: np.ndarray, length: int) -> list[float]:
    if not len(values):
        return []
    places = np.minimum(np.arange(length) * len(values) // max(length, 1), len(values) - 1)
    return [_short(value) for value in values[places]]


def _examples(projection: "Projection") -> Any:
    return projection.robustness.examples if projection.robustness is not None else {}


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def short_number(value: float | None) -> str:
    """A number of a table; "–" where there is none."""
    return "–" if value is None else number(value)
