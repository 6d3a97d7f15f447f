"""``dynamics import``: experiments of 2020 as parameters of today."""

from pathlib import Path
from typing import Annotated

import typer

EPILOG = "Example: dynamics import 17h32m49s22June2020.json > from_2020.yaml"


def import_records(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE.json", help="Records of the 2020 script.")
    ],
    run: Annotated[
        bool, typer.Option("--run", help="Run them, one after the other, instead of printing.")
    ] = False,
) -> None:
    """Print records of 2020 as params.yaml, or run them.

    Networks start from scratch, as those did. What a record does not say stays
    as in params.yaml. What cannot be carried over is named.
    """
    import sys

    from deep_learning_dynamics import experiments
    from deep_learning_dynamics.errors import ParamsError
    from deep_learning_dynamics.lab import records_2020, settings

    root = experiments.project_root(Path.cwd())
    settings.recover(root)
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
            experiments.run(root, experiment.values, experiment.note or None)
