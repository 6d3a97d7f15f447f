"""``dynamics run``, ``check`` and ``track``: the pipeline for ``params.yaml``, and its outputs."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from deep_learning_dynamics import tracking
from deep_learning_dynamics.cli import dvc, options_2020, repro
from deep_learning_dynamics.cli import settings as setting
from deep_learning_dynamics.cli.opening import Note, Settings, Verbose
from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.workspace import alone, end_like_ctrl_c, project_root

# The options of the 2020 script are hidden, so that --help fits a screen.
Word = Annotated[str | None, typer.Option(hidden=True)]
Number = Annotated[int | None, typer.Option(hidden=True)]
Depth = Annotated[int | None, typer.Option(hidden=True, min=1, max=1000)]
Flag = Annotated[bool, typer.Option(hidden=True)]


def run(
    ctx: typer.Context,
    settings: Settings = None,
    note: Note = None,
    verbose: Verbose = False,
    iterations: Number = None,
    networks: Number = None,
    projection: Word = None,
    train_projection_model_on_first_only: Flag = False,
    average_hidden_layers: Flag = False,
    width: Number = None,
    depth: Depth = None,
    activation: Word = None,
    learning_algorithm: Word = None,
    layer_to_track: Number = None,
    track_first_n_layers_separately: Number = None,
    timestamp: Word = None,
    dataset: Word = None,
    dont_save: Flag = False,
) -> None:
    """Run the pipeline for params.yaml: whatever changed since the last time.

    Settings given with -S are checked and then written into params.yaml, where
    they stay; comments are kept. The options of the 2020 script set keys, too:
    --iterations, --networks, --width, --depth, --activation,
    --learning-algorithm, --projection, --train-projection-model-on-first-only,
    --layer-to-track, --track-first-n-layers-separately.

    Example: dynamics run -S train.epochs=20 -S 'network.hidden_layers=[16, 16]'
    """
    root = project_root(Path.cwd())
    values = options_2020.with_options(root, setting.assignments(settings or []), ctx.params)
    setting.checked(root, values)
    end_like_ctrl_c()
    with alone(root):
        dvc.prepare(root)
        if setting.write(root, values):
            print(f"params.yaml: {setting.described(values)}", flush=True)
        execute(root, {} if note is None else {tracking.NOTE: note}, verbose)


def execute(root: Path, variables: dict[str, str], verbose: bool = False) -> None:
    """Run what must be run for ``params.yaml`` and say what was found.

    If the pipeline does not come to its end, its run in MLflow says so, too.
    """
    from deep_learning_dynamics.cli.summary import summary
    from deep_learning_dynamics.results import Results
    from deep_learning_dynamics.study import params

    with repro.marked(root):
        ran = repro.repro(root, variables=variables, verbose=verbose)
    if set(ran) <= {"find"}:  # which looks at the datasets each time
        print("Nothing has changed; nothing was computed.")
    settings = params.load(root / "params.yaml").as_json()
    logged = tracking.logged(root, settings)
    if logged is None and "log" not in ran and not tracking.is_off():
        try:
            logged = tracking.log(root, settings, variables.get(tracking.NOTE))
        except TrackingError as error:
            print(f"warning: not logged to MLflow: {error} Later: dynamics track", file=sys.stderr)
    print(f"\n{summary(root, Results.gather(root), logged)}", flush=True)


def check(settings: Settings = None) -> None:
    """Check params.yaml without running anything; exit status 2 if it has a mistake.

    It checks every value, whether values fit each other, and whether disk and memory suffice, and
    estimates how long the run takes. Values given with -S take the place of the file's.

    Example: dynamics check -S train.epochs=20
    """
    from deep_learning_dynamics.study import params
    from deep_learning_dynamics.study.estimate import estimate

    root = project_root(Path.cwd())
    values = setting.assignments(settings or [])
    checked = params.validate(setting.checked(root, values), folder=root)
    print(f"params.yaml is valid{f' with {setting.described(values)}' if values else ''}.")
    print(f"All of it takes {estimate(checked).sentence()}.")


def track(note: Note = None) -> None:
    """Log the current outputs to the MLflow store that is set now, unless it has them.

    A run that is finished there is not changed. Outputs that were made with
    other settings or code than the project has now are refused.

    Example: MLFLOW_TRACKING_URI=http://example.org:5000 dynamics track
    """
    from deep_learning_dynamics.cli.summary import summary
    from deep_learning_dynamics.results import Results
    from deep_learning_dynamics.study import params

    root = project_root(Path.cwd())
    settings = params.load(root / "params.yaml").as_json()
    with alone(root):
        _check_outputs(root)
        dvc.repair(root)
        logged = tracking.log(root, settings, note)
    print(summary(root, Results.gather(root), logged))


def _check_outputs(root: Path) -> None:
    """Refuse outputs that are not those of the parameters, code and data that there are now."""
    status = json.loads(dvc.call(root, "status", "--json") or "{}")
    # A name with a colon is of a dvc.yaml elsewhere, such as the copy that a run has.
    stale = sorted(
        name
        for name, reasons in status.items()
        if name != "log" and ":" not in name and set(map(str, reasons)) != {"always changed"}
    )
    if stale:
        raise TrackingError(
            f"The outputs of {', '.join(stale)} are missing, or were made with other parameters, "
            "code or data than those in the project now; they would be logged as what they are "
            "not. Make them again with: dvc repro"
        )
