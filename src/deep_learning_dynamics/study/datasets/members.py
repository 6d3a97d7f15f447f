"""Files within folders, zips and zips in zips, as people have them, by one name each.

Nothing is unpacked to the disk. What operating systems leave behind (``__MACOSX``, ``.DS_Store``)
is passed over; gzipped files are unzipped when they are read.
"""

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from deep_learning_dynamics.errors import DataError

REMEDY = "Get it again, or take it away for the next of data.sources."
DEEPEST = 3  # zips in zips
LARGEST = 2**30  # bytes of one file

# The name of each file, with folders and zips as parts ("mnist/archive.zip/train.csv"), and a
# function that reads it.
Members = dict[str, Callable[[], bytes]]


def members(path: Path) -> Members:
    """All files in a folder or a zip, or the file itself.

    Raises:
        DataError: a zip is damaged, or holds a path outside its own folder.
    """
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    found: Members = {}
    for file in files:
        if file != path and _is_left_behind(file.relative_to(path).as_posix()):
            continue
        if file.suffix.lower() == ".zip":
            found |= _in_zip(lambda file=file: file.open("rb"), str(file), 1)
        else:
            found[str(file)] = lambda file=file: _contents(file)
    return found


def _contents(file: Path) -> bytes:
    if file.stat().st_size > LARGEST:
        raise DataError(f"{file} has more than {LARGEST:,} bytes. {REMEDY}")
    try:
        return _unzipped(file.read_bytes(), str(file))
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}. {REMEDY}") from None


def _unzipped(content: bytes, name: str) -> bytes:
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        with gzip.open(io.BytesIO(content)) as file:
            plain = file.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name} is not a whole gzip file: {error}. {REMEDY}") from None
    if len(plain) > LARGEST:
        raise DataError(f"{name} unzips to more than {LARGEST:,} bytes. {REMEDY}")
    return plain


def _in_zip(opened: Callable[[], io.IOBase], origin: str, depth: int) -> Members:
    archive = _checked(lambda: zipfile.ZipFile(opened()), origin)
    found: Members = {}
    for item in archive.infolist():
        parts = re.split(r"[/\\]", item.filename)
        if ".." in parts or parts[0] == "" or ":" in parts[0]:
            raise DataError(
                f"{origin} holds {item.filename!r}, a path outside its own folder. {REMEDY}"
            )
        if item.is_dir() or _is_left_behind(item.filename):
            continue
        name = f"{origin}/{item.filename}"

        read = partial(_member, archive, item, origin)
        if item.filename.lower().endswith(".zip"):
            if depth < DEEPEST:
                content = read()
                found |= _in_zip(lambda content=content: io.BytesIO(content), name, depth + 1)
        else:
            found[name] = read
    return found


def _member(archive: zipfile.ZipFile, item: zipfile.ZipInfo, origin: str) -> bytes:
    if item.file_size > LARGEST:
        raise DataError(f"{origin}: {item.filename} is larger than {LARGEST:,} bytes. {REMEDY}")
    content = _checked(lambda: archive.read(item), origin)
    return _unzipped(content, f"{origin}/{item.filename}")


def _checked(action: Callable[[], object], origin: str) -> object:
    try:
        return action()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{origin} is not a whole zip file: {error}. {REMEDY}") from None
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{origin} cannot be read: {reason}. {REMEDY}") from None


def _is_left_behind(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in re.split(r"[/\\]", name)) and (
        ".." not in re.split(r"[/\\]", name)
    )


def named(found: Members, pattern: str) -> Iterator[tuple[re.Match, str]]:
    """The members whose names match from anywhere to their end, in order of their names."""
    for name in sorted(found):
        match = re.search(f"(?:{pattern})$", name.replace("\\", "/"))
        if match:
            yield match, name
