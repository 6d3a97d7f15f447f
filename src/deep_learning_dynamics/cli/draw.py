"""``dynamics draw``: the report of any store or folder of checkpoints, without a project."""

from datetime import datetime
from html import escape
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from deep_learning_dynamics import tracking
from deep_learning_dynamics.cli.collect import Key, Scores
from deep_learning_dynamics.cli.terminal import counted
from deep_learning_dynamics.environment import Environment

EXPERIMENT = "trajectories"  # in MLflow


def draw(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Stores or checkpoints: a folder or a pattern of either.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The page to write.")
    ] = Path("report.html"),
    method: Annotated[
        list[str] | None, typer.Option(help="How to project: pca, som, umap, ... Repeatable.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="COORDINATE",
            help="The coordinate whose values are the groups, such as optimiser.",
        ),
    ] = None,
    robustness: Annotated[
        str, typer.Option(help="Tests of each projection: none, default or full.")
    ] = "none",
    scores: Scores = None,
    key: Key = None,
    figures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also save every figure as PNG.")
    ] = None,
    log: Annotated[
        bool, typer.Option("--log", help="Put page and figures into an MLflow run.")
    ] = False,
) -> None:
    """Project, measure and compare any trajectories, and write one page with all of it.

    Networks that have the coordinate "pair" are compared in pairs, others as independent groups; a
    single group is only described.

    Example: dynamics draw runs.zarr -o report.html --method pca --method umap
    """
    from deep_learning_dynamics import store
    from deep_learning_dynamics.figures import Style
    from deep_learning_dynamics.figures.figure import draw_all
    from deep_learning_dynamics.report import About, report
    from deep_learning_dynamics.results import Results
    from deep_learning_dynamics.store.collecting import collect
    from deep_learning_dynamics.store.opening import stores_at

    with TemporaryDirectory(prefix="dynamics-") as scratch:
        stores = [stores_at(source) for source in sources]
        if all(stores):
            runs = store.open(list(chain.from_iterable(stores)))
        elif len(sources) > 1:
            raise typer.BadParameter(
                "Name several stores, or one folder or pattern of checkpoints."
            )
        else:
            with counted("collecting") as progress:
                path = Path(scratch, "runs.zarr")
                runs = collect(sources[0], path, scores=scores, key=key, progress=progress)
        with counted("projecting and measuring") as progress:
            results = Results.of(
                runs,
                methods=tuple(method or ["pca"]),
                by=by,
                robustness=False if robustness == "none" else robustness,
                progress=progress,
            )
        here, now = Environment.current(), datetime.now().astimezone()
        footer = (
            f"Drawn from {', '.join(sources)} on {now:%Y-%m-%d %H:%M} · {here.processor} · "
            f"Python {here.python}"
        )
        page = report(results, output, about=About(footer=footer))
        verdict = "" if results.comparisons is None else results.comparisons.verdict.sentence
        print(*filter(None, [verdict]), f"report: {page}", sep="\n")
        folder = figures or Path(scratch, "figures")
        if figures is not None or log:
            draw_all(results, folder, Style())
        if figures is not None:
            print(f"figures: {figures}")
        if log:
            _log(page, folder, verdict)


def _log(page: Path, figures: Path, verdict: str) -> None:
    """Put files into a run of the MLflow store that is used here."""
    here = Path.cwd()
    connection = tracking.connect(tracking.store_of(here))
    assert connection is not None  # it makes a store where there is none
    client = connection.client
    experiment = client.get_experiment_by_name(EXPERIMENT)
    known = experiment and experiment.experiment_id
    number = known or client.create_experiment(EXPERIMENT, connection.store.artifacts)
    tags = {"mlflow.note.content": escape(verdict)}
    run = client.create_run(number, run_name=page.stem, tags=tags).info
    client.log_artifact(run.run_id, str(page))
    client.log_artifacts(run.run_id, str(figures), "figures")
    client.set_terminated(run.run_id)
    print(f"in MLflow: run {run.run_name} of the experiment {EXPERIMENT} ({connection.store})")
    store = connection.store
    if not store.is_server:
        uri = store.hidden(store.uri)
        if store.database is not None and store.database.is_relative_to(here):
            uri = f"sqlite:///{store.database.relative_to(here)}"
        print(f"to look at it: mlflow ui --backend-store-uri {uri}")
