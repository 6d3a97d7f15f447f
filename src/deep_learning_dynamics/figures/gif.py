"""A moving picture with one palette for all its frames, so that nothing flickers."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8, UInt32

_COLOURS = 255
_UNCHANGED = 255  # the number that stands for a pixel of the frame before; it makes files small
_BITS = 6  # of red, of green and of blue that are told apart


@dataclass(frozen=True)
class Animation:
    """Frames as numbers of colours, to be shown over and over."""

    frames: list[UInt8[np.ndarray, "height width"]]
    palette: UInt8[np.ndarray, "colour 3"]
    seconds: tuple[float, ...]  # how long each frame is shown

    def write(self, path: Path) -> None:
        """Write a GIF; the same frames give the same bytes."""
        from PIL import Image

        images = []
        for frame in self.frames:
            image = Image.fromarray(frame)
            image.putpalette(self.palette.tobytes())
            images.append(image)
        images[0].save(
            path,
            save_all=True,
            append_images=images[1:],
            duration=[round(1000 * seconds) for seconds in self.seconds],
            loop=0,
            optimize=True,  # otherwise what does not change is written again
            transparency=_UNCHANGED,
        )


def animation_of(
    frames: Iterable[tuple[UInt8[np.ndarray, "height width channel"], float]],
    exact: UInt8[np.ndarray, "exact 3"],
) -> Animation:
    """An animation of frames in red, green, blue (and more, which is left out), each with seconds.

    ``exact`` colours stay as they are, the others become the nearest of 255 in all. There is no
    dithering: a pixel that does not change keeps its colour, and even areas stay even.
    """
    packed, seconds = [], []
    counts = np.zeros(1 << (3 * _BITS))
    for frame, duration in frames:
        packed.append(_packed(frame))
        seconds.append(duration)
        # Every colour must have been seen in some frame, so few frames are enough to weigh them.
        counts = np.maximum(counts, np.bincount(packed[-1].ravel(), minlength=len(counts)))
    present = np.flatnonzero(counts)
    palette = _palette(present, counts[present], exact)
    numbers = np.zeros(len(counts), np.uint8)
    numbers[present] = _nearest(_unpacked(present), palette)
    return Animation([numbers[frame] for frame in packed], palette, tuple(seconds))


def _palette(
    colours: Int[np.ndarray, " present"],
    counts: Float[np.ndarray, " present"],
    exact: UInt8[np.ndarray, "exact 3"],
) -> UInt8[np.ndarray, "colour 3"]:
    from PIL import Image

    shades = _unpacked(colours)
    kept = np.concatenate([np.full((1, 3), 255, np.uint8), exact])
    if len(kept) + len(shades) <= _COLOURS:
        return np.concatenate([kept, shades])
    # Roots, because thin lines would otherwise lose their colours to the paper.
    pixels = np.repeat(shades, np.ceil(np.sqrt(counts)).astype(int), axis=0)
    image = Image.fromarray(pixels[None])
    found = image.quantize(_COLOURS - len(kept), Image.Quantize.MEDIANCUT).getpalette()
    return np.concatenate([kept, np.array(found, np.uint8).reshape(-1, 3)])


def _nearest(
    shades: UInt8[np.ndarray, "present 3"], palette: UInt8[np.ndarray, "colour 3"]
) -> Int[np.ndarray, " present"]:
    shades_, palette_ = shades.astype(np.float32), palette.astype(np.float32)
    # |a − b|² without |a|², which is the same for all colours of the palette.
    return ((palette_**2).sum(axis=1) - 2 * shades_ @ palette_.T).argmin(axis=1)


def _packed(
    frame: UInt8[np.ndarray, "height width channel"],
) -> UInt32[np.ndarray, "height width"]:
    red, green, blue = (frame[..., n].astype(np.uint32) >> (8 - _BITS) for n in range(3))
    return (red << (2 * _BITS)) | (green << _BITS) | blue


def _unpacked(colours: Int[np.ndarray, " present"]) -> UInt8[np.ndarray, "present 3"]:
    most = (1 << _BITS) - 1
    parts = [(colours >> shift) & most for shift in (2 * _BITS, _BITS, 0)]
    return np.rint(np.stack(parts, axis=1) * (255 / most)).astype(np.uint8)
