"""What the page's scripts are given: networks, curves, planes and colours, as compact JSON."""

import json
from typing import Any

import numpy as np
from jaxtyping import Float

from deep_learning_dynamics.figures import captions, palette, run_paths
from deep_learning_dynamics.figures.over_time import PANELS
from deep_learning_dynamics.figures.palette import AccuracyScale
from deep_learning_dynamics.figures.strokes import CHANCE, LEAST_INK
from deep_learning_dynamics.params import Arm
from deep_learning_dynamics.report.drawing import hexadecimal
from deep_learning_dynamics.report.gathering import Experiment
from deep_learning_dynamics.report.networks import Networks
from deep_learning_dynamics.report.numbers import short
from deep_learning_dynamics.report.planes import paths_of, plane_of

# Shades of an arm and steps of fading. Each of their combinations is a trace to draw, which takes
# about a millisecond at every move of the slider, so that a crowd has fewer.
_LEVELS, _FADES = 12, 3
_CROWD, _LEVELS_OF_CROWD, _FADES_OF_CROWD = 24, 7, 2
_SIGNIFICANT = 5  # digits of what curves show


def content(experiment: Experiment) -> dict[str, Any]:
    """Everything that the scripts draw."""
    networks = experiment.networks
    training = networks.learning["train"].scores["test_accuracy"]
    scale = AccuracyScale.over(training.ravel())
    every = np.concatenate(
        [found.scores["test_accuracy"].ravel() for found in networks.learning.values()]
    )
    is_crowd = len(networks.members) > _CROWD
    levels, fades = (_LEVELS_OF_CROWD, _FADES_OF_CROWD) if is_crowd else (_LEVELS, _FADES)
    return {
        "arms": {arm: _arm(arm, levels) for arm in networks.arms},
        "networks": [
            {"arm": n.arm, "pair": n.pair, "failed": n.failed, "colour": _pair(n.pair, n.arm)}
            for n in networks.members
        ],
        "phases": {
            phase: {"steps": found.steps.tolist(), "epochs": short(found.epochs, 4)}
            for phase, found in networks.learning.items()
        },
        "omniglot": captions.name_of_omniglot(experiment.omniglot.provenance),
        "accuracy": {
            "low": round(scale.low, 4),
            "high": round(scale.high, 4),
            "ticks": scale.ticks(),
            "curve_ticks": AccuracyScale.over(every).ticks(0.08),
        },
        "curves": [
            {
                "title": "Test accuracy (%)",
                "name": "test_accuracy",
                "scale": "accuracy",
                "values": _scores(networks, "test_accuracy"),
            },
            {
                "title": "Test loss (nats)",
                "name": "test_loss",
                "scale": "log",
                "values": _scores(networks, "test_loss"),
            },
        ],
        "over_time": _over_time(experiment),
        "first": first_shown(experiment),
        "paths": paths_of(experiment.projections[0], networks),
        "planes": [plane_of(projection, networks) for projection in experiment.projections],
        "fading": {"chance": CHANCE, "least": LEAST_INK, "steps": fades},
        "colours": {"ink": palette.INK, "quiet": palette.QUIET, "grey": palette.GREY},
    }


def first_shown(experiment: Experiment) -> int:
    """The number of the projection that a reader sees first: the one to believe most."""
    methods = [projection.method for projection in experiment.projections]
    ranked = [entry.method for entry in experiment.ranking if entry.method in methods]
    return methods.index(ranked[0]) if ranked else 0


def as_json(values: Any) -> str:
    """Compact JSON that can stand inside a page: nothing in it ends a script."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _arm(arm: Arm, levels: int) -> dict[str, Any]:
    positions = np.linspace(0, 1, levels)
    return {
        "label": captions.ARMS[arm],
        "colour": hexadecimal(palette.colour(arm)),
        "dark": hexadecimal(palette.colour(arm, 0.8)),
        "light": hexadecimal(palette.colour(arm, 0.45)),
        "ramp": [hexadecimal(palette.colour(arm, float(position))) for position in positions],
    }


def _pair(pair: int, arm: Arm) -> str:
    return hexadecimal(run_paths.colour(pair % run_paths.MOST, arm))


def _scores(networks: Networks, name: str) -> dict[str, list[list[Any]]]:
    return {phase: _significant(found.scores[name]) for phase, found in networks.learning.items()}


def _over_time(experiment: Experiment) -> list[dict[str, Any]]:
    """Of networks that diverged nothing was measured over time."""
    networks = experiment.networks
    members, snapshots = networks.members, len(networks.learning["train"].steps)
    found = []
    for name, title in PANELS.items():
        values = np.full((len(members), snapshots), np.nan)
        for curves in experiment.measured.curves:
            mine = [n for n, m in enumerate(members) if m.arm == curves.arm]
            sound = [n for n in mine if members[n].failed != "diverged"]
            of_arm = curves.values.get(name)
            if of_arm is not None and of_arm.shape == (len(sound), snapshots):
                values[sound] = of_arm
        if np.isfinite(values).any():
            scale = {"speed": "log", "turning_angle": "angle"}.get(name, "linear")
            found.append(
                {
                    "title": title,
                    "name": name,
                    "scale": scale,
                    "of_pairs": name == "distance_to_partner",
                    "values": {"train": _significant(values)},
                }
            )
    return found


def _significant(values: Float[np.ndarray, "network snapshot"]) -> list[list[Any]]:
    """Rounded to so many digits of the largest value that is not a failure's."""
    finite = np.abs(values[np.isfinite(values)])
    if finite.size == 0:
        return [[None] * values.shape[1] for _ in values]
    # The smallest values keep three digits, where a few huge ones would leave none.
    typical = float(np.quantile(finite, 0.05)) or float(finite.max()) or 1.0
    decimals = int(np.clip(_SIGNIFICANT - 1 - np.ceil(np.log10(typical)), 0, 8))
    return [short(row, decimals) for row in values]
