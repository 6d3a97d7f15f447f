"""Colours: an arm is a hue, accuracy is lightness within it, and both arms are equally light.

Blue and orange stay apart for readers with any common colour blindness, and equal lightness at
equal accuracy means that neither arm looks better than the other, in grey print too.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from deep_learning_dynamics.params import Arm

INK = "#222222"  # text
QUIET = "#666666"  # text that is read second, axes
GREY = "#707070"  # the path of the pre-training, which has no arm
WARNING_TEXT, WARNING_FACE = "#7a1f00", "#ffe3c2"  # a dataset that is not the original

# CIE lightness of the lowest and of the highest accuracy: seen on white, and not yet black.
LIGHTEST, DARKEST = 76.0, 30.0
LEVELS = 64
TYPICAL = 0.62  # the place on the ramp of the one colour that stands for an arm
# Chroma and hue (degrees, at the lightest and at the darkest) in CIELAB. Each chroma is the largest
# that a screen can show along the whole ramp; the hues bend as the eye sees one hue darken.
_CHROMA: dict[Arm, float] = {"scratch": 42.0, "pretrained": 60.0}
_HUES: dict[Arm, tuple[float, float]] = {"scratch": (248.0, 283.0), "pretrained": (71.0, 44.0)}


def ramp(arm: Arm) -> Float[np.ndarray, "level 3"]:
    """The arm's colours from the lowest to the highest accuracy: sRGB, 0 to 1."""
    lightness = np.linspace(LIGHTEST, DARKEST, LEVELS)
    hue = np.radians(np.linspace(*_HUES[arm], LEVELS))
    return srgb(lightness, _CHROMA[arm] * np.cos(hue), _CHROMA[arm] * np.sin(hue))


def colour(arm: Arm, position: float = TYPICAL) -> tuple[float, float, float]:
    """One colour of an arm's ramp, by default the one that stands for the arm."""
    red, green, blue = ramp(arm)[round(position * (LEVELS - 1))]
    return float(red), float(green), float(blue)


def shades_of_grey(values: Float[np.ndarray, " unit"]) -> Float[np.ndarray, "unit 3"]:
    """The background of a map: white where ``values`` (0 to 1) are 0, light grey where 1."""
    # It stays lighter than the lightest path, which would otherwise drown in it.
    shade = 0.985 - 0.235 * np.clip(values, 0, 1)
    return np.repeat(shade[:, None], 3, axis=1)


@dataclass(frozen=True)
class AccuracyScale:
    """Where an accuracy lies on the ramp: even steps of the logarithm of the error.

    From 90 to 95 % is as long a step as from 80 to 90 %: each halves the error. On a linear scale
    everything after the first epoch would have one colour.
    """

    low: float  # share of examples, 0 to 1: the lightest colour
    high: float  # the darkest colour

    @classmethod
    def over(cls, accuracies: Float[np.ndarray, " row"]) -> "AccuracyScale":
        """The scale from the lowest to the highest of these; those that are NaN do not count."""
        finite = accuracies[np.isfinite(accuracies)]
        if finite.size == 0:
            return cls(0.0, 1.0)
        low, high = float(finite.min()), float(finite.max())
        return cls(low, high) if high - low > 0.01 else cls(max(0.0, low - 0.05), high + 0.05)

    def position(self, accuracy: Float[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
        """0 at ``low``, 1 at ``high``; beyond them it is cut off."""
        low, high = _halvings(np.array([self.low, self.high]))
        return np.clip((_halvings(accuracy) - low) / (high - low), 0, 1)

    def ticks(self, apart: float = 0.13) -> list[float]:
        """Round accuracies on the scale whose positions lie at least ``apart`` from each other."""
        # The ends of learning first: where it started (chance) and how far it came.
        candidates = (0.1, 0.9, 0.5, 0.95, 0.98, 0.99, 0.8, 0.7, 0.3, 0.6, 0.2, 0.4, 0.85, 0.97)
        more = (0.96, 0.94, 0.93, 0.92, 0.91, 0.75, 0.65, 0.55, 0.45, 0.35, 0.25, 0.15, 0.05, 0.0)
        kept: list[float] = []
        for tick in (*candidates, *more):
            # Chance is 10 %, and a network that guesses may score a little more.
            if not self.low - 0.015 <= tick <= self.high:
                continue
            here, taken = self.position(np.array([tick])), self.position(np.array(kept))
            if np.all(np.abs(here - taken) >= apart):
                kept.append(tick)
        return sorted(kept)


def _halvings(accuracy: Float[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
    """How often the error must halve from 1 to come to that of this accuracy."""
    return -np.log2(1 - np.clip(accuracy, 0, 0.999))


def srgb(
    lightness: Float[np.ndarray, " level"],
    a: Float[np.ndarray, " level"],
    b: Float[np.ndarray, " level"],
) -> Float[np.ndarray, "level 3"]:
    """CIELAB under daylight (D65) as sRGB (IEC 61966-2-1)."""
    y = (lightness + 16) / 116
    cubes = np.stack([y + a / 500, y, y - b / 200])
    delta = 6 / 29
    ratios = np.where(cubes > delta, cubes**3, 3 * delta**2 * (cubes - 4 / 29))
    xyz = ratios * np.array([[0.95047], [1.0], [1.08883]])
    to_linear = np.array(
        [
            [3.2404542, -1.5371385, -0.4985314],
            [-0.9692660, 1.8760108, 0.0415560],
            [0.0556434, -0.2040259, 1.0572252],
        ]
    )
    linear = np.clip(to_linear @ xyz, 0, 1)
    gamma = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.clip(gamma, 0, 1).T
