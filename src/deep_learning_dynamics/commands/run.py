"""``dynamics run``: the pipeline for ``params.yaml``, with some settings changed for once."""

from typing import Annotated

import typer

EPILOG = "Example: dynamics run -S train.epochs=20 -S 'network.hidden_layers=[16, 16]'"
# The script of 2020 wrote its options with underscores.
CONTEXT = {"token_normalize_func": lambda token: token.replace("_", "-")}
GONE = {  # options of 2020 without a counterpart, and what to do instead
    "--timestamp": "results are in MLflow now. See dynamics list and dynamics show RUN",
    "--dataset": "networks are trained on mnist, and before that on omniglot in one arm. "
    "Choose arms with -S train.arms=[scratch]",
    "--dont-save": "every run is kept. To log nothing to MLflow set DYNAMICS_TRACKING=off",
}


def _of_2020(help_text: str) -> typer.models.OptionInfo:
    # Hidden, so that --help fits a screen: the command's text lists them.
    return typer.Option(hidden=True, help=help_text)


def run(
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "-S", "--set", metavar="KEY=VALUE", help="Set a key of params.yaml. May be repeated."
        ),
    ] = None,
    note: Annotated[
        str | None, typer.Option(help="Words that MLflow keeps with the run.", metavar="TEXT")
    ] = None,
    iterations: Annotated[int | None, _of_2020("train.epochs")] = None,
    networks: Annotated[int | None, _of_2020("train.networks")] = None,
    projection: Annotated[str | None, _of_2020("project.methods")] = None,
    train_projection_model_on_first_only: Annotated[
        bool, _of_2020("project.fit_on_first_network_only")
    ] = False,
    average_hidden_layers: Annotated[bool, _of_2020("track.average_hidden_layers")] = False,
    width: Annotated[int | None, _of_2020("network.hidden_layers")] = None,
    depth: Annotated[int | None, _of_2020("network.hidden_layers")] = None,
    activation: Annotated[str | None, _of_2020("network.activation")] = None,
    learning_algorithm: Annotated[str | None, _of_2020("train.algorithm")] = None,
    layer_to_track: Annotated[int | None, _of_2020("track.layers, from 0")] = None,
    track_first_n_layers_separately: Annotated[
        int | None, _of_2020("track.layers, track.separately")
    ] = None,
    timestamp: Annotated[str | None, _of_2020("gone")] = None,
    dataset: Annotated[str | None, _of_2020("gone")] = None,
    dont_save: Annotated[bool, _of_2020("gone")] = False,
) -> None:
    """Run the pipeline for params.yaml: whatever changed since the last time.

    Settings given here are checked like the file and hold for this run only.
    The options of 2020 are settings too: --iterations, --networks, --width,
    --depth, --activation, --learning-algorithm, --projection,
    --train-projection-model-on-first-only, --average-hidden-layers,
    --layer-to-track, --track-first-n-layers-separately.
    """
    from pathlib import Path

    from deep_learning_dynamics import experiments
    from deep_learning_dynamics.commands import chosen
    from deep_learning_dynamics.lab import names_2020

    root = experiments.project_root(Path.cwd())
    _refuse({"--timestamp": timestamp, "--dataset": dataset, "--dont-save": dont_save or None})
    given = names_2020.Options(
        iterations=iterations,
        networks=networks,
        projection=projection,
        train_projection_model_on_first_only=train_projection_model_on_first_only or None,
        average_hidden_layers=average_hidden_layers or None,
        width=width,
        depth=depth,
        activation=activation,
        learning_algorithm=learning_algorithm,
        layer_to_track=layer_to_track,
        track_first_n_layers_separately=track_first_n_layers_separately,
    )
    values = chosen.values(root, settings or [], given)
    experiments.run(root, values, note)


def _refuse(given: dict[str, str | None]) -> None:
    from deep_learning_dynamics.errors import ParamsError

    problems = [
        f"{name} of 2020 cannot be carried over: {GONE[name]}."
        for name, value in given.items()
        if value is not None and (name, value) != ("--dataset", "mnist")
    ]
    if problems:
        raise ParamsError("\n".join(problems))
