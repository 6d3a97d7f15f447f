"""The settings of the 2020 script by the names that they had, as keys of ``params.yaml``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deep_learning_dynamics.errors import ParamsError

PROJECTIONS = {  # in later versions by the class's name, in the first ones shorter
    "PrincipalComponentAnalysis": "pca",
    "SelfOrganisingMap": "som",
    "AutoEncoder": "autoencoder",
    "AE_SOM": "autoencoder_som",
    "AE_Tsne": "autoencoder_tsne",
    "ae": "autoencoder",
}
METHODS = ("pca", "som", "autoencoder", "autoencoder_som", "autoencoder_tsne", "umap")
ALGORITHMS = ("sgd", "adam")
GONE = {  # options of 2020 without a counterpart, and what to do instead
    "--timestamp": "results are in MLflow now. See dynamics list and dynamics show RUN",
    "--dataset": "networks learn mnist, some of them omniglot before. Choose with "
    "-S conditions=[scratch]",
    "--dont-save": "every run is kept. To log nothing to MLflow set DYNAMICS_TRACKING=off",
    "--average-hidden-layers": "weights are no longer averaged. For each hidden layer's own path: "
    "-S 'view.parameters=[hidden2.weight, hidden3.weight]' -S view.separately=true",
}


@dataclass(frozen=True)
class Options:
    """What a command line of 2020 could set; ``None`` is not given."""

    iterations: int | None = None
    networks: int | None = None
    projection: str | None = None
    train_projection_model_on_first_only: bool | None = None
    width: int | None = None
    depth: int | None = None
    activation: str | None = None
    learning_algorithm: str | None = None
    layer_to_track: int | None = None
    track_first_n_layers_separately: int | None = None


@dataclass(frozen=True)
class Translation:
    """Values by dotted key, and what a person should know about how they came about."""

    values: dict[str, Any]
    notices: tuple[str, ...] = ()


def with_options(root: Path, assigned: Mapping[str, Any], given: Options) -> dict[str, Any]:
    """What ``-S`` sets, and with it what the options of 2020 set; says what they became.

    Raises:
        ParamsError: a key is set in both ways, or a value has no counterpart.
    """
    from deep_learning_dynamics.cli import settings
    from deep_learning_dynamics.study import params

    raw = settings.with_values(params.read(root / "params.yaml"), assigned)
    translation = translated(given, raw)
    both = sorted(assigned.keys() & translation.values.keys())
    if both:
        raise ParamsError(
            f"{', '.join(both)} is set with -S and with an option of 2020; expected one of them."
        )
    for notice in translation.notices:
        print(f"note: {notice}")
    return {**assigned, **translation.values}


def refuse(given: Mapping[str, Any]) -> None:
    """Refuse options that are gone, where they were given.

    Raises:
        ParamsError: what to do instead.
    """
    problems = [
        f"{name} of 2020 cannot be carried over: {GONE[name]}."
        for name, value in given.items()
        if value is not None and (name, value) != ("--dataset", "mnist")
    ]
    if problems:
        raise ParamsError("\n".join(problems))


def translated(given: Options, raw: Mapping[str, Any]) -> Translation:
    """The keys that ``given`` sets; ``raw`` are the plain contents of ``params.yaml``.

    Raises:
        ParamsError: a value has no counterpart.
    """
    values: dict[str, Any] = {}
    if given.iterations is not None:
        values["train.epochs"] = given.iterations
    if given.networks is not None:
        values["pairs"] = given.networks
    if given.projection is not None:
        values["project.methods"] = [method(given.projection, "--projection")]
    if given.train_projection_model_on_first_only is not None:
        only = given.train_projection_model_on_first_only
        values["project.fit_on_first_network_only"] = only
    widths = _widths(given, raw)
    if given.width is not None or given.depth is not None:
        values["network.hidden_layers"] = widths
    if given.activation is not None:
        values["network.activation"] = given.activation
    if given.learning_algorithm is not None:
        values["train.optimiser"] = algorithm(given.learning_algorithm, "--learning-algorithm")
    viewed = view(given.layer_to_track, given.track_first_n_layers_separately, len(widths), "--")
    return Translation(values | viewed.values, viewed.notices)


def method(projection: str, name: str) -> str:
    """The projection method that was called so; ``name`` is how the setting is called."""
    by_lower_case = {old.lower(): new for old, new in PROJECTIONS.items()}
    by_lower_case |= {known: known for known in METHODS}
    if projection.lower() not in by_lower_case:
        expected = " or ".join([*(old for old in PROJECTIONS if old != "ae"), *METHODS])
        raise ParamsError(f"{name} is {projection}; expected {expected}.")
    return by_lower_case[projection.lower()]


def algorithm(solver: str, name: str) -> str:
    """The optimiser that was called so; scikit-learn's third cannot be carried over."""
    if solver == "lbfgs":
        raise ParamsError(
            f"{name} is lbfgs, which cannot be carried over: it has no mini-batches and so no "
            "path of steps; expected sgd or adam."
        )
    if solver not in ALGORITHMS:
        raise ParamsError(f"{name} is {solver}; expected {' or '.join(ALGORITHMS)}.")
    return solver


