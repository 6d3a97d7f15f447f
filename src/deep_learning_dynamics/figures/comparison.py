"""The trajectories of several runs in one common plane, with a legend of what sets runs apart."""

import math
from collections.abc import Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D

from deep_learning_dynamics.figures import captions, hexagons, palette, style
from deep_learning_dynamics.figures.detail import draw_inset, find_detail
from deep_learning_dynamics.figures.frame import Frame, frame_of
from deep_learning_dynamics.figures.inputs import HexagonalMap, Projection, Provenance, Trajectory
from deep_learning_dynamics.figures.keys import draw_distance_bar
from deep_learning_dynamics.figures.paths import DASHES, DOTS
from deep_learning_dynamics.figures.run_paths import (
    ENDS,
    RunPaths,
    colour,
    draw_runs,
    shared_pretraining,
)

# In inches, from the lower left corner.
WIDTH, HEIGHT = 9.6, 6.85
_LEFT, _BOTTOM, _RIGHT, _TOP = 0.75, 1.1, 6.25, 5.88  # of the plane
_KEYS = 6.5  # where the legend begins
_EDGE = 0.18
_MARGIN = 0.22


@style.applied()
def comparison_figure(
    runs: Sequence[RunPaths], common: Projection, mnist: Provenance, omniglot: Provenance
) -> Figure:
    """All runs in the plane of ``common``, whose trajectories are those of the runs together.

    With layers tracked separately there is a panel for each layer.
    """
    figure = Figure(figsize=(WIDTH, HEIGHT))
    _draw_heading(figure, common, len(runs))
    shared = shared_pretraining(runs)
    apart = _apart([runs[0], *map(_without_pretraining, runs[1:])] if shared else runs)
    layers = common.layers
    columns = math.ceil(math.sqrt(len(layers)))
    rows = math.ceil(len(layers) / columns)
    gap = 0.0 if len(layers) == 1 else 0.28  # room for a panel's name
    width = (_RIGHT - _LEFT - (columns - 1) * 0.1) / columns
    height = (_TOP - _BOTTOM - (rows if gap else 0) * gap) / rows
    along, up = captions.axis_labels(common.method)
    for number, layer in enumerate(layers):
        row, column = divmod(number, columns)
        left, bottom = _LEFT + column * (width + 0.1), _TOP - (row + 1) * (height + gap)
        axes = figure.add_axes(
            (left / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT),
            # Ticks only where they have a unit.
            **({} if common.method == "pca" else {"xticks": [], "yticks": []}),
        )
        shown = [
            replace(run, trajectories=tuple(t for t in run.trajectories if t.layer == layer))
            for run in apart
        ]
        _draw_plane(axes, shown, apart, common.map, width, height, shared)
        if gap:
            axes.set_title(f"layer {layer}", size=style.LABEL, pad=3)
            axes.locator_params(nbins=5)
        lowest, first = number + columns >= len(layers), column == 0
        axes.tick_params(labelbottom=lowest, bottom=lowest, labelleft=first, left=first)
        axes.set(xlabel=along if lowest else "", ylabel=up if first else "")
    _draw_keys(figure, runs, common, captions.name_of_omniglot(omniglot))
    captions.draw_footer(figure, _size(runs), common.arms, mnist, omniglot, _EDGE)
    return figure


def _without_pretraining(run: RunPaths) -> RunPaths:
    return replace(run, trajectories=tuple(t for t in run.trajectories if t.phase == "train"))


def _apart(runs: Sequence[RunPaths]) -> list[RunPaths]:
    """The runs with pairs numbered through, because a pair of two runs is not one network."""
    most = 1 + max((t.pair for run in runs for t in run.trajectories), default=0)
    return [
        replace(
            run,
            trajectories=tuple(replace(t, pair=t.pair + number * most) for t in run.trajectories),
        )
        for number, run in enumerate(runs)
    ]


def _draw_plane(
    axes: Axes,
    shown: Sequence[RunPaths],
    runs: Sequence[RunPaths],
    cells: HexagonalMap | None,
    width: float,
    height: float,
    shared: bool,
) -> None:
    """Draw ``shown`` in the frame of all ``runs`` on axes of ``width`` × ``height`` inches."""
    everything = _all(runs)
    if cells is None:
        frame = frame_of(everything, width, height, _MARGIN)
    else:
        corners = hexagons.corners(cells).reshape(-1, 2)
        frame = Frame.around(corners, width, height, margin=0.06)
        hexagons.draw_map(axes, cells)
        shown = _spread(shown, cells)
    trajectories = _all(shown)
    networks = len({(t.arm, t.pair) for t in trajectories if t.phase == "train"})
    draw_runs(axes, shown, frame, style.Sizes.fitting(networks, width), shared)
    detail = find_detail(trajectories, frame, width, height) if cells is None else None
    if detail is not None:
        sizes = style.Sizes.fitting(networks, 0.8 * width)
        draw_runs(draw_inset(axes, detail), shown, detail.frame, sizes, shared, inset=True)


