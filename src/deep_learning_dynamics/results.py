"""All results of some runs in one bundle: what figures, report and tracking read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deep_learning_dynamics.files import read_json

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_NOT_GROUPS = ("network", "continues", "outcome", "pair", "twin", "parameter")


@dataclass(frozen=True)
class Results:
    """What is known of some networks. A part that was not made is None (or empty)."""

    by: str = ""  # the coordinate that groups networks; "": all are one group
    titles: dict[str, Any] = field(default_factory=dict)  # of coordinate values
    scores: "pd.DataFrame | None" = None  # a row per snapshot (store.scores_table)
    projections: dict[str, Any] | None = None  # Projection by method
    measures: Any = None  # Measures
    comparisons: Any = None  # Comparisons
    ranking: Any = None  # Ranking
    null_tests: Any = None  # NullTests, of the projections and of the paths themselves
    geometry: Any = None  # Geometry: what analyses of many networks found
    provenance: tuple[dict[str, Any], ...] = ()  # of each dataset: label, original, ...
    description: str = ""  # of the selected weights: "all weight matrices, without biases"

    @classmethod
    def gather(cls, folder: Path | str) -> "Results":
        """Read what the stages wrote into a project's folder.

        Raises:
            ResultsError: a result is there but damaged.
        """
        folder = Path(folder)
        projections = _projections(folder / "projections")
        measures = comparisons = None
        if (folder / "measures" / "measures.json").exists():
            from deep_learning_dynamics.geometry.measures import Measures

            measures = Measures.load(folder / "measures")
        if (folder / "comparisons" / "comparisons.json").exists():
            from deep_learning_dynamics.inference import Comparisons

            comparisons = Comparisons.load(folder / "comparisons")
        geometry = None
        if (folder / "geometry" / "analyses.json").exists():
            from deep_learning_dynamics.geometry.analysis import Geometry

            geometry = Geometry.load(folder / "geometry")
        scores, titles = _scores(sorted((folder / "snapshots").glob("*.zarr/zarr.json")))
        provenance = tuple(
            {"name": path.stem, **read_json(path, f"dvc repro fetch@{path.stem}")}
            for path in sorted((folder / "data").glob("*.json"))
        )
        by = comparisons.by if comparisons is not None else None
        return cls._of_parts(
            scores, titles, by, projections, measures, comparisons, provenance, geometry
        )

    @classmethod
    def of(
        cls,
        runs: "xr.Dataset",
        methods: Sequence[str] = ("pca",),
        by: str | None = None,
        robustness: Any = False,
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> "Results":
        """Compute the results of opened stores, without any folder.

        Args:
            methods: keys of the projections.
            by: the coordinate that groups networks; by default "condition", or the first
                coordinate in words that has a few values.
            robustness: as in ``dld.project``.
            progress: called with the steps of the work that are done, and with all of them; the
                reduction of the weights is the first hundred, each projection ten, measures ten.
        """
        from deep_learning_dynamics.geometry import measure
        from deep_learning_dynamics.inference import compare
        from deep_learning_dynamics.projection.method import METHODS
        from deep_learning_dynamics.projection.projection import project
        from deep_learning_dynamics.projection.reduction import reduce
        from deep_learning_dynamics.selection import select
        from deep_learning_dynamics.store import scores_table
        from deep_learning_dynamics.store.schema import titles_of

        for method in methods:
            _ = METHODS[method]  # refuses an unknown one before anything is computed
        scores = scores_table(runs)
        by = grouping(scores) if by is None else by
        twins = {"networks": "not twin"} if "twin" in scores else {}
        steps = 100 + 10 * len(methods) + 10

        def report(done: int) -> None:
            if progress is not None:
                progress(done, steps)

        reduction = reduce(select(runs, **twins), progress=lambda share: report(round(100 * share)))
        projections = {}
        for number, method in enumerate(methods, start=1):
            projections[method] = project(reduction, method, seed=seed, robustness=robustness)
            report(100 + 10 * number)
        measures = measure(runs, by=by) if by else measure(runs)
        comparisons = compare(measures, by=by) if by else None
        report(steps)
        return cls._of_parts(
            scores, titles_of(runs.attrs), by, projections or None, measures, comparisons, (), None
        )

    @classmethod
    def _of_parts(
        cls,
        scores: "pd.DataFrame | None",
        titles: dict[str, Any],
        by: str | None,
        projections: dict[str, Any] | None,
        measures: Any,
        comparisons: Any,
        provenance: tuple[dict[str, Any], ...],
        geometry: Any,
    ) -> "Results":
        """A bundle in which twins are left out, the grouping is known and methods are ranked."""
        from deep_learning_dynamics.inference import ranking

        first = next(iter(projections.values())) if projections else None
        if not titles:
            titles = first.titles if first is not None else {}
        if by is None:
            tables = [scores, first.coordinates if first is not None else None]
            by = next((grouping(table) for table in tables if table is not None), "")
        if scores is not None and "twin" in scores:
            scores = scores[~scores["twin"].fillna(False).astype(bool)].reset_index(drop=True)
        tests = _null_tests(projections, measures, by)
        return cls(
            by=by,
            titles=titles,
            scores=scores,
            projections=projections,
            measures=measures,
            comparisons=comparisons,
            ranking=ranking(projections, tests) if projections else None,
            null_tests=tests,
            geometry=geometry,
            provenance=provenance,
            description=first.description if first is not None else "",
        )


def grouping(table: "pd.DataFrame") -> str:
    """The coordinate that is likely to group the networks of a table; "" where none is."""
    if "condition" in table:
        return "condition"
    for name in table.columns:
        if name not in _NOT_GROUPS and table[name].map(lambda value: isinstance(value, str)).all():
            networks = table.drop_duplicates("network")
            if 2 <= networks[name].nunique() <= min(12, len(networks) - 1):
                return str(name)
    return ""


def _projections(folder: Path) -> dict[str, Any] | None:
    if not folder.is_dir():
        return None
    from deep_learning_dynamics.projection.method import METHODS
    from deep_learning_dynamics.projection.projection import Projection

    present = [path.parent.name for path in sorted(folder.glob("*/projection.json"))]
    ordered = [key for key in METHODS if key in present]
    ordered += [key for key in present if key not in ordered]
    return {key: Projection.load(folder / key) for key in ordered} or None


def _scores(stores: list[Path]) -> "tuple[pd.DataFrame | None, dict[str, Any]]":
    if not stores:
        return None, {}
    from deep_learning_dynamics import store
    from deep_learning_dynamics.store.schema import titles_of

    runs = store.open([str(path.parent) for path in stores])
    return store.scores_table(runs), titles_of(runs.attrs)


def _null_tests(projections: dict[str, Any] | None, measures: Any, by: str) -> Any:
    """Tests of the projections and of the paths themselves; None where there is nothing to test."""
    from deep_learning_dynamics import inference

    items = inference.null_tests(projections).items if projections else ()
    if measures is not None and by:
        items += inference.path_null_tests(measures, by).items
    return inference.NullTests(items) if items else None
