"""The two phases of the study: pre-training, and training in every condition."""

from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32

from deep_learning_dynamics import environment, seeds
from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.files import replacing
from deep_learning_dynamics.study import datasets, training
from deep_learning_dynamics.study.conditions import CONDITIONS
from deep_learning_dynamics.study.networks import NETWORKS, Ensemble, Network
from deep_learning_dynamics.study.optimisers import Optimisation
from deep_learning_dynamics.study.stores import PRETRAIN, TRAIN, network_name
from deep_learning_dynamics.study.training import Cohort, Task, Training

if TYPE_CHECKING:
    from deep_learning_dynamics.study.params import Params


def pretraining(
    params: "Params", pairs: Sequence[int] | None = None, threads: int | None = None
) -> Training | None:
    """Train what the conditions start from, from the initialisation of each pair.

    ``None``: no condition needs it, and a store without networks was left in its place.

    Recorded are the weights of a network for the dataset of training: its output layer waits
    unchanged, and that of pre-training is not recorded. So both stores have the same parameters.

    Args:
        pairs: which of them; all by default.
        threads: how many may be used; otherwise one for each core.
    """
    needed = _pretrainings(params)
    if not needed:
        with replacing(PRETRAIN) as partial:
            partial.mkdir()
            (partial / "README").write_text("No condition needs pre-training.\n")
        return None
    settings, pairs = params.pretrain, pairs or range(params.pairs)
    task = _task(params, settings.dataset)
    network = _network(params, task.shape, task.classes)
    # The network that will be trained afterwards, as its output layer is recorded.
    after = _network(params, task.shape, _task(params, params.train.dataset).classes)
    names, groups = training.grouped(pairs, settings.batch_order)

    @cache
    def waiting() -> Float32[np.ndarray, "network w"]:
        return _initial(after, params.seed, pairs, params.train.dataset)

    def recorded(weights: Float32[np.ndarray, "network w"]) -> Float32[np.ndarray, "network w2"]:
        kept = waiting().copy()
        kept[:, ~after.output] = weights[:, ~network.output]
        return kept

    def start() -> Ensemble:
        initial = _initial(network, params.seed, pairs, settings.dataset)
        return _ensemble(network, initial, settings, groups, threads)

    cohorts = []
    for key in needed:
        rng = seeds.generator(params.seed, "labels", key, settings.dataset)
        labels = CONDITIONS[key]().labels(task.labels, rng)
        rows = [_row(settings.dataset, key, pair) for pair in pairs]
        table = pd.DataFrame(rows).set_index("network")
        cohorts.append(Cohort(table, start, labels, recorded))
    return Training(
        PRETRAIN,
        tuple(cohorts),
        names,
        task,
        settings,
        params.seed,
        after.parameters,
        _attributes(params),
        datasets.DATASETS[settings.dataset].title,
        with_outputs=False,  # of other classes than those after it
    )


def main_training(
    params: "Params", pairs: Sequence[int] | None = None, threads: int | None = None
) -> Training:
    """Train the networks of all conditions, with their rounding twins, all at once.

    Args:
        pairs: which of them; all by default.
        threads: how many may be used; otherwise one for each core.

    Raises:
        StoreError: when it starts, if the store of pre-training is not what is needed.
    """
    settings, pairs = params.train, pairs or range(params.pairs)
    task = _task(params, settings.dataset)
    network = _network(params, task.shape, task.classes)
    rows = []
    for key in params.conditions:
        before = CONDITIONS[key].pretraining if CONDITIONS[key].continues else None
        for pair in pairs:
            source = network_name(params.pretrain.dataset, before, pair) if before else ""
            rows.append(_row(settings.dataset, key, pair) | {"continues": source})
    originals = len(rows)
    if params.twins:
        rows += [
            row | {"network": f"{row['network']}/twin", "twin": True, "continues": ""}
            for row in rows
        ]
    of_pair = [row["pair"] for row in rows]
    names, groups = training.grouped(of_pair, settings.batch_order)

    def start() -> Ensemble:
        ends = {key: _ends(key, params, network, pairs) for key in _pretrainings(params)}
        initial = _initial(network, params.seed, pairs, settings.dataset)
        sensitive = network.sensitive(task.images)
        weights = np.empty((len(rows), network.parameters.size), np.float32)
        for number, row in enumerate(rows):
            key, pair = row["condition"], row["pair"]
            if row["twin"]:
                rng = seeds.generator(params.seed, "twin", key, pair)
                weights[number] = twin_start(weights[number - originals], sensitive, rng)
                continue
            condition, position = CONDITIONS[key](), number % len(pairs)
            pretrained = ends[condition.pretraining][position] if condition.pretraining else None
            rng = seeds.generator(params.seed, "condition", key, pair)
            own = condition.start(initial[position], pretrained, network.parameters, rng)
            weights[number] = np.where(network.output, initial[position], own)
        return _ensemble(network, weights, settings, groups, threads)

    table = pd.DataFrame(rows).set_index("network")
    return Training(
        TRAIN,
        (Cohort(table, start, task.labels, lambda weights: weights),),
        names,
        task,
        settings,
        params.seed,
        network.parameters,
        _attributes(params),
        datasets.DATASETS[settings.dataset].title,
        with_outputs=True,
    )


