"""The colours: an arm by its hue, accuracy by lightness, for readers with any colour vision."""

import numpy as np
import pytest

from deep_learning_dynamics.figures import palette
from deep_learning_dynamics.figures.palette import AccuracyScale

# Machado, Oliveira & Fernandes (2009), severity 1, on linear RGB.
COLOUR_BLINDNESS = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


def linear(srgb):
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def lab(linear_rgb):
    """CIELAB of linear sRGB, by the textbook (D65)."""
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    xyz = linear_rgb @ to_xyz.T / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f.T
    return np.column_stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def differences_seen(first, second, kind):
    """CIE 1976 colour differences as a colour-blind reader sees them; 2 is just noticeable."""
    simulated = [
        np.clip(linear(c) @ np.array(COLOUR_BLINDNESS[kind]).T, 0, 1) for c in (first, second)
    ]
    return np.linalg.norm(lab(simulated[0]) - lab(simulated[1]), axis=1)


def test_both_arms_are_equally_light_at_equal_accuracy():
    scratch, pretrained = (
        lab(linear(palette.ramp(arm)))[:, 0] for arm in ("scratch", "pretrained")
    )
    np.testing.assert_allclose(scratch, pretrained, atol=0.5)


@pytest.mark.parametrize("arm", ["scratch", "pretrained"])
def test_a_higher_accuracy_is_darker_in_even_steps(arm):
    lightness = lab(linear(palette.ramp(arm)))[:, 0]
    assert lightness[0] == pytest.approx(palette.LIGHTEST, abs=0.5)
    assert lightness[-1] == pytest.approx(palette.DARKEST, abs=0.5)
    np.testing.assert_allclose(np.diff(lightness), np.diff(lightness).mean(), atol=0.1)


@pytest.mark.parametrize("kind", COLOUR_BLINDNESS)
def test_the_arms_stay_apart_for_colour_blind_readers(kind):
    assert differences_seen(palette.ramp("scratch"), palette.ramp("pretrained"), kind).min() > 40


def test_red_and_green_would_not_stay_apart():
    """The control: the simulation does confuse what colour-blind readers confuse."""
    red, green = np.array([[0.72, 0.40, 0.30]]), np.array([[0.49, 0.52, 0.28]])
    assert differences_seen(red, green, "deuteranopia")[0] < 20


def test_every_colour_is_clear_of_the_white_paper():
    for arm in ("scratch", "pretrained"):
        white = lab(np.ones((1, 3)))
        assert np.linalg.norm(lab(linear(palette.ramp(arm))) - white, axis=1).min() > 45


def test_halving_the_error_is_always_the_same_step_of_colour():
    scale = AccuracyScale(0.2, 0.975)
    positions = scale.position(np.array([0.2, 0.6, 0.8, 0.9, 0.95, 0.975]))
    np.testing.assert_allclose(positions, np.linspace(0, 1, 6))


def test_what_lies_beyond_the_scale_gets_its_last_colour():
    assert AccuracyScale(0.2, 0.9).position(np.array([0.0, 1.0])).tolist() == [0, 1]


def test_the_scale_runs_from_the_lowest_to_the_highest_accuracy_whatever_is_missing():
    scale = AccuracyScale.over(np.array([0.5, np.nan, 0.1, 0.93]))
    assert (scale.low, scale.high) == (0.1, 0.93)
    assert AccuracyScale.over(np.array([np.nan])) == AccuracyScale(0.0, 1.0)


@pytest.mark.parametrize(
    ("low", "high"), [(0.098, 0.916), (0.1, 0.1), (0.5, 0.99), (0.0, 1.0), (0.2, 0.27)]
)
def test_every_scale_has_round_ticks_that_do_not_collide(low, high):
    scale = AccuracyScale.over(np.array([low, high]))
    ticks = np.array(scale.ticks())
    assert len(ticks) >= 2
    assert np.all(np.round(100 * ticks) == pytest.approx(100 * ticks))
    assert np.diff(scale.position(ticks)).min() >= 0.13
