"""The sheet: all projections of one experiment side by side, with one legend for all."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from deep_learning_dynamics.figures import captions, keys, palette, style
from deep_learning_dynamics.figures.inputs import Projection, Provenance
from deep_learning_dynamics.figures.strokes import is_faded
from deep_learning_dynamics.figures.trajectories import accuracy_scale, draw_plane

# In inches. A panel is as large as its type stays legible with the sheet 1,200 pixels wide.
_PANEL_WIDTH, _PANEL_HEIGHT = 4.1, 3.55
_PANEL_HEADING = 0.6
_GAP = 0.22
_EDGE = 0.2
_HEADING, _LINE = 0.9, 0.19
_BAR = 0.17
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
_MANY = 40  # paths in a panel: more of them are drawn as an image, also in the SVG


@style.applied()
def sheet_figure(
    projections: Sequence[Projection], mnist: Provenance, omniglot: Provenance
) -> Figure:
    """All methods in the order given, up to three in a row; layers tracked separately together."""
    columns = {1: 1, 2: 2, 4: 2}.get(len(projections), 3)
    rows = -(-len(projections) // columns)
    # All methods have the same trajectories, but not all distort them.
    by_paleness = sorted(projections, key=lambda each: -sum(map(is_faded, each.trajectories)))
    trajectories = by_paleness[0].trajectories
    numbered = len(projections[0].layers) > 1
    name = captions.name_of_omniglot(omniglot)
    entries = keys.legend_entries(trajectories, name, numbered)
    has_map = any(projection.map is not None for projection in projections)

    width = max(2 * _EDGE + columns * (_PANEL_WIDTH + _GAP) - _GAP, 6.6)
    is_wide = columns == 3
    legend_columns = 3 if is_wide else 2
    legend_height = 0.235 * -(-len(entries) // legend_columns)
    strip = max(legend_height, 0.75) if is_wide else legend_height + 0.95
    tested = any(captions.badge(projection) for projection in projections)
    heading = _HEADING + (_LINE if tested else 0.0)
    height = heading + rows * (_PANEL_HEADING + _PANEL_HEIGHT) + _GAP + strip + captions.FOOTER
    figure = Figure(figsize=(width, height))
    _draw_heading(figure, projections, name, tested)

    accuracies = accuracy_scale(projections[0])
    panel_width = (width - 2 * _EDGE - (columns - 1) * _GAP) / columns
    for number, projection in enumerate(projections):
        row, column = divmod(number, columns)
        left = _EDGE + column * (panel_width + _GAP)
        bottom = height - heading - (row + 1) * (_PANEL_HEADING + _PANEL_HEIGHT)
        axes = figure.add_axes(
            (left / width, bottom / height, panel_width / width, _PANEL_HEIGHT / height)
        )
        shown = list(projection.trajectories)
        draw_plane(axes, projection, shown, accuracies, panel_width, _PANEL_HEIGHT, numbered)
        axes.set(xticks=[], yticks=[])
        if len(shown) > _MANY:
            axes.set_rasterization_zorder(10)
        axes.spines[:].set(color="#bbbbbb")
        _draw_panel_heading(figure, projection, left, bottom + _PANEL_HEIGHT, panel_width)

    top = captions.FOOTER + strip
    figure.legend(
        handles=entries,
        loc="upper left",
        bbox_to_anchor=(_EDGE / width, top / height),
        ncols=legend_columns,
        borderaxespad=0,
        borderpad=0,
        frameon=False,
        fontsize=style.LABEL,
        handlelength=2.2,
        columnspacing=2.0,
    )
    first, second = (7.2, 10.4) if is_wide else (_EDGE + 0.05, 3.6)
    bars = _BAR * len(projections[0].arms)
    bottom = (top if is_wide else captions.FOOTER + 0.85) - bars
    axes = figure.add_axes((first / width, bottom / height, 2.7 / width, bars / height))
    keys.draw_accuracy_bars(axes, projections[0].arms, accuracies)
    if has_map:
        length = min(width - 0.35 - second, 2.4)
        axes = figure.add_axes((second / width, bottom / height, length / width, bars / height))
        keys.draw_distance_bar(axes, None)
    size = captions.size_of(projections[0])
    captions.draw_footer(figure, size, projections[0].arms, mnist, omniglot, _EDGE)
    return figure


def _draw_heading(
    figure: Figure, projections: Sequence[Projection], omniglot: str, tested: bool
) -> None:
    width, height = figure.get_size_inches()
    left, top = _EDGE / width, 1 - _EDGE / height
    starts = {"scratch": "from scratch", "pretrained": f"after {omniglot}"}
    learning = " or ".join(starts[arm] for arm in projections[0].arms)
    ways = f", seen in {_NUMBERS[len(projections)]} ways" if len(projections) > 1 else ""
    lines = [
        f"Networks learn MNIST {learning}{ways}.",
        "Distances ρ: rank correlation of distances in the plane with those between the weights.",
    ]
    if tested:
        lines.append(
            "Refits, with other seeds or without some networks: how far they differ, from 0 to 1."
        )
    figure.text(left, top, "Paths through weight space", va="top", size=16, weight="bold")
    figure.text(
        left,
        top - 0.34 / height,
        "\n".join(lines),
        va="top",
        linespacing=1.35,
        size=style.SUBTITLE,
        color=palette.QUIET,
    )


def _draw_panel_heading(
    figure: Figure, projection: Projection, left: float, top: float, panel_width: float
) -> None:
    width, height = figure.get_size_inches()
    higher, lower = (top + 0.25) / height, (top + 0.06) / height
    title = captions.TITLES[projection.method]
    figure.text(left / width, higher, title, va="bottom", size=11, weight="bold")
    quiet = {"va": "bottom", "size": style.LABEL, "color": palette.QUIET}
    figure.text(left / width, lower, captions.short_quality(projection), **quiet)
    if badge := captions.badge(projection):
        figure.text((left + panel_width) / width, higher, badge, ha="right", **quiet)
