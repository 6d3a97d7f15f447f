"""What the page says in words and tables, as plain values for its template."""

from typing import TYPE_CHECKING, Any

from deep_learning_dynamics import formatting
from deep_learning_dynamics.figures.paths import method_of
from deep_learning_dynamics.inference.comparing import Comparison, Comparisons
from deep_learning_dynamics.null_models import NULL_MODELS
from deep_learning_dynamics.quantities import Quantity, quantity
from deep_learning_dynamics.report.linked import Networks

if TYPE_CHECKING:
    from deep_learning_dynamics.projection.projection import Projection
    from deep_learning_dynamics.results import Results

BADGES = (
    "trustworthiness", "continuity", "distance_rank_correlation", "explained_variance",
    "seed_disparity", "fold_disparity",
)  # fmt: skip


def in_order(results: "Results") -> list[str]:
    """Methods in the order of their rank, others after them."""
    ranked = [item.method for item in results.ranking.items] if results.ranking else []
    present = list(results.projections or {})
    return [key for key in ranked if key in present] + [k for k in present if k not in ranked]


def facts(results: "Results", networks: Networks) -> list[tuple[str, str]]:
    """Names and values of what heads the page."""
    failed = int(networks.table["failed"].sum())
    titles = [networks.groups.title(number) for number in range(len(networks.groups))]
    found = [("Networks", f"{len(networks.table):,} ({formatting.listed(titles)})")]
    found.append(("Failed", f"{failed} of {len(networks.table)}" if failed else "none"))
    if results.projections:
        first = next(iter(results.projections.values()))
        weights = f"{first.weights:,} weights: " if first.weights else ""
        found.append(("Projected", f"{weights}{first.description}"))
    return found


def dataset(entry: dict[str, Any]) -> dict[str, Any]:
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


def method(results: "Results", key: str) -> dict[str, Any]:
    projection = (results.projections or {})[key]
    ranked = {item.method: item.rank for item in results.ranking.items} if results.ranking else {}
    known = method_of(projection)
    return {
        "title": known.title,
        "rank": ranked.get(key),
        "reads": known.reads,
        "cautions": known.cautions,
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


def groups(networks: Networks, data: dict[str, Any]) -> list[dict[str, Any]]:
    rows = list(enumerate(networks.table.itertuples()))
    return [
        {
            "title": networks.groups.title(number),
            "colour": data["groups"][number]["colour"],
            "networks": [
                {"index": index, "label": row.label, "title": row.title}
                for index, row in rows
                if row.group == number
            ],
        }
        for number in range(len(networks.groups))
    ]


def comparison_tables(comparisons: Comparisons) -> list[dict[str, Any]]:
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


def _value(known: Quantity, value: float | None) -> str:
    return "–" if value is None else known.format(value)


def ranking(results: "Results") -> dict[str, Any] | None:
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


def path_tests(results: "Results") -> dict[str, Any] | None:
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
