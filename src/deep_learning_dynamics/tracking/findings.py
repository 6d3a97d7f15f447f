"""What an experiment found, as its stages wrote it: accuracies, qualities, seconds."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.params import Params
from deep_learning_dynamics.trajectories import SCORES

# Counts in quality.json that say how it was measured, not how good a projection is.
NOT_QUALITIES = ("method", "rows", "fitted_rows", "weights", "neighbours")


@dataclass(frozen=True)
class Findings:
    """An experiment's headline numbers, by the names under which MLflow shows them.

    ``scratch.test_accuracy`` is the median over that arm's networks after the last epoch,
    ``omniglot.test_accuracy`` that of pre-training, ``pca.trustworthiness`` a projection's quality,
    ``seconds.train`` what a stage took. What is not defined is not there.
    """

    metrics: dict[str, float]
    arms: tuple[str, ...]
    methods: tuple[str, ...]

    @property
    def best_projector(self) -> str | None:
        """The method of the highest trustworthiness, the first of equals."""
        known = [name for name in self.methods if f"{name}.trustworthiness" in self.metrics]
        return max(known, key=lambda name: self.metrics[f"{name}.trustworthiness"], default=None)


def findings(root: Path, params: Params) -> Findings:
    """Read the headline numbers from the stages' outputs.

    Raises:
        TrackingError: an output is missing.
    """
    metrics: dict[str, float] = {}
    for arm, summary in read_output(root / "metrics" / "train.json").items():
        metrics |= _summarised(arm, summary)
    metrics |= _summarised("omniglot", read_output(root / "metrics" / "pretrain.json"))
    for method in params.project.methods:
        quality = read_output(root / "projections" / method / "quality.json")
        metrics |= {
            f"{method}.{name}": float(value)
            for name, value in quality.items()
            if name not in NOT_QUALITIES and value is not None
        }
    for path in sorted((root / "timings").glob("*.json")):
        stage, _, method = path.stem.partition("-")
        if stage in ("project", "plot") and method not in params.project.methods:
            continue  # left behind by an earlier experiment
        metrics[f"seconds.{path.stem}"] = float(read_output(path)["seconds"])
    return Findings(metrics, params.train.arms, params.project.methods)


def read_output(path: Path) -> Any:
    """The contents of a JSON file that a stage wrote."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TrackingError(
            f"{path} does not exist; expected what a stage of the pipeline wrote. "
            "Make it with: dvc repro"
        ) from None


def _summarised(who: str, summary: dict[str, Any]) -> dict[str, float]:
    values = {}
    for name in SCORES:
        spread = summary.get(name, {})
        values[f"{who}.{name}"] = spread.get("median")
        if name == "test_accuracy":
            values[f"{who}.{name}_minimum"] = spread.get("minimum")
            values[f"{who}.{name}_maximum"] = spread.get("maximum")
    for name in ("failed", "chance", "largest_class"):
        values[f"{who}.{name}"] = summary.get(name)
    return {name: float(value) for name, value in values.items() if value is not None}
