"""``dynamics compare``: runs side by side, and their paths in one plane."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deep_learning_dynamics.cli.opening import Runs, complete_method
from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.formatting import listed, p_value

if TYPE_CHECKING:
    import xarray as xr

    from deep_learning_dynamics.results import Results
    from deep_learning_dynamics.tracking import Record

EPILOG = "Example: dynamics compare latest quiet-otter-042"
MOST = 6  # runs that the eye can tell apart in one plane
Rows = dict[str, list[str]]  # a row's name, and a text for each run


def command(
    runs: Runs,
    method: Annotated[
        str,
        typer.Option(help="How to project: pca, som, umap, ...", autocompletion=complete_method),
    ] = "pca",
    figure: Annotated[bool, typer.Option(help="Draw all paths in one plane.")] = True,
    save: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Where figure and page are written, in a folder named after the runs.",
        ),
    ] = Path("compared"),
    report: Annotated[
        bool, typer.Option("--report", help="Also write the interactive page of all runs.")
    ] = False,
) -> None:
    """Show how runs differ and what each found; draw their paths in one common plane.

    RUN is an id or a name, the beginning of either, or latest. The plane is
    fitted to the networks of all runs. Which weights are projected is what
    view.parameters says in the first run.
    """
    from rich.console import Console

    from deep_learning_dynamics.cli.opening import folders, opened_runs
    from deep_learning_dynamics.projection.method import METHODS
    from deep_learning_dynamics.results import Results

    _ = METHODS[method]
    _, connection, known = opened_runs()
    compared = chosen(known, runs)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=200)
    with folders(connection, compared) as places:
        results = [Results.gather(place) for place in places]
        for title, rows in tables(compared, places, results):
            _print(console, title, compared, rows)
        for names in identical(compared, places):
            console.print(f"The networks of {listed(names)} are identical, bit for bit.\n")
        if figure or report:
            name = "_".join(record.name for record in compared)
            for path in draw(compared, places, results, method, save / name, report):
                print(f"{'page' if path.suffix == '.html' else 'figure'}: {path}")


def chosen(known: "Sequence[Record]", wanted: Sequence[str]) -> "list[Record]":
    """The runs that are meant.

    Raises:
        TrackingError: they are fewer than two, or too many.
    """
    from deep_learning_dynamics.tracking import resolve

    found = {record.run_id: record for record in (resolve(known, name) for name in wanted)}
    if len(found) < 2:
        (only,) = found.values()
        raise TrackingError(
            f"{' and '.join(wanted)} {'are' if len(wanted) > 1 else 'is'} one run, {only}; "
            "expected two or more different ones. All runs: dynamics list"
        )
    if len(found) > MOST:
        raise TrackingError(
            f"{len(found)} runs are too many to compare; expected 2 to {MOST}, which the eye can "
            "tell apart."
        )
    return list(found.values())


def tables(
    compared: "Sequence[Record]", places: Sequence[Path], results: "Sequence[Results]"
) -> Iterator[tuple[str, Rows]]:
    """Titles and rows of what to print, from top to bottom; tables without rows are left out."""
    from deep_learning_dynamics.cli.summary import medians
    from deep_learning_dynamics.quantities import quantity

    different = {
        "what differs: parameters": _differing([record.parameters for record in compared]),
        "what differs: data": _differing([_tags(record, "data") for record in compared]),
        "what differs: code": _differing([_code(record) for record in compared]),
        "what differs: environment": _differing([_environment(record) for record in compared]),
    }
    if not any(different.values()):
        yield "Nothing differs: parameters, data, code and environment are the same.", {}
    yield from ((title, rows) for title, rows in different.items() if rows)
    yield "results", _together([medians(each) for each in results])
    found = []
    for each in results:
        rows = {}
        for item in each.comparisons.items if each.comparisons is not None else ():
            if item.parameter or not item.other:
                continue
            what = quantity(item.measure)
            values = [item.reference_value, item.other_value]
            texts = ["–" if value is None else what.format(value) for value in values]
            groups = [each.comparisons.titles.get(g, g) for g in (item.reference, item.other)]
            p = "" if item.adjusted_p is None else f" (p {p_value(item.adjusted_p)})"
            rows[f"{what.title}, {' → '.join(groups)}"] = f"{' → '.join(texts)}{p}"
        found.append(rows)
    yield "measures", _together(found)


def identical(compared: "Sequence[Record]", places: Sequence[Path]) -> Iterator[list[str]]:
    """Names of runs whose networks are the same."""
    from deep_learning_dynamics.tracking import read_lock

    by_store: dict[str, list[str]] = {}
    for record, place in zip(compared, places, strict=True):
        outputs = read_lock(place, place / "dvc.lock").outputs
        stores = {path: md5 for path, md5 in outputs.items() if path.endswith(".zarr")}
        by_store.setdefault(json.dumps(stores, sort_keys=True), []).append(record.name)
    yield from (names for names in by_store.values() if len(names) > 1)


def draw(
    compared: "Sequence[Record]",
    places: Sequence[Path],
    results: "Sequence[Results]",
    method: str,
    folder: Path,
    report: bool = False,
) -> Iterator[Path]:
    """Draw the paths of all runs in one plane, and make their page; the files that were written.

    Raises:
        TrackingError: their networks are of different architectures.
    """
    import deep_learning_dynamics as dld
    from deep_learning_dynamics.figures import figure as figures
    from deep_learning_dynamics.projection.projection import project
    from deep_learning_dynamics.projection.reduction import reduce
    from deep_learning_dynamics.results import Results
    from deep_learning_dynamics.store import scores_table

    check_architectures(compared)
    runs: xr.Dataset = dld.open(
        {record.name: [
                str(each.parent) for each in sorted((place / "snapshots").glob("*.zarr/zarr.json"))
            ]
         for record, place in zip(compared, places, strict=True)}
    )  # fmt: skip
    view = _view(compared[0])
    twins = {"networks": "not twin"} if "twin" in runs.coords else {}
    projection = project(reduce(dld.select(runs, view, **twins)), method)
    together = Results(
        by="run",
        titles={**projection.titles, "run": _labels(compared)},
        scores=scores_table(runs),
        projections={method: projection},
        provenance=results[0].provenance,
        description=projection.description,
    )
    folder.mkdir(parents=True, exist_ok=True)
    key = "comparison" if "comparison" in figures.FIGURES else "paths"
    yield from figures.save(figures.draw(key, together), folder / method)
    projection.coordinates.to_parquet(folder / f"{method}.parquet", index=False)
    if report:
        dld.report(together, folder / "index.html")
        yield folder / "index.html"


def check_architectures(compared: "Sequence[Record]") -> None:
    """Refuse runs whose weight vectors are of different spaces.

    Raises:
        TrackingError: which key differs, and how.
    """
    key = "network.hidden_layers"
    found = {record.parameters.get(key): record for record in compared}
    if len(found) > 1:
        shown = ", ".join(f"{value} in {record}" for value, record in found.items())
        raise TrackingError(
            f"Runs of different architectures have no plane in common: {key} is {shown}. "
            "Compare runs with the same layers, or look at their numbers with --no-figure."
        )


def _labels(compared: "Sequence[Record]") -> dict[str, str]:
    """What a legend calls each run: its name and what sets it apart."""
    different = _differing([record.parameters for record in compared])
    aside = ("project.", "figures.", "view.", "robustness.")  # they do not change paths
    keys = [key for key in different if not key.startswith(aside)][:2]
    return {
        record.name: ", ".join([record.name, *(f"{key.rpartition('.')[2]} {different[key][n]}"
                                               for key in keys)])
        for n, record in enumerate(compared)
    }  # fmt: skip


def _view(record: "Record") -> Any:
    from deep_learning_dynamics.cli.listing import value_of

    return value_of(record.parameters.get("view.parameters", "*.weight"))


def _differing(each: Sequence[dict[str, str]]) -> Rows:
    rows = _together(each)
    return {key: texts for key, texts in rows.items() if len(set(texts)) > 1}


def _together(each: Sequence[dict[str, str]]) -> Rows:
    keys = dict.fromkeys(key for values in each for key in values)
    return {key: [values.get(key, "–") for values in each] for key in keys}


def _tags(record: "Record", prefix: str) -> dict[str, str]:
    return {k: v[:40] for k, v in record.tags.items() if k == prefix or k.startswith(f"{prefix}.")}


def _code(record: "Record") -> dict[str, str]:
    tags = record.tags
    if "fingerprint.code" not in tags:
        return {}
    commit = tags.get("mlflow.source.git.commit", "unknown")[:10]
    return {"code": f"{tags['fingerprint.code'][:8]} (commit {commit}, {tags.get('code', '')})"}


def _environment(record: "Record") -> dict[str, str]:
    content = json.loads(record.tags.get("environment", "{}"))
    return {**content.pop("versions", {}), **{key: str(value) for key, value in content.items()}}


def _print(console: Any, title: str, compared: "Sequence[Record]", rows: Rows) -> None:
    from rich.table import Table
    from rich.text import Text

    if not rows:
        console.print(Text(title), end="\n\n" if title.endswith(".") else "")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(Text(title), overflow="fold")
    for record in compared:
        table.add_column(Text(record.name), overflow="fold")
    for name, texts in rows.items():
        table.add_row(Text(name), *(Text(text) for text in texts))
    console.print(table)
    console.print()
