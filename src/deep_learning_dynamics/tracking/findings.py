"""What an experiment found, as its stages wrote it: accuracies, qualities, ranking, seconds."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.params import Params
from deep_learning_dynamics.ranking import Ranked
from deep_learning_dynamics.trajectories import SCORES

# Counts in quality.json that say how it was measured, not how good a projection is.
NOT_QUALITIES = ("method", "rows", "fitted_rows", "weights", "neighbours")
OF_NULLS = ("median", "p_value")
OF_RANKING = ("rank", "score")
OF_COMPARISONS = ("difference", "effect_size", "adjusted_p")


@dataclass(frozen=True)
class Findings:
    """An experiment's headline numbers, by the names under which MLflow shows them.

    ``scratch.test_accuracy`` is the median over that arm's networks after the last epoch,
    ``omniglot.test_accuracy`` that of pre-training, ``pca.trustworthiness`` a projection's quality,
    ``pca.path_trustworthiness`` its median along each path, ``pca.seed_disparity`` that of refits,
    ``pca.random_walk.trustworthiness.p_value`` how it stands among nulls, ``pca.rank`` and
    ``pca.score`` how far it is to be believed beside the others,
    ``comparison.path_length.difference`` pretrained minus scratch, ``seconds.train`` what a stage
    took. What is not defined is not there.
    """

    metrics: dict[str, float]
    arms: tuple[str, ...]
    methods: tuple[str, ...]
    ranking: tuple[Ranked, ...]  # the best first

    @property
    def best_projector(self) -> str | None:
        """The method of the highest score, the first of equals."""
        return next((entry.method for entry in self.ranking if entry.score is not None), None)


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
        metrics |= {f"{method}.{name}": value for name, value in _qualities(quality).items()}
    ranking = tuple(Ranked(**entry) for entry in read_output(root / "ranking" / "ranking.json"))
    for entry in ranking:
        metrics |= _known({f"{entry.method}.{key}": getattr(entry, key) for key in OF_RANKING})
    metrics |= _compared(read_output(root / "metrics" / "measures.json"))
    for path in sorted((root / "timings").glob("*.json")):
        stage, _, method = path.stem.partition("-")
        if stage in ("project", "plot") and method not in params.project.methods:
            continue  # left behind by an earlier experiment
        metrics[f"seconds.{path.stem}"] = float(read_output(path)["seconds"])
    return Findings(metrics, params.train.arms, params.project.methods, ranking)


def read_output(path: Path) -> Any:
    """The contents of a JSON file that a stage wrote."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TrackingError(
            f"{path} does not exist; expected what a stage of the pipeline wrote. "
            "Make it with: dvc repro"
        ) from None


def _qualities(quality: dict[str, Any]) -> dict[str, float]:
    """The numbers of a quality.json under names with few dots.

    Of spreads the median stays, of nulls what is needed to read the real number beside them.
    """
    values = {name: value for name, value in quality.items() if name not in NOT_QUALITIES}
    for name, spread in values.pop("along_paths", {}).items():
        values[f"path_{name}"] = spread["median"]
    stability = values.pop("stability", {})
    values["wobble"] = stability.get("wobble")
    for refits in ("seeds", "folds"):
        values[f"{refits[:-1]}_disparity"] = stability.get(refits, {}).get("disparity")
    for kind, standings in values.pop("nulls", {}).items():
        for name, standing in standings.items():
            for part in OF_NULLS:
                values[f"{kind}.{name}.{part}"] = standing.get(part)
    return _known(values)


def _compared(measures: dict[str, Any]) -> dict[str, float]:
    """How the arms differ in each measure, where both were trained."""
    return _known(
        {
            f"comparison.{name}.{part}": test.get(part)
            for name, test in measures.get("comparison", {}).items()
            for part in OF_COMPARISONS
        }
    )


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
    return _known(values)


def _known(values: dict[str, float | int | None]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if value is not None}
