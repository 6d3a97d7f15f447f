"""``dynamics compare``: runs side by side, and their paths in one plane."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deep_learning_dynamics.cli.listing import differing, together, value_of
from deep_learning_dynamics.cli.opening import Runs, complete_method, folders, meant, opened
from deep_learning_dynamics.cli.terminal import print_table
from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.formatting import listed, p_value
from deep_learning_dynamics.tracking import Record, read_lock

if TYPE_CHECKING:
    from deep_learning_dynamics.results import Results

CODE = ("code", "fingerprint.code", "mlflow.source.git.commit")  # tags of what ran
MOST = 6  # runs that the eye can tell apart in one plane


def compare(
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

    RUN is an id or a name, the beginning of either, or latest: the run of the
    outputs here, else the one that finished last. The plane is fitted to the
    networks of all runs. Which weights are projected is what view.parameters
    says in the first run.

    Example: dynamics compare latest quiet-otter-042
    """
    from deep_learning_dynamics.projection.method import METHODS
    from deep_learning_dynamics.results import Results

    _ = METHODS[method]  # refuses a mistake before anything is read
    root, connection, known = opened()
    named = [meant(root, known, name) for name in runs]
    compared = list({record.run_id: record for record in named}.values())
    if len(compared) < 2:
        raise TrackingError(
            f"{' and '.join(runs)} {'are' if len(runs) > 1 else 'is'} one run, {compared[0]}; "
            "expected two or more different ones. All runs: dynamics list"
        )
    if len(compared) > MOST:
        raise TrackingError(
            f"{len(compared)} runs are too many to compare; expected 2 to {MOST}, which the eye "
            "can tell apart."
        )
    with folders(connection, compared) as places:
        results = [Results.gather(place) for place in places]
        _print(compared, results)
        for names in _identical(compared, places):
            print(f"The networks of {listed(names)} are identical, bit for bit.\n")
        if figure or report:
            name = "_".join(record.name for record in compared)
            provenance = results[0].provenance
            for path in draw(compared, places, provenance, method, save / name, report):
                print(f"{'page' if path.suffix == '.html' else 'figure'}: {path}")


def _print(compared: Sequence[Record], results: "Sequence[Results]") -> None:
    """Tables of what differs and of what was found, a column for each run."""
    from deep_learning_dynamics.cli.summary import medians

    tables = {
        "parameters": differing([record.parameters for record in compared]),
        "data": differing([_tags(record, "data") for record in compared]),
        "code": differing([_tags(record, *CODE) for record in compared]),
        "environment": differing([_environment(record) for record in compared]),
    }
    if not any(tables.values()):
        print(f"Nothing differs: {listed(list(tables))} are the same.\n")
    tables = {f"what differs: {title}": rows for title, rows in tables.items()}
    tables["results"] = together([medians(each) for each in results])
    tables["measures (medians, or shares)"] = together([_measures(each) for each in results])
    for title, rows in tables.items():
        if rows:
            headings = [title, *(record.name for record in compared)]
            print_table(headings, [[name, *texts] for name, texts in rows.items()])
            print()


def _measures(results: "Results") -> dict[str, str]:
    """The medians (shares, of failures) of each measure in both groups, with the p-value.

    Where some networks lack a measure, each row says how many it is about. A time that fewer than
    half of the networks reached has no median.
    """
    from deep_learning_dynamics.inference import wording
    from deep_learning_dynamics.quantities import quantity

    items = [
        item
        for item in (results.comparisons.items if results.comparisons is not None else ())
        if item.other and not item.parameter
    ]
    differ = len({wording.count(item) for item in items}) > 1
    rows: dict[str, str] = {}
    for item in items:
        titles, show = results.comparisons.titles, quantity(item.measure).format
        groups = [titles.get(group, group) for group in (item.reference, item.other)]
        values = [
            "not reached" if value is None and reached is not None and networks else show(value)
            for value, reached, networks in (
                (item.reference_value, item.reached_reference, item.n_reference),
                (item.other_value, item.reached_other, item.n_other),
            )
        ]
        aside = [] if item.adjusted_p is None else [f"p {p_value(item.adjusted_p)}"]
        aside += [wording.count(item)] if differ else []
        text = " → ".join(values)
        if aside:
            text += f" ({', '.join(aside)})"
        rows[f"{quantity(item.measure).title}, {' → '.join(groups)}"] = text
    return rows


def _identical(compared: Sequence[Record], places: Sequence[Path]) -> Iterator[list[str]]:
    """Names of runs whose networks are the same."""
    by_store: dict[str, list[str]] = {}
    for record, place in zip(compared, places, strict=True):
        outputs = read_lock(place, place / "dvc.lock").outputs
        stores = {path: md5 for path, md5 in outputs.items() if path.endswith(".zarr")}
        by_store.setdefault(json.dumps(stores, sort_keys=True), []).append(record.name)
    yield from (names for names in by_store.values() if len(names) > 1)


def draw(
    compared: Sequence[Record],
    places: Sequence[Path],
    provenance: tuple[dict[str, Any], ...],
    method: str,
    folder: Path,
    report: bool = False,
) -> Iterator[Path]:
    """Draw the paths of all runs in one plane, and make their page; the files that were written.

    Raises:
        StoreError: their networks are of different architectures.
    """
    import deep_learning_dynamics as dld
    from deep_learning_dynamics.figures import figure as figures
    from deep_learning_dynamics.results import Results
    from deep_learning_dynamics.store import scores_table

    stores = {}
    for record, place in zip(compared, places, strict=True):
        found = sorted((place / "snapshots").glob("*.zarr/zarr.json"))
        stores[record.name] = [str(file.parent) for file in found]
    runs = dld.open(stores)
    view = value_of(compared[0].parameters.get("view.parameters", "*.weight"))
    twins = {"networks": "not twin"} if "twin" in runs.coords else {}
    projection = dld.project(dld.select(runs, view, **twins), method)
    together = Results(
        by="run",
        titles={**projection.titles, "run": _labels(compared)},
        scores=scores_table(runs),
        projections={method: projection},
        provenance=provenance,
        description=projection.description,
    )
    folder.mkdir(parents=True, exist_ok=True)
    yield from figures.save(figures.draw("comparison", together), folder / method)
    projection.coordinates.to_parquet(folder / f"{method}.parquet", index=False)
    if report:
        yield dld.report(together, folder / "index.html")


def _labels(compared: Sequence[Record]) -> dict[str, str]:
    """What a legend calls each run: its name and what sets it apart."""
    different = differing([record.parameters for record in compared])
    aside = ("project.", "figures.", "view.", "robustness.")  # they do not change paths
    keys = [key for key in different if not key.startswith(aside)][:2]
    return {
        record.name: ", ".join(
            [record.name, *(f"{key.rpartition('.')[2]} {different[key][n]}" for key in keys)]
        )
        for n, record in enumerate(compared)
    }


def _tags(record: Record, *names: str) -> dict[str, str]:
    """Tags of these names, and of those below them."""
    return {
        tag: text[:40]
        for tag, text in record.tags.items()
        if any(f"{tag}.".startswith(f"{name}.") for name in names)
    }


def _environment(record: Record) -> dict[str, str]:
    content = json.loads(record.tags.get("environment", "{}"))
    return {**content.pop("versions", {}), **{key: str(value) for key, value in content.items()}}
