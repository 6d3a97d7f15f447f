"""What an experiment is made of, as a hash: its parameters, its code and its data."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.datasets.provenance import Counts, Provenance
from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.params import Params

DATASETS = ("mnist", "omniglot")
CODE = (
    "src/deep_learning_dynamics/**/*.py",
    # Of the report's page.
    *(f"src/deep_learning_dynamics/**/*.{kind}" for kind in ("html", "css", "js")),
    "pipeline/*.py",
    "dvc.yaml",
)


@dataclass(frozen=True)
class Fingerprint:
    """SHA-256 in hexadecimal of each part."""

    parameters: str
    code: str
    data: str

    @property
    def whole(self) -> str:
        """What an MLflow run is found by."""
        return _digest([self.parameters, self.code, self.data])


def fingerprint(root: Path) -> Fingerprint:
    """The fingerprint of the experiment that the files under ``root`` describe.

    Equal settings have equal fingerprints, however params.yaml writes them; so has equal data,
    wherever it came from.

    Raises:
        ParamsError: params.yaml is not valid.
        TrackingError: the datasets have not been fetched yet.
    """
    params = parameters.load(root / "params.yaml")
    data = {name: provenance(root, name).sha256 for name in DATASETS}
    return Fingerprint(of_parameters(params), of_code(root), _digest(data))


def of_parameters(params: Params) -> str:
    """The part that the settings make."""
    return _digest(params.model_dump(mode="json"))


def of_code(root: Path) -> str:
    """The part that the code under ``root`` makes."""
    files = sorted(path for pattern in CODE for path in root.glob(pattern))
    return _digest(
        {
            path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        }
    )


def provenance(root: Path, dataset: str) -> Provenance:
    """Where a dataset came from, as its ``fetch`` stage wrote it down."""
    path = root / "data" / f"{dataset}.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TrackingError(
            f"{path} does not exist; expected the provenance of a dataset. "
            f"Make it with: dvc repro fetch@{dataset}"
        ) from None
    return Provenance(**record | {"counts": Counts(**record["counts"])})


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
