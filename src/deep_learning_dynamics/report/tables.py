"""What the page says in words and tables; its template writes the numbers."""

from typing import TYPE_CHECKING, Any

from deep_learning_dynamics.figures.effects import blocks_of, name_of
from deep_learning_dynamics.figures.forest import PARTNER_HEADS, PARTNERS
from deep_learning_dynamics.figures.groups import titles_for
from deep_learning_dynamics.figures.paths import method_of, shade_of
from deep_learning_dynamics.figures.style import Style
from deep_learning_dynamics.formatting import capital, listed, number, p_value, percent, signed
from deep_learning_dynamics.quantities import Quantity, quantity
from deep_learning_dynamics.report.linked import LinkedNetworks

if TYPE_CHECKING:
    from deep_learning_dynamics.inference.comparisons import Comparison
    from deep_learning_dynamics.projection.projection import Projection
    from deep_learning_dynamics.results import Results

BADGES = (
    "trustworthiness", "continuity", "distance_rank_correlation", "explained_variance",
    "seed_disparity", "fold_disparity",
)  # fmt: skip


def facts(results: "Results", networks: LinkedNetworks) -> list[tuple[str, str]]:
    """Names and values of what heads the page."""
    many, failed = len(networks.table), int(networks.table["failed"].sum())
    found = [
        ("Networks", f"{many:,} ({listed(list(networks.groups.titles.values()))})"),
        ("Failed", f"{failed} of {many}" if failed else "none"),
    ]
    if results.projections:
        first = next(iter(results.projections.values()))
        weights = f"{first.weights:,} weights: " if first.weights else ""
        found.append(("Projected", f"{weights}{first.description}"))
    return found


def size_of(dataset: dict[str, Any]) -> str:
    """ "60,000 images to train on, 10,000 images to test on, 10 classes"."""
    parts = [
        f"{dataset[part]:,} images to {part} on"
        for part in ("train", "test")
        if isinstance(dataset.get(part), int)
    ]
    return ", ".join([*parts, *([f"{dataset['classes']} classes"] if "classes" in dataset else [])])


def method(results: "Results", key: str) -> dict[str, Any]:
    """A method, its rank, and the numbers on its badges with their quantities."""
    projection: Projection = results.projections[key]
    ranks = {item.method: item.rank for item in results.ranking.items} if results.ranking else {}
    numbers = projection.quality.numbers()
    if projection.robustness is not None:
        numbers = numbers | projection.robustness.numbers()
    badges = [(quantity(name), numbers[name]) for name in BADGES if numbers.get(name) is not None]
    return {"known": method_of(projection), "rank": ranks.get(key), "badges": badges}


def shade(results: "Results", methods: list[str]) -> str:
    """What the lightness of points shows; "" where it shows nothing."""
    return shade_of(results.projections[methods[0]], results, Style()) if methods else ""


def contrasts(results: "Results") -> list[dict[str, Any]]:
    """A table for each pair of groups, or for each group where there are no two.

    The rows of partners are a block of their own, whose columns have other heads.
    """
    tables, comparisons = [], results.comparisons
    if comparisons is None:
        return []
    for reference, other in comparisons.contrasts or ((group, "") for group in comparisons.groups):
        rows = [
            item
            for item in comparisons.items
            if (item.reference, item.other) == (reference, other) and not item.parameter
        ]
        names = [name_of(results, name) if name else "" for name in (reference, other)]
        if rows:
            title = f"{names[1]} compared with {names[0]}" if other else names[0]
            heads = (("measure", names), (PARTNERS, PARTNER_HEADS))
            blocks = [
                {"head": head, "names": of, "rows": block}
                for (head, of), block in zip(heads, blocks_of(rows), strict=True)
                if block
            ]
            tables.append({"title": title, "rows": rows, "blocks": blocks})
    return tables


def difference(item: "Comparison", known: Quantity) -> str:
    """The difference of a row with its interval."""
    if item.difference is None:
        return "–"
    text = known.difference(item.difference)
    if item.low is not None and item.high is not None:
        text += f" ({known.difference(item.low)} to {known.difference(item.high)})"
    return text


def counted(item: "Comparison") -> str:
    """How many networks a row is about."""
    networks = f"{item.pairs} pairs" if item.pairs is not None else str(item.n_reference)
    if item.pairs is None and item.other:
        networks += f" and {item.n_other}"
    if item.reached_reference is not None:
        networks += f"; reached by {item.reached_reference}"
        networks += f" and {item.reached_other}" if item.reached_other is not None else ""
    return networks


def path_tests(results: "Results") -> dict[str, Any] | None:
    """The paths themselves against null models; methods have theirs in the table."""
    if results.null_tests is None:
        return None
    methods = results.projections or {}
    of_paths = [test for test in results.null_tests.items if test.subject not in methods]
    subjects = list(dict.fromkeys(test.subject for test in of_paths))
    reasons = dict.fromkeys(test.reason for test in of_paths if test.direction == "not tested")
    return {
        "titles": titles_for(results.by, subjects, results.titles.get(results.by, {})),
        "rows": [test for test in of_paths if test.direction != "not tested"],
        "not_tested": "; ".join(reasons),
    }


_WRITERS = (capital, number, signed, percent, p_value, quantity, size_of, difference, counted)
FILTERS = {function.__name__: function for function in _WRITERS}  # of the template
