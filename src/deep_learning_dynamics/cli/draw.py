"""``dynamics draw``: the report of any store or folder of checkpoints, without a project."""

import tempfile
from contextlib import ExitStack
from html import escape
from pathlib import Path
from typing import Annotated

import typer

from deep_learning_dynamics.cli.collect import Key, counted

EXPERIMENT = "trajectories"  # in MLflow
EPILOG = "Example: dynamics draw runs.zarr -o report.html --method pca --method umap"


def command(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE", help="Stores, or a folder or pattern of checkpoints."),
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
    scores: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Scores of checkpoints, as in collect.")
    ] = None,
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
    """
    from deep_learning_dynamics.figures import Style
    from deep_learning_dynamics.figures.figure import draw_all
    from deep_learning_dynamics.report import About, report
    from deep_learning_dynamics.results import Results
    from deep_learning_dynamics.store import open as open_store
    from deep_learning_dynamics.store.collecting import collect

    with ExitStack() as stack:

        def temporary() -> Path:
            return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dynamics-")))

        if all(_is_store(source) for source in sources):
            runs = open_store(sources)
        elif len(sources) > 1:
            raise typer.BadParameter(
                "Name several stores, or one folder or pattern of checkpoints."
            )
        else:
            with counted("collecting") as progress:
                store = temporary() / "runs.zarr"
                runs = collect(sources[0], store, scores=scores, key=key, progress=progress)
        with counted("projecting and measuring") as progress:
            results = Results.of(
                runs,
                methods=tuple(method or ["pca"]),
                by=by,
                robustness=False if robustness == "none" else robustness,
                progress=progress,
            )
        page = report(results, output, about=About(footer=_footer(sources)))
        verdict = "" if results.comparisons is None else results.comparisons.verdict.sentence
        print(*filter(None, [verdict]), f"report: {page}", sep="\n")
        if figures is not None:
            draw_all(results, figures, Style())
            print(f"figures: {figures}")
        if log:
            folder = figures or temporary()
            if figures is None:
                draw_all(results, folder, Style())
            _log(page, folder, verdict)


def _is_store(source: str) -> bool:
    path = Path(source)
    return "://" in source or (path / "step" / "zarr.json").exists() or source.endswith(".zarr")


def _footer(sources: list[str]) -> str:
    from datetime import datetime

    from deep_learning_dynamics.environment import Environment

    here = Environment.current()
    when = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    names = ", ".join(sources)
    return f"Drawn from {names} on {when} · {here.processor} · Python {here.python}"


def _log(page: Path, figures: Path, verdict: str) -> None:
    """Put files into a run of the MLflow store that is used here."""
    from deep_learning_dynamics import tracking

    connection = tracking.connect(tracking.store_of(Path.cwd()))
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
