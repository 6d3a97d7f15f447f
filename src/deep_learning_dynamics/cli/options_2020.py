"""The settings of the 2020 script by the names that they had, as keys of ``params.yaml``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deep_learning_dynamics.cli import settings
from deep_learning_dynamics.errors import ParamsError

METHODS = {  # in later versions of the script by the class's name, in the first ones shorter
    "principalcomponentanalysis": "pca",
    "selforganisingmap": "som",
    "autoencoder": "autoencoder",
    "ae_som": "autoencoder_som",
    "ae_tsne": "autoencoder_tsne",
    "ae": "autoencoder",
}
KEYS = {  # options whose values are the same today
    "iterations": "train.epochs",
    "networks": "pairs",
    "activation": "network.activation",
    "learning_algorithm": "train.optimiser",
    "train_projection_model_on_first_only": "project.fit_on_first_network_only",
}
TODAY = ("settings", "note", "verbose")  # options that the script did not have
GONE = {  # options of 2020 without a counterpart, and what to do instead
    "timestamp": "results are in MLflow now. See dynamics list and dynamics show RUN",
    "dataset": "networks learn mnist, some of them omniglot before. Choose with "
    "-S conditions=[scratch]",
    "dont_save": "every run is kept. To log nothing to MLflow set DYNAMICS_TRACKING=off",
    "average_hidden_layers": "weights are no longer averaged. For each hidden layer's own path: "
    "-S 'view.parameters=[hidden2.weight, hidden3.weight]' -S view.separately=true",
}


def with_options(
    root: Path, assigned: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """The values that ``-S`` and the options of 2020 set, together.

    Args:
        assigned: values by dotted key.
        options: all of ``dynamics run``; those that are None or False were not given.
    """
    given = {
        name: value
        for name, value in options.items()
        if name not in TODAY and value is not None and value is not False
    }
    if not given:
        return dict(assigned)
    gone = [
        f"--{name.replace('_', '-')} of 2020 cannot be carried over: {GONE[name]}."
        for name in GONE
        if given.get(name) not in (None, "mnist")
    ]
    if gone:
        raise ParamsError("\n".join(gone))
    network = settings.checked(root, assigned)["network"]
    values = translated(given, network.get("hidden_layers", []))
    both = sorted(assigned.keys() & values.keys())
    if both:
        raise ParamsError(
            f"{', '.join(both)} is set with -S and with an option of 2020; expected one of them."
        )
    return {**assigned, **values}


def translated(given: Mapping[str, Any], layers: list[int]) -> dict[str, Any]:
    """The keys that options set; ``layers`` are the units of each hidden layer as they are now."""
    values = {key: given[name] for name, key in KEYS.items() if name in given}
    if "projection" in given:
        values["project.methods"] = [method(given["projection"])]
    if "width" in given or "depth" in given:
        if "width" not in given and len(set(layers)) != 1:
            raise ParamsError(
                f"--depth {given['depth']} says nothing about the width, and network.hidden_layers "
                f"is {layers}; expected --width beside it."
            )
        layers = [given.get("width", *layers[:1])] * given.get("depth", len(layers))
        values["network.hidden_layers"] = layers
    first, layer = given.get("track_first_n_layers_separately"), given.get("layer_to_track")
    return values | view(layer, first, len(layers))


def method(projection: str) -> str:
    """Today's key of a projection method."""
    return METHODS.get(projection.lower(), projection)


def view(layer: Any, first: Any, hidden: int) -> dict[str, Any]:
    """Which layers are projected.

    The script of 2020 numbered layers from 0, and of the first n that it tracked separately it left
    out number 0, whose shape differs. When both were asked for, it took these.

    Args:
        layer: a number, as an option or a record has it, or None.
        first: n, likewise.
        hidden: the number of hidden layers.
    """
    if first is not None:
        if type(first) is not int or not 2 <= first <= hidden:
            raise ParamsError(
                f"track_first_n_layers_separately is {first}; expected 2 to {hidden}: in 2020 the "
                "first layer, whose shape differs, was left out, and so is the output layer now."
            )
        chosen = [f"hidden{number}.weight" for number in range(2, first + 1)]
        return {"view.parameters": chosen, "view.separately": True}
    if layer is not None:
        count = hidden + 1
        if type(layer) is not int or not -count <= layer < count:
            raise ParamsError(
                f"layer_to_track is {layer}; expected 0 to {hidden}: 2020 numbered the {count} "
                "layers of weights from 0."
            )
        names = [*(f"hidden{number}.weight" for number in range(1, count)), "output.weight"]
        return {"view.parameters": [names[layer]], "view.separately": False}
    return {}
