"""A small finished project: the files that a pipeline leaves behind, made in a moment.

The numbers are invented, but known: see ``scores_at``. No stage is run.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from ruamel.yaml import YAML

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.networks import Architecture
from deep_learning_dynamics.params import Params
from deep_learning_dynamics.trajectories import Member, Schedule, Scores, SnapshotWriter

ROOT = Path(__file__).parents[1]
STEPS_PER_EPOCH = 4
SCHEDULE = Schedule.regular(STEPS_PER_EPOCH, epochs=2, first_epoch=2, per_epoch=1)

# What a quality.json says of tests, as far as one method can say it.
TESTED = {
    "along_paths": {
        "trustworthiness": {"median": 0.97, "minimum": 0.9, "maximum": 0.99},
        "distance_correlation": {"median": 0.7, "minimum": 0.5, "maximum": 0.8},
    },
    "stability": {
        "seeds": {"refits": 4, "disparity": 0.0, "maximum": 0.0},
        "folds": {"refits": 2, "disparity": 0.02, "maximum": 0.04},
        "wobble": 0.06,
    },
    "nulls": {
        "random_walk": {
            "trustworthiness": {
                "value": 0.9,
                "low": 0.8,
                "median": 0.85,
                "high": 0.95,
                "p_value": 0.4,
                "nulls": 20,
            }
        }
    },
}
# Of a measures.json: how the arms differ in one measure, and in one that no network has.
COMPARED = {"pairs": 2, "difference": 1.5, "effect_size": 1.0, "p_value": 0.5, "adjusted_p": 1.0}
UNREACHED = {"pairs": 0, "difference": None, "effect_size": None}


@dataclass(frozen=True)
class Project:
    """Where it is and what it is about."""

    root: Path
    params: Params

    def members(self, phase: str) -> list[Member]:
        """The networks of ``snapshots/PHASE.zarr``, in its order."""
        arms = {"pretrain": ["pretrained"], "train": list(self.params.train.arms)}[phase]
        return [
            Member(a, i)
            for a in arms
            if a in self.params.train.arms
            for i in range(self.params.train.networks)
        ]


def scores_at(snapshot: int, networks: int) -> Scores:
    """What networks score at a snapshot: network n has 0.1 × snapshot + 0.01 × n on the test set."""
    test = (0.1 * snapshot + 0.01 * np.arange(networks)).astype(np.float32)
    uniform = np.full((networks, 2, 10), 0.1, np.float32)
    return Scores(2 - test, test / 2, 3 - test, test, uniform)


def finished_project(
    folder: Path,
    *,
    learning_rate: float = 0.1,
    networks: int = 2,
    methods: Sequence[str] = ("pca", "som"),
    arms: Sequence[str] = ("scratch", "pretrained"),
    failed: str = "",
    stand_in: bool = False,
    snapshots: Schedule = SCHEDULE,
) -> Project:
    """Fill ``folder`` with a finished experiment.

    ``failed`` is how the last network of ``train`` failed ("", "dead" or "diverged").
    """
    folder.mkdir(parents=True, exist_ok=True)
    raw = parameters.read(ROOT / "params.yaml")
    raw["network"]["hidden_layers"] = [3, 3]
    raw["train"] |= {"learning_rate": learning_rate, "networks": networks, "arms": list(arms)}
    raw["project"]["methods"] = list(methods)
    with (folder / "params.yaml").open("w") as stream:
        YAML().dump(raw, stream)
    project = Project(folder, parameters.load(folder / "params.yaml"))
    _write_code(folder)
    _write_data(folder, stand_in)
    for phase in ("pretrain", "train"):
        write_snapshots(project, phase, failed if phase == "train" else "", snapshots)
    _write_metrics(project)
    for method in methods:
        _write_projection(project, method)
    for number, name in enumerate([*methods, "learning_curves", "sheet"]):
        write_figure(folder / "figures" / name / f"{name}.png", number)
        (folder / "figures" / name / f"{name}.svg").write_text(
            "<svg xmlns='http://www.w3.org/2000/svg'/>\n"
        )
    write_figure(folder / "figures" / "measures" / "forest" / "forest.png", 7)
    measured = {"can_conclude": False}
    if len(arms) == 2:
        measured["comparison"] = {"path_length": COMPARED, "steps_to_90": COMPARED | UNREACHED}
    _write_json(folder / "metrics" / "measures.json", measured)
    _write_ranking(project)
    (folder / "report").mkdir(exist_ok=True)
    (folder / "report" / "index.html").write_text("<!doctype html><title>a report</title>\n")
    (folder / "measures").mkdir(exist_ok=True)
    (folder / "measures" / "measures.parquet").write_bytes(b"PAR1 in name only")
    stages = ["fetch-mnist", "fetch-omniglot", "pretrain", "train", "curves", "sheet"]
    for seconds, stage in enumerate(
        [*stages, *(f"project-{m}" for m in methods), *(f"plot-{m}" for m in methods)]
    ):
        _write_json(folder / "timings" / f"{stage}.json", {"seconds": seconds + 0.5})
    stages = [stage.replace("-", "@") for stage in stages] + [
        f"{k}@{m}" for k in ("project", "plot") for m in methods
    ]
    lock = {
        "schema": "2.0",
        "stages": {stage: {"cmd": f"python pipeline/{stage}.py"} for stage in stages},
    }
    with (folder / "dvc.lock").open("w") as stream:
        YAML().dump(lock, stream)
    return project


def write_snapshots(
    project: Project, phase: str, failed: str = "", schedule: Schedule = SCHEDULE
) -> None:
    """One store; weights are random, scores those of ``scores_at``, NaN at the end if diverged."""
    members = project.members(phase)
    classes = 10 if phase == "train" else 30
    architecture = Architecture((784, 3, 3, classes), "relu")
    path = project.root / "snapshots" / f"{phase}.zarr"
    path.parent.mkdir(exist_ok=True)
    rng = np.random.default_rng(len(phase))
    dataset = {"train": "mnist", "pretrain": "omniglot"}[phase]
    with SnapshotWriter(path, members, architecture, schedule, 2, {"dataset": dataset}) as writer:
        for snapshot in range(len(schedule.steps)):
            weights = rng.normal(size=(len(members), architecture.size)).astype(np.float32)
            scores = scores_at(snapshot, len(members))
            probabilities = np.full((len(members), 2, classes), 1 / classes, np.float32)
            scores = Scores(
                scores.train_loss,
                scores.train_accuracy,
                scores.test_loss,
                scores.test_accuracy,
                probabilities,
            )
            if failed == "diverged" and snapshot == len(schedule.steps) - 1:
                for values in (weights, *vars(scores).values()):
                    values[-1] = np.nan
            writer.add(weights, scores)
        writer.mark_failed([""] * (len(members) - 1) + [failed] if members else [])


def write_figure(path: Path, number: int) -> None:
    """A real PNG, of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (320, 200), (40 + 20 * number, 120, 200 - 20 * number)).save(path)


