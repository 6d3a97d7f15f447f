"""The two phases of the study: pre-training, and training in every condition."""

from collections.abc import Callable, Sequence
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
    params: "Params",
    pairs: Sequence[int] | None = None,
    root: Path = Path(),
    threads: int | None = None,
) -> Training | None:
    """Train what the conditions start from, from the initialisation of each pair.

    ``None``: no condition needs it, and a store without networks was left in its place.

    Recorded are the weights of a network for the dataset of training: its output layer waits
    unchanged, and that of pre-training is not recorded. So both stores have the same parameters.

    Args:
        pairs: which of them; all by default.
        root: the project's folder.
        threads: how many may be used; otherwise one for each core.
    """
    needed = _pretrainings(params)
    if not needed:
        with replacing(root / PRETRAIN) as partial:
            partial.mkdir()
            (partial / "README").write_text("No condition needs pre-training.\n")
        return None
    settings, pairs = params.pretrain, _pairs(params, pairs)
    task = _task(params, settings.dataset, root)
    kind = NETWORKS[params.network.kind]
    network = kind(params.network.settings(), task.shape, task.classes)
    # The network that will be trained afterwards, as its output layer is recorded.
    classes = _task(params, params.train.dataset, root).classes
    after = kind(params.network.settings(), task.shape, classes)
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
        return network.ensemble(initial, _optimisation(settings), groups, _threads(threads))

    cohorts = []
    for key in needed:
        rng = seeds.generator(params.seed, "labels", key, settings.dataset)
        labels = CONDITIONS[key]().labels(task.labels, rng)
        table = _table(
            [network_name(settings.dataset, key, pair) for pair in pairs],
            condition=key,
            pair=list(pairs),
            dataset=settings.dataset,
            twin=False,
        )
        cohorts.append(Cohort(table, start, labels, names, recorded))
    return Training(
        root / PRETRAIN,
        tuple(cohorts),
        task,
        settings,
        params.seed,
        after.parameters,
        _attributes(params, kind),
        datasets.DATASETS[settings.dataset].title,
        with_outputs=False,  # of other classes than those after it
    )


