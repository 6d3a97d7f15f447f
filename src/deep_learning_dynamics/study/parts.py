"""Ensembles in parts: pairs that train apart from others, on a cluster or to save memory.

A network's training depends on itself alone, to the last bit, so that the store is the same however
many networks train together. Each part has a store of its own until all are there.
"""

import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import chdir
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deep_learning_dynamics import environment, store
from deep_learning_dynamics.errors import ExecutionError
from deep_learning_dynamics.execution import ThisProcess, connected, run_tasks
from deep_learning_dynamics.formatting import listed
from deep_learning_dynamics.store.writer import BUFFER_BYTES
from deep_learning_dynamics.study import phases
from deep_learning_dynamics.study.params import record_plugins, validate
from deep_learning_dynamics.study.stores import PRETRAIN
from deep_learning_dynamics.study.training import Observer, Training
from deep_learning_dynamics.tracking.dvc_files import md5_of

if TYPE_CHECKING:
    from deep_learning_dynamics.study.params import Params

# Bytes of weights and mini-batches that train together. Little work for a cluster, so that many
# workers share it; here as much as every machine has memory for. Sizes follow from the data.
OF_WORKER, OF_MACHINE = 8 * 2**20, 256 * 2**20
COPIES = 6  # of a network's weights: with gradients, an optimiser's two states, what is recorded
WHOLE = "zarr.json"  # the file without which a part is trained again
ONE_AT_A_TIME = threading.Lock()  # threads of a worker share one working directory
BYTES_OF_EXAMPLE = 12  # in the order of mini-batches


@dataclass(frozen=True)
class Part:
    """Some pairs of a phase."""

    phase: str  # "pretraining" or "main_training"
    params: dict[str, Any]  # plain values
    plugins: dict[str, Any]  # hashes of their code
    pairs: range
    root: Path  # of the project
    path: Path  # of the part's store
    threads: int


def train(
    phase: str,
    params: "Params",
    training: Training,
    observe: Observer = lambda step, epoch, scores: None,
    progress: Callable[[int, int], Any] = lambda done, of: None,
) -> None:
    """Run the training of a phase, in parts where it is large or there is a cluster.

    Parts that an interrupted run of the same training left are not trained again.

    Args:
        phase: the name of the function of ``phases`` that made it.
        observe: called at every snapshot, as by :meth:`Training.run`; not where there are parts.
        progress: called with the number of parts that are done, and of all.
    """
    # torch's arithmetic depends on how many networks train together.
    apart = training.attributes["arithmetic"] == "portable"
    whole = plan(training, OF_MACHINE) if apart else [range(params.pairs)]
    small = plan(training, OF_WORKER) if apart else whole
    cluster = connected() if len(small) > 1 else None  # which is not started for little work
    pairs = whole if cluster is None else small
    if len(pairs) == 1:
        training.run(observe)
        return
    folder = training.path.absolute().with_name(f".{training.path.name}.parts")
    plain, plugins = params.as_json(), record_plugins(params.plugins)
    own = folder / _digest(phase, plain, plugins, pairs)
    for other in folder.glob("*"):  # of another training
        if other != own:
            _remove(other)
    for unfinished in own.glob(".*"):
        shutil.rmtree(unfinished)
    threads = environment.cores() if cluster is None else 1
    parts = [
        Part(phase, plain, plugins, of_part, Path().absolute(), own / f"{number}.zarr", threads)
        for number, of_part in enumerate(pairs)
    ]
    label, backend = f"parts of {training.title}", cluster or ThisProcess()
    for _ in run_tasks(_train, parts, label=label, progress=progress, backend=backend):
        pass
    # As many snapshots share a chunk as if each of the machine's parts had a store.
    with training.writer(BUFFER_BYTES * len(whole)) as writer:
        for part in parts:
            writer.insert(part.path)
        with store.open([part.path for part in parts]) as runs:
            outcomes = runs["outcome"].to_series()
        writer.label("outcome", outcomes.loc[training.networks.index].tolist())
    _remove(own)
    shutil.rmtree(folder)


def plan(training: Training, most: int) -> list[range]:
    """The pairs of each part: parts of about equal size that need ``most`` bytes or less."""
    networks, settings = training.networks, training.settings
    pairs = networks["pair"].nunique()
    each = 4 * COPIES * training.parameters.size * len(networks) / pairs
    if settings.batch_order == "per_pair":
        each += BYTES_OF_EXAMPLE * len(training.task.labels)
    parts = -(-pairs // max(1, int(most / each)))
    edges = [pairs * number // parts for number in range(parts + 1)]
    return [range(start, stop) for start, stop in pairwise(edges)]


def _train(part: Part) -> None:
    if (part.path / WHOLE).exists():
        return
    with ONE_AT_A_TIME, chdir(part.root):
        params = validate(part.params, sections=tuple(part.params))
        if _of_process(tuple(part.plugins)) != part.plugins:
            raise ExecutionError(
                f"The code of {listed(list(part.plugins))} has changed since a worker imported it; "
                "expected the same as here. Start the workers again."
            )
        training = getattr(phases, part.phase)(params, part.pairs, part.threads)
        replace(training, path=part.path).run()


@cache
def _of_process(plugins: tuple[str, ...]) -> dict[str, Any]:
    """Hashes of plug-ins as this process has imported them: a worker outlives changes of files."""
    return record_plugins(plugins)


def _digest(
    phase: str, params: dict[str, Any], plugins: dict[str, Any], pairs: Sequence[range]
) -> str:
    """Of all that the parts are made of."""
    inputs = [Path("data", f"{params[name]['dataset']}.npz") for name in ("pretrain", "train")]
    if phase == "main_training":
        inputs.append(PRETRAIN)
    made_of = [phase, params, plugins, [each.start for each in pairs], environment.package_digest()]
    made_of += [md5_of(each) for each in inputs if each.exists()]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]


def _remove(parts: Path) -> None:
    """Remove the parts of a training; if interrupted, what is left does not look whole."""
    shutil.rmtree(parts.rename(parts.with_suffix(".old")))
