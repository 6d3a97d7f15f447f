"""Images as the first layer sees them: a list of bright pixels for each.

Four fifths of the pixels of digits and letters are dark.
"""

import weakref
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64, UInt8, UInt16

from deep_learning_dynamics.errors import ParamsError

BRIGHTEST = 255
MOST_PIXELS = 2**16
ROWS_AT_ONCE = 2000  # converted together, so that what is intermediate stays small
# What networks see, 0 to 1, for each brightness.
NUMBERS: Float32[np.ndarray, "256"] = np.arange(256, dtype=np.float32) / np.float32(BRIGHTEST)


@dataclass(frozen=True, eq=False)
class BrightPixels:
    """The pixels of each image that are not dark, in order."""

    starts: Int64[np.ndarray, " starts"]  # where each image's entries begin; and where all end
    pixels: UInt16[np.ndarray, " entry"]
    brightness: UInt8[np.ndarray, " entry"]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """For compiled code: starts, pixels, brightness and what numbers brightness stands for."""
        return self.starts, self.pixels, self.brightness, NUMBERS

    @classmethod
    def of(cls, images: UInt8[np.ndarray, "example pixel"]) -> "BrightPixels":
        """Those of an array; remembered as long as the array lives, which must not change."""
        key = id(images)
        if key in _KNOWN and _KNOWN[key][0]() is images:
            return _KNOWN[key][1]
        converted = cls._convert(images)
        _KNOWN[key] = weakref.ref(images, lambda _: _KNOWN.pop(key, None)), converted
        return converted

    @classmethod
    def _convert(cls, images: UInt8[np.ndarray, "example pixel"]) -> "BrightPixels":
        if images.shape[1] > MOST_PIXELS:
            raise ParamsError(
                f"images have {images.shape[1]:,} pixels; expected at most {MOST_PIXELS:,}. "
                "Scale them down."
            )
        counts = np.count_nonzero(images, axis=1)
        pixels = np.empty(counts.sum(), np.uint16)
        brightness = np.empty(len(pixels), np.uint8)
        begin = 0
        for first in range(0, len(images), ROWS_AT_ONCE):
            some = images[first : first + ROWS_AT_ONCE]
            columns = np.nonzero(some)[1]
            end = begin + len(columns)
            pixels[begin:end], brightness[begin:end] = columns, some[some != 0]
            begin = end
        return cls(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), pixels, brightness)


_KNOWN: dict[int, tuple[weakref.ref, BrightPixels]] = {}
