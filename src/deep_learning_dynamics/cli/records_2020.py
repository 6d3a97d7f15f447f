"""Experiments of 2020 (``TIMESTAMP.json``) as parameters: what carries over, and what does not."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deep_learning_dynamics.cli import options_2020, settings
from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.study.sections import shown

NEEDED = ("training_iterations", "projection_model", "number_of_networks")  # in every version
KINDS = {
    "training_iterations": (int,),
    "projection_model": (str,),
    "train_projection_model_on_first_only": (bool, type(None)),
    "number_of_networks": (int,),
    "average_hidden_layers": (bool, type(None)),
    "notes": (str, type(None)),
    "network_parameters": (dict, type(None)),
    "layer_to_track": (int, type(None)),
    "track_first_n_layers_separately": (int, bool, type(None)),
}
WORDS = {
    int: "a whole number",
    str: "a text",
    bool: "true or false",
    dict: "an object",
    float: "a number",
    list: "a list",
    type(None): "null",
}
# What the script set while its records did not say so yet, and what scikit-learn's class sets.
FIRST_NETWORK = {
    "hidden_layer_sizes": [8, 8, 8, 8, 8],
    "activation": "relu",
    "alpha": 1e-4,
    "solver": "sgd",
    "learning_rate_init": 0.1,
}
SKLEARN = {
    "hidden_layer_sizes": [100],
    "activation": "relu",
    "alpha": 1e-4,
    "solver": "adam",
    "learning_rate_init": 0.001,
}
NETWORK_KINDS = {
    "hidden_layer_sizes": (list, int),
    "activation": (str,),
    "alpha": (float, int),
    "solver": (str,),
    "learning_rate_init": (float, int),
    "batch_size": (int, str),
}
# What ours always does, and what has no effect on scikit-learn's partial_fit.
SAME = {
    "momentum": 0.9,
    "nesterovs_momentum": True,
    "beta_1": 0.9,
    "beta_2": 0.999,
    "epsilon": 1e-8,
    "learning_rate": "constant",
    "shuffle": True,
}
NO_EFFECT = ("max_iter", "max_fun", "tol", "verbose", "warm_start", "n_iter_no_change", "power_t")
SEEDS = "the random numbers: 2020 drew them without a seed, so these are other networks alike"


@dataclass(frozen=True)
class Carried:
    """A record of 2020 as settings of today."""

    source: Path
    values: dict[str, Any]  # dotted keys
    note: str
    left_behind: tuple[str, ...]  # what could not be carried over, and what was decided


def carried(source: Path, params_file: Path) -> Carried:
    """Read a record; what it does not say stays as in ``params_file``.

    Raises:
        ParamsError: the file cannot be read, is not such a record, or what it says is not possible.
    """
    record = _read(source)
    left = [
        f"{key} = {shown(value)}: not a setting of 2020 that is known"
        for key, value in record.items()
        if key not in KINDS
    ]
    values: dict[str, Any] = {
        "conditions": ["scratch"],
        "contrasts": [],
        "train.epochs": record["training_iterations"],
        "pairs": record["number_of_networks"],
        # One after each pass through the data; each network shuffled for itself.
        "train.snapshots": {"first_epoch": 1, "per_epoch": 1},
        "train.batch_order": "per_pair",
        "view.parameters": "*.weight",
        "view.separately": False,
    }
    try:
        values["project.methods"] = [
            options_2020.method(record["projection_model"], "projection_model")
        ]
        only = record.get("train_projection_model_on_first_only")
        values["project.fit_on_first_network_only"] = bool(only)
        network, lost = _network(record)
        values |= network
        first = record.get("track_first_n_layers_separately")
        viewed = options_2020.view(
            record.get("layer_to_track"),
            None if not first else int(first),  # false was "no" in some versions
            len(values["network.hidden_layers"]),
        )
        values |= viewed.values
        settings.checked(params_file.parent, values, origin=source.name)
    except ParamsError as error:
        prefix = f"{source.name}: "
        lines = str(error).splitlines()
        raise ParamsError(
            "\n".join(line if line.startswith(prefix) else f"{prefix}{line}" for line in lines)
        ) from None
    averaged = []
    if record.get("average_hidden_layers"):
        averaged.append("average_hidden_layers: weights are no longer averaged; all are projected")
    note = "".join(c if c.isprintable() or c == "\n" else " " for c in record.get("notes") or "")
    return Carried(
        source,
        values,
        "" if note == "..." else note,  # what the script wrote when nothing was said
        (*left, *lost, *averaged, *viewed.notices, SEEDS),
    )


def as_yaml(experiment: Carried, params_file: Path) -> str:
    """A whole ``params.yaml`` for a record, its comments included."""
    head = f"# {experiment.source.name}, an experiment of 2020"
    note = " ".join(experiment.note.split())
    head += f": {note}\n" if note else "\n"
    return head + settings.text_with(params_file, experiment.values)


def _read(source: Path) -> dict[str, Any]:
    try:
        record = json.loads(source.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{source} does not exist; expected a record of 2020.") from None
    except OSError as error:
        raise ParamsError(f"{source} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise ParamsError(f"{source} is not valid JSON: {error}.") from None
    missing = [key for key in NEEDED if not isinstance(record, dict) or key not in record]
    if missing:
        raise ParamsError(
            f"{source} is not a record of 2020: it has no {', '.join(missing)}. Expected the "
            "TIMESTAMP.json that the script of 2020 wrote beside its results."
        )
    problems = _mistyped(record, KINDS, "")
    if problems:
        raise ParamsError("\n".join(f"{source.name}: {problem}" for problem in problems))
    return record


def _network(record: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The keys of ``params.yaml`` for a scikit-learn network, and what is lost."""
    lost: list[str] = []
    if "network_parameters" not in record:
        found = dict(FIRST_NETWORK)
        lost.append(
            "network_parameters: not in this record; the script had five hidden layers of 8, relu, "
            "sgd at 0.1 then"
        )
    else:
        found = SKLEARN | (record["network_parameters"] or {})
    problems = _mistyped(found, NETWORK_KINDS, "network_parameters.")
    if problems:
        raise ParamsError("\n".join(problems))
    for key, value in found.items():
        if key in SKLEARN or key in NO_EFFECT or (key == "batch_size"):
            continue
        if key not in SAME or value != SAME[key]:
            lost.append(f"network_parameters.{key} = {shown(value)}: there is no such setting")
    sizes, batch = found["hidden_layer_sizes"], found.get("batch_size", "auto")
    return {
        "network.hidden_layers": sizes if isinstance(sizes, list) else [sizes],
        "network.activation": found["activation"],
        "train.optimiser": options_2020.algorithm(found["solver"], "network_parameters.solver"),
        "train.learning_rate": found["learning_rate_init"],
        "train.weight_decay": found["alpha"],
        "train.batch_size": 200 if batch == "auto" else batch,  # scikit-learn's meaning of it
    }, lost


def _mistyped(
    found: Mapping[str, Any], kinds: Mapping[str, tuple[type, ...]], at: str
) -> list[str]:
    return [
        f"{at}{key} is {shown(value)}; expected {' or '.join(WORDS[kind] for kind in kinds[key])}."
        for key, value in found.items()
        # type, not isinstance: true is no number
        if key in kinds and type(value) not in kinds[key]
    ]
