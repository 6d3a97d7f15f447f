"""Speed, turning and distances while networks learn: medians of each arm with bands."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from deep_learning_dynamics.figures import captions, palette, style
from deep_learning_dynamics.figures.epochs import scale_epochs
from deep_learning_dynamics.figures.inputs import Provenance
from deep_learning_dynamics.figures.measured import Measured
from deep_learning_dynamics.figures.panels import (
    finish_page,
    finish_panel,
    page_of_panels,
    scale_logarithmically,
)

PANELS = {
    "speed": "Speed (distance per step)",
    "turning_angle": "Turning angle (°)",
    "distance_to_start": "Distance from its start",
    "distance_to_end": "Distance to its end",
    "distance_to_partner": "Distance within pairs",
    "distance_within_arm": "Median distance within the arm",
}


@style.applied()
def over_time_figure(measured: Measured, mnist: Provenance, omniglot: Provenance) -> Figure:
    """Six panels against epochs on MNIST; what one arm or one network alone lacks stays out."""
    names = [name for name in PANELS if _is_known(measured, name)]
    figure, panels = page_of_panels(
        len(names),
        "Paths through weight space over time",
        "Euclidean, over all weights and biases; 90° is the angle between random directions",
    )
    for axes, name in zip(panels, names, strict=True):
        _draw(axes, measured, name)
    arms = [
        Line2D([], [], color=palette.colour(arm, 0.8), linewidth=2, label=captions.ARMS[arm])
        for arm in measured.arms
    ]
    median = Line2D([], [], color=palette.INK, linewidth=2, label="median of networks")
    half = Patch(color=palette.INK, alpha=0.18, linewidth=0, label="middle half of them")
    finish_page(figure, [*arms, median, half], measured, mnist, omniglot)
    return figure


def quartiles(
    values: Float[np.ndarray, "network snapshot"],
) -> Float[np.ndarray, "3 snapshot"]:
    """Lower quartile, median and upper quartile at each snapshot; NaN where no network has one."""
    found = np.full((3, values.shape[1]), np.nan)
    seen = np.isfinite(values).any(axis=0)
    found[:, seen] = np.nanquantile(values[:, seen], [0.25, 0.5, 0.75], axis=0)
    return found


def _is_known(measured: Measured, name: str) -> bool:
    return any(np.isfinite(curves.values[name]).any() for curves in measured.curves)


def _draw(axes: Axes, measured: Measured, name: str) -> None:
    # A pair has one distance, whichever of the two is asked.
    of_pairs = name == "distance_to_partner"
    drawn = []
    for arm in measured.curves[:1] if of_pairs else measured.curves:
        low, middle, high = quartiles(arm.values[name])
        drawn += [low, high]
        colour = palette.INK if of_pairs else palette.colour(arm.arm, 0.8)
        axes.fill_between(arm.epochs, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(arm.epochs, middle, color=colour, linewidth=2)
    scale_epochs(axes, measured.curves[0].epochs)
    finish_panel(axes, PANELS[name], "epochs on MNIST")
    if name == "speed":
        # Logarithmic: the first steps are many times as long as the last.
        scale_logarithmically(axes, np.concatenate(drawn))
    elif name == "turning_angle":
        axes.axhline(90, color=palette.QUIET, linewidth=0.8, linestyle=(0, (1, 2)))
        axes.set(ylim=(0, 180), yticks=[0, 45, 90, 135, 180])
    else:
        axes.set_ylim(bottom=0)
