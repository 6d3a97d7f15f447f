"""``dynamics run``: the pipeline for ``params.yaml``, some settings of which may be set first."""

from pathlib import Path
from typing import Annotated

import typer

from deep_learning_dynamics.cli.opening import complete_key

EPILOG = "Example: dynamics run -S train.epochs=20 -S 'network.hidden_layers=[16, 16]'"
# The script of 2020 wrote its options with underscores.
OPTIONS = {"context_settings": {"token_normalize_func": lambda token: token.replace("_", "-")}}


def _of_2020(help_text: str) -> typer.models.OptionInfo:
    # Hidden, so that --help fits a screen: the command's text lists them.
    return typer.Option(hidden=True, help=help_text)


def command(
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "-S",
            "--set",
            metavar="KEY=VALUE",
            help="Set a key of params.yaml. May be repeated.",
            autocompletion=complete_key,
        ),
    ] = None,
    note: Annotated[
        str | None, typer.Option(help="A note that MLflow keeps with the run.", metavar="TEXT")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show all output of DVC and the stages.")
    ] = False,
    iterations: Annotated[int | None, _of_2020("train.epochs")] = None,
    networks: Annotated[int | None, _of_2020("pairs")] = None,
    projection: Annotated[str | None, _of_2020("project.methods")] = None,
    train_projection_model_on_first_only: Annotated[
        bool, _of_2020("project.fit_on_first_network_only")
    ] = False,
    average_hidden_layers: Annotated[bool, _of_2020("gone")] = False,
    width: Annotated[int | None, _of_2020("network.hidden_layers")] = None,
    depth: Annotated[int | None, _of_2020("network.hidden_layers")] = None,
    activation: Annotated[str | None, _of_2020("network.activation")] = None,
    learning_algorithm: Annotated[str | None, _of_2020("train.optimiser")] = None,
    layer_to_track: Annotated[int | None, _of_2020("view.parameters, from 0")] = None,
    track_first_n_layers_separately: Annotated[
        int | None, _of_2020("view.parameters, view.separately")
    ] = None,
    timestamp: Annotated[str | None, _of_2020("gone")] = None,
    dataset: Annotated[str | None, _of_2020("gone")] = None,
    dont_save: Annotated[bool, _of_2020("gone")] = False,
) -> None:
    """Run the pipeline for params.yaml: whatever changed since the last time.

    Settings given with -S are checked and then written into params.yaml, where
    they stay; comments are kept. The options of the 2020 script set keys, too:
    --iterations, --networks, --width, --depth, --activation,
    --learning-algorithm, --projection, --train-projection-model-on-first-only,
    --layer-to-track, --track-first-n-layers-separately.
    """
    from deep_learning_dynamics import tracking
    from deep_learning_dynamics.cli import dvc, options_2020
    from deep_learning_dynamics.cli import settings as setting
    from deep_learning_dynamics.workspace import alone, end_like_ctrl_c, project_root

    root = project_root(Path.cwd())
    options_2020.refuse(
        {"--timestamp": timestamp, "--dataset": dataset, "--dont-save": dont_save or None,
         "--average-hidden-layers": average_hidden_layers or None}
    )  # fmt: skip
    given = options_2020.Options(
        iterations=iterations,
        networks=networks,
        projection=projection,
        train_projection_model_on_first_only=train_projection_model_on_first_only or None,
        width=width,
        depth=depth,
        activation=activation,
        learning_algorithm=learning_algorithm,
        layer_to_track=layer_to_track,
        track_first_n_layers_separately=track_first_n_layers_separately,
    )
    values = options_2020.with_options(root, setting.assignments(settings or []), given)
    setting.checked(root, values)
    end_like_ctrl_c()
    with alone(root):
        dvc.prepare(root)
        if setting.write(root, values):
            print(f"params.yaml: {setting.described(values)}", flush=True)
        execute(root, {} if note is None else {tracking.NOTE: note}, verbose)


def execute(root: Path, variables: dict[str, str], verbose: bool = False) -> None:
    """Run what must be run for ``params.yaml`` and say what was found.

    Raises:
        StageError, DvcError, InterruptionError: the pipeline did not come to its end; its run in
            MLflow says so, too.
    """
    import sys

    from deep_learning_dynamics import tracking
    from deep_learning_dynamics.cli import repro
    from deep_learning_dynamics.cli.summary import summary
    from deep_learning_dynamics.errors import DynamicsError, TrackingError
    from deep_learning_dynamics.results import Results
    from deep_learning_dynamics.study import params

    try:
        ran = repro.repro(root, variables=variables, verbose=verbose)
    except DynamicsError as error:
        status = "KILLED" if isinstance(error, repro.InterruptionError) else "FAILED"
        try:
            tracking.mark(root, status)
        except DynamicsError as problem:  # what stopped it matters more
            print(f"warning: {problem}", file=sys.stderr)
        raise
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
