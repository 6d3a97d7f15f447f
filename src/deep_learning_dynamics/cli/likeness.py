"""How similar two versions of an output are: identical, equal but for rounding, or different."""

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
            f"{how}: largest difference {self.difference:.1g} of the largest number in {self.where}"
        )


SAME = Likeness(0.0, "")


def compare(before: Path, after: Path) -> Likeness:
    """Compare two files, or two folders file by file.

    Pictures count only if nothing else differs: if the numbers behind a picture differ by rounding,
    its bytes differ too.
    """
    found, pictures = [], []
    for name in sorted({*_parts(before), *_parts(after)}):
        one, other, where = before / name, after / name, name or after.name
        if one.is_file() and other.is_file() and _content(one) == _content(other):
            continue
        if where.endswith(PICTURES):
            pictures.append(_unlike(f"{where} (a picture)"))
        elif not (one.exists() and other.exists()):
            found.append(_unlike(f"{where} is in only one of them"))
        else:
            found.append(_compared(one, other, where))
    return max(found or pictures[:1], key=lambda each: each.difference, default=SAME)


def _unlike(where: str) -> Likeness:
    return Likeness(np.inf, where)


def _parts(root: Path) -> Iterator[str]:
    """What to compare; a zarr store is one thing. "" is the thing itself."""
    if root.is_file() or root.suffix == ".zarr":
        yield ""
        return
    yield from (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def _content(path: Path) -> bytes:
    """The bytes of a file; of a page, without its footer, which says where it was made."""
    content = path.read_bytes()
    return FOOTER.sub(b"", content) if path.suffix == ".html" else content


def _compared(one: Path, other: Path, name: str) -> Likeness:
    first, second = _arrays(one), _arrays(other)
    if first is None or second is None:
        return _unlike(f"the bytes of {name}")
    found = []
    for key in dict.fromkeys([*first, *second]):
        array, again, where = first.get(key), second.get(key), f"{name}: {key}"
        shape, now = (None if each is None else each.shape for each in (array, again))
        if shape != now:
            found.append(_unlike(f"{where} has shape {shape}, now {now}"))
            continue
        # Network by network: weights may be larger than memory.
        for part in range(shape[0]) if len(shape) == 3 else [...]:
            found.append(_difference(np.asarray(array[part]), np.asarray(again[part]), where))
    return max(found, key=lambda each: each.difference, default=SAME)


def _difference(one: np.ndarray, other: np.ndarray, where: str) -> Likeness:
    if one.dtype.kind not in "fiu" or other.dtype.kind not in "fiu":
        return SAME if np.array_equal(one, other) else _unlike(where)
    one, other = one.astype(np.float64), other.astype(np.float64)
    finite = np.isfinite(one)
    if not np.array_equal(finite, np.isfinite(other)):
        return _unlike(f"{where} is not finite in the same places")
    one, other = one[finite], other[finite]
    largest = np.abs(one - other).max(initial=0.0)
    if largest == 0:
        return SAME
    return Likeness(float(largest / max(np.abs(one).max(), np.abs(other).max())), where)


def _arrays(path: Path) -> dict[str, Any] | None:
    """What a file holds, by name; None where it is no file of numbers."""
    if path.suffix == ".json":
        return dict(_leaves(json.loads(path.read_text(encoding="utf-8"))))
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    if path.suffix == ".parquet":
        from pyarrow import parquet

        table = parquet.read_table(path)
        return {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
    if path.suffix == ".zarr":
        import zarr

        return dict(sorted(zarr.open_group(path, mode="r").arrays()))
    return None


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, np.ndarray]]:
    if not isinstance(value, dict | list):
        yield key, np.asarray("null" if value is None else value)
        return
    for name, part in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _leaves(part, f"{key}.{name}" if key else str(name))
