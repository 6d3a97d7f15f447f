"""Datasets that lie in a folder of this machine, zipped or not, and a record of them for DVC."""

import gzip
import hashlib
import io
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from deep_learning_dynamics.errors import DataError
from deep_learning_dynamics.study.datasets.dataset import Dataset, Examples, UnavailableError

VARIABLE = "DYNAMICS_DATASETS"
DEFAULT = Path("datasets")
REMEDY = "Get it again, or take it away for the next of data.sources."
LEFT_BEHIND = r"[/\\](\.|__MACOSX)"  # by operating systems: .DS_Store, ._name, ...
DEEPEST = 3  # zips in zips: some hold themselves
LARGEST = 2**30  # bytes of one file
HASHED = 2**28  # bytes and
LISTED = 50  # files up to which a folder's files are hashed one by one

# The name of each file, with folders and zips as parts ("mnist/archive.zip/t10k.gz"), and a
# function that reads it.
Files = dict[str, Callable[[], bytes]]


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
            examples = dataset.read(files_in(place))
            if examples is not None:
                return examples
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}.") from None
    raise UnavailableError(f"{root} has no {' or '.join(dataset.places)} with {dataset.title}")


def files_in(path: Path) -> Files:
    """All files in a folder, and in the zips there, or in one zip; nothing is unpacked to the disk.

    Gzipped files are unzipped when they are read.

    Raises:
        DataError: a zip is damaged; also when a file that is damaged is read.
    """
    files = [file for file in sorted(path.rglob("*")) if file.is_file()] or [path]
    within = _within_zips({str(file): partial(_contents, file) for file in files}, str(path))
    return {
        name: partial(_whole, name, lambda read=read: _unzipped(read()))
        for name, read in within.items()
    }


def _within_zips(files: Files, root: str, depth: int = 0) -> Files:
    """Files with, instead of each zip, what it holds; zips in zips, too."""
    found: Files = {}
    for name, read in files.items():
        if re.search(LEFT_BEHIND, name.removeprefix(root)):
            continue
        if name.lower().endswith(".zip") and depth < DEEPEST:
            archive = _whole(name, lambda read=read: zipfile.ZipFile(io.BytesIO(read())))
            held = {
                f"{name}/{item.filename}": partial(_member, archive, item)
                for item in archive.infolist()
            }
            found |= _within_zips(held, name, depth + 1)
        else:
            found[name] = read
    return found


def named(files: Files, pattern: str) -> Iterator[tuple[re.Match, str]]:
    """The files whose names match from anywhere to their end, in order of their names."""
    for name in sorted(files):
        match = re.search(f"(?:{pattern})$", name.replace("\\", "/"))
        if match:
            yield match, name


def record_found(datasets: Iterable[Dataset]) -> dict[str, Any]:
    """What is found on this machine of each dataset: names, sizes and hashes, without paths.

    DVC hashes the record, so that a dataset is fetched again when its files come, go or change.
    """
    root = datasets_folder()
    try:
        return {
            dataset.key: {place.name: _inventory(place) for place in _places(root, dataset)}
            for dataset in datasets
        }
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}.") from None


def datasets_folder() -> Path | None:
    """That which ``DYNAMICS_DATASETS`` names, or ``datasets`` in the project, if it is there.

    Raises:
        DataError: the variable names no folder.
    """
    setting = os.environ.get(VARIABLE)
    if not setting:  # set to nothing is how many tools unset a variable
        # `dvc exp run --temp` works in a copy within the project's .dvc
        project = Path(str(Path.cwd()).partition("/.dvc/")[0])
        return next((f for f in (DEFAULT, project / DEFAULT) if f.is_dir()), None)
    root = Path(setting).expanduser()
    if not root.is_dir():
        found = "is not a folder" if root.exists() else "does not exist"
        raise DataError(
            f"{VARIABLE} is {setting}, which {found}. Set it to the folder that holds mnist/ or "
            "omniglot/, or unset it."
        )
    return root


def _places(root: Path | None, dataset: Dataset) -> list[Path]:
    return [root / name for name in dataset.places if (root / name).exists()] if root else []


def _unzipped(content: bytes) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    with gzip.open(io.BytesIO(content)) as file:
        plain = file.read(LARGEST + 1)
    if len(plain) > LARGEST:
        raise zlib.error(f"it unzips to more than {LARGEST:,} bytes")
    return plain


def _contents(file: Path) -> bytes:
    if file.stat().st_size > LARGEST:
        raise zlib.error(f"it has more than {LARGEST:,} bytes")
    return file.read_bytes()


def _member(archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> bytes:
    if item.file_size > LARGEST:
        raise zlib.error(f"it unzips to more than {LARGEST:,} bytes")
    return archive.read(item)


def _whole(name: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (
        zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError,
        NotImplementedError, RuntimeError,  # of zips: an unknown compression, a password
    ) as error:  # fmt: skip
        raise DataError(f"{name} is damaged ({error}). {REMEDY}") from None


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
