"""Made-up but lifelike projections, in the files that the earlier stages write.

Networks of a pair leave a common start; one dies at chance, one diverges to infinity.
"""

import json

import numpy as np
import pyarrow as pa
from pyarrow import parquet

METHODS = ("pca", "som", "autoencoder", "autoencoder_som", "autoencoder_tsne", "umap")
MAPS = ("som", "autoencoder_som")
FAR = 1e9  # where a diverged network was last seen


def write_provenance(folder, original=True):
    """``mnist.json`` and ``omniglot.json``; with ``original=False`` a stand-in for OMNIGLOT."""
    folder.mkdir(parents=True, exist_ok=True)
    mnist = {"label": "MNIST", "original": True, "classes": 10}
    label = "OMNIGLOT" if original else "OMNIGLOT stand-in: glyphs"
    omniglot = {"label": label, "original": original, "classes": 30}
    (folder / "mnist.json").write_text(json.dumps(mnist))
    (folder / "omniglot.json").write_text(json.dumps(omniglot))


def write_projection(
    folder,
    method="pca",
    pairs=5,
    arms=("scratch", "pretrained"),
    failures=None,
    layers=(0,),
    snapshots=38,
    tested=False,
):
    """``projections/METHOD`` as ``project@METHOD`` writes it.

    ``failures`` maps (arm, pair) to "dead" or "diverged"; ``tested`` adds what the tests found.
    """
    failures = failures or {}
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(METHODS.index(method))
    tables = []
    for layer in layers:
        for pair in range(pairs):
            tables += _pair(rng, method, pair, arms, failures, layer, snapshots)
    columns = {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}
    centres = None
    if method in MAPS:
        centres, cells, rows_columns = _map(rng, columns)
        finite = np.isfinite(columns["x"])
        columns["x"][finite], columns["y"][finite] = centres[cells].T
        u_matrix = 0.5 + rng.random(len(centres)) * np.hypot(*(centres - centres.mean(axis=0)).T)
        np.savez(folder / "map.npz", centres=centres, u_matrix=u_matrix, **rows_columns)
    quality = {
        "method": method,
        "rows": len(columns["x"]),
        "weights": 6608,
        "neighbours": 10,
        "trustworthiness": 0.99641,
        "continuity": 0.98713,
        "distance_correlation": 0.8712,
        "along_paths": {"distance_correlation": {"median": 0.9342}},
    }
    quality |= {"explained_variance": 0.7431} if method in ("pca", "autoencoder") else {}
    quality |= {"reconstruction_error": 0.2569} if method == "autoencoder" else {}
    quality |= {"code_explained_variance": 0.9991} if "_" in method else {}
    quality |= (
        {"quantisation_error": 1.234, "topographic_error": 0.0312} if centres is not None else {}
    )
    if tested:
        columns |= _tested(rng, columns)
        quality |= _found(quality)
        _write_nulls(folder, rng, columns, centres)
    parquet.write_table(pa.table(columns), folder / "coordinates.parquet")
    (folder / "quality.json").write_text(json.dumps(quality))
    return folder


def _tested(rng, columns):
    """Faithfulness from chance to perfect, and refits that lie about a tenth of the plane off."""
    placed = np.isfinite(columns["x"])
    near = np.abs(columns["x"]) < FAR
    size = 0.1 * np.ptp(columns["x"][placed & near])
    spread = size * rng.uniform(0.3, 1.5, (2, len(placed)))
    found = {
        "trustworthiness": rng.uniform(0.5, 1, len(placed)),
        "continuity": rng.uniform(0.9, 1, len(placed)),
        "wobble_xx": spread[0] ** 2,
        "wobble_xy": 0.5 * spread[0] * spread[1],
        "wobble_yy": spread[1] ** 2,
    }
    return {name: np.where(placed, values, np.nan) for name, values in found.items()}


def _found(quality):
    """Stability, and each number beside those of nulls: lower, alike and higher by turns."""
    measures = [
        "trustworthiness",
        "continuity",
        "distance_correlation",
        *(n for n in quality if n.endswith(("variance", "_error"))),
    ]
    values = {name: quality[name] for name in measures} | {"path_distance_correlation": 0.91}
    nulls = {}
    for number, kind in enumerate(("random_walk", "shuffled_steps")):
        nulls[kind] = {}
        for turn, (name, value) in enumerate(values.items()):
            middle = value * (1 + 0.1 * ((turn + number) % 3 - 1))
            nulls[kind][name] = {
                "value": value,
                "low": 0.95 * middle,
                "median": middle,
                "high": 1.02 * middle,
                "p_value": 0.0952,
                "nulls": 20,
            }
    return {
        "stability": {
            "seeds": {"refits": 4, "disparity": 0.213, "maximum": 0.481},
            "folds": {"refits": 10, "disparity": 0.0, "maximum": 0.0},
            "wobble": 0.2,
        },
        "nulls": nulls,
    }


