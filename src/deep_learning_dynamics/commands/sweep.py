"""``dynamics sweep``: every combination of some settings."""

from typing import Annotated

import typer

EPILOG = "Example: dynamics sweep -S train.learning_rate=0.01,0.1 -S seed=1,2,3 --jobs 2"


def sweep(
    settings: Annotated[
        list[str],
        typer.Option(
            "-S",
            "--set",
            metavar="KEY=VALUE,VALUE,...",
            help="Values to try for a key of params.yaml. May be repeated.",
        ),
    ],
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Experiments at a time.")] = 1,
) -> None:
    """Run every combination of values, each as an experiment of its own.

    They run in DVC's queue, in copies of the project; params.yaml stays as it is.
    Ctrl-C stops them, and the same command continues: what is complete is not
    run again. Runs have the sweep's name in the tag sweep.
    """
    from pathlib import Path

    from deep_learning_dynamics import experiments
    from deep_learning_dynamics.lab import sweeping
    from deep_learning_dynamics.lab.settings import choices

    sweeping.run(experiments.project_root(Path.cwd()), choices(settings), jobs)
