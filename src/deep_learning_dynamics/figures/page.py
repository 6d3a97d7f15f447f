"""What stands around a drawing: title, quality, legend, colour bars and footer.

Two nested figures leave the arrangement to matplotlib's constrained layout: the outer one has the
title and the footer, the inner one the subtitle, the panels and the legend.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse
from matplotlib.transforms import ScaledTranslation

from deep_learning_dynamics.figures import style as look
from deep_learning_dynamics.figures.groups import Groups
from deep_learning_dynamics.figures.plane import Plane, shades
from deep_learning_dynamics.figures.style import ScoreScale, Style, group_entries
from deep_learning_dynamics.figures.trajectories import is_interpolated
from deep_learning_dynamics.formatting import count
from deep_learning_dynamics.quantities import quantity
from deep_learning_dynamics.results import Results

_EM = 0.53  # the mean width of a character, in its size


def page(
    style: Style,
    content: float,
    title: str,
    subtitle: str = "",
    footer: str = "",
    results: Results | None = None,
    legend: Sequence[Any] = (),
) -> tuple[Figure, SubFigure]:
    """A figure and the part of it where panels go.

    Args:
        content: about how high the panels are, in inches, with what belongs to their axes.
        subtitle: lines below the title; long ones are wrapped.
        results: whose datasets the footer names. Stand-ins are named even without a title.
        legend: artists with labels.
    """
    size, small = style.text, style.text - 0.8
    data, stand_ins = _data_line(results)
    below = f"{footer}\n{data}" if style.title else data if stand_ins else ""
    head = wrapped(title, style.width, size + 2) if style.title else ""
    under = wrapped(subtitle, style.width, size) if style.title else ""
    foot = wrapped(below, style.width, small)
    longest = max((len(str(entry.get_label())) for entry in legend), default=1)
    fitting = 72 * style.width / (_EM * style.text * longest + 4.2 * style.text)
    columns = int(np.clip(fitting, 1, max(len(legend), 1)))
    texts = [(head, size + 5), (under, size + 2), (foot, small + 4)]
    lines = [(text.count("\n") + 1) * points for text, points in texts if text]
    rows = -(-len(legend) // columns) * (1.45 * size) + (6 if legend else 0)
    figure = style.figure(content + (sum(lines) + rows + 6) / 72)
    body = figure.subfigures()
    left = {"x": 0.05 / style.width, "ha": "left"}
    if head:
        figure.suptitle(head, weight="bold", size=size + 2, **left)
    if under:
        body.suptitle(under, size=size, color=look.QUIET, **left)
    if foot:
        warning = {"facecolor": look.WARNING_FACE, "edgecolor": "none", "pad": 1.5}
        figure.supxlabel(
            foot,
            size=small,
            linespacing=1.4,
            color=look.WARNING if stand_ins else look.QUIET,
            bbox=warning if stand_ins else None,
            **left,
        )
    if legend:
        body.legend(
            handles=list(legend), loc="outside lower left", ncols=columns, borderaxespad=0.2
        )
    return figure, body


def panels(
    style: Style,
    names: Sequence[str],
    *words: Any,
    aspect: float = 0.0,
    height: float = 0.2,
    most: int = 3,
    narrow: int = 2,
    **mosaic: Any,
) -> tuple[Figure, dict[str, Axes]]:
    """A page of equal panels, and their axes by name.

    Args:
        words: what :func:`page` takes from ``title`` on.
        aspect: of a panel, height / width; ``height`` inches are added to each row.
        most, narrow: how many panels stand side by side at most, on a page and in a column.
    """
    layout = grid(names, min(len(names), narrow if style.is_narrow else most))
    row = aspect * style.width / len(layout[0]) + height
    figure, body = page(style, len(layout) * row, *words)
    return figure, body.subplot_mosaic(layout, **mosaic)


def plane_page(
    style: Style,
    planes: Mapping[str, Plane],
    layout: list[list[str]],
    height: float,
    groups: Groups,
    *words: Any,
    legend: Sequence[Any] = (),
    below: float = 0.0,
    **mosaic: Any,
) -> tuple[Figure, dict[str, Axes], SubFigure]:
    """A page of planes above the bars that explain their colours; ``draw_planes`` draws them.

    Args:
        planes: by their names in ``layout``, which may have other panels, too.
        height: of all panels, in inches.
        words: what :func:`page` takes from ``title`` to ``results``.
        legend: in place of the names of groups, and further entries.
        below: inches that the caller fills instead of bars.

    Returns:
        The figure, all axes by their names, and the part below the panels.
    """
    first, *_ = planes.values()
    numbers = [t.group for t in first.trajectories if not t.earlier and len(t.points)]
    maps = [plane.cells for plane in planes.values() if plane.cells is not None]
    guessed = any(is_interpolated(plane.trajectories) for plane in planes.values())
    bars = [*(["score"] if first.scale else []), *(["cells"] if maps else [])]
    if bars:
        below = max(len(groups), 2) * 1.3 * style.text / 72 + (0.52 if guessed else 0.4)
    if not legend:
        named = [] if first.scale else group_entries(groups, numbers, look.TONE, True)
        legend = [*named, *plane_entries(list(planes.values()))]
    figure, body = page(style, height + below, *words, legend=legend)
    upper, lower = body.subfigures(2, 1, height_ratios=[height, below or 1e-3])
    axes = upper.subplot_mosaic(layout, **mosaic)
    for name, plane in planes.items():
        plane.place(axes[name])
    if bars:
        axes |= lower.subplot_mosaic([bars if style.is_narrow or len(bars) > 1 else [*bars, "."]])
    if first.scale:
        _draw_score_bar(axes["score"], groups, numbers, first.scale, guessed)
    if maps:
        _draw_cell_bar(axes["cells"], maps[0].distances if len(planes) == 1 else None)
    return figure, axes, lower


def grid(names: Sequence[str], columns: int) -> list[list[str]]:
    """Names as the rows of a mosaic, empty places at its end."""
    padded = [*names, *["."] * (-len(names) % columns)]
    return [padded[start : start + columns] for start in range(0, len(padded), columns)]


def message_page(style: Style, title: str, message: str) -> Figure:
    """A figure that says why there is nothing to see."""
    figure, body = page(style, 1.2, title)
    axes = body.subplots()
    axes.set_axis_off()
    text = wrapped(message, style.width, style.text + 1)
    axes.text(0.5, 0.5, text, ha="center", va="center", size=style.text + 1, color=look.QUIET)
    return figure


def wrapped(text: str, width: float, size: float) -> str:
    """Text in lines that fit ``width`` inches; no dot between parts begins or ends a line."""
    characters = max(int(72 * (width - 0.15) / (_EM * size)), 10)
    lines = [line for line in text.split("\n") if line]
    filled = "\n".join(textwrap.fill(line, characters, break_on_hyphens=False) for line in lines)
    return filled.replace(" ·\n", "\n").replace("\n· ", "\n")


def _data_line(results: Results | None) -> tuple[str, bool]:
    """The datasets, and whether one is not the original."""
    names, stand_ins = [], False
    for each in results.provenance if results is not None else ():
        name = str(each.get("label") or each.get("name", ""))
        if each.get("original") is False:
            stand_ins = True
            name += "" if "stand-in" in name else " (stand-in, not the original)"
        names.append(name)
    return f"Data: {' · '.join(dict.fromkeys(names))}" if names else "", stand_ins


def networks_line(plane: Plane, weights: int | None = None) -> str:
    """ "40 networks (20 pairs) · 38 snapshots of 6,608 weights"."""
    trained = [t for t in plane.trajectories if not t.earlier]
    pairs = {t.label for t in trained} - {""}
    networks = len({t.network for t in trained})
    text = count(networks, "network")
    if 1 < len(pairs) < networks:
        text += f" ({count(len(pairs), 'pair')})"
    sizes = {len(t.points) for t in trained} or {0}
    fewest = "" if len(sizes) == 1 else f"{min(sizes):,} to "
    text += f" · {fewest}{count(max(sizes), 'snapshot')}"
    return text + (f" of {weights:,} weights" if weights else "")


def plane_entries(planes: Sequence[Plane]) -> list[Any]:
    """The signs that planes use."""
    trajectories = [t for plane in planes for t in plane.trajectories if len(t.points)]
    trained = [t for t in trajectories if not t.earlier]
    mark: dict[str, Any] = {"linestyle": "none", "markersize": 4.5, "color": look.INK}
    entries: list[Any] = []
    if any(t.earlier for t in trajectories):
        dotted = {"color": look.EARLIER, "linestyle": look.DOTS, "dash_capstyle": "round"}
        entries.append(Line2D([], [], linewidth=1.2, label="earlier training", **dotted))
    ring = mark | {"color": "white", "markeredgecolor": look.INK}
    entries.append(Line2D([], [], marker="o", label="start", **ring))
    if any(t.sound for t in trained):
        numbered = any(plane.numbered for plane in planes)
        moving = any(plane.moving for plane in planes)
        label = "network at this step" if moving else "end"
        label += ", number of pair" if numbered else ""
        if look.ends_differ(t.group for t in trained if t.end == ""):
            label += ", with its group's sign"
        entries.append(Line2D([], [], marker="s", label=label, **mark))
    entries.append(Line2D([], [], marker=">", label="direction of learning", **mark))
    failed = [t.outcome for t in planes[0].trajectories if not t.sound and not t.earlier]
    if failed:
        counts = [f"{failed.count(kind)} {kind}" for kind in dict.fromkeys(failed)]
        dashed = mark | {"linestyle": look.DASHES, "linewidth": 0.9, "markeredgecolor": "white"}
        label = f"failed: {', '.join(counts)}"
        entries.append(Line2D([], [], marker="X", markeredgewidth=0.3, label=label, **dashed))
    if any(plane.is_unscored(t) for plane in planes for t in plane.trajectories if not t.earlier):
        key = next(plane.scale.key for plane in planes if plane.scale)
        plain = {"color": look.EARLIER, "linewidth": 1.4}
        entries.append(Line2D([], [], label=f"no {quantity(key).title} recorded", **plain))
    if any(t.is_faded for t in trained):
        pale = {"color": look.LINE, "linewidth": 1.4}
        entries.append(Line2D([], [], label="faded: neighbours lost", **pale))
    if any(plane.ellipses[0] for plane in planes):
        round_ = {"facecolor": "#dddddd", "edgecolor": look.QUIET, "linewidth": 0.5}
        entries.append(Ellipse((0, 0), 1, 1, label="1 SD over refits", **round_))
    return entries


def _draw_score_bar(
    axes: Axes, groups: Groups, numbers: Sequence[int], scale: ScoreScale, interpolated: bool
) -> None:
    """The colours of every group over the range of the score; a row per group."""
    shown = [number for number in sorted(set(numbers)) if number >= 0] or [0]
    image = np.array([look.ramp(number)(np.linspace(0, 1, 128))[:, :3] for number in shown])
    axes.imshow(
        image, aspect="auto", extent=(0, 1, len(shown) - 0.5, -0.5), interpolation="nearest"
    )
    for row in range(1, len(shown)):
        axes.axhline(row - 0.5, color="white", linewidth=1.2)
    ticks = scale.ticks()
    axes.set_xticks(scale.position(np.array(ticks)), [scale.label(tick) for tick in ticks])
    names = [groups.title(n) for n in shown] if len(groups) > 1 else [""] * len(shown)
    if axes.get_figure(root=True).get_figwidth() < look.NARROW:
        for row, name in enumerate(names):  # on the bar: beside it, they would squeeze the picture
            axes.text(0.015, row, name, va="center", color=look.INK)
        names = [""] * len(shown)
    axes.set_yticks(range(len(shown)), names)
    axes.yaxis.tick_right()  # where long titles have room
    axes.tick_params(axis="y", length=0, labelcolor=look.INK)
    if look.ends_differ(shown):
        axes.tick_params(axis="y", pad=14)
        inches = axes.get_figure(root=True).dpi_scale_trans
        beside = axes.get_yaxis_transform() + ScaledTranslation(8 / 72, 0, inches)
        for row, number in enumerate(shown):
            sign = {"marker": look.end_marker(number), "color": look.colour(number, 0.85)}
            axes.plot(1, row, markersize=5, transform=beside, clip_on=False, **sign)
    axes.tick_params(axis="x", pad=1.5)
    axes.spines[:].set_visible(False)
    below = "\ninterpolated where not recorded" if interpolated else ""
    axes.set_xlabel(f"{look.with_unit(scale.key)}{below}")


def _draw_cell_bar(axes: Axes, distances: np.ndarray | None) -> None:
    """The greys of a map, whose cells are shaded by rank; None: of several maps."""
    image = np.repeat(shades(np.linspace(0, 1, 64))[None, :, None], 3, axis=2)
    axes.imshow(image, aspect="auto", extent=(0, 1, 0.5, -0.5))
    labels = ["near", "far"]
    if distances is not None:
        labels = [f"{value:.3g}" for value in np.nanquantile(distances, [0, 0.5, 1])]
    axes.set_xticks(np.linspace(0, 1, len(labels)), labels)
    axes.set_yticks([])
    axes.tick_params(axis="x", pad=1.5)
    axes.spines[:].set_visible(True)
    axes.set_xlabel("Distance to neighbouring units")


def title_of(axes: Axes, style: Style, text: str, below: str = "") -> None:
    """A panel's title, and a quiet line under it."""
    size = style.text
    pad = 3 + (size + 2) * (below.count("\n") + 1 if below else 0)
    axes.set_title(text, size=size + 0.5, weight="bold", pad=pad)
    axes.annotate(
        below, (0, 1), xytext=(0, 3), xycoords="axes fraction", textcoords="offset points",
        ha="left", va="bottom", size=size - 0.7, color=look.QUIET, annotation_clip=False,
    )  # fmt: skip
