"""A strip for each number of a picture: where the real one lies among those of nulls."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from deep_learning_dynamics.figures import captions, palette, style
from deep_learning_dynamics.figures.evidence import Kind, Standing, Standings
from deep_learning_dynamics.figures.inputs import Quality

# In inches, from the table's left edge.
_STRIP, _STRIP_END = 2.75, 6.95
_REAL, _OF_KIND = 7.75, {"random_walk": 9.35, "shuffled_steps": 11.15}  # right edges
_ROW, _HEAD, _LEGEND = 0.34, 0.3, 0.3
_SHADES: dict[Kind, str] = {"random_walk": "#8a8a8a", "shuffled_steps": "#c6c6c6"}
_LANES: dict[Kind, float] = {"random_walk": -0.17, "shuffled_steps": 0.17}  # in rows, down
_THICK = 0.26  # of a bar, in rows


@dataclass(frozen=True)
class Measure:
    """A number that the picture and the nulls' pictures have."""

    title: str
    written: Callable[[float], str]
    standings: dict[Kind, Standing]

    @property
    def value(self) -> float:
        return next(iter(self.standings.values())).value


def _index(value: float) -> str:
    # One digit more than elsewhere, because ranges of nulls may be as narrow as that.
    return captions.index(value, digits=4)


_MEASURES: dict[str, tuple[str, Callable[[float], str]]] = {
    "trustworthiness": ("trustworthiness", _index),
    "continuity": ("continuity", _index),
    "distance_correlation": ("rank correlation of distances", _index),
    "path_distance_correlation": ("the same along each path", _index),
    "explained_variance": ("variance explained", captions.percent),
    "code_explained_variance": ("variance kept by the code", captions.percent),
    "quantisation_error": ("quantisation error", captions.number),
    "topographic_error": ("topographic error", captions.percent),
}


def measures_of(quality: Quality) -> list[Measure]:
    """What can be compared, in the order in which it is shown."""
    found = []
    for name, (title, written) in _MEASURES.items():
        standings = {kind: of[name] for kind, of in quality.nulls.items() if name in of}
        if standings:
            found.append(Measure(title, written, standings))
    return found


def height_of(measures: int) -> float:
    """Inches that the table of so many measures takes."""
    return _HEAD + measures * _ROW + _LEGEND if measures else 0.0


def draw_strips(
    figure: Figure, measures: Sequence[Measure], nulls: Standings, left: float, bottom: float
) -> None:
    """The table whose lower left corner lies there, in inches: strips, and their numbers.

    Each strip has a scale of its own, from the least to the greatest of what it shows.
    """
    if not measures:
        return
    width, height = figure.get_size_inches()
    base = bottom + _LEGEND
    rows = len(measures) * _ROW
    box = (
        (left + _STRIP) / width,
        base / height,
        (_STRIP_END - _STRIP) / width,
        rows / height,
    )
    axes = figure.add_axes(box, xlim=(0, 1), ylim=(len(measures) - 0.5, -0.5))
    axes.set_axis_off()
    heads = {_REAL: "real"} | {_OF_KIND[kind]: captions.NULLS[kind] for kind in nulls}
    for right, head in heads.items():
        at = ((left + right) / width, (base + rows + 0.06) / height)
        figure.text(*at, head, ha="right", va="bottom", size=style.LABEL, color=palette.QUIET)
    for row, measure in enumerate(measures):
        _draw_strip(axes, row, measure)
        middle = (base + rows - (row + 0.5) * _ROW) / height
        look = {"va": "center", "size": style.LABEL}
        figure.text(left / width, middle, measure.title, **look)
        real = measure.written(measure.value)
        figure.text((left + _REAL) / width, middle, real, ha="right", **look)
        for kind, of in measure.standings.items():
            text = f"{measure.written(of.low)} to {measure.written(of.high)}"
            weight = "bold" if of.is_outside else "normal"
            at = ((left + _OF_KIND[kind]) / width, middle)
            figure.text(*at, text, ha="right", weight=weight, **look)
    count = max(of.nulls for each in nulls.values() for of in each.values())
    handles = [
        *(
            Patch(facecolor=_SHADES[kind], label=f"middle 95 % of {count} {captions.NULLS[kind]}")
            for kind in nulls
        ),
        Line2D(
            [], [], color="white", marker="|", markeredgecolor=palette.INK, label="their median"
        ),
        Line2D([], [], **_REAL_MARK, label="the real paths"),
        Patch(alpha=0, label="bold: the real number lies outside"),
    ]
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(left / width, (bottom + 0.05) / height),
        ncols=len(handles),
        borderaxespad=0,
        borderpad=0,
        frameon=False,
        fontsize=style.SMALL,
        handlelength=1.6,
        columnspacing=1.6,
    )


_REAL_MARK = {
    "linestyle": "none",
    "marker": "D",
    "markersize": 6,
    "markerfacecolor": palette.INK,
    "markeredgecolor": "white",
}


def _draw_strip(axes: Axes, row: int, measure: Measure) -> None:
    standings = measure.standings.values()
    ends = [measure.value, *(of.low for of in standings), *(of.high for of in standings)]
    low, size = min(ends), max(ends) - min(ends)

    def place(value: float) -> float:
        return 0.04 + 0.92 * (value - low) / size if size > 0 else 0.5

    axes.plot([0, 1], [row, row], color="#e6e6e6", linewidth=0.6, zorder=0)
    for kind, of in measure.standings.items():
        lane = row + _LANES[kind]
        start, end = place(of.low), place(of.high)
        # As wide as a hair where all nulls have one number.
        axes.barh(lane, max(end - start, 0.004), _THICK, start, color=_SHADES[kind])
        half = _THICK / 2
        middle = place(of.median)
        axes.plot([middle] * 2, [lane - half, lane + half], color=palette.INK, linewidth=1.2)
    axes.plot(place(measure.value), row, **_REAL_MARK, zorder=5)
