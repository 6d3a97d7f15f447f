"""Datasets that lie in a folder of this machine, and a record of them for DVC to hash."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from deep_learning_dynamics.errors import DataError
from deep_learning_dynamics.study.datasets.dataset import Dataset, Examples, UnavailableError
from deep_learning_dynamics.study.datasets.members import members

VARIABLE = "DYNAMICS_DATASETS"
DEFAULT = Path("datasets")
HASHED = 2**28  # bytes and
LISTED = 50  # files up to which a folder's files are hashed one by one


def read_local(dataset: Dataset) -> Examples:
    """The original dataset from the folder of datasets.

    Raises:
        UnavailableError: there is no such folder, or the dataset is not in it.
        DataError: the folder that was set cannot be used, or a file in it is damaged.
    """
    root = datasets_folder()
    if root is None:
        raise UnavailableError(f"{VARIABLE} is not set, and there is no folder {DEFAULT}")
    try:
        for place in _places(root, dataset):
            examples = dataset.read(members(place))
            if examples is not None:
                return examples
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}.") from None
    raise UnavailableError(f"{root} has no {dataset.looked_for}")


def datasets_folder() -> Path | None:
    """That which ``DYNAMICS_DATASETS`` names, or ``datasets`` in the project, if it is there.

    Raises:
        DataError: the variable names no folder.
    """
    setting = os.environ.get(VARIABLE)
    if setting:  # set to nothing is how many tools unset a variable
        root = Path(setting).expanduser()
        if not root.is_dir():
            found = "is not a folder" if root.exists() else "does not exist"
            raise DataError(
                f"{VARIABLE} is {setting}, which {found}. Set it to the folder that holds mnist/ "
                "or omniglot/, or unset it."
            )
        return root
    here = Path.cwd()
    projects = [Path()]
    if ".dvc" in here.parts:  # `dvc exp run --temp` works in a copy within the project's .dvc
        projects.append(Path(*here.parts[: here.parts.index(".dvc")]))
    return next((each / DEFAULT for each in projects if (each / DEFAULT).is_dir()), None)


def record_found(datasets: Iterable[Dataset]) -> dict[str, Any]:
    """What is found on this machine of each dataset: names, sizes and hashes, without paths.

    DVC hashes the record, so that a dataset is fetched again when its files come, go or change.
    """
    root = datasets_folder()
    found: dict[str, Any] = {}
    for dataset in datasets:
        found[dataset.key] = {}
        for place in [] if root is None else _places(root, dataset):
            try:
                found[dataset.key][place.name] = _inventory(place)
            except OSError as error:
                raise DataError(f"{error.filename} cannot be read: {error.strerror}.") from None
    return found


def _places(root: Path, dataset: Dataset) -> list[Path]:
    places: list[Path] = []
    for name in dataset.places:
        place = root / name
        # On file systems that ignore case, mnist and MNIST are one folder.
        if place.exists() and not any(place.samefile(other) for other in places):
            places.append(place)
    return places


def _inventory(place: Path) -> Any:
    paths = [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file())
    size = sum(path.stat().st_size for path in paths)
    if len(paths) > LISTED or size > HASHED:
        newest = max(path.stat().st_mtime_ns for path in paths)
        return {"files": len(paths), "bytes": size, "newest": newest}
    listed = {}
    for path in paths:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        listed[path.relative_to(place).as_posix()] = digest
    return listed
