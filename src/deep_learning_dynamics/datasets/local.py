"""Datasets that lie in a folder of this machine already."""

import os
from collections.abc import Mapping
from pathlib import Path

from deep_learning_dynamics.datasets import mnist, omniglot
from deep_learning_dynamics.datasets.examples import Examples
from deep_learning_dynamics.datasets.sources import UnavailableError
from deep_learning_dynamics.errors import DataError
from deep_learning_dynamics.params import DatasetName, Target

VARIABLE = "DYNAMICS_DATASETS"
DEFAULTS = (Path("datasets"), Path("../shared/datasets"))
# Where either dataset may lie in that folder: as in the README, or as torchvision leaves it.
FOLDERS = {"mnist": ("mnist", "MNIST/raw"), "omniglot": ("omniglot", "omniglot-py")}
OMNIGLOT = ("images_background.zip", "images_background")


def examples(name: DatasetName, target: Target) -> Examples:
    """The original ``name`` from the folder of datasets.

    Raises:
        UnavailableError: there is no such folder, or the dataset is not in it.
        DataError: the folder that was set cannot be used, or a file in it is damaged.
    """
    try:
        root = _root(os.environ)
        found = _found(root, name)
        if found:
            return _mnist(found) if name == "mnist" else _omniglot(found[0], target)
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}.") from None
    looked_for = {
        "mnist": f"mnist/{next(iter(mnist.SHA256))} (or .gz)",
        "omniglot": " or ".join(f"omniglot/{entry}" for entry in OMNIGLOT),
    }
    raise UnavailableError(f"{root} has no {looked_for[name]}")


def _root(environment: Mapping[str, str]) -> Path:
    """The folder of datasets, which is there and not empty."""
    setting = environment.get(VARIABLE)
    if setting:  # set to nothing is how many tools unset a variable
        root = Path(setting).expanduser()
        mend = f"Set {VARIABLE} to the folder that holds mnist/ or omniglot/, or unset it."
        if not root.is_dir():
            found = "is not a folder" if root.exists() else "does not exist"
            raise DataError(f"{VARIABLE} is {setting}, which {found}. {mend}")
        _refuse_empty(root)
        if not any(_found(root, name) for name in FOLDERS):
            raise DataError(f"{VARIABLE} is {setting}, which holds neither dataset. {mend}")
        return root
    for root in DEFAULTS:
        if root.is_dir():
            _refuse_empty(root)
            return root
    raise UnavailableError(
        f"{VARIABLE} is not set, and neither {DEFAULTS[0]} nor {DEFAULTS[1]} is there"
    )


def _found(root: Path, name: DatasetName) -> list[Path]:
    """The files and folders of the dataset, from the first place that has any."""
    wanted = OMNIGLOT
    if name == "mnist":
        wanted = tuple(f"{file}{suffix}" for file in mnist.SHA256 for suffix in ("", ".gz"))
    for place in FOLDERS[name]:
        folder = root / place
        if folder.is_dir():
            _refuse_empty(folder)
        found = [folder / entry for entry in wanted if (folder / entry).exists()]
        if found:
            return found
    return []


def _refuse_empty(folder: Path) -> None:
    if not any(entry for entry in folder.iterdir() if not entry.name.startswith(".")):
        raise DataError(
            f"{folder} is an empty folder; expected datasets in it. "
            "Put them there, or take the folder away for the next of data.sources."
        )


def _mnist(found: list[Path]) -> Examples:
    files = {}
    for name in mnist.SHA256:
        paths = [path for path in found if path.name.removesuffix(".gz") == name]
        if not paths:
            raise DataError(
                f"{found[0].parent} has {found[0].name} but no {name} (or .gz); expected "
                "all four files of MNIST."
            )
        files[name] = mnist.unpacked(paths[0].read_bytes(), name, str(paths[0]))
    return mnist.examples(files)


def _omniglot(path: Path, target: Target) -> Examples:
    if path.is_dir():
        _refuse_empty(path)
        return omniglot.examples(omniglot.from_folder(path), target)
    return omniglot.examples(omniglot.from_zip(path, str(path)), target)
