"""Cross-field validation of ``params.yaml``: values that do not go together, or are too large."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from deep_learning_dynamics import environment
from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.formatting import count, listed, size
from deep_learning_dynamics.study.sections import shown

if TYPE_CHECKING:
    from deep_learning_dynamics.study.params import Params


def disagreements(params: "Params") -> Iterator[str]:
    """A sentence for each: the keys, what was found and what is expected."""
    lists = {
        "data.sources": params.data.sources,
        "conditions": params.conditions,
        "project.methods": params.project.methods,
        "geometry.analyses": params.geometry.analyses,
        "figures.formats": params.figures.formats,
    }
    for key, values in lists.items():
        for value in dict.fromkeys(value for value in values if values.count(value) > 1):
            yield f"{key} names {value} more than once; expected each at most once."
    for contrast in params.contrasts:
        for key in contrast:
            if key not in params.conditions:
                yield (
                    f"contrasts names {key}, which is not in conditions "
                    f"({', '.join(params.conditions)}); expected two of them. Add it there."
                )
        if len(set(contrast)) == 1:
            yield f"contrasts compares {contrast[0]} with itself; expected two conditions."
    from deep_learning_dynamics.study.conditions import CONDITIONS
    from deep_learning_dynamics.study.estimate import parameters

    continuing = [key for key in params.conditions if CONDITIONS[key].pretraining]
    if continuing and params.pretrain.dataset == params.train.dataset:
        yield (
            f"pretrain.dataset and train.dataset are both {params.train.dataset}; expected two, as "
            f"conditions names {listed(continuing)}. Set another one."
        )
    try:
        parameters(params).matching(params.view.parameters)
    except StoreError as error:
        yield f"view.parameters: {error}"
    # DVC hashes a method's settings by its section, so that it has to be there.
    for method in params.project.methods:
        if getattr(params.project, method) is None:
            names = ", ".join(vars(params.project.settings(method)))
            yield (
                f"project.{method} is missing, but project.methods names {method}; expected a "
                f"section with some of the keys {names}, or {{}} for its defaults."
            )
    yield from _too_large(params)


def _too_large(params: "Params") -> Iterator[str]:
    from deep_learning_dynamics.projection import METHODS
    from deep_learning_dynamics.study.estimate import estimate

    sizes = estimate(params)
    found = f"{count(sizes.networks, 'network')} × their snapshots = {count(sizes.rows, 'row')}"
    for key in params.project.methods:
        most = METHODS[key].most_rows
        if most is not None and sizes.fitted > most:
            yield (
                f"project.methods names {key}, which takes at most {most:,} rows, but {found}. "
                f"Take {key} out, set view.snapshots (now {shown(params.view.snapshots)}) or "
                f"pairs ({params.pairs}) lower, or project.fit_on_first_network_only: true."
            )
    trained = f"{count(sizes.trained, 'network')} of {sizes.weights:,} weights"
    free = shutil.disk_usage(Path()).free
    if sizes.stored > free:
        yield (
            f"pairs is {params.pairs}: snapshots of {trained} take {size(sizes.stored)} of disk, "
            f"but {size(float(free))} are free. Set pairs, train.snapshots.per_epoch or "
            "network.hidden_layers lower."
        )
    allowed = environment.memory()
    if sizes.least > allowed:  # what refits take beyond it depends on cores alone
        yield (
            f"pairs is {params.pairs}: {trained}, {count(sizes.rows, 'row')}, take about "
            f"{size(sizes.least)} of memory, but this process may use {size(float(allowed))}. "
            "Set pairs, view.snapshots or network.hidden_layers lower."
        )