def _spread(runs: Sequence[RunPaths], cells: HexagonalMap) -> list[RunPaths]:
    """All runs at once, because they share the cells."""
    kept = [[t for t in run.trajectories if len(t.points)] for run in runs]
    moved = iter(hexagons.spread([t for trajectories in kept for t in trajectories], cells))
    return [
        replace(run, trajectories=tuple(next(moved) for _ in trajectories))
        for run, trajectories in zip(runs, kept, strict=True)
    ]


def _all(runs: Sequence[RunPaths]) -> list[Trajectory]:
    return [t for run in runs for t in run.trajectories if len(t.points)]


def _draw_heading(figure: Figure, common: Projection, runs: int) -> None:
    left, top = _EDGE / WIDTH, 1 - _EDGE / HEIGHT
    title = f"{captions.TITLES[common.method]}: {runs} runs in one plane"
    figure.text(left, top, title, va="top", size=style.TITLE, weight="bold")
    figure.text(
        left,
        top - 0.32 / HEIGHT,
        "\n".join(captions.quality_lines(common)),
        va="top",
        size=style.SUBTITLE,
        color=palette.QUIET,
        linespacing=1.35,
    )


def _draw_keys(figure: Figure, runs: Sequence[RunPaths], common: Projection, omniglot: str) -> None:
    signs = _sign_entries(runs, common, omniglot)
    figure.legend(
        [*(_run_entry(number, run) for number, run in enumerate(runs)), *signs],
        [*(run.label for run in runs), *(sign.get_label() for sign in signs)],
        handler_map={tuple: HandlerTuple(ndivide=None, pad=0)},
        loc="upper left",
        bbox_to_anchor=(_KEYS / WIDTH, _TOP / HEIGHT),
        borderaxespad=0,
        borderpad=0,
        frameon=False,
        fontsize=style.LABEL,
        handlelength=2.2,
        labelspacing=0.7,
    )
    if common.map is not None:
        width = WIDTH - 0.35 - _KEYS
        axes = figure.add_axes(
            ((_KEYS + 0.05) / WIDTH, _BOTTOM / HEIGHT, width / WIDTH, 0.17 / HEIGHT)
        )
        draw_distance_bar(axes, common.map)


def _run_entry(number: int, run: RunPaths) -> tuple[Line2D, ...]:
    """A run's line in the shades of its arms."""
    arms = dict.fromkeys(t.arm for t in run.trajectories if t.phase == "train")
    return tuple(Line2D([], [], color=colour(number, arm), linewidth=3) for arm in arms)


def _sign_entries(runs: Sequence[RunPaths], common: Projection, omniglot: str) -> list[Line2D]:
    drawn = _all(runs)
    trained = [t for t in drawn if t.phase == "train"]
    mark = {"linestyle": "none", "color": palette.INK, "markersize": 7}
    entries = [Line2D([], [], label=" ", linestyle="none")]
    for arm in common.arms:
        name = f"pre-trained on {omniglot}" if arm == "pretrained" else captions.ARMS[arm]
        shade = "#9a9a9a" if arm == "scratch" else "#404040"
        light = " (light)" if arm == "scratch" else " (dark)"
        entries.append(
            Line2D(
                [],
                [],
                label=f"{name}{light if len(common.arms) > 1 else ''}; its end",
                color=shade,
                linewidth=2.2,
                marker=ENDS[arm],
                markersize=7,
                markeredgecolor="white",
            )
        )
    if any(t.phase == "pretrain" for t in drawn):
        same = shared_pretraining(runs)
        entries.append(
            Line2D(
                [],
                [],
                label=f"pre-training on {omniglot}" + (",\nthe same in all runs" if same else ""),
                color=palette.GREY,
                linewidth=1.3,
                linestyle=(0, DOTS),
                dash_capstyle="round",
            )
        )
    start = mark | {"marker": "o", "markerfacecolor": "white", "markeredgewidth": 1.2}
    entries.append(Line2D([], [], label="start on MNIST", **start))
    if any(len(t.points) > 1 for t in trained):
        entries.append(Line2D([], [], label="direction of learning", **mark, marker=(3, 0, -90)))
    if failed := sum(bool(t.failed) for t in trained):
        entries.append(
            Line2D(
                [],
                [],
                label=f"failed: {failed}",
                color=palette.QUIET,
                linewidth=1.3,
                linestyle=(0, DASHES),
                marker="X",
                markersize=8,
                markerfacecolor=palette.INK,
                markeredgecolor="white",
            )
        )
    return entries


def _size(runs: Sequence[RunPaths]) -> str:
    """How much was drawn."""
    counts = []
    for run in runs:
        trained = [t for t in run.trajectories if t.phase == "train"]
        arms = len({t.arm for t in trained})
        networks = captions.count_of_networks(len({t.pair for t in trained}), arms)
        epochs = max((float(t.epochs.max()) for t in trained if len(t.epochs)), default=0.0)
        counts.append(f"{networks}, {epochs:g} epochs on MNIST")
    different = list(dict.fromkeys(counts))
    each = " in each" if len(different) == 1 else ""
    return f"{len(runs)} runs · {' / '.join(different)}{each}"