def _write_nulls(folder, rng, columns, centres):
    points = {}
    for kind in ("random_walk", "shuffled_steps"):
        of = rng.normal(size=(len(columns["x"]), 2))
        for who in {*zip(columns["arm"], columns["pair"], columns["layer"], strict=True)}:
            rows = (columns["arm"] == who[0]) & (columns["pair"] == who[1])
            rows &= columns["layer"] == who[2]
            of[rows] = 3 * rng.normal(size=2) + 0.3 * of[rows].cumsum(axis=0)
        if centres is not None:
            of = centres[rng.integers(len(centres), size=len(of))]
        diverged = columns["failed"] == "diverged"
        points[kind] = np.where(diverged[:, None], np.nan, of)
    np.savez(folder / "nulls.npz", **points)


def _pair(rng, method, pair, arms, failures, layer, snapshots):
    spacing = 4.0 if method in ("autoencoder_tsne", "umap") else 1.0
    origin = spacing * rng.normal(size=2) + 3 * np.array([layer % 2, layer // 2])
    pretrain_times = np.concatenate([np.linspace(0, 1, 6), np.arange(2, 11)])
    pretraining = _path(rng, origin, rng.normal(size=2), pretrain_times, 2.0)
    times = np.concatenate([np.linspace(0, 1, 11), 1 + np.arange(1, snapshots - 10) / 3])[
        :snapshots
    ]
    tables = []
    for arm in arms:
        start = origin if arm == "scratch" else pretraining[-1]
        if arm == "pretrained":
            tables.append(_rows("pretrain", arm, pair, layer, pretrain_times, pretraining, 0.4, ""))
        points = _path(rng, start, rng.normal(size=2) + np.array([2.0, 0.3]), times, 3.0)
        failed = failures.get((arm, pair), "")
        final = 0.1 if failed == "dead" else 0.955 if arm == "scratch" else 0.965
        if failed == "diverged":
            points[9] = FAR, -FAR
            points[10:] = np.nan
        tables.append(_rows("train", arm, pair, layer, times, points, final, failed))
    return tables


def _path(rng, start, direction, times, length):
    """Fast at first, then slower and noisier, as networks learn."""
    way = length * (1 - np.exp(-0.35 * times)) * (0.8 + 0.4 * rng.random())
    bend = 0.5 * rng.normal() * np.sqrt(times)
    direction = direction / np.hypot(*direction)
    side = np.array([-direction[1], direction[0]])
    noise = 0.03 * rng.normal(size=(len(times), 2)).cumsum(axis=0)
    return start + way[:, None] * direction + bend[:, None] * side * 0.5 + noise - noise[0]


def _rows(phase, arm, pair, layer, times, points, final, failed):
    count = len(times)
    accuracy = np.clip(
        final - (final - 0.1) * np.exp(-3 * times) - 0.03 * np.exp(-0.3 * times), 0.09, 1
    )
    loss = -np.log(np.clip(accuracy, 0.01, 1))
    return {
        "phase": np.repeat(phase, count),
        "arm": np.repeat(arm, count),
        "pair": np.repeat(pair, count),
        "layer": np.repeat(layer, count),
        "step": np.rint(times * 300).astype(np.int64),
        "epoch": times,
        "train_loss": loss,
        "train_accuracy": accuracy,
        "test_loss": loss,
        "test_accuracy": np.where(np.isfinite(points[:, 0]), accuracy, np.nan),
        "failed": np.repeat(failed, count),
        "fitted": np.isfinite(points[:, 0]),
        "x": points[:, 0].copy(),
        "y": points[:, 1].copy(),
    }


def _map(rng, columns, rows=20, columns_=20):
    """A hexagonal grid, and the cell of each finite row."""
    grid = np.array(
        [(c + 0.5 * (r % 2), r * np.sqrt(3) / 2) for r in range(rows) for c in range(columns_)]
    )
    points = np.column_stack([columns["x"], columns["y"]])
    points = points[np.isfinite(points).all(axis=1)]
    low, high = np.quantile(points, [0.01, 0.99], axis=0)
    scaled = np.clip((points - low) / (high - low), 0, 1) * grid.max(axis=0)
    cells = np.array([np.argmin(np.hypot(*(grid - point).T)) for point in scaled])
    return grid, cells, {"rows": rows, "columns": columns_}
