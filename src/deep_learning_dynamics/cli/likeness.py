"""How like two versions of an output are: the same bytes, numbers within rounding, or different."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Of the largest number in its array. Single precision has 1e-7; sums in another order, repeated
# over a training, lose some digits more.
ROUNDING = 1e-5
FOOTER = re.compile(rb"<footer>.*?</footer>", re.DOTALL)
PICTURES = (".png", ".svg", ".pdf", ".gif", ".html")  # drawn from numbers: they count by bytes


@dataclass(frozen=True)
class Likeness:
    """What comparing one output, or a part of it, found."""

    difference: float  # the largest, relative to the largest number beside it; inf: not numbers
    absolute: float  # the same difference as it is
    where: str  # which part differs most; "" where nothing does

    @property
    def identical(self) -> bool:
        return not self.where

    @property
    def within_rounding(self) -> bool:
        return self.difference <= ROUNDING

    def __str__(self) -> str:
        if self.identical:
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
    """Compare two files, or two folders file by file.

    A picture that differs counts only where nothing else does: where the numbers that it is drawn
    from differ by rounding, its bytes differ too.
    """
    names = sorted({name for root in (before, after) for name in _parts(root)})
    names = [name for name in names if _are_different(before / name, after / name)]
    numbers = [name for name in names if not name.endswith(PICTURES)]
    if not numbers and names:
        return _unlike(f"{names[0] or after.name} (a picture)")
    found = [_compared(before / name, after / name, name or after.name) for name in numbers]
    return max(found, key=lambda each: each.difference, default=SAME)


def _unlike(where: str) -> Likeness:
    return Likeness(np.inf, np.inf, where)


def _parts(root: Path) -> Iterator[str]:
    """What to compare; a zarr store is one thing. "" is the thing itself."""
    if root.is_file() or root.suffix == ".zarr":
        yield ""
        return
    yield from (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def _are_different(one: Path, other: Path) -> bool:
    if one.is_dir() or other.is_dir() or not (one.exists() and other.exists()):
        return True
    return _content(one) != _content(other)


def _content(path: Path) -> bytes:
    """The bytes of a file; of a page, without its footer, which says where it was made."""
    content = path.read_bytes()
    return FOOTER.sub(b"", content) if path.suffix == ".html" else content


def _compared(one: Path, other: Path, name: str) -> Likeness:
    if not one.exists() or not other.exists():
        return _unlike(f"{name} is in only one of them")
    readers = {".json": _json, ".npz": _npz, ".parquet": _parquet, ".zarr": _zarr}
    read = readers.get(one.suffix)
    if read is None:
        return _unlike(f"the bytes of {name}")
    first, second = dict(read(one)), dict(read(other))
    found = (
        _largest(first.get(key), second.get(key), f"{name}: {key}")
        for key in dict.fromkeys([*first, *second])
    )
    return max(found, key=lambda each: each.difference, default=SAME)


def _largest(one: Any, other: Any, where: str) -> Likeness:
    if one is None or other is None:
        return SAME if one is other else _unlike(where)
    if one.shape != other.shape:
        return _unlike(f"{where} has shape {one.shape}, now {other.shape}")
    # Network by network: weights may be larger than memory.
    parts = range(one.shape[0]) if one.ndim == 3 else [...]
    found = [_difference(np.asarray(one[part]), np.asarray(other[part]), where) for part in parts]
    return max(found, key=lambda each: each.difference, default=SAME)


def _difference(one: np.ndarray, other: np.ndarray, where: str) -> Likeness:
    if one.dtype.kind not in "fiu" or other.dtype.kind not in "fiu":
        return SAME if np.array_equal(one, other) else _unlike(where)
    one, other = one.astype(np.float64), other.astype(np.float64)
    finite = np.isfinite(one)
    if not np.array_equal(finite, np.isfinite(other)):
        return _unlike(f"{where} is not finite in the same places")
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
            yield key, np.asarray("null" if value is None else value)

    yield from leaves(json.loads(path.read_text(encoding="utf-8")), "")


def _npz(path: Path) -> Iterator[tuple[str, Any]]:
    with np.load(path, allow_pickle=False) as arrays:
        yield from ((name, arrays[name]) for name in arrays)


def _parquet(path: Path) -> Iterator[tuple[str, Any]]:
    from pyarrow import parquet

    table = parquet.read_table(path)
    for name in table.column_names:
        yield name, table[name].to_numpy(zero_copy_only=False)


def _zarr(path: Path) -> Iterator[tuple[str, Any]]:
    import zarr

    yield from sorted(zarr.open_group(path, mode="r").arrays())
