"""Results that look like those of a study, made in a moment: curves in space and their shadow."""

import numpy as np
import pandas as pd
from matplotlib.text import Text

from deep_learning_dynamics.projection.method import MapCells
from deep_learning_dynamics.projection.projection import Projection
from deep_learning_dynamics.projection.quality import assess
from deep_learning_dynamics.projection.robustness import Fold, Robustness, RobustnessSettings
from deep_learning_dynamics.results import Results
from deep_learning_dynamics.store import Parameters, StoreWriter

TITLES = {"condition": {"scratch": "from scratch", "pretrained": "pre-trained"}}
STEPS = np.unique(np.concatenate([np.rint(np.linspace(0, 300, 11)), np.linspace(400, 3000, 27)]))


def networks_table(pairs, conditions, earlier, failed):
    rows = [
        {"network": f"first/{c}-{p}", "condition": c, "pair": p, "continues": "", "outcome": ""}
        for p in range(pairs)
        for c in conditions[1:]
        if earlier
    ]
    for pair in range(pairs):
        for condition in conditions:
            name = f"{condition}-{pair}"
            before = f"first/{condition}-{pair}" if earlier and condition != conditions[0] else ""
            rows.append(
                {"network": name, "condition": condition, "pair": pair, "continues": before,
                 "outcome": failed.get(name, "")}
            )  # fmt: skip
    return pd.DataFrame(rows)


