"""The page: everything about some runs in one file, whose bytes depend on the results alone."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deep_learning_dynamics import formatting
from deep_learning_dynamics.figures import Style, caption, draw
from deep_learning_dynamics.figures.figure import available
from deep_learning_dynamics.files import replacing
from deep_learning_dynamics.inference.comparing import Comparison, Comparisons
from deep_learning_dynamics.null_models import NULL_MODELS
from deep_learning_dynamics.projection.method import METHODS
from deep_learning_dynamics.quantities import quantity
from deep_learning_dynamics.report.linked import Networks, linked, table_of

if TYPE_CHECKING:
    import xarray as xr

    from deep_learning_dynamics.projection.projection import Projection
    from deep_learning_dynamics.results import Results

BADGES = (
    "trustworthiness", "continuity", "distance_rank_correlation", "explained_variance",
    "seed_disparity", "fold_disparity",
)  # fmt: skip
MEASURED = ("over_time", "by_parameter")  # figures below the table of measures
WITH_PLACE = ("sheet", "forest", "nulls", "paths", "learning_curves", *MEASURED)


@dataclass(frozen=True)
class About:
    """What the page says of its run besides the results; nothing here is compared or computed."""

    title: str = "Trajectories of learning"
    facts: tuple[tuple[str, str], ...] = ()  # name and value
    settings: str = ""  # as a file holds them
    replicate: str = ""  # a sentence
    footer: str = ""  # the run, its date, commit, versions and processor


def report(
    data: "Results | xr.Dataset | str | Path | Sequence[str | Path]",
    path: str | Path,
    *,
    by: str | None = None,
    about: About | None = None,
    **options: Any,
) -> Path:
    """Write the report of some runs as one HTML file.

    Args:
        data: results, opened stores, or paths of stores.
        by: the coordinate whose groups are compared.
        options: of ``Results.of``: methods, robustness, ...

    Raises:
        StoreError: a store cannot be opened.
    """
    from deep_learning_dynamics.results import Results
    from deep_learning_dynamics.store import open as open_store

    if not isinstance(data, Results):
        runs = open_store(data) if isinstance(data, str | Path | list | tuple) else data
        data = Results.of(runs, by=by, **options)
    with replacing(Path(path)) as partial:
        partial.write_text(page(data, about or About()), encoding="utf-8", newline="\n")
    return Path(path)


def page(results: "Results", about: About) -> str:
    """The report as HTML."""
    from jinja2 import Environment
    from plotly.offline import get_plotlyjs

    networks = Networks.of(results)
    methods = _in_order(results)
    shade = "test_accuracy" if "test_accuracy" in table_of(results) else ""
    data = linked(results, networks, methods, shade)
    names = {(key, variant): name for name, key, variant in available(results)}
    figures = _Figures(results)
    drawn = [(key, variant) for key, variant in names]
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return template.from_string(_asset("page.html")).render(
        title=about.title,
        style=_safe(_asset("style.css")),
        script=_safe(_asset("page.js")),
        plotly=_safe(get_plotlyjs()),
        data=_safe(json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))),
        facts=[{"name": name, "value": value} for name, value in _facts(results, about)],
        datasets=[_dataset(entry) for entry in results.provenance],
        verdict=results.comparisons.verdict if results.comparisons else None,
        methods=[_method(results, key) for key in methods],
        curves=data["curves"],
        groups=_groups(networks, data),
        null_models=[{"key": k, "title": title} for k, title in data["null_models"].items()],
        shade=f"higher {quantity(shade).title}" if shade else "later",
        sheet=figures.one("sheet") if ("sheet", "") in drawn else None,
        forest=figures.one("forest") if ("forest", "") in drawn else None,
        comparisons=_tables(results.comparisons) if results.comparisons else [],
        measured=[figures.one(key, v) for key, v in drawn if key in MEASURED],
        ranking=_ranking(results),
        path_tests=_path_tests(results),
        nulls=[figures.one(key, variant) for key, variant in drawn if key == "nulls"],
        geometry=[figures.one(key, variant) for key, variant in drawn if key not in WITH_PLACE],
        settings=about.settings,
        replicate=about.replicate,
        footer=about.footer,
    )


class _Figures:
    """Figures of the results as SVG, inline."""

    def __init__(self, results: "Results") -> None:
        self._results = results

    def one(self, key: str, variant: str = "") -> dict[str, Any]:
        import io

        from deep_learning_dynamics.figures.figure import FIGURES

        style = Style()
        figure = draw(key, self._results, style, variant)
        stream = io.StringIO()
        with style.applied():
            figure.savefig(stream, format="svg", metadata={"Date": None})
        svg = stream.getvalue()
        svg = svg[svg.index("<svg") :]
        # Identifiers of several drawings on one page must differ.
        prefix = f"{key}-{variant}-" if variant else f"{key}-"
        svg = re.sub(r'(\bid="|url\(#|href="#)', lambda match: match[1] + prefix, svg)
        title = FIGURES[key].title
        if variant in METHODS:
            title = f"{METHODS[variant].title}: {title[:1].lower()}{title[1:]}"
        return {
            "svg": _safe(svg),
            "caption": caption(key, self._results, variant),
            "title": title,
        }


def _in_order(results: "Results") -> list[str]:
    """Methods in the order of their rank, others after them."""
    ranked = [item.method for item in results.ranking.items] if results.ranking else []
    present = list(results.projections or {})
    return [key for key in ranked if key in present] + [k for k in present if k not in ranked]


def _facts(results: "Results", about: About) -> list[tuple[str, str]]:
    if about.facts:
        return list(about.facts)
    networks = Networks.of(results)
    failed = int(networks.table["failed"].sum())
    groups = [networks.groups.title(number) for number in range(len(networks.groups))]
    facts = [("Networks", f"{len(networks.table):,} ({formatting.listed(groups)})")]
    facts.append(("Failed", f"{failed} of {len(networks.table)}" if failed else "none"))
    if results.projections:
        first = next(iter(results.projections.values()))
        facts.append(("Projected", f"{first.weights:,} weights: {first.description}"))
    return facts


def _dataset(entry: dict[str, Any]) -> dict[str, Any]:
    parts = [
        f"{entry[part]:,} images {words}"
        for part, words in (("train", "to train on"), ("test", "to test on"))
        if isinstance(entry.get(part), int)
    ]
    if "classes" in entry:
        parts.append(f"{entry['classes']} classes")
    return {
        "label": entry.get("label", ""),
        "original": entry.get("original", True),
        "description": ", ".join(parts),
    }


def _method(results: "Results", key: str) -> dict[str, Any]:
    projection = (results.projections or {})[key]
    ranked = {item.method: item.rank for item in results.ranking.items} if results.ranking else {}
    return {
        "title": METHODS[key].title,
        "rank": ranked.get(key),
        "reads": METHODS[key].reads,
        "cautions": METHODS[key].cautions,
        "badges": _badges(projection),
    }


def _badges(projection: "Projection") -> list[dict[str, str]]:
    numbers = projection.quality.numbers()
    if projection.robustness is not None:
        numbers = numbers | projection.robustness.numbers()
    return [
        {
            "name": quantity(key).title,
            "value": quantity(key).format(numbers[key]),
            "meaning": quantity(key).meaning,
        }
        for key in BADGES
        if numbers.get(key) is not None
    ]


def _groups(networks: Networks, data: dict[str, Any]) -> list[dict[str, Any]]:
    rows = list(enumerate(networks.table.itertuples()))
    return [
        {
            "title": networks.groups.title(number),
            "colour": data["groups"][number]["colour"],
            "networks": [
                {"index": index, "label": row.label, "title": row.title}
                for index, row in rows
                if max(int(row.group), 0) == number
            ],
        }
        for number in range(len(networks.groups))
    ]


def _tables(comparisons: Comparisons) -> list[dict[str, Any]]:
    contrasts = comparisons.contrasts or tuple((group, "") for group in comparisons.groups)
    tables = []
    for reference, other in contrasts:
        items = [
            item
            for item in comparisons.items
            if (item.reference, item.other) == (reference, other) and not item.parameter
        ]
        if not items:
            continue
        names = [comparisons.titles.get(name, name) for name in (reference, other)]
        rounding = any(item.rounding_share is not None for item in items)
        tables.append(
            {
                "title": f"{names[1]} compared with {names[0]}" if other else names[0],
                "reference": names[0],
                "other": names[1] or "–",
                "rows": [_row(item) for item in items],
                "rounding": rounding,
            }
        )
    return tables


def _row(item: Comparison) -> dict[str, Any]:
    known = quantity(item.measure)
    difference = "–"
    if item.difference is not None:
        difference = known.difference(item.difference)
        if item.low is not None and item.high is not None:
            low, high = (known.difference(bound) for bound in (item.low, item.high))
            difference += f" ({low} to {high})"
    effect = "–" if item.effect is None else formatting.signed(item.effect, 2)
    networks = f"{item.pairs} pairs" if item.pairs is not None else str(item.n_reference)
    if item.pairs is None and item.other:
        networks += f" and {item.n_other}"
    if item.reached_reference is not None:
        networks += f"; reached by {item.reached_reference}"
        networks += f" and {item.reached_other}" if item.reached_other is not None else ""
    return {
        "title": known.title[:1].upper() + known.title[1:],
        "meaning": known.meaning,
        "reference": _value(known, item.reference_value),
        "other": _value(known, item.other_value),
        "difference": difference,
        "effect": effect,
        "p": formatting.p_value(float("nan") if item.adjusted_p is None else item.adjusted_p),
        "networks": networks,
        "significant": item.significant,
        "rounding": "–" if item.rounding_share is None else formatting.percent(item.rounding_share),
    }


def _value(known: Any, value: float | None) -> str:
    return "–" if value is None else known.format(value)


def _ranking(results: "Results") -> dict[str, Any] | None:
    if not results.ranking:
        return None
    return {
        "sentence": results.ranking.sentence,
        "items": [
            {
                "rank": item.rank,
                "title": item.title,
                "score": "–" if item.score is None else formatting.number(item.score, 2),
                "reason": item.reason,
                "nulls": item.nulls,
            }
            for item in results.ranking.items
        ],
    }


def _path_tests(results: "Results") -> dict[str, Any] | None:
    """The paths themselves against null models; methods have theirs in the table."""
    tests = results.null_tests
    if tests is None:
        return None
    titles = results.titles.get(results.by, {})
    of_paths = [test for test in tests.items if test.subject not in (results.projections or {})]
    done = [test for test in of_paths if test.direction != "not tested"]
    reasons = dict.fromkeys(test.reason for test in of_paths if test.direction == "not tested")
    return {
        "rows": [
            {
                "group": titles.get(test.subject, test.subject),
                "title": quantity(test.quantity).title,
                "value": _value(quantity(test.quantity), test.value),
                "model": NULL_MODELS[test.model].title,
                "null": _value(quantity(test.quantity), test.null_value),
                "direction": test.direction,
                "p": formatting.p_value(
                    float("nan") if test.adjusted_p is None else test.adjusted_p
                ),
            }
            for test in done
        ],
        "not_tested": "; ".join(reasons),
    }


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath("page", name).read_text("utf-8")


def _safe(text: str) -> Any:
    """Text that is put into the page as it is; it must not end the element that holds it."""
    from markupsafe import Markup

    return Markup(text if text.startswith("<svg") else text.replace("</", "<\\/"))
