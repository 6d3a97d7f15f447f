"""The axis of epochs that all curves share."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

_TICKS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)


def scale_epochs(axes: Axes, epochs: Float[np.ndarray, " snapshot"]) -> None:
    """Logarithmic from the first snapshot after the start on, so that the first epoch is seen."""
    if len(epochs) < 3:
        return
    first, last = float(epochs[1]), float(epochs[-1])
    axes.set_xscale("symlog", linthresh=first, linscale=0.35)
    ticks = [tick for tick in _TICKS if first <= tick <= last]
    axes.set_xticks([0, *ticks], [f"{tick:g}" for tick in (0, *ticks)])
    axes.set_xticks([], minor=True)
    axes.set_xlim(-0.15 * first, last * 1.06)
