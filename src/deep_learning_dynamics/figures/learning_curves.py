"""The learning curves: accuracy and loss of both arms on MNIST, and of the pre-training."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deep_learning_dynamics.figures import captions, palette, style
from deep_learning_dynamics.figures.epochs import scale_epochs
from deep_learning_dynamics.figures.inputs import Provenance
from deep_learning_dynamics.figures.palette import AccuracyScale
from deep_learning_dynamics.figures.panels import (
    draw_row_of_signs,
    finish_panel,
    scale_logarithmically,
)
from deep_learning_dynamics.figures.paths import DASHES
from deep_learning_dynamics.figures.scores import Scores

_PANEL_WIDTH, _PANEL_HEIGHT = 3.35, 3.1  # inches
_LEFT, _GAP, _RIGHT = 0.68, 0.75, 0.2
_HEADING, _BELOW = 1.0, 1.5
_EDGE = 0.18
_MEDIAN, _NETWORK = 2.2, 0.8  # widths of lines in points


@style.applied()
def learning_curves_figure(
    training: Sequence[Scores],
    pretraining: Sequence[Scores],
    mnist: Provenance,
    omniglot: Provenance,
) -> Figure:
    """Test accuracy and loss on MNIST against epochs, and beside them those of the pre-training.

    Without networks that were pre-trained the last panel is left out.
    """
    panels = 3 if pretraining else 2
    width = _LEFT + panels * (_PANEL_WIDTH + _GAP) - _GAP + _RIGHT
    height = _HEADING + _PANEL_HEIGHT + _BELOW
    figure = Figure(figsize=(width, height))
    axes = [
        figure.add_axes(
            (
                (_LEFT + panel * (_PANEL_WIDTH + _GAP)) / width,
                _BELOW / height,
                _PANEL_WIDTH / width,
                _PANEL_HEIGHT / height,
            )
        )
        for panel in range(panels)
    ]
    _draw(axes[0], training, "test_accuracy")
    _scale_accuracy(axes[0], training)
    finish_panel(axes[0], "Test accuracy on MNIST (%)", "epochs on MNIST")
    _draw(axes[1], training, "test_loss")
    steady = [curve.test_loss for curve in training if curve.failed != "diverged"]
    scale_logarithmically(axes[1], np.concatenate([*steady, np.empty(0)]))
    finish_panel(axes[1], "Test loss on MNIST (nats)", "epochs on MNIST")
    if pretraining:
        _draw_pretraining(axes[2], pretraining, omniglot)
    _draw_heading(figure, training)
    _draw_legend(figure, training, pretraining)
    arms = list(dict.fromkeys(curve.arm for curve in training))
    size = captions.count_of_networks(len({curve.pair for curve in training}), len(arms))
    captions.draw_footer(figure, size, arms, mnist, omniglot, _EDGE)
    return figure


def median(curves: Sequence[Scores], score: str) -> Float[np.ndarray, " snapshot"]:
    """The median over all networks with a score: without those that failed, an arm is flattered.

    It is the median of ``metrics/train.json`` and of MLflow.
    """
    values = np.array([getattr(curve, score) for curve in curves])
    middle = np.full(values.shape[1], np.nan)
    seen = np.isfinite(values).any(axis=0)
    middle[seen] = np.nanmedian(values[:, seen], axis=0)
    return middle


def _draw(axes: Axes, curves: Sequence[Scores], score: str) -> None:
    many = max(len(curves) / 2, 1)
    for curve in curves:
        look = {"linestyle": (0, DASHES)} if curve.failed else {}
        axes.plot(
            curve.epochs,
            getattr(curve, score),
            color=palette.colour(curve.arm, 0.45),
            linewidth=_NETWORK * (5 / max(many, 5)) ** 0.25,
            alpha=0.75 * (5 / max(many, 5)) ** 0.4,
            **look,
        )
    for arm in dict.fromkeys(curve.arm for curve in curves):
        members = [curve for curve in curves if curve.arm == arm]
        middle = median(members, score)
        for colour, linewidth in (("white", _MEDIAN + 1.2), (palette.colour(arm, 0.8), _MEDIAN)):
            axes.plot(members[0].epochs, middle, color=colour, linewidth=linewidth, zorder=3)
    scale_epochs(axes, curves[0].epochs)


def _scale_accuracy(axes: Axes, curves: Sequence[Scores]) -> None:
    """Even steps of the logarithm of the error, as the colours of the trajectories have."""
    values = np.concatenate([curve.test_accuracy for curve in curves])
    scale = AccuracyScale.over(values)
    axes.set_yscale(
        "function",
        functions=(lambda share: -np.log2(1 - np.clip(share, -1, 0.9995)), lambda y: 1 - 2.0**-y),
    )
    ticks = scale.ticks(apart=0.09)
    axes.set_yticks(ticks, [f"{100 * tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_ylim(max(scale.low - 0.06, -0.02), 1 - (1 - scale.high) * 0.9)


def _draw_pretraining(axes: Axes, curves: Sequence[Scores], omniglot: Provenance) -> None:
    name = captions.name_of_omniglot(omniglot)
    _draw(axes, curves, "test_accuracy")
    chance = 1 / omniglot.classes
    axes.axhline(chance, color=palette.QUIET, linewidth=1.0, linestyle=(0, (1, 2)))
    highest = max((float(np.nanmax(c.test_accuracy, initial=chance)) for c in curves), default=1.0)
    finish_panel(axes, f"Pre-training: test accuracy on {name} (%)", f"epochs on {name}")
    axes.set_ylim(0, highest * 1.08)
    axes.annotate(
        f"chance: {100 * chance:.1f} % of {omniglot.classes} classes",
        (1, chance),
        xycoords=("axes fraction", "data"),
        xytext=(-2, 4),
        textcoords="offset points",
        ha="right",
        size=style.SMALL,
        color=palette.QUIET,
    )
    axes.locator_params(axis="y", steps=[1, 2, 5, 10])
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g}")


def _draw_heading(figure: Figure, training: Sequence[Scores]) -> None:
    width, height = figure.get_size_inches()
    figure.text(
        _EDGE / width,
        1 - _EDGE / height,
        "Learning curves",
        va="top",
        size=style.TITLE,
        weight="bold",
    )
    finals = []
    for arm in dict.fromkeys(curve.arm for curve in training):
        curves = [curve for curve in training if curve.arm == arm]
        failed = sum(1 for curve in curves if curve.failed)
        last = median(curves, "test_accuracy")[-1]
        if np.isfinite(last):
            note = f" ({failed} of {len(curves)} failed)" if failed else ""
            finals.append(f"{captions.ARMS[arm]} {100 * last:.1f} %{note}")
    if finals:
        figure.text(
            _EDGE / width,
            1 - (_EDGE + 0.32) / height,
            f"median test accuracy at the end: {' · '.join(finals)}",
            va="top",
            size=style.SUBTITLE,
            color=palette.QUIET,
        )


def _draw_legend(figure: Figure, training: Sequence[Scores], pretraining: Sequence[Scores]) -> None:
    entries = [
        Line2D([], [], color=palette.colour(arm, 0.8), linewidth=_MEDIAN, label=captions.ARMS[arm])
        for arm in dict.fromkeys(curve.arm for curve in training)
    ]
    failed = [curve for curve in (*training, *pretraining) if curve.failed]
    entries.append(
        Line2D([], [], color=palette.INK, linewidth=_MEDIAN, label="median of all networks")
    )
    entries.append(Line2D([], [], color=palette.INK, linewidth=_NETWORK, label="one network"))
    if failed:
        entries.append(
            Line2D(
                [],
                [],
                color=palette.INK,
                linewidth=_NETWORK,
                linestyle=(0, DASHES),
                label="one that failed",
            )
        )
    draw_row_of_signs(figure, entries, _LEFT, 0.72)