def _write_code(folder: Path) -> None:
    shutil.copy(ROOT / "dvc.yaml", folder)
    for name in ("src/deep_learning_dynamics/training.py", "pipeline/train.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text('"""A line of code."""\n')


def _write_data(folder: Path, stand_in: bool) -> None:
    labels = {"mnist": "MNIST", "omniglot": "OMNIGLOT stand-in: glyphs" if stand_in else "OMNIGLOT"}
    for name, label in labels.items():
        mnist = name == "mnist"
        embedded = stand_in and not mnist
        _write_json(
            folder / "data" / f"{name}.json",
            {
                "dataset": name.upper(),
                "source": "embedded" if embedded else "local",
                "original": not embedded,
                "label": label,
                "target": "digit" if mnist else "alphabet",
                "classes": 10 if mnist else 30,
                "counts": {"train": 60000, "test": 10000}
                if mnist
                else {"train": 15424, "test": 3856},
                "sha256": hashlib.sha256(label.encode()).hexdigest(),
                "licence": "CC BY-SA 3.0" if mnist else "MIT",
                "citation": "LeCun et al." if mnist else "Lake et al.",
                "description": "Handwritten digits." if mnist else "Handwritten characters.",
            },
        )


def _write_metrics(project: Project) -> None:
    last = len(SCHEDULE.steps) - 1

    def summary(phase: str, arm: str) -> dict:
        members = project.members(phase)
        scores = scores_at(last, len(members))
        chosen = [n for n, member in enumerate(members) if member.arm == arm]
        result = {"failed": 0}
        for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
            values = getattr(scores, name)[chosen].astype(float)
            result[name] = {
                key: round(float(function(values)), 6) if len(values) else None
                for key, function in (
                    ("median", np.median),
                    ("minimum", np.min),
                    ("maximum", np.max),
                )
            }
        return result

    metrics = project.root / "metrics"
    _write_json(
        metrics / "train.json", {arm: summary("train", arm) for arm in project.params.train.arms}
    )
    _write_json(
        metrics / "pretrain.json",
        summary("pretrain", "pretrained") | {"chance": 0.033333, "largest_class": 0.057},
    )


def _write_projection(project: Project, method: str) -> None:
    folder = project.root / "projections" / method
    folder.mkdir(parents=True)
    rng = np.random.default_rng(len(method))
    rows = []
    for phase in ("pretrain", "train"):
        members = project.members(phase)
        for index, member in enumerate(members):
            for snapshot, step in enumerate(SCHEDULE.steps):
                scores = scores_at(snapshot, len(members))
                x, y = rng.normal(size=2)
                rows.append(
                    {
                        "phase": phase,
                        "arm": member.arm,
                        "pair": member.pair,
                        "layer": 0,
                        "step": int(step),
                        "epoch": step / STEPS_PER_EPOCH,
                        "train_loss": float(scores.train_loss[index]),
                        "train_accuracy": float(scores.train_accuracy[index]),
                        "test_loss": float(scores.test_loss[index]),
                        "test_accuracy": float(scores.test_accuracy[index]),
                        "failed": "",
                        "fitted": True,
                        "x": x,
                        "y": y,
                    }
                )
    pd.DataFrame(rows).to_parquet(folder / "coordinates.parquet", index=False)
    _write_json(folder / "projector.json", {"method": method})
    np.savez(folder / "projector.npz", axes=np.eye(2))
    quality = {
        "method": method,
        "rows": len(rows),
        "fitted_rows": len(rows),
        "neighbours": 10,
        "trustworthiness": 0.9 if method == "pca" else 0.95,
        "continuity": 0.95,
        "distance_correlation": 0.8,
    }
    if method == "pca":
        quality["explained_variance"] = 0.75
        quality |= TESTED
    _write_json(folder / "quality.json", quality)


def _write_ranking(project: Project) -> None:
    """PCA is the best, for its score; the most trustworthy is another."""
    scores = {method: 0.9 if method == "pca" else 0.8 for method in project.params.project.methods}
    ranked = [
        {
            "rank": 1 if method == "pca" or "pca" not in scores else 2,
            "method": method,
            "title": method.upper(),
            "score": score,
            "neighbourhoods": score,
            "distances": score,
            "paths": None,
            "stability": None,
            "reason": f"keeps distances ({score:.2f})",
        }
        for method, score in sorted(scores.items(), key=lambda item: -item[1])
    ]
    _write_json(project.root / "ranking" / "ranking.json", ranked)


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")
