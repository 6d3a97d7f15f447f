"""The files of a run: what the stages wrote and what they were told."""

import hashlib
import json
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.params import Params
from deep_learning_dynamics.tracking.store import Connection

if TYPE_CHECKING:
    from mlflow.entities import Run

TAG = "artifacts"  # JSON: what of which content the run has
# MLflow's UI shows an image in a description at its full size, whatever room there is.
PREVIEWS = {
    "preview/sheet.png": "figures/sheet/sheet.png",
    "preview/learning_curves.png": "figures/learning_curves/learning_curves.png",
}
PREVIEW_WIDTH = 800  # pixels


def artifact_paths(params: Params) -> tuple[str, ...]:
    """The files and folders that belong to an experiment, relative to the project's root.

    By name, because folders may hold what an earlier experiment with other methods left behind.
    """
    return (
        "params.yaml",
        "dvc.yaml",
        "dvc.lock",
        "data/mnist.json",
        "data/omniglot.json",
        "metrics/measures.json",
        "metrics/pretrain.json",
        "metrics/train.json",
        "snapshots/pretrain.zarr",
        "snapshots/train.zarr",
        *(f"projections/{method}" for method in params.project.methods),
        *(f"figures/{method}" for method in params.project.methods),
        "ranking",
        "measures",
        "figures/learning_curves",
        "figures/measures",
        "figures/sheet",
        "report",
    )


def log_artifacts(connection: Connection, run: "Run", root: Path, params: Params) -> None:
    """Copy an experiment's files to its run; those that it has with this content stay.

    Raises:
        TrackingError: a file is missing.
    """
    client, run_id = connection.client, run.info.run_id
    for name in artifact_paths(params):
        if not (root / name).exists():
            raise TrackingError(
                f"{root / name} does not exist; expected what the pipeline wrote. "
                "Make it with: dvc repro"
            )
    known = json.loads(run.data.tags.get(TAG, "{}"))
    present: dict[str, set[str]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        made = {"dvc.lock": Path(scratch) / "dvc.lock"}
        _write_lock(root / "dvc.lock", made["dvc.lock"], params)
        for name, figure in PREVIEWS.items():
            made[name] = Path(scratch) / name
            _write_preview(root / figure, made[name])
        for name in (*artifact_paths(params), *PREVIEWS):
            source = made.get(name, root / name)
            folder = PurePosixPath(name).parent.as_posix()
            folder = "" if folder == "." else folder
            if folder not in present:
                present[folder] = {file.path for file in client.list_artifacts(run_id, folder)}
            digest = _digest(source)
            if known.get(name) == digest and name in present[folder]:
                continue
            if source.is_dir():
                client.log_artifacts(run_id, str(source), name)
            else:
                client.log_artifact(run_id, str(source), folder or None)
            known[name] = digest
            # At once, so that an interrupted copy goes on where it stopped.
            client.set_tag(run_id, TAG, json.dumps(known))


def _write_lock(source: Path, target: Path, params: Params) -> None:
    """Copy what ``dvc.lock`` says about this experiment.

    Not ``track``, which is only written there when it is done; nor the stages of methods that are
    no longer asked for, which DVC keeps.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    lock: dict[str, Any] = yaml.load(source.read_text(encoding="utf-8"))
    lock["stages"] = {
        name: stage
        for name, stage in lock["stages"].items()
        if name != "track" and _belongs(name, params)
    }
    with target.open("w", encoding="utf-8") as stream:
        yaml.dump(lock, stream)


def _write_preview(source: Path, target: Path) -> None:
    """Copy a picture at the size of the column in which the UI shows it."""
    from PIL import Image

    target.parent.mkdir(exist_ok=True)
    with Image.open(source) as picture:
        # Up to that width it stays as it is.
        picture.thumbnail((PREVIEW_WIDTH, picture.height), Image.Resampling.LANCZOS)
        picture.save(target)


def _belongs(stage: str, params: Params) -> bool:
    kind, _, method = stage.partition("@")
    return kind not in ("project", "plot") or method in params.project.methods


def _digest(path: Path) -> str:
    """Of a file's bytes, or of a folder's files and their names. 16 digits: a tag is short."""
    digest = hashlib.sha256()
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        name = "" if file == path else file.relative_to(path).as_posix()
        digest.update(f"{name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(2**20):
                digest.update(block)
    return digest.hexdigest()[:16]