def trajectories(pairs=4, conditions=("scratch", "pretrained"), earlier=True, failed=None,
                 steps=STEPS, dimensions=12, seed=0):  # fmt: skip
    """The table of snapshots with scores, and their vectors."""
    rng = np.random.default_rng(seed)
    failed = failed or {}
    table = networks_table(pairs, conditions, earlier, failed)
    inits = rng.normal(size=(pairs, dimensions)) * 1.6
    ends, parts, vectors = {}, [], []
    for path, network in enumerate(table.itertuples()):
        number = list(conditions).index(network.condition)
        slow = 90 * (1 + 1.3 * number) * rng.lognormal(0, 0.25)
        progress = (1 - np.exp(-steps / slow))[:, None] + 0.3 * np.sqrt(steps / 3000)[:, None]
        start = ends.get(network.continues, inits[network.pair])
        heading = rng.normal(size=dimensions) * 0.8
        heading[:2] += 2.2 * np.array([np.cos(network.pair), np.sin(network.pair)]) - 0.6 * number
        wander = rng.normal(size=(len(steps), dimensions)).cumsum(axis=0) * 0.06
        here = start + progress * heading + wander * (steps > 0)[:, None]
        accuracy = 0.1 + (0.82 - 0.03 * number) * (1 - np.exp(-steps / slow / 1.6))
        loss = 2.3 * np.exp(-steps / slow / 2) + 0.25 + 0.05 * number
        if network.outcome == "dead":
            here, accuracy, loss = (
                start + progress * heading * 5,
                0.1 + 0 * accuracy,
                2.3 + 0 * loss,
            )
        if network.outcome == "diverged":
            here = start + heading * np.exp(steps / 300)[:, None]
            here[-3:] = np.nan
            accuracy = np.where(np.isnan(here[:, 0]), np.nan, 0.1)
        ends[network.network] = here[-1]
        vectors.append(here)
        parts.append(
            pd.DataFrame([network._asdict()] * len(steps)).drop(columns="Index").assign(
                snapshot=np.arange(len(steps)), step=steps.astype(int), path=path,
                position=np.arange(len(steps)), usable=np.isfinite(here[:, 0]),
                test_accuracy=accuracy + rng.normal(size=len(steps)) * 0.004, test_loss=loss,
                epoch=steps / 300,
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True), np.concatenate(vectors)


def projection_of(table, vectors, method="pca", robust=True, seed=1):
    """The shadow on the first two axes, with quality measured and robustness made up."""
    rng = np.random.default_rng(seed)
    placed = np.isfinite(vectors[:, 0])
    points = vectors[:, :2].copy()
    cells = None
    if "som" in method:
        cells = map_cells()
        sound = points[(table["outcome"] != "diverged").to_numpy()]
        low, high = np.nanmin(sound, axis=0), np.nanmax(sound, axis=0)
        scaled = (points - low) / (high - low) * np.ptp(cells.centres, axis=0)
        nearest = ((scaled[placed][:, None] - cells.centres) ** 2).sum(-1).argmin(1)
        points[placed] = cells.centres[nearest] + rng.uniform(-0.25, 0.25, (placed.sum(), 2))
    numbers = table["path"][placed].to_numpy()
    paths = [np.flatnonzero(numbers == path) for path in np.unique(numbers)]
    found = assess(vectors[placed], points[placed], paths, {"explained_variance": 0.641})
    table = table.assign(
        fitted=placed, x=points[:, 0], y=points[:, 1], trust=np.nan, continuity=np.nan
    )
    table.loc[placed, "trust"], table.loc[placed, "continuity"] = found.trust, found.continuity
    robustness = None
    if robust:
        size = np.nanstd(points)
        table["spread_xx"], table["spread_yy"] = (0.06 * size) ** 2, (0.09 * size) ** 2
        table["spread_xy"] = 0.3 * 0.06 * 0.09 * size**2
        names = found.quality.numbers()
        nulls = {
            model: {k: v - 0.05 + rng.normal(size=39) * 0.03 for k, v in names.items()}
            for model in ("momentum_walk", "shuffled_steps")
        }
        examples = {
            model: points + rng.normal(size=points.shape).cumsum(0) * 0.02 for model in nulls
        }
        for example in examples.values():
            example[1::3] = np.nan
        robustness = Robustness(
            RobustnessSettings(), len(table), names, (0.01, 0.02), (Fold(("scratch-0",), 0.1),),
            0.08, nulls, examples,
        )  # fmt: skip
    return Projection(
        method, table, found.quality, robustness, cells, {}, 6608, TITLES, "all weight matrices"
    )


def map_cells(rows=12, columns=14):
    row, column = np.divmod(np.arange(rows * columns), columns)
    centres = np.column_stack([column + 0.5 * (row % 2), row * np.sqrt(3) / 2])
    distances = np.hypot(*(centres - centres.mean(axis=0)).T) ** 2
    return MapCells(centres, distances, rows, columns)


def build(methods=("pca",), robust=True, **options):
    table, vectors = trajectories(**options)
    scores = table.drop(columns=["path", "position", "usable"])
    return Results(
        by="condition",
        titles=TITLES,
        scores=scores,
        projections={method: projection_of(table, vectors, method, robust) for method in methods},
        provenance=({"name": "mnist", "label": "MNIST", "original": True},),
        description="all weight matrices, without biases",
    )


def write_store(path, pairs=6, conditions=("scratch", "pretrained"), **options):
    """The same trajectories as a store of networks with three parameters."""
    table, vectors = trajectories(pairs, conditions, **options)
    first = table.drop_duplicates("network").set_index("network")
    coordinates = first[["condition", "pair", "continues", "outcome"]]
    parameters = Parameters(
        ("hidden.weight", "hidden.bias", "output.weight"), ((2, 3), (2,), (2, 2)),
        (0, 6, 8), (6, 8, 12), ("weight", "bias", "weight"), ("float32",) * 3,
    )  # fmt: skip
    weights = vectors.reshape(len(first), -1, vectors.shape[1]).astype(np.float32)
    scores = {
        key: table[key].to_numpy().reshape(len(first), -1) for key in ("test_accuracy", "test_loss")
    }
    with StoreWriter(path, coordinates, parameters, {"titles": TITLES}) as store:
        for snapshot in range(weights.shape[1]):
            steps = table["step"].to_numpy().reshape(len(first), -1)[:, snapshot]
            store.add(
                steps, weights[:, snapshot], {key: of[:, snapshot] for key, of in scores.items()}
            )
    return path


def words(figure):
    """All the text of a figure."""
    return "\n".join(text.get_text() for text in figure.findobj(Text))
