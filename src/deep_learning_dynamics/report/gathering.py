"""Everything that the report shows, read from the files of the earlier stages."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deep_learning_dynamics.errors import DataError, ProjectionError
from deep_learning_dynamics.figures.inputs import (
    Projection,
    Provenance,
    read_projection,
    read_provenance,
)
from deep_learning_dynamics.figures.measured import Measured, read_measured
from deep_learning_dynamics.params import Params
from deep_learning_dynamics.ranking import Ranked
from deep_learning_dynamics.report.networks import Networks, read_networks


@dataclass(frozen=True)
class Dataset:
    """Which data were used, with what a reader may want to know of them."""

    provenance: Provenance
    details: dict[str, Any]  # the whole of ``data/NAME.json``


@dataclass(frozen=True)
class Experiment:
    """One experiment as its stages left it."""

    params: Params
    params_text: str  # params.yaml as it is written
    mnist: Dataset
    omniglot: Dataset
    networks: Networks
    projections: tuple[Projection, ...]
    qualities: tuple[dict[str, Any], ...]  # quality.json of each projection
    ranking: tuple[Ranked, ...]
    measured: Measured
    conclusion: str
    against_nulls: dict[str, Any]  # of metrics/measures.json; empty where it was left out


def gather(root: Path, params: Params) -> Experiment:
    """Read the outputs below ``root``.

    Raises:
        DataError: a file is missing that is no projection's.
        ProjectionError: a projection is missing, or has other rows than the first.
    """
    methods = params.project.methods
    folders = [root / "projections" / method for method in methods]
    networks = [
        read_networks(folder, method) for folder, method in zip(folders, methods, strict=True)
    ]
    for method, found in zip(methods, networks, strict=True):
        if _who(found) != _who(networks[0]):
            raise ProjectionError(
                f"projections/{method} has other networks or snapshots than "
                f"projections/{methods[0]}; expected all projections of one experiment. "
                "Make them again with: dvc repro"
            )
    metrics = root / "metrics" / "measures.json"
    measured = read_measured(root / "measures", metrics)
    summary = _read(metrics, "measure")
    ranking = _read(root / "ranking" / "ranking.json", "rank")
    return Experiment(
        params=params,
        params_text=(root / "params.yaml").read_text(encoding="utf-8"),
        mnist=_dataset(root / "data" / "mnist.json"),
        omniglot=_dataset(root / "data" / "omniglot.json"),
        networks=networks[0],
        projections=tuple(
            read_projection(folder, method) for folder, method in zip(folders, methods, strict=True)
        ),
        qualities=tuple(
            _read(folder / "quality.json", f"project@{method}")
            for folder, method in zip(folders, methods, strict=True)
        ),
        ranking=tuple(
            Ranked(**{name: entry.get(name) for name in Ranked.__dataclass_fields__})
            for entry in ranking
        ),
        measured=measured,
        conclusion=summary.get("conclusion") or "",
        against_nulls=summary.get("nulls") or {},
    )


def _who(networks: Networks) -> tuple[Any, ...]:
    schedules = {phase: found.steps.tolist() for phase, found in networks.learning.items()}
    return networks.members, schedules


def _dataset(path: Path) -> Dataset:
    provenance = read_provenance(path)
    return Dataset(provenance, json.loads(path.read_text(encoding="utf-8")))


def _read(path: Path, stage: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist; expected what stage {stage} wrote. "
            f"Make it with: dvc repro {stage}"
        ) from None
