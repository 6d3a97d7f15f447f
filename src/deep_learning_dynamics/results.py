"""All results of some runs in one bundle: what figures, report and tracking read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deep_learning_dynamics import inference, store
from deep_learning_dynamics.files import read_json
from deep_learning_dynamics.geometry import Geometry, Measures, measure
from deep_learning_dynamics.inference.ranking import Ranking
from deep_learning_dynamics.projection import METHODS, Projection, project, reduce
from deep_learning_dynamics.selection import select
from deep_learning_dynamics.store.schema import grouped_by, titles_of, without_twins

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


@dataclass(frozen=True)
class Results:
    """What is known of some networks. A part that was not made is None (or empty)."""

    by: str = ""  # the coordinate that groups networks; "": all are one group
    titles: dict[str, Any] = field(default_factory=dict)  # of coordinate values
    scores: "pd.DataFrame | None" = None  # a row per snapshot (store.scores_table)
    projections: dict[str, Projection] | None = None  # by method
    measures: Measures | None = None
    comparisons: inference.Comparisons | None = None
    ranking: Ranking | None = None
    null_tests: inference.NullTests | None = None  # of projections and of the paths themselves
    geometry: Geometry | None = None  # what analyses of many networks found
    provenance: tuple[dict[str, Any], ...] = ()  # of each dataset: label, original, ...
    description: str = ""  # of the selected weights: "all weight matrices, without biases"

    @property
    def ranked(self) -> list[str]:
        """Methods of the projections in the order of their rank, those without one last."""
        present = self.projections or {}
        first = [item.method for item in self.ranking.items] if self.ranking else []
        return [key for key in dict.fromkeys([*first, *present]) if key in present]

    @classmethod
    def gather(cls, folder: Path | str) -> "Results":
        """Read what the stages wrote into a project's folder.

        Raises:
            ResultsError: a result is there but damaged.
        """
        folder = Path(folder)

        def load(kind: Any, file: str) -> Any:
            path = folder / file
            return kind.load(path.parent) if path.exists() else None

        saved = sorted(folder.glob("projections/*/projection.json"))
        projections = {path.parent.name: Projection.load(path.parent) for path in saved}
        order = [*METHODS, *projections]
        comparisons = load(inference.Comparisons, "comparisons/comparisons.json")
        stores = [str(path.parent) for path in sorted(folder.glob("snapshots/*.zarr/zarr.json"))]
        scores, attributes = store.read_scores(stores) if stores else (None, {})
        return cls(
            titles=titles_of(attributes) if stores else {},
            scores=scores,
            projections=dict(sorted(projections.items(), key=lambda item: order.index(item[0]))),
            measures=load(Measures, "measures/measures.json"),
            comparisons=comparisons,
            geometry=load(Geometry, "geometry/analyses.json"),
            provenance=tuple(
                {"name": path.stem, **read_json(path, f"dvc repro fetch@{path.stem}")}
                for path in sorted(folder.glob("data/*.json"))
            ),
        )._completed(None if comparisons is None else comparisons.by)

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
                coordinate in words that has a few values; "": they are one group.
            robustness: as in ``dld.project``.
            progress: called with the steps of the work that are done, and with all of them; the
                reduction of the weights is the first hundred, each projection ten, measures ten.
        """
        for method in methods:
            _ = METHODS[method]  # refuses an unknown one before anything is computed
        scores = store.scores_table(runs)
        by = grouped_by(scores, by)
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
        measures = measure(runs, by=by)
        comparisons = inference.compare(measures, by=by) if by else None
        report(steps)
        return cls(
            titles=titles_of(runs.attrs),
            scores=scores,
            projections=projections,
            measures=measures,
            comparisons=comparisons,
        )._completed(by)

    def _completed(self, by: str | None) -> "Results":
        """With the likely grouping where none is known, tests and ranking, and without twins."""
        projections, scores = self.projections or {}, self.scores
        first = next(iter(projections.values()), None)
        if by is None:
            table = first.coordinates if scores is None and first is not None else scores
            by = "" if table is None else grouped_by(table)
        items = inference.null_tests(projections).items
        if self.comparisons is not None:
            items += self.comparisons.path_tests
        tests = inference.NullTests(items) if items else None
        return replace(
            self,
            by=by,
            titles=self.titles or (first.titles if first is not None else {}),
            scores=None if scores is None else without_twins(scores).reset_index(drop=True),
            projections=projections or None,
            ranking=inference.ranking(projections, tests) if projections else None,
            null_tests=tests,
            description=first.description if first is not None else "",
        )
