"""The settings of the 2020 script by the names that they had, as keys of ``params.yaml``."""

from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Options:
    """What a command line of 2020 could set; ``None`` is not given."""

    iterations: int | None = None
    networks: int | None = None
    projection: str | None = None
    train_projection_model_on_first_only: bool | None = None
    average_hidden_layers: bool | None = None
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


def translated(given: Options, raw: Mapping[str, Any]) -> Translation:
    """The keys that ``given`` sets; ``raw`` are the plain contents of ``params.yaml``.

    Raises:
        ParamsError: a value has no counterpart.
    """
    values: dict[str, Any] = {}
    if given.iterations is not None:
        values["train.epochs"] = given.iterations
    if given.networks is not None:
        values["train.networks"] = given.networks
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
        values["train.algorithm"] = algorithm(given.learning_algorithm, "--learning-algorithm")
    tracked = track(
        given.layer_to_track,
        given.track_first_n_layers_separately,
        given.average_hidden_layers,
        len(widths),
        "--",
    )
    return Translation(values | tracked.values, tracked.notices)


def method(projection: str, name: str) -> str:
    """The projection method that was called so; ``name`` is how the setting is called."""
    by_lower_case = {old.lower(): new for old, new in PROJECTIONS.items()}
    by_lower_case |= {known: known for known in METHODS} | {"ae_tsne": "autoencoder_tsne"}
    if projection.lower() not in by_lower_case:
        expected = " or ".join([*(old for old in PROJECTIONS if old != "ae"), *METHODS])
        raise ParamsError(f"{name} is {projection}; expected {expected}.")
    return by_lower_case[projection.lower()]


def algorithm(solver: str, name: str) -> str:
    """The algorithm that was called so; scikit-learn's third cannot be carried over."""
    if solver == "lbfgs":
        raise ParamsError(
            f"{name} is lbfgs, which cannot be carried over: it has no mini-batches and so no "
            "path of steps; expected sgd or adam."
        )
    if solver not in ALGORITHMS:
        raise ParamsError(f"{name} is {solver}; expected {' or '.join(ALGORITHMS)}.")
    return solver


def track(
    layer: int | None, first: int | None, average: bool | None, hidden: int, prefix: str = ""
) -> Translation:
    """Which layers are projected. ``hidden`` is the number of hidden layers.

    The script of 2020 numbered layers from 0, and of the first n that it tracked separately it left
    out number 0, whose shape differs. When several were asked for, it took the first of: layers
    separately, one layer, averaged hidden layers. ``prefix`` is what names have in messages.
    """
    names = {
        "track_first_n_layers_separately": first,
        "layer_to_track": layer,
        "average_hidden_layers": average or None,
    }
    if prefix:
        names = {f"{prefix}{name.replace('_', '-')}": value for name, value in names.items()}
    asked = [name for name, value in names.items() if value is not None]
    ignored = tuple(
        f"{name} has no effect beside {asked[0]}, as it had none in 2020." for name in asked[1:]
    )
    if first is not None:
        if first < 2:
            raise ParamsError(
                f"{asked[0]} is {first}; expected 2 or more: in 2020 the first layer, whose shape "
                "differs, was left out."
            )
        layers, separately = list(range(2, first + 1)), True
        shown = "layer 2" if first == 2 else f"layers 2 to {first}"
        notice = (
            f"{asked[0]} {first}: {shown}, because 2020 left out the first, whose shape differs."
        )
    elif layer is not None:
        count = hidden + 1
        if not -count <= layer < count:
            raise ParamsError(
                f"{asked[0]} is {layer}; expected 0 to {hidden}: 2020 numbered the {count} layers "
                "of weights from 0."
            )
        number = layer + 1 if layer >= 0 else count + layer + 1
        layers, separately = [number], False
        notice = f"{asked[0]} {layer}: layer {number}, because 2020 numbered layers from 0."
    elif average:
        if hidden < 3:
            return Translation(
                {},
                (
                    f"{asked[0]} has no effect with fewer than three hidden layers, "
                    "as it had none in 2020.",
                ),
            )
        return Translation(
            {
                "track.layers": "all",
                "track.separately": False,
                "track.average_hidden_layers": True,
            },
            (f"{asked[0]}: over all hidden layers; 2020 left the last one out of the average.",),
        )
    else:
        return Translation({})
    values = {
        "track.layers": layers,
        "track.separately": separately,
        "track.average_hidden_layers": False,
    }
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