def view(layer: int | None, first: int | None, hidden: int, prefix: str = "") -> Translation:
    """Which layers are projected. ``hidden`` is the number of hidden layers.

    The script of 2020 numbered layers from 0, and of the first n that it tracked separately it left
    out number 0, whose shape differs. When both were asked for, it took these. ``prefix`` is what
    names have in messages.
    """
    names = {"track_first_n_layers_separately": first, "layer_to_track": layer}
    if prefix:
        names = {f"{prefix}{name.replace('_', '-')}": value for name, value in names.items()}
    asked = [name for name, value in names.items() if value is not None]
    ignored = tuple(
        f"{name} has no effect beside {asked[0]}, as it had none in 2020." for name in asked[1:]
    )
    if first is not None:
        if not 2 <= first <= hidden:
            raise ParamsError(
                f"{asked[0]} is {first}; expected 2 to {hidden}: in 2020 the first layer, whose "
                "shape differs, was left out, and so is the output layer now."
            )
        chosen, separately = [f"hidden{n}.weight" for n in range(2, first + 1)], True
        notice = f"{asked[0]} {first}: {', '.join(chosen)}; 2020 left out the first layer."
    elif layer is not None:
        count = hidden + 1
        if not -count <= layer < count:
            raise ParamsError(
                f"{asked[0]} is {layer}; expected 0 to {hidden}: 2020 numbered the {count} layers "
                "of weights from 0."
            )
        number = layer % count + 1
        chosen = ["output.weight" if number == count else f"hidden{number}.weight"]
        separately = False
        notice = f"{asked[0]} {layer}: {chosen[0]}, because 2020 numbered layers from 0."
    else:
        return Translation({})
    values = {"view.parameters": chosen, "view.separately": separately}
    return Translation(values, (notice, *ignored))


def _widths(given: Options, raw: Mapping[str, Any]) -> list[int]:
    """The hidden layers that ``--width`` and ``--depth`` ask for; the other is as it is now."""
    network = raw.get("network")
    widths = network.get("hidden_layers") if isinstance(network, dict) else None
    if not isinstance(widths, list) or not all(type(width) is int for width in widths):
        widths = []  # the check of the whole says what is wrong
    for name, value, limit in (("width", given.width, 4096), ("depth", given.depth, 1000)):
        if value is not None and not 1 <= value <= limit:
            raise ParamsError(f"--{name} is {value}; expected a whole number from 1 to {limit:,}.")
    if given.width is None and given.depth is None:
        return widths
    if given.width is None and len(set(widths)) != 1:
        raise ParamsError(
            f"--depth {given.depth} says nothing about the width, and network.hidden_layers is "
            f"{widths}; expected --width beside it."
        )
    width = widths[0] if given.width is None else given.width
    return [width] * (len(widths) if given.depth is None else given.depth)
