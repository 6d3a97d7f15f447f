"""Small stores of snapshots for tests: smooth random paths, written as training writes them."""

from pathlib import Path

import numpy as np

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.networks import Architecture
from deep_learning_dynamics.trajectories import Member, Schedule, Scores, SnapshotWriter

HIDDEN = (784, 8, 8, 8, 8, 8)
PROBES = 2
SETTINGS = parameters.load(Path(__file__).parents[1] / "params.yaml")


def settings(**changes):
    """The repository's params.yaml with some sections' values replaced."""
    raw = SETTINGS.model_dump(mode="json")
    for section, values in changes.items():
        raw[section] = {**raw[section], **values}
    return parameters.validate(raw)


def smooth_path(start, snapshots, rng, speed=0.03):
    """A path that keeps its direction for a while, as training does."""
    size = len(start)
    direction, turn = rng.normal(size=size), rng.normal(size=size)
    time = np.arange(snapshots)[:, None]
    return (start + speed * (time * direction + 0.02 * time**2 * turn)).astype(np.float32)


def write(path, members, widths, weights, failed=None, epochs=4):
    """A store of the weights [network, snapshot, weight] with made-up scores."""
    snapshots = len(weights[0]) if len(members) else 5
    architecture = Architecture(tuple(widths), "relu")
    schedule = Schedule(np.arange(snapshots) * 10, 10 * (snapshots - 1) // epochs)
    with SnapshotWriter(
        path, members, architecture, schedule, PROBES, {"dataset": "mnist"}
    ) as writer:
        for snapshot in range(snapshots):
            now = np.array([path[snapshot] for path in weights]).reshape(
                len(members), architecture.size
            )
            finite = np.isfinite(now).all(axis=1)
            score = np.where(finite, 0.1 + 0.8 * snapshot / snapshots, np.nan).astype(np.float32)
            probabilities = np.full((len(members), PROBES, widths[-1]), 0.1, np.float32)
            writer.add(now, Scores(score, score, score, score, probabilities))
        writer.mark_failed([""] * len(members) if failed is None else failed)
    return weights


class Stores:
    """Both stores of an experiment with ``pairs`` networks in each arm.

    ``diverged`` is the scratch network that diverges in the middle, if any: its weights are huge
    just before, then NaN.
    """

    def __init__(self, folder, pairs=3, snapshots=9, diverged=None, hidden=HIDDEN, classes=30):
        rng = np.random.default_rng(7)
        self.before, self.after = (
            Architecture((*hidden, classes), "relu"),
            Architecture((*hidden, 10), "relu"),
        )
        output = self.after.layers[-1]
        body = output.weights.start
        scale = 0.3
        starts = [rng.normal(size=self.after.size).astype(np.float32) * scale for _ in range(pairs)]
        heads = [rng.normal(size=self.before.size - body) * scale for _ in range(pairs)]
        self.pretrained = [
            smooth_path(np.concatenate([start[:body], head]), 6, rng)
            for start, head in zip(starts, heads, strict=True)
        ]
        carried = [
            np.concatenate([path[-1, :body], start[body:]])
            for path, start in zip(self.pretrained, starts, strict=True)
        ]
        self.trained = [smooth_path(start, snapshots, rng) for start in (*starts, *carried)]
        members = [Member(arm, pair) for arm in ("scratch", "pretrained") for pair in range(pairs)]
        failed = [""] * len(members)
        if diverged is not None:
            self.trained[diverged][snapshots // 2 - 1] *= 1e6
            self.trained[diverged][snapshots // 2 :] = np.nan
            failed[diverged] = "diverged"
        self.pretrain, self.train = Path(folder, "pretrain.zarr"), Path(folder, "train.zarr")
        write(
            self.pretrain,
            [Member("pretrained", pair) for pair in range(pairs)],
            (*hidden, classes),
            self.pretrained,
        )
        write(self.train, members, (*hidden, 10), self.trained, failed)
