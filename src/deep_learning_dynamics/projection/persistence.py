"""Fitted projectors on disk: parameters as JSON, fitted attributes as arrays, and no pickle.

Everything here holds for any scikit-learn transformer whose parameters are plain values and whose
fitted attributes (their names end in "_") are arrays or numbers.
"""

import importlib
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deep_learning_dynamics.errors import ProjectionError

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# Only these are ever made from a file.
MODULES = {
    "Isometry": "deep_learning_dynamics.projection.isometry",
    "PCA": "sklearn.decomposition",
    "SelfOrganisingMap": "deep_learning_dynamics.projection.som",
    "Autoencoder": "deep_learning_dynamics.projection.autoencoder",
    "TSNE": "deep_learning_dynamics.projection.tsne",
    "UMAP": "deep_learning_dynamics.projection.umap",
}


def save(pipeline: "Pipeline", folder: Path) -> None:
    """Write ``projector.json`` and ``projector.npz`` into a folder that exists."""
    steps, arrays = [], {}
    for name, step in pipeline.steps:
        steps.append({"name": name, "class": type(step).__name__, "params": step.get_params()})
        for attribute, value in vars(step).items():
            if attribute.endswith("_") and isinstance(value, (np.ndarray, np.generic, int, float)):
                arrays[f"{name}.{attribute}"] = np.asarray(value)
    text = json.dumps({"steps": steps}, indent=2, allow_nan=False)
    (folder / "projector.json").write_text(f"{text}\n", encoding="utf-8")
    write_arrays(folder / "projector.npz", arrays)


def load(folder: Path, rows: Any) -> "Pipeline":
    """The fitted pipeline, given the rows that its isometry was fitted on (those of view.usable).

    Raises:
        ProjectionError: the files are missing or damaged, or the rows are others.
    """
    from sklearn.pipeline import Pipeline

    try:
        description = json.loads((folder / "projector.json").read_text(encoding="utf-8"))
        with np.load(folder / "projector.npz", allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        steps = [
            (part["name"], _rebuilt(part["name"], part["class"], part["params"], arrays))
            for part in description["steps"]
        ]
    except FileNotFoundError as error:
        raise ProjectionError(
            f"{error.filename} does not exist; expected a fitted projector. "
            f"Make it with: dvc repro project@{folder.name}"
        ) from None
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ProjectionError(
            f"{folder} does not hold a fitted projector ({error}). "
            f"Make it again with: dvc repro --force project@{folder.name}"
        ) from None
    for _, step in steps:
        if hasattr(step, "attach"):
            step.attach(rows)
    return Pipeline(steps)


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """An ``.npz`` whose bytes depend on the arrays alone: ``numpy.savez`` puts in the time."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            with archive.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)


def _rebuilt(name: str, kind: str, params: dict[str, Any], arrays: dict[str, np.ndarray]) -> Any:
    step = getattr(importlib.import_module(MODULES[kind]), kind)(**params)
    for key, value in arrays.items():
        owner, _, attribute = key.rpartition(".")
        if owner == name:
            setattr(step, attribute, value if value.ndim else value.item())
    return step
