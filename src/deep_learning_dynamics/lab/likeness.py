"""How like two versions of an output are: the same bytes, numbers within rounding, or different."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Of the largest number in its array. Single precision has 1e-7; sums in another order, repeated
# over a training, lose some digits more.
ROUNDING = 1e-5
PICTURES = (".png", ".svg", ".gif", ".html")  # the report is one, too


@dataclass(frozen=True)
class Likeness:
    """What comparing one output, or a part of it, found."""

    difference: float  # the largest, relative to the largest number beside it; inf: not numbers
    absolute: float  # the same difference as it is
    where: str  # which part differs most; "" where nothing does

    @property
    def within_rounding(self) -> bool:
        return self.difference <= ROUNDING

    def __str__(self) -> str:
        if not self.where:
            return "identical"
        if np.isinf(self.difference):
            return f"different: {self.where}"
        how = "within rounding" if self.within_rounding else "different"
        return (
            f"{how}: largest difference {self.absolute:.3g} ({self.difference:.1g} of the largest "
            f"number) in {self.where}"
        )


SAME = Likeness(0.0, 0.0, "")


def compare(before: Path, after: Path) -> Likeness:
    """Compare two files, or two folders file by file; pictures are compared by their bytes only.

    A picture that differs counts only where nothing else does: it is drawn from numbers, and
    where these differ by rounding its bytes differ too.
    """
    names = [name for name in _names(before, after) if _are_different(before, after, name)]
    numbers = [name for name in names if not name.endswith(PICTURES)]
    found = [_compared(before / name, after / name, name) for name in numbers]
    if not numbers and names:
        return Likeness(np.inf, np.inf, f"{names[0]} (a picture)")
    return max(found, key=lambda each: each.difference, default=SAME)


def is_picture(path: Path) -> bool:
    """Whether an output holds nothing but pictures."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return bool(files) and all(file.suffix in PICTURES for file in files)


def _names(before: Path, after: Path) -> list[str]:
    """What to compare, relative to both; a zarr store is one thing. "" is the thing itself."""
    names = dict.fromkeys(name for root in (before, after) for name in _parts(root))
    return sorted(names)


def _parts(root: Path) -> Iterator[str]:
    if root.is_file() or root.suffix == ".zarr":
        yield ""
        return
    for path in root.rglob("*"):
        if path.is_file():
            yield path.relative_to(root).as_posix()


def _are_different(before: Path, after: Path, name: str) -> bool:
    one, other = before / name, after / name
    if one.is_dir() or other.is_dir() or not (one.exists() and other.exists()):
        return True
    return one.stat().st_size != other.stat().st_size or one.read_bytes() != other.read_bytes()


def _compared(one: Path, other: Path, name: str) -> Likeness:
    shown = name or one.name
    if not one.exists() or not other.exists():
        return Likeness(np.inf, np.inf, f"{shown} is in only one of them")
    readers = {".json": _json, ".npz": _npz, ".parquet": _parquet, ".zarr": _zarr}
    read = readers.get(one.suffix)
    if read is None:
        return Likeness(np.inf, np.inf, f"the bytes of {shown}")
    contents = dict(read(one)), dict(read(other))
    pairs = _by_network(*contents) if read is _zarr else _pairs(*contents)
    found = (_largest(first, second, f"{shown}: {key}") for key, first, second in pairs)
    return max(found, key=lambda each: each.difference, default=SAME)


def _pairs(one: dict[str, Any], other: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for key in dict.fromkeys([*one, *other]):
        yield key, one.get(key), other.get(key)


def _largest(one: Any, other: Any, where: str) -> Likeness:
    if one is None or other is None:
        return SAME if one is other else Likeness(np.inf, np.inf, where)
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape:
        return Likeness(np.inf, np.inf, f"{where} has shape {one.shape}, now {other.shape}")
    if one.dtype.kind not in "fiu" or other.dtype.kind not in "fiu":
        return SAME if np.array_equal(one, other) else Likeness(np.inf, np.inf, where)
    one, other = one.astype(np.float64), other.astype(np.float64)
    if not np.array_equal(np.isfinite(one), np.isfinite(other)):
        return Likeness(np.inf, np.inf, f"{where} is not finite in the same places")
    finite = np.isfinite(one)
    absolute = float(np.abs(one[finite] - other[finite]).max(initial=0.0))
    if absolute == 0:
        return SAME
    scale = float(max(np.abs(one[finite]).max(), np.abs(other[finite]).max()))
    return Likeness(absolute / scale, absolute, where)


def _json(path: Path) -> Iterator[tuple[str, Any]]:
    def leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict):
            for name, part in value.items():
                yield from leaves(part, f"{key}.{name}" if key else name)
        elif isinstance(value, list):
            for number, part in enumerate(value):
                yield from leaves(part, f"{key}[{number}]")
        else:
            yield key, value

    yield from leaves(json.loads(path.read_text(encoding="utf-8")), "")


def _npz(path: Path) -> Iterator[tuple[str, Any]]:
    with np.load(path, allow_pickle=False) as arrays:
        for name in arrays:
            yield name, arrays[name]


def _parquet(path: Path) -> Iterator[tuple[str, Any]]:
    from pyarrow import parquet

    table = parquet.read_table(path)
    for name in table.column_names:
        yield name, table[name].to_numpy(zero_copy_only=False)


def _zarr(path: Path) -> Iterator[tuple[str, Any]]:
    import zarr

    yield from sorted(zarr.open_group(path, mode="r").arrays())


def _by_network(one: dict[str, Any], other: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """The arrays of two zarr stores network by network: weights may be larger than memory."""
    for name, first, second in _pairs(one, other):
        if first is None or second is None or first.shape != second.shape or first.ndim < 2:
            yield name, None if first is None else first[:], None if second is None else second[:]
            continue
        for network in range(first.shape[0]):
            yield name, first[network], second[network]