def twin_start(
    start: Float32[np.ndarray, " weight"],
    sensitive: Bool[np.ndarray, " weight"],
    rng: np.random.Generator,
) -> Float32[np.ndarray, " weight"]:
    """Where the twin of a network starts: one unit in the last place away, up or down at random.

    What becomes of the difference says how much of a result rounding alone could have made: another
    processor, another order of sums.

    Args:
        sensitive: weights that are to differ. Those that the images cannot reach (from pixels that
            are always dark) get no gradient, and a change of them would change nothing.
        rng: decides on the directions.
    """
    towards = np.where(rng.integers(0, 2, len(start)) == 0, -np.inf, np.inf).astype(np.float32)
    return np.where(sensitive, np.nextafter(start, towards), start)


def _pretrainings(params: "Params") -> list[str]:
    """The pre-trainings that the conditions need, each once, in their order."""
    needed = [CONDITIONS[key].pretraining for key in params.conditions]
    return list(dict.fromkeys(key for key in needed if key is not None))


def _ends(
    key: str, params: "Params", network: Network, pairs: Sequence[int]
) -> Float32[np.ndarray, "pair weight"]:
    """Where the pre-training of each pair ended.

    Raises:
        StoreError: the store of pre-training has other parameters or lacks a pair.
    """
    from deep_learning_dynamics import store

    remedy = "Make it again with: dvc repro --force pretrain"
    ends = []
    with store.open(PRETRAIN) as runs:
        found = store.Parameters.from_runs(runs)
        difference = network.parameters.difference(found, "network", str(PRETRAIN))
        if difference:
            raise StoreError(f"{difference}; expected the same. {remedy}")
        rows = {str(name): row for row, name in enumerate(runs["network"].values)}
        there = runs["step"].values >= 0
        for pair in pairs:
            name = network_name(params.pretrain.dataset, key, pair)
            if name not in rows:
                raise StoreError(f"{PRETRAIN} has no network {name}; expected one. {remedy}")
            last = int(np.flatnonzero(there[rows[name]])[-1])
            ends.append(runs["weights"].isel(network=rows[name], snapshot=last).values)
    return np.stack(ends)


def _row(dataset: str, condition: str, pair: int) -> dict[str, Any]:
    """What the store says of a network."""
    name = network_name(dataset, condition, pair)
    return {"network": name, "condition": condition, "pair": pair, "dataset": dataset,
            "twin": False}  # fmt: skip


def _task(params: "Params", dataset: str) -> Task:
    kept = params.train  # says how many examples are scored and probed, in both phases
    file = Path("data", f"{dataset}.npz").absolute()
    written = file.stat().st_mtime_ns if file.exists() else 0
    return _read_task(file, written, params.seed, kept.scored_examples, kept.probes)


@lru_cache(maxsize=2)  # of both phases; one part of a training after the other has it
def _read_task(file: Path, written: int, seed: int, scored_examples: int, probes: int) -> Task:
    return Task.of(file.stem, datasets.load(file), seed, scored_examples, probes)


def _network(params: "Params", shape: tuple[int, int], classes: int) -> Network:
    return NETWORKS[params.network.kind](params.network.settings(), shape, classes)


def _initial(
    network: Network, seed: int, pairs: Sequence[int], task: str
) -> Float32[np.ndarray, "pair weight"]:
    return np.stack([network.initial(seed, pair, task) for pair in pairs])


def _ensemble(
    network: Network,
    weights: Float32[np.ndarray, "network weight"],
    settings: Any,
    groups: list[int],
    threads: int | None,
) -> Ensemble:
    rule = Optimisation(settings.optimiser, settings.learning_rate, settings.weight_decay)
    return network.ensemble(weights, rule, groups, threads or environment.cores())


def _attributes(params: "Params") -> dict[str, Any]:
    kind, settings = NETWORKS[params.network.kind], vars(params.network.settings())
    device = "cpu"
    if kind.arithmetic == "torch":
        from deep_learning_dynamics.study import torch_training

        device = torch_training.device_name()
    before, task = params.pretrain.dataset, params.train.dataset
    title = {key: datasets.DATASETS[key].title for key in (before, task)}
    conditions = dict.fromkeys([*params.conditions, *_pretrainings(params)])
    return {
        # Such as the activation, whose symmetries an alignment takes out.
        **{name: value for name, value in settings.items() if isinstance(value, str | float | int)},
        "network": kind.key,
        "arithmetic": kind.arithmetic,
        "environment": environment.Environment.current(device).as_json(),
        "task": title[task],
        "titles": {
            "condition": {
                key: CONDITIONS[key].title.format(pretraining=title[before]) for key in conditions
            },
            "dataset": title,
        },
    }
