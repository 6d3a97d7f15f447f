"""Cross-field validation of ``params.yaml``: values that do not go together, or are too large."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from deep_learning_dynamics import environment
from deep_learning_dynamics.formatting import count, size
from deep_learning_dynamics.study.messages import shown

if TYPE_CHECKING:
    from deep_learning_dynamics.study.params import Params

SHAPE, CLASSES = (28, 28), 10  # of the digits, for estimates before data are there


def disagreements(params: "Params") -> Iterator[str]:
    """A sentence for each: the keys, what was found and what is expected.

    Sections that were not loaded are not compared.
    """
    there = set(type(params).model_fields)
    yield from _repeated(params, there)
    if {"contrasts", "conditions"} <= there:
        yield from _contrasts(params)
    if {"project"} <= there:
        yield from _sections_of_methods(params)
    if {"network", "conditions", "pairs", "twins", "pretrain", "train", "view", "project"} <= there:
        yield from _too_large(params)


def _repeated(params: "Params", there: set[str]) -> Iterator[str]:
    lists: dict[str, tuple] = {}
    if "data" in there:
        lists["data.sources"] = params.data.sources
    if "conditions" in there:
        lists["conditions"] = params.conditions
    if "project" in there:
        lists["project.methods"] = params.project.methods
    if "geometry" in there:
        lists["geometry.analyses"] = params.geometry.analyses
    if "figures" in there:
        lists["figures.formats"] = params.figures.formats
    for key, values in lists.items():
        for value in dict.fromkeys(value for value in values if values.count(value) > 1):
            yield f"{key} names {value} more than once; expected each at most once."


def _contrasts(params: "Params") -> Iterator[str]:
    for reference, other in params.contrasts:
        for key in (reference, other):
            if key not in params.conditions:
                yield (
                    f"contrasts names {key}, which is not in conditions "
                    f"({', '.join(params.conditions)}); expected two of them. Add it there."
                )
        if reference == other:
            yield f"contrasts compares {reference} with itself; expected two conditions."


def _sections_of_methods(params: "Params") -> Iterator[str]:
    # DVC hashes a method's settings by its section, so that it has to be there.
    for method in params.project.methods:
        if getattr(params.project, method) is None:
            names = ", ".join(vars(params.project.settings(method)))
            yield (
                f"project.{method} is missing, but project.methods names {method}; expected a "
                f"section with some of the keys {names}, or {{}} for its defaults."
            )


def _too_large(params: "Params") -> Iterator[str]:
    from deep_learning_dynamics.projection import METHODS
    from deep_learning_dynamics.study.conditions import CONDITIONS
    from deep_learning_dynamics.study.networks import NETWORKS

    network = NETWORKS[params.network.kind](params.network.settings(), SHAPE, CLASSES)
    weights = network.parameters.size
    conditions = [CONDITIONS[key] for key in params.conditions]
    phases = {
        "train": (params.pairs * len(conditions), params.train.snapshots, params.train.epochs),
        "pretrain": (
            params.pairs * len({c.pretraining for c in conditions} - {None}),
            params.pretrain.snapshots,
            params.pretrain.epochs,
        ),
    }
    per_network = {
        phase: 1 + snapshots.first_epoch + snapshots.per_epoch * (epochs - 1)
        for phase, (_, snapshots, epochs) in phases.items()
    }
    networks = phases["train"][0]
    taken = {
        phase: min(n, params.view.snapshots or n) if phase == "train" else n
        for phase, n in per_network.items()
    }
    rows = sum(phases[phase][0] * taken[phase] for phase in phases)
    found = f"{count(networks, 'network')} × their snapshots = {count(rows, 'row')}"
    fitted = taken["train"] if params.project.fit_on_first_network_only else rows
    for key in params.project.methods:
        most = METHODS[key].most_rows
        if most is not None and fitted > most:
            yield (
                f"project.methods names {key}, which takes at most {most:,} rows, but {found}. "
                f"Take {key} out, set view.snapshots (now {shown(params.view.snapshots)}) or "
                f"pairs ({params.pairs}) lower, or project.fit_on_first_network_only: true."
            )
    trained = networks * (2 if params.twins else 1)
    stored = (
        4
        * weights
        * (trained * per_network["train"] + phases["pretrain"][0] * per_network["pretrain"])
    )
    free = shutil.disk_usage(Path()).free
    if stored > free:
        yield (
            f"pairs is {params.pairs}: snapshots of {count(trained, 'network')} with "
            f"{weights:,} weights take {size(float(stored))} of disk, but {size(float(free))} are "
            "free. Set pairs, train.snapshots.per_epoch or network.hidden_layers lower."
        )
    needed = 12 * 4 * weights * trained  # weights, momentum, gradients, snapshots under way
    allowed = environment.memory()
    if needed > allowed:
        yield (
            f"pairs is {params.pairs}: training {count(trained, 'network')} of {weights:,} weights "
            f"takes about {size(float(needed))} of memory, but this process may use "
            f"{size(float(allowed))}. Set pairs or network.hidden_layers lower."
        )
