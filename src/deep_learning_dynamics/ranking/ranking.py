"""Orders the methods of an experiment by how far their pictures may be believed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deep_learning_dynamics import stage
from deep_learning_dynamics.errors import ProjectionError
from deep_learning_dynamics.params import Method
from deep_learning_dynamics.ranking.reasons import reason
from deep_learning_dynamics.ranking.scores import evidence_of, scores

# As on the figures, whose module draws and so takes long to import.
TITLES: dict[Method, str] = {
    "pca": "Principal component analysis",
    "som": "Self-organising map",
    "autoencoder": "Autoencoder",
    "autoencoder_som": "Autoencoder + self-organising map",
    "autoencoder_tsne": "Autoencoder + t-SNE",
    "umap": "UMAP",
}
DIGITS = 10


@dataclass(frozen=True)
class Ranked:
    """A method and what speaks for and against its picture; numbers are 0 to 1, None: unknown."""

    rank: int  # from 1; methods of one score share theirs
    method: Method
    title: str
    score: float | None  # the mean of what is known of the following four
    neighbourhoods: float | None
    distances: float | None
    paths: float | None
    stability: float | None
    reason: str


def rank(qualities: Mapping[Method, Mapping[str, Any]]) -> list[Ranked]:
    """Order methods by the contents of their quality.json, the best first.

    Methods of one score are in the order in which they were given; without any score, last.
    """
    found = []
    for method, quality in qualities.items():
        evidence = evidence_of(quality)
        parts = scores(evidence)
        values = {name: _rounded(value) for name, value in asdict(parts).items()}
        entry = Ranked(
            1, method, TITLES[method], _rounded(parts.mean), **values, reason=reason(evidence)
        )
        found.append(entry)
    found.sort(key=_worse)
    keys = [_worse(entry) for entry in found]
    return [
        Ranked(**asdict(entry) | {"rank": 1 + keys.index(key)})
        for entry, key in zip(found, keys, strict=True)
    ]


def read_qualities(projections: Path, methods: Sequence[Method]) -> dict[Method, dict[str, Any]]:
    """The quality.json of each method.

    Raises:
        ProjectionError: one is missing.
    """
    found: dict[Method, dict[str, Any]] = {}
    for method in methods:
        path = projections / method / "quality.json"
        try:
            found[method] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ProjectionError(
                f"{path} does not exist; expected how good the projection of {method} is. "
                f"Make it with: dvc repro project@{method}"
            ) from None
    return found


def write(ranking: Sequence[Ranked], folder: Path) -> None:
    """Write ``ranking.json`` into a folder."""
    stage.write_json(folder / "ranking.json", [asdict(entry) for entry in ranking])


def table(ranking: Sequence[Ranked]) -> str:
    """A line for each method: rank, name, score and reason."""
    width = max((len(entry.method) for entry in ranking), default=0)
    return "\n".join(
        f"{entry.rank}  {entry.method:<{width}}  "
        f"{'   –' if entry.score is None else f'{entry.score:.2f}'}  {entry.reason}"
        for entry in ranking
    )


def _worse(entry: Ranked) -> float:
    return float("inf") if entry.score is None else -entry.score


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")