def main_training(
    params: "Params",
    pairs: Sequence[int] | None = None,
    root: Path = Path(),
    threads: int | None = None,
) -> Training:
    """Train the networks of all conditions, with their rounding twins, all at once.

    Args:
        pairs: which of them; all by default.
        root: the project's folder.
        threads: how many may be used; otherwise one for each core.
    """
    settings, pairs = params.train, _pairs(params, pairs)
    task = _task(params, settings.dataset, root)
    kind = NETWORKS[params.network.kind]
    network = kind(params.network.settings(), task.shape, task.classes)
    learnt = {key: _ends(key, params, network, pairs, root) for key in _pretrainings(params)}
    rows = []
    for key in params.conditions:
        condition = CONDITIONS[key]
        for pair in pairs:
            source = (
                network_name(params.pretrain.dataset, str(condition.pretraining), pair)
                if condition.continues
                else ""
            )
            rows.append((network_name(settings.dataset, key, pair), key, pair, False, source))
    if params.twins:
        rows += [(f"{name}/twin", key, pair, True, "") for name, key, pair, _, _ in rows]
    names, conditions, of_pair, is_twin, continues = zip(*rows, strict=True)
    table = _table(
        names,
        condition=conditions,
        pair=of_pair,
        dataset=settings.dataset,
        twin=is_twin,
        continues=continues,
    )
    group_names, groups = training.grouped(of_pair, settings.batch_order)

    def start() -> Ensemble:
        before = {key: read() for key, read in learnt.items()}
        initial = _initial(network, params.seed, pairs, settings.dataset)
        sensitive = network.sensitive(task.images)
        weights = np.empty((len(rows), network.parameters.size), np.float32)
        originals = len(params.conditions) * len(pairs)
        for row, (_, key, pair, twin, _) in enumerate(rows):
            if twin:
                rng = seeds.generator(params.seed, "twin", key, pair)
                weights[row] = twin_start(weights[row - originals], sensitive, rng)
                continue
            condition, position = CONDITIONS[key](), row % len(pairs)
            pretrained = before[condition.pretraining][position] if condition.pretraining else None
            rng = seeds.generator(params.seed, "condition", key, pair)
            own = condition.start(initial[position], pretrained, network.parameters, rng)
            weights[row] = np.where(network.output, initial[position], own)
        return network.ensemble(weights, _optimisation(settings), groups, _threads(threads))

    cohort = Cohort(table, start, task.labels, group_names, lambda weights: weights)
    return Training(
        root / TRAIN,
        (cohort,),
        task,
        settings,
        params.seed,
        network.parameters,
        _attributes(params, kind),
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


def condition_titles(params: "Params") -> dict[str, str]:
    """What the conditions are called for people."""
    pretraining = datasets.DATASETS[params.pretrain.dataset].title
    keys = dict.fromkeys([*params.conditions, *_pretrainings(params)])
    return {key: CONDITIONS[key].title.format(pretraining=pretraining) for key in keys}


def _pretrainings(params: "Params") -> list[str]:
    """The pre-trainings that the conditions need, each once, in their order."""
    needed = [CONDITIONS[key].pretraining for key in params.conditions]
    return list(dict.fromkeys(key for key in needed if key is not None))


def _ends(
    key: str, params: "Params", network: Network, pairs: Sequence[int], root: Path
) -> Callable[[], Float32[np.ndarray, "pair weight"]]:
    """Reads where the pre-training of each pair ended.

    Raises:
        StoreError: the store of pre-training has other parameters or lacks a pair.
    """
    from deep_learning_dynamics import store

    remedy = "Make it again with: dvc repro --force pretrain"
    places = []
    with store.open(root / PRETRAIN) as runs:
        found, here = store.Parameters.from_runs(runs), network.parameters
        difference = here.difference(found, "network", str(PRETRAIN))
        if difference:
            raise StoreError(f"{difference}; expected the same. {remedy}")
        rows = {str(name): row for row, name in enumerate(runs["network"].values)}
        for pair in pairs:
            name = network_name(params.pretrain.dataset, key, pair)
            if name not in rows:
                raise StoreError(f"{PRETRAIN} has no network {name}; expected one. {remedy}")
            steps = runs["step"].values[rows[name]]
            places.append((rows[name], int(np.flatnonzero(steps >= 0)[-1])))

    def read() -> Float32[np.ndarray, "pair weight"]:
        with store.open(root / PRETRAIN) as runs:
            weights = runs["weights"]
            return np.stack([weights.isel(network=n, snapshot=s).values for n, s in places])

    return read


def _pairs(params: "Params", pairs: Sequence[int] | None) -> Sequence[int]:
    return range(params.pairs) if pairs is None else pairs


def _threads(threads: int | None) -> int:
    return environment.cores() if threads is None else threads


def _task(params: "Params", dataset: str, root: Path) -> Task:
    kept = params.train  # says how many examples are scored and probed, in both phases
    file = root / "data" / f"{dataset}.npz"
    written = file.stat().st_mtime_ns if file.exists() else 0
    return _read_task(dataset, file, written, params.seed, kept.scored_examples, kept.probes)


@lru_cache(maxsize=2)  # of both phases; one part of a training after the other has it
def _read_task(
    dataset: str, file: Path, written: int, seed: int, scored_examples: int, probes: int
) -> Task:
    return Task.of(dataset, datasets.load(file), seed, scored_examples, probes)


def _initial(
    network: Network, seed: int, pairs: Sequence[int], task: str
) -> Float32[np.ndarray, "pair weight"]:
    return np.stack([network.initial(seed, pair, task) for pair in pairs])


def _optimisation(settings: Any) -> Optimisation:
    return Optimisation(settings.optimiser, settings.learning_rate, settings.weight_decay)


def _table(names: Sequence[str], **columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns, index=pd.Index(names, name="network"))


def _attributes(params: "Params", kind: type[Network]) -> dict[str, Any]:
    settings = vars(params.network.settings())
    return {
        # Such as the activation, whose symmetries an alignment takes out.
        **{name: value for name, value in settings.items() if isinstance(value, str | float | int)},
        "network": kind.key,
        "arithmetic": kind.arithmetic,
        "task": datasets.DATASETS[params.train.dataset].title,
        "titles": {
            "condition": condition_titles(params),
            "dataset": {
                key: datasets.DATASETS[key].title
                for key in (params.pretrain.dataset, params.train.dataset)
            },
        },
    }
