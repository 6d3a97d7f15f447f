"""The real paths beside null models: what a picture shows although nothing was learnt."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from deep_learning_dynamics.figures import page as around
from deep_learning_dynamics.figures import style as look
from deep_learning_dynamics.figures.figure import FIGURES, FigureKind
from deep_learning_dynamics.figures.paths import groups_of, method_of, nothing
from deep_learning_dynamics.figures.plane import Plane, draw_planes, frame_axes
from deep_learning_dynamics.figures.series import grid
from deep_learning_dynamics.figures.style import Style
from deep_learning_dynamics.figures.trajectories import trajectories_of
from deep_learning_dynamics.formatting import listed
from deep_learning_dynamics.null_models import NULL_MODELS
from deep_learning_dynamics.quantities import quantity
from deep_learning_dynamics.results import Results

_GREYS = ("#5c5c5c", "#929292", "#bdbdbd")  # of null models, in their order
_WORDS = {"better than": "better", "worse than": "worse", "more than": "more", "less than": "less",
          "as": "as null", "not tested": "not tested"}  # fmt: skip


@FIGURES.register
class Nulls(FigureKind):
    key, title, needs = "nulls", "Real paths and null models", ("projections",)

    def variants(self, results: Results) -> tuple[str, ...]:
        return tuple(
            key
            for key, projection in (results.projections or {}).items()
            if projection.robustness is not None and projection.robustness.nulls
        )

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        projection = results.projections[variant]
        method, robustness = method_of(projection), projection.robustness
        groups = groups_of(projection, results)
        table = projection.coordinates
        layouts: dict[str, Any] = {"real": None, **robustness.examples}
        # Real paths are shown at the snapshots that the nulls have, too.
        tested = np.ones(len(table), bool)
        for places in robustness.examples.values():
            tested &= np.isfinite(places).all(axis=1)
        rows = table[tested] if tested.any() else table
        planes = {}
        for name, places in layouts.items():
            own = table[["x", "y"]].to_numpy(float) if places is None else places
            points = own[tested] if tested.any() else own
            planes[name] = Plane(trajectories_of(rows, groups, points=points), text=style.text)
        real = planes["real"].trajectories
        numbers = [t.group for t in real if not t.earlier and len(t.points)]
        if not numbers:
            return around.message_page(style, method.title, nothing(real))
        tests = [t for t in _tests(results, variant) if t.value is not None]
        quantities = list(dict.fromkeys(test.quantity for test in tests))
        columns = min(len(planes), 2 if style.is_narrow else 4)
        layout = grid(list(planes), columns)
        panel = style.width / columns
        pictures = len(layout) * (0.9 * panel + 0.2)
        strips = len(quantities) * (3.1 if style.is_narrow else 2) * style.text / 72 + 0.25
        figure, body = around.page(
            style,
            pictures + strips,
            f"{method.title}: real paths and null models",
            [_answer(tests)],
            "Random walks in many dimensions look like learning (Antognini and Sohl-Dickstein, "
            "2018).",
            results,
            [
                *around.group_entries(groups, numbers),
                *around.plane_entries(list(planes.values())),
                *_strip_entries(tests),
            ],
        )
        upper, lower = body.subfigures(2, 1, height_ratios=[pictures, strips])
        axes = upper.subplot_mosaic(layout)
        for name, plane in planes.items():
            plane.place(axes[name])
            frame_axes(axes[name])
            title = "Real paths" if name == "real" else _capital(_model_title(name))
            around.title_of(axes[name], style, title)
        _draw_strips(lower.subplots(), tests, quantities, style)
        draw_planes(figure, list(planes.values()))
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        tests = [t for t in _tests(results, variant) if t.value is not None]
        models = dict.fromkeys(test.model for test in tests)
        kept = [
            f"{_capital(_model_title(model))} keep {NULL_MODELS[model].keeps}"
            for model in models
            if model in NULL_MODELS
        ]
        return (
            f"{_answer(tests)} {'. '.join(kept)}{'.' if kept else ''} Below: where the number of "
            "the real paths (diamond) lies among those of the null paths (bars: middle 95 %; tick: "
            "median), each row from the smallest to the largest; the words say what tests find, "
            "corrected for the number of rows (Westfall and Young's step-down method)."
        )


def _tests(results: Results, method: str) -> list[Any]:
    """The tests of one method."""
    if results.null_tests is not None:
        return list(results.null_tests.of(method))
    from deep_learning_dynamics.inference import null_tests

    return list(null_tests({method: results.projections[method]}).items)


def _answer(tests: list[Any]) -> str:
    """What sets the picture apart from each null model."""
    found: dict[str, list[str]] = {}  # models by what was found
    for model in dict.fromkeys(test.model for test in tests):
        mine = [test for test in tests if test.model == model]
        parts = []
        for direction in ("better than", "worse than"):
            keys = [test.quantity for test in mine if test.direction == direction]
            if keys:
                words = listed([quantity(key).title for key in keys])
                parts.append(f"{direction} those of NULL in {words}")
        text = f"The picture of the real paths is {' and '.join(parts)}."
        if not parts:
            text = "The picture of the real paths is no better and no worse than those of NULL."
        if all(test.direction == "not tested" for test in mine):
            text = f"Not tested against NULL: {mine[0].reason or 'too few nulls'}."
        found.setdefault(text, []).append(_model_title(model))
    answers = [text.replace("NULL", listed(models)) for text, models in found.items()]
    return " ".join(answers) or "Nothing was tested against null models."


def _model_title(model: str) -> str:
    return NULL_MODELS[model].title if model in NULL_MODELS else model.replace("_", " ")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _strip_entries(tests: list[Any]) -> list[Any]:
    if not tests:
        return []
    diamond = {"marker": "D", "linestyle": "none", "markersize": 4, "color": look.INK}
    return [
        Line2D([], [], label="real paths", **diamond),
        *(
            Patch(color=grey, linewidth=0, label=f"{_model_title(model)} (95 %)")
            for grey, model in zip(_GREYS, dict.fromkeys(t.model for t in tests), strict=False)
        ),
    ]


def _draw_strips(axes: Axes, tests: list[Any], quantities: list[str], style: Style) -> None:
    """A row per quantity, scaled to its own range, and what its tests say."""
    models = list(dict.fromkeys(test.model for test in tests))[: len(_GREYS)]
    axes.set(xlim=(-0.03, 1.03), ylim=(len(quantities) - 0.4, -0.6), xticks=[])
    axes.spines[:].set_visible(False)
    thick = 0.62 / max(len(models), 1)
    for place, key in enumerate(quantities):
        mine = [test for test in tests if test.quantity == key and test.model in models]
        known = [v for t in mine for v in (t.value, t.low, t.high, t.null_value) if v is not None]
        low, span = min(known), (max(known) - min(known)) or 1.0
        axes.axhline(place, color="#e4e4e4", linewidth=0.5, zorder=0)
        words = []
        for test in mine:
            number = models.index(test.model)
            at = place + (number - (len(models) - 1) / 2) * thick
            if test.low is not None and test.high is not None:
                width = (test.high - test.low) / span
                axes.barh(at, width, 0.8 * thick, (test.low - low) / span, color=_GREYS[number])
            if test.null_value is not None:
                x = (test.null_value - low) / span
                axes.plot([x, x], [at - thick / 2, at + thick / 2], color=look.INK, linewidth=0.9)
            words.append(_WORDS[test.direction])
        x = (mine[0].value - low) / span
        axes.plot(x, place, "D", markersize=4.6, color=look.INK, markeredgecolor="white", zorder=5)
        words = list(dict.fromkeys(words)) if len(set(words)) == 1 else words
        text = f"{quantity(key).format(mine[0].value)}  {', '.join(words)}"
        axes.text(1.05, place, text, va="center", size=style.text - 0.6)
    titles = [quantity(key).title for key in quantities]
    titles = [
        around.wrapped(title, 1.25 if style.is_narrow else 2.4, style.text) for title in titles
    ]
    axes.set_yticks(range(len(quantities)), [t[:1].upper() + t[1:] for t in titles])
    axes.tick_params(axis="y", length=0, labelcolor=look.INK)
