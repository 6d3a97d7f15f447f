"""The real paths beside null models: what a picture shows although nothing was learnt."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Bool
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from deep_learning_dynamics.figures import style as look
from deep_learning_dynamics.figures.figure import FIGURES, FigureKind
from deep_learning_dynamics.figures.groups import groups_of
from deep_learning_dynamics.figures.page import grid, plane_entries, plane_page, title_of, wrapped
from deep_learning_dynamics.figures.paths import method_of, placed
from deep_learning_dynamics.figures.plane import Plane, draw_planes, frame_axes
from deep_learning_dynamics.figures.style import Style, group_entries
from deep_learning_dynamics.figures.trajectories import trajectories_of
from deep_learning_dynamics.formatting import capital, count, listed
from deep_learning_dynamics.null_models import NULL_MODELS
from deep_learning_dynamics.quantities import quantity
from deep_learning_dynamics.results import Results

if TYPE_CHECKING:
    from deep_learning_dynamics.inference.null_tests import NullTest
    from deep_learning_dynamics.projection.projection import Projection

_GREYS = ("#5c5c5c", "#929292", "#bdbdbd")  # of null models, in their order
_WORDS = {"better than": "better", "worse than": "worse", "more than": "more", "less than": "less",
          "as": "not significant", "not tested": "not tested"}  # fmt: skip

SOURCE = "Random walks in many dimensions look like learning (Antognini and Sohl-Dickstein, 2018)."
CORRECTED = (
    "A value outside a bar may be “not significant”, because p-values are corrected for the number "
    "of rows."
)


@FIGURES.register
class Nulls(FigureKind):
    key, title, needs = "nulls", "Real paths and null models", ("projections",)

    def variants(self, results: Results) -> tuple[str, ...]:
        return tuple(
            key
            for key, projection in results.projections.items()
            if projection.robustness is not None and projection.robustness.nulls
        )

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        projection = results.projections[variant]
        groups, table = groups_of(results, projection.coordinates), projection.coordinates
        layouts = {"real": table[["x", "y"]].to_numpy(float), **projection.robustness.examples}
        # Real paths are shown at the snapshots that the nulls have, too.
        seen = _in_nulls(projection)
        planes = {
            name: Plane(trajectories_of(table[seen], groups, points=of[seen]), text=style.text)
            for name, of in layouts.items()
        }
        numbers = [t.group for t in placed(planes["real"].trajectories)]
        tests = _tests(results, variant)
        quantities = list(dict.fromkeys(test.quantity for test in tests))
        columns = min(len(planes), 2 if style.is_narrow else 4)
        layout = grid(list(planes), columns)
        figure, axes, lower = plane_page(
            style,
            planes,
            layout,
            len(layout) * (0.9 * style.width / columns + 0.2),
            groups,
            f"{method_of(projection).title}: real paths and null models",
            _answer(tests),
            f"{_fitted(projection)} {SOURCE}{f' {CORRECTED}' if tests else ''}",
            results,
            legend=[
                *group_entries(groups, numbers, look.TONE, True),
                *plane_entries(list(planes.values())),
                *_strip_entries(tests),
            ],
            below=len(quantities) * (3.1 if style.is_narrow else 2) * style.text / 72 + 0.25,
        )
        for name in planes:
            frame_axes(axes[name])
            title_of(axes[name], style, "Real paths" if name == "real" else capital(_title(name)))
        _draw_strips(lower.subplots(), tests, quantities, style)
        draw_planes(figure, list(planes.values()))
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        tests = _tests(results, variant)
        kept = [
            f" {capital(_title(model))} keep {NULL_MODELS[model].keeps}."
            for model in dict.fromkeys(test.model for test in tests)
            if model in NULL_MODELS
        ]
        return (
            f"{_answer(tests)}{''.join(kept)} {_fitted(results.projections[variant])} Below: where "
            "the number of the real paths (diamond) lies among those of the null paths (bars: "
            "middle 95 %; tick: median), each row from the smallest to the largest; the words say "
            "what tests find, corrected for the number of rows (Westfall and Young's step-down "
            "method)."
        )


def _in_nulls(projection: "Projection") -> Bool[np.ndarray, " row"]:
    """The snapshots that nulls have; all where there is none."""
    examples = projection.robustness.examples.values()
    seen = np.all([np.isfinite(each).all(axis=1) for each in examples], axis=0)
    return np.broadcast_to(seen if seen.any() else True, len(projection.coordinates))


def _fitted(projection: "Projection") -> str:
    """Which snapshots the numbers are of."""
    table, seen = projection.coordinates, _in_nulls(projection)
    differ = "" if seen.all() else ", and so differ from those of the whole picture"
    return f"Real and null numbers are of fits to {share_of_snapshots(table, seen)}{differ}."


def share_of_snapshots(table: pd.DataFrame, seen: Bool[np.ndarray, " row"]) -> str:
    """ "280 of 1,820 snapshots (7 of each path)"."""
    if seen.all():
        return f"all {count(len(table), 'snapshot')}"
    paths = table["path"] if "path" in table else table["network"]
    sizes, all_paths = paths[seen].value_counts(), paths.nunique()
    each = " to ".join(str(size) for size in sorted({sizes.min(), sizes.max()}))
    which = "each path" if len(sizes) == all_paths else f"{len(sizes):,} of {all_paths:,} paths"
    return f"{int(seen.sum()):,} of {count(len(table), 'snapshot')} ({each} of {which})"


def _tests(results: Results, method: str) -> list["NullTest"]:
    """The tests of one method whose value is known."""
    from deep_learning_dynamics.inference import null_tests

    known = results.null_tests or null_tests({method: results.projections[method]})
    return [test for test in known.of(method) if test.value is not None]


def _answer(tests: list["NullTest"]) -> str:
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
            text = (
                "No difference was found between the picture of the real paths and those of NULL."
            )
        if all(test.direction == "not tested" for test in mine):
            text = f"Not tested against NULL: {mine[0].reason or 'too few nulls'}."
        found.setdefault(text, []).append(_title(model))
    answers = [text.replace("NULL", listed(models)) for text, models in found.items()]
    return " ".join(answers) or "Nothing was tested against null models."


def _title(model: str) -> str:
    return NULL_MODELS[model].title if model in NULL_MODELS else model.replace("_", " ")


def _strip_entries(tests: list["NullTest"]) -> list[Any]:
    diamond = {"marker": "D", "linestyle": "none", "markersize": 4, "color": look.INK}
    bars = [
        Patch(color=grey, linewidth=0, label=f"{_title(model)} (95 %)")
        for grey, model in zip(_GREYS, dict.fromkeys(t.model for t in tests), strict=False)
    ]
    return [Line2D([], [], label="real paths", **diamond), *bars] if tests else []


def _draw_strips(axes: Axes, tests: list["NullTest"], quantities: list[str], style: Style) -> None:
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
        for test in mine:
            number = models.index(test.model)
            at = place + (number - (len(models) - 1) / 2) * thick
            if test.low is not None and test.high is not None:
                width = (test.high - test.low) / span
                axes.barh(at, width, 0.8 * thick, (test.low - low) / span, color=_GREYS[number])
            if test.null_value is not None:
                x = (test.null_value - low) / span
                axes.plot([x, x], [at - thick / 2, at + thick / 2], color=look.INK, linewidth=0.9)
        x = (mine[0].value - low) / span
        axes.plot(x, place, "D", markersize=4.6, color=look.INK, markeredgecolor="white", zorder=5)
        words = [_WORDS[test.direction] for test in mine]
        words = words[:1] if len(set(words)) == 1 else words
        text = f"{quantity(key).format(mine[0].value)}  {', '.join(words)}"
        axes.text(1.05, place, text, va="center", size=style.text - 0.6)
    width = 1.25 if style.is_narrow else 2.4
    titles = [capital(wrapped(quantity(key).title, width, style.text)) for key in quantities]
    axes.set_yticks(range(len(quantities)), titles)
    axes.tick_params(axis="y", length=0, labelcolor=look.INK)
