"""What explains a figure's signs: the legend and the colour bars."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deep_learning_dynamics.figures import captions, hexagons, palette, style
from deep_learning_dynamics.figures.inputs import HexagonalMap, Projection, Trajectory
from deep_learning_dynamics.figures.palette import AccuracyScale
from deep_learning_dynamics.figures.paths import DASHES, DOTS
from deep_learning_dynamics.figures.planes import Box
from deep_learning_dynamics.figures.strokes import faded, is_faded
from deep_learning_dynamics.figures.wobble import EDGE, FILL, has_wobble
from deep_learning_dynamics.params import Arm


def legend_entries(
    trajectories: Sequence[Trajectory],
    omniglot: str,
    numbered: bool = False,
    wobbling: bool = False,
    growing: bool = False,
) -> list[Line2D]:
    """An entry for every kind of thing that is drawn of these trajectories, and for no other.

    ``numbered`` and ``wobbling`` are as in ``draw_plane``; ``growing`` paths have no arrowheads,
    and a mark where they are now.
    """
    drawn = [trajectory for trajectory in trajectories if len(trajectory.points)]
    trained = [trajectory for trajectory in drawn if trajectory.phase == "train"]
    entries = [
        _entry(_arm_label(arm, omniglot), color=palette.colour(arm), linewidth=2.2)
        for arm in dict.fromkeys(t.arm for t in trained)
    ]
    if any(trajectory.phase == "pretrain" for trajectory in drawn):
        entries.append(pretraining_entry(f"pre-training on {omniglot}"))
    mark = {"linestyle": "none", "color": palette.INK, "markersize": 7}
    start = "start (number: its layer)" if numbered else "start on MNIST"
    entries.append(_entry(start, **mark, marker="o", markerfacecolor="white", markeredgewidth=1.2))
    if any(not trajectory.failed for trajectory in trained):
        entries.append(_entry("end", **mark, marker="s", markeredgecolor="white"))
    if growing:
        entries.append(_entry("now", **mark, marker="o", markeredgecolor="white"))
    elif any(len(trajectory.points) > 1 for trajectory in trained):
        entries.append(_entry("direction of learning", **mark | {"marker": (3, 0, -90)}))
    failures = Counter(
        reason for *_, reason in {(t.arm, t.pair, t.failed) for t in trained if t.failed}
    )
    if failures:
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(failures.items()))
        entries.append(failure_entry(f"failed: {counts}"))
    if any(is_faded(trajectory) for trajectory in trained):
        pale = tuple(faded(np.array(to_rgb(palette.INK)), 0.6))
        entries.append(_entry("pale: the plane distorts it", color=pale, linewidth=2.2))
    if wobbling and any(has_wobble(trajectory) for trajectory in trained):
        ellipse = {"marker": "o", "markersize": 11, "linestyle": "none", "markeredgewidth": 0.6}
        entries.append(
            _entry(
                "where refits put it (1 s.d.)",
                **ellipse,
                markerfacecolor=to_rgba(palette.INK, FILL),
                markeredgecolor=to_rgba(palette.INK, EDGE),
            )
        )
    return entries


def failure_entry(label: str) -> Line2D:
    """The sign of a network that failed."""
    return _entry(
        label,
        color=palette.QUIET,
        linewidth=1.3,
        linestyle=(0, DASHES),
        marker="X",
        markersize=8,
        markerfacecolor=palette.INK,
        markeredgecolor="white",
    )


def pretraining_entry(label: str) -> Line2D:
    """The sign of a path of the pre-training, which has no arm."""
    return _entry(
        label,
        color=palette.GREY,
        linewidth=1.3,
        linestyle=(0, DOTS),
        dash_capstyle="round",
    )


def draw_legend(
    figure: Figure, entries: Sequence[Line2D], corner: tuple[float, float], **options: Any
) -> None:
    """The legend whose upper left corner lies here, in parts of the figure."""
    look = {"handlelength": 2.2, "labelspacing": 0.75, "fontsize": style.LABEL}
    figure.legend(
        handles=list(entries),
        loc="upper left",
        bbox_to_anchor=corner,
        borderaxespad=0,
        borderpad=0,
        frameon=False,
        **look | options,
    )


def draw_bars(figure: Figure, projection: Projection, accuracies: AccuracyScale, box: Box) -> None:
    """The colour bars that a method needs, upwards from the bottom of a box."""
    whole = np.tile(figure.get_size_inches(), 2)
    is_map = projection.map is not None

    def axes_at(bottom: float, height: float) -> Axes:
        place = np.array([box.left, bottom, box.right - box.left, height]) / whole
        return figure.add_axes(tuple(place))

    bars = axes_at(box.bottom + (0.95 if is_map else 0.0), 0.17 * len(projection.arms))
    draw_accuracy_bars(bars, projection.arms, accuracies)
    if is_map:
        draw_distance_bar(axes_at(box.bottom, 0.17), projection.map)


def draw_accuracy_bars(axes: Axes, arms: Sequence[Arm], accuracies: AccuracyScale) -> None:
    """One colour bar for each arm, in the order of the legend, on one axis of test accuracy."""
    ramps = np.stack([palette.ramp(arm) for arm in reversed(arms)])
    extent = (0, 1, 0, len(arms))
    axes.imshow(ramps, extent=extent, origin="lower", aspect="auto", interpolation="nearest")
    for between in range(1, len(arms)):
        axes.axhline(between, color="white", linewidth=2)
    ticks = accuracies.ticks()
    axes.set_xticks(
        accuracies.position(np.array(ticks)).tolist(), [f"{100 * tick:g}" for tick in ticks]
    )
    axes.set_yticks([])
    axes.set_xlabel("test accuracy on MNIST (%)")
    axes.spines[:].set_visible(False)


def draw_distance_bar(axes: Axes, cells: HexagonalMap | None) -> None:
    """The greys of a map's background; without a map, of any map."""
    shades = palette.shades_of_grey(np.linspace(0, 1, palette.LEVELS))[None]
    axes.imshow(shades, extent=(0, 1, 0, 1), aspect="auto", interpolation="nearest")
    if cells is None:
        axes.set_xticks([0, 1], ["near", "far"])
    else:
        low, high = hexagons.u_matrix_range(cells)
        middle = (low * high) ** 0.5  # the greys are on a scale of logarithms
        axes.set_xticks([0, 0.5, 1], [f"{value:.2g}" for value in (low, middle, high)])
    labels = axes.get_xticklabels()
    labels[0].set_horizontalalignment("left")
    labels[-1].set_horizontalalignment("right")
    axes.set_yticks([])
    axes.set_xlabel("distance to neighbouring units")
    axes.spines[:].set(linewidth=0.4)


def _arm_label(arm: Arm, omniglot: str) -> str:
    return f"pre-trained on {omniglot}" if arm == "pretrained" else captions.ARMS[arm]


def _entry(label: str, **look: Any) -> Line2D:
    return Line2D([], [], label=label, **look)
