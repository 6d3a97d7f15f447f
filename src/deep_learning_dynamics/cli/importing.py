"""``dynamics import``: experiments of 2020 (``TIMESTAMP.json``) as parameters of today."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from deep_learning_dynamics import tracking
from deep_learning_dynamics.cli import dvc, options_2020, settings
from deep_learning_dynamics.cli.run import execute
from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.workspace import alone, end_like_ctrl_c, project_root

NEEDED = ("training_iterations", "projection_model", "number_of_networks")  # in every version
SKLEARN = {  # what scikit-learn's class sets
    "hidden_layer_sizes": [100],
    "activation": "relu",
    "alpha": 1e-4,
    "solver": "adam",
    "learning_rate_init": 0.001,
    "batch_size": "auto",
}
# What the script set while its records did not say so yet.
FIRST = {"hidden_layer_sizes": [8, 8, 8, 8, 8], "solver": "sgd", "learning_rate_init": 0.1}
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


def import_records(
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

    Example: dynamics import 17h32m49s22June2020.json > from_2020.yaml
    """
    root = project_root(Path.cwd())
    path = root / "params.yaml"
    known = [carried(file, path) for file in files]  # all of them before any runs
    for number, experiment in enumerate(known):
        name = experiment.source.name
        if run:
            print(f"{name}: {settings.described(experiment.values)}", flush=True)
        else:
            print("---\n" * (number > 0) + as_yaml(experiment, path), end="", flush=True)
        print(f"{name}, not carried over or changed:", file=sys.stderr)
        print(*(f"  {line}" for line in experiment.left_behind), sep="\n", file=sys.stderr)
        if run:
            end_like_ctrl_c()
            with alone(root):
                dvc.prepare(root)
                settings.write(root, experiment.values)
                execute(root, {tracking.NOTE: experiment.note} if experiment.note else {})


@dataclass(frozen=True)
class Carried:
    """A record of 2020 as settings of today."""

    source: Path
    values: dict[str, Any]  # dotted keys
    note: str
    left_behind: list[str]  # what could not be carried over, and what was decided


def carried(source: Path, params_file: Path) -> Carried:
    """Read a record; what it does not say stays as in ``params_file``."""
    record = _read(source)
    left = []
    if "network_parameters" not in record:
        left.append(
            "network_parameters: not in this record; the script had five hidden layers of 8, relu, "
            "sgd at 0.1 then"
        )
    if record.pop("average_hidden_layers", None):
        left.append("average_hidden_layers: weights are no longer averaged; all are projected")
    network, lost = _network(record.pop("network_parameters", FIRST) or {})
    layer = record.pop("layer_to_track", None)
    first = record.pop("track_first_n_layers_separately", None) or None  # false was "no", too
    only = bool(record.pop("train_projection_model_on_first_only", None))
    note = str(record.pop("notes", None) or "")
    try:
        viewed = options_2020.view(layer, first, len(network["network.hidden_layers"]))
    except ParamsError as error:
        raise ParamsError(f"{source.name}: {error}") from None
    values = {
        "conditions": ["scratch"],
        "contrasts": [],
        "train.epochs": record.pop("training_iterations"),
        "pairs": record.pop("number_of_networks"),
        # One after each pass through the data; each network shuffled for itself.
        "train.snapshots": {"first_epoch": 1, "per_epoch": 1},
        "train.batch_order": "per_pair",
        "view.parameters": "*.weight",
        "view.separately": False,
        "project.methods": [options_2020.method(str(record.pop("projection_model")))],
        "project.fit_on_first_network_only": only,
        **network,
        **viewed,
    }
    settings.checked(params_file.parent, values, origin=source.name)
    unknown = [f"{key}: not a setting of 2020 that is known" for key in record]
    note = "".join(each if each.isprintable() or each == "\n" else " " for each in note)
    note = "" if note == "..." else note  # what the script wrote when nothing was said
    return Carried(source, values, note, [*unknown, *left, *lost, SEEDS])


def as_yaml(experiment: Carried, params_file: Path) -> str:
    """A whole ``params.yaml`` for a record, its comments included."""
    note = " ".join(experiment.note.split())
    head = f"# {experiment.source.name}, an experiment of 2020{f': {note}' if note else ''}\n"
    return head + settings.text_with(params_file, experiment.values)


def _read(source: Path) -> dict[str, Any]:
    try:
        record = json.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParamsError(
            f"{source} cannot be read: {error.strerror}; expected a record of 2020."
        ) from None
    except (ValueError, RecursionError) as error:
        raise ParamsError(f"{source} is not valid JSON: {error}.") from None
    missing = [key for key in NEEDED if not isinstance(record, dict) or key not in record]
    if missing:
        raise ParamsError(
            f"{source} is not a record of 2020: it has no {', '.join(missing)}. Expected the "
            "TIMESTAMP.json that the script of 2020 wrote beside its results."
        )
    if not isinstance(record.get("network_parameters") or {}, dict):
        raise ParamsError(f"{source.name}: network_parameters is no object; expected one.")
    return record


def _network(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The keys of ``params.yaml`` for a scikit-learn network; settings that have no equivalent."""
    found = SKLEARN | given
    lost = [
        f"network_parameters.{key} = {value}: there is no such setting"
        for key, value in given.items()
        if key not in (*SKLEARN, *NO_EFFECT) and (key not in SAME or value != SAME[key])
    ]
    sizes, batch = found["hidden_layer_sizes"], found["batch_size"]
    return {
        "network.hidden_layers": sizes if isinstance(sizes, list) else [sizes],
        "network.activation": found["activation"],
        "train.optimiser": found["solver"],
        "train.learning_rate": found["learning_rate_init"],
        "train.weight_decay": found["alpha"],
        "train.batch_size": 200 if batch == "auto" else batch,  # scikit-learn's meaning of it
    }, lost
