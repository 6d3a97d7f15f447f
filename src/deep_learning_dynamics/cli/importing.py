"""``dynamics import``: experiments of 2020 as parameters of today."""

import sys
from pathlib import Path
from typing import Annotated

import typer

EPILOG = "Example: dynamics import 17h32m49s22June2020.json > from_2020.yaml"


def command(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE.json", help="Records of the 2020 script.")
    ],
    run: Annotated[
        bool,
        typer.Option("--run", help="Run them, one after the other, instead of printing them."),
    ] = False,
) -> None:
    """Print records of 2020 as params.yaml, or run them.

    Networks start from scratch, as they did in 2020. Settings that a record
    lacks are those of params.yaml; settings that have no equivalent are listed.
    """
    from deep_learning_dynamics.cli import dvc, records_2020, settings
    from deep_learning_dynamics.cli.run import execute
    from deep_learning_dynamics.errors import ParamsError
    from deep_learning_dynamics.tracking import NOTE
    from deep_learning_dynamics.workspace import alone, end_like_ctrl_c, project_root

    root = project_root(Path.cwd())
    path = root / "params.yaml"
    if path.exists() and not path.read_text(encoding="utf-8").strip():
        raise ParamsError(
            "params.yaml is empty, perhaps because the output is to go there; expected it as the "
            "pattern. Restore it (git checkout params.yaml) and print into another file."
        )
    known = [records_2020.carried(file, path) for file in files]  # all of them before any runs
    for number, experiment in enumerate(known):
        if run:
            print(f"{experiment.source.name}: {settings.described(experiment.values)}", flush=True)
        else:
            if number:
                print("---")
            print(records_2020.as_yaml(experiment, path), end="", flush=True)
        print(f"{experiment.source.name}, not carried over or changed:", file=sys.stderr)
        for line in experiment.left_behind:
            print(f"  {line}", file=sys.stderr, flush=True)
        if run:
            end_like_ctrl_c()
            with alone(root):
                dvc.prepare(root)
                settings.write(root, experiment.values)
                execute(root, {NOTE: experiment.note} if experiment.note else {})
