"""The trajectories of several runs in one common plane, with a legend of what sets runs apart."""

from collections.abc import Sequence
from dataclasses import replace

from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D

from deep_learning_dynamics.figures import captions, hexagons, palette, style
from deep_learning_dynamics.figures.detail import draw_inset
from deep_learning_dynamics.figures.inputs import HexagonalMap, Projection, Provenance, Trajectory
from deep_learning_dynamics.figures.keys import (
    draw_distance_bar,
    failure_entry,
    pretraining_entry,
)
from deep_learning_dynamics.figures.planes import Box, Panel, panels_of_layers, plane_of
from deep_learning_dynamics.figures.run_paths import (
    ENDS,
    RunPaths,
    colour,
    draw_runs,
    shared_pretraining,
)
from deep_learning_dynamics.figures.trajectories import draw_heading

# In inches, from the lower left corner.
WIDTH, HEIGHT = 9.6, 6.85
_BOX = Box(left=0.75, bottom=1.1, right=6.25, top=5.88)  # of the plane
_KEYS = 6.5  # where the legend begins
_EDGE = 0.18


@style.applied()
def comparison_figure(
    runs: Sequence[RunPaths], common: Projection, mnist: Provenance, omniglot: Provenance
) -> Figure:
    """All runs in the plane of ``common``, whose trajectories are those of the runs together.

    With layers tracked separately there is a panel for each layer.
    """
    figure = Figure(figsize=(WIDTH, HEIGHT))
    title = f"{captions.TITLES[common.method]}: {len(runs)} runs in one plane"
    draw_heading(figure, title, captions.quality_lines(common))
    shared = shared_pretraining(runs)
    apart = _apart([runs[0], *map(_without_pretraining, runs[1:])] if shared else runs)
    for panel in panels_of_layers(figure, common, _BOX):
        shown = [
            replace(run, trajectories=tuple(t for t in run.trajectories if t.layer == panel.layer))
            for run in apart
        ]
        _draw_plane(panel, shown, apart, common.map, shared)
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
    panel: Panel,
    shown: Sequence[RunPaths],
    runs: Sequence[RunPaths],
    cells: HexagonalMap | None,
    shared: bool,
) -> None:
    """Draw ``shown`` in the frame of all ``runs``."""
    # All runs at once, because they share the cells of a map.
    plane = plane_of(_all(runs), _all(shown), cells, panel.width, panel.height)
    placed = iter(plane.trajectories)
    shown = [
        replace(run, trajectories=tuple(next(placed) for t in run.trajectories if len(t.points)))
        for run in shown
    ]
    if cells is not None:
        hexagons.draw_map(panel.axes, cells)
    draw_runs(panel.axes, shown, plane.frame, plane.sizes, shared)
    if plane.detail is not None:
        inset = draw_inset(panel.axes, plane.detail)
        draw_runs(inset, shown, plane.detail.frame, plane.detail_sizes, shared, inset=True)


def _all(runs: Sequence[RunPaths]) -> list[Trajectory]:
    return [t for run in runs for t in run.trajectories if len(t.points)]


def _draw_keys(figure: Figure, runs: Sequence[RunPaths], common: Projection, omniglot: str) -> None:
    signs = _sign_entries(runs, common, omniglot)
    figure.legend(
        [*(_run_entry(number, run) for number, run in enumerate(runs)), *signs],
        [*(run.label for run in runs), *(sign.get_label() for sign in signs)],
        handler_map={tuple: HandlerTuple(ndivide=None, pad=0)},
        loc="upper left",
        bbox_to_anchor=(_KEYS / WIDTH, _BOX.top / HEIGHT),
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
            ((_KEYS + 0.05) / WIDTH, _BOX.bottom / HEIGHT, width / WIDTH, 0.17 / HEIGHT)
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
        note = ",\nthe same in all runs" if same else ""
        entries.append(pretraining_entry(f"pre-training on {omniglot}{note}"))
    start = mark | {"marker": "o", "markerfacecolor": "white", "markeredgewidth": 1.2}
    entries.append(Line2D([], [], label="start on MNIST", **start))
    if any(len(t.points) > 1 for t in trained):
        entries.append(Line2D([], [], label="direction of learning", **mark, marker=(3, 0, -90)))
    if failed := sum(bool(t.failed) for t in trained):
        entries.append(failure_entry(f"failed: {failed}"))
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
