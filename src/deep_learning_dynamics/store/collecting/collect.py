"""Checkpoints of trainings of any kind, collected into one store of trajectories."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from itertools import accumulate, chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from deep_learning_dynamics.errors import CheckpointError, ParamsError, StoreError
from deep_learning_dynamics.execution import Cluster, connected, run_tasks
from deep_learning_dynamics.files import workspace
from deep_learning_dynamics.store.collecting import layouts, scores_files
from deep_learning_dynamics.store.collecting.checkpoint import Checkpoint, Options, open_checkpoint
from deep_learning_dynamics.store.collecting.layouts import Snapshot
from deep_learning_dynamics.store.opening import open as open_store
from deep_learning_dynamics.store.schema import Parameters, not_shares
from deep_learning_dynamics.store.writer import StoreWriter

if TYPE_CHECKING:
    import xarray as xr

# Running statistics of normalisation layers: floating-point, but not learnt.
BUFFERS = ("*running_mean", "*running_var", "*num_batches_tracked")

COLLECTED = "collected checkpoints"  # the attribute ``source`` of what is written here


def collect(
    pattern: str | Path,
    store: str | Path,
    *,
    scores: str | None = None,
    key: str | None = None,
    parameters: str | Sequence[str] = "all",
    lora: str = "delta",
    titles: Mapping[str, Mapping[str, str]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> "xr.Dataset":
    """Collect checkpoints into a store, and open it.

    Args:
        pattern: "runs/{group}-{seed}/step_{step}.pt", whose braces name coordinates of networks;
            or a folder, in which each folder that directly holds checkpoints is one run.
        store: where the trajectories go; what was collected there before is replaced once all are
            read.
        scores: files with the scores of each run, "runs/{group}-{seed}/log.json": JSON, JSON lines
            or CSV with a column ``step``.
        key: where in nested checkpoints the weights are, such as "model".
        parameters: names of those to collect, in which * stands for anything; "weights":
            matrices alone; "all": every floating-point tensor except running statistics.
        lora: of adapters, "delta" collects the change of each matrix, "factors" A and B.
        titles: display names of coordinates' values, {"group": {"adam": "Adam"}}.
        progress: called with the number of checkpoints read, and of all.

    Raises:
        CheckpointError: a checkpoint cannot be read safely, or differs from the first in its
            parameters; the message names the file and the parameter.
        ParamsError: ``lora`` is not known.
        StoreError: what is at ``store`` was not collected.
    """
    import pandas as pd

    if lora not in ("delta", "factors"):
        raise ParamsError(f"lora is {lora!r}; expected 'delta' or 'factors'.")
    _check_replaceable(Path(store))
    options = Options(key, lora)
    snapshots = layouts.find(str(pattern), options)
    with open_checkpoint(snapshots[0].path, options) as first:
        chosen = _chosen(first, parameters)
    runs = {run: list(of_run) for run, of_run in groupby(snapshots, lambda each: each.run)}
    columns = [dict(of_run[0].coordinates) for of_run in runs.values()]
    networks = pd.DataFrame(columns, index=list(runs))
    attributes: dict[str, Any] = {"source": COLLECTED}
    if titles is not None:
        attributes["titles"] = dict(titles)
    reading = _Reading(options, chosen, snapshots[0].path, scores)
    cluster = connected() if len(runs) > 1 else None
    longest = max(map(len, runs.values()))
    with StoreWriter(store, networks, chosen, attributes, longest, replace=True) as writer:
        if cluster is None:
            read = chain.from_iterable(reading.into(writer, each) for each in runs.values())
        else:
            read = _on_workers(cluster, reading, list(runs.values()), writer)
        for done in accumulate(read):
            if progress is not None:
                progress(done, len(snapshots))
    return open_store(store)


def _check_replaceable(store: Path) -> None:
    """Checkpoints can be collected again; a recorded training, or what else is there, cannot."""
    if not store.exists() or (store.is_dir() and not any(store.iterdir())):
        return
    try:
        attributes = json.loads((store / "zarr.json").read_text("utf-8"))["attributes"]
        collected = attributes.get("source") == COLLECTED
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        collected = False
    if not collected:
        raise StoreError(
            f"{store} is there and holds no collected checkpoints, so it is not replaced; expected "
            "a new store, or one that was collected. Name another one, or remove this."
        )


@dataclass(frozen=True)
class _Reading:
    """How checkpoints are read."""

    options: Options
    chosen: Parameters
    first: Path  # whose parameters all have
    scores: str | None

    def into(self, writer: StoreWriter, of_run: Sequence[Snapshot]) -> Iterator[int]:
        """Add a run's checkpoints to a store; yields 1 after each."""
        logged = {}
        if self.scores is not None:
            file = layouts.fill(self.scores, of_run[0].coordinates)
            logged = scores_files.read(file)
            for name, value in chain.from_iterable(each.items() for each in logged.values()):
                if wrong := not_shares(name, value):
                    raise CheckpointError(f"{file}: {wrong} Divide by 100.")
        for each in of_run:
            with open_checkpoint(each.path, self.options) as checkpoint:
                vector = _vector(checkpoint, self.chosen, self.first)
                known = checkpoint.scores | logged.get(each.step, {})
            writer.add_to(each.run, each.step, vector, known)
            yield 1


def _on_workers(
    cluster: Cluster, reading: _Reading, runs: list[list[Snapshot]], writer: StoreWriter
) -> Iterator[int]:
    """Have workers read the runs, each into a temporary store of its own, and join these.

    Yields how many snapshots were added.
    """
    # Workers may have another working directory.
    runs = [[replace(each, path=each.path.absolute()) for each in of_run] for of_run in runs]
    if reading.scores is not None:
        reading = replace(reading, scores=str(Path(reading.scores).absolute()))
    with workspace(writer.path.absolute()) as folder:
        work = partial(_collected, reading, folder)
        parts = run_tasks(work, list(enumerate(runs)), label="runs of checkpoints", backend=cluster)
        for of_run, part in zip(runs, parts, strict=True):
            writer.insert(part)
            shutil.rmtree(part)
            yield len(of_run)


def _collected(reading: _Reading, folder: Path, task: tuple[int, list[Snapshot]]) -> Path:
    """The store of one run."""
    import pandas as pd

    number, of_run = task
    path, networks = folder / f"{number}.zarr", pd.DataFrame(index=[of_run[0].run])
    with StoreWriter(path, networks, reading.chosen, None, len(of_run), replace=True) as writer:
        for _ in reading.into(writer, of_run):
            pass
    return path


def _chosen(checkpoint: Checkpoint, wanted: str | Sequence[str]) -> Parameters:
    """The table of the parameters to collect; statistics are among them if they are named."""
    tensors = {
        name: tensor
        for name, tensor in checkpoint.tensors.items()
        if tensor.is_floating
        and not (wanted == "all" and any(fnmatchcase(name, buffer) for buffer in BUFFERS))
    }
    try:
        chosen = Parameters.of_tensors(tensors, wanted)
    except StoreError as error:
        raise CheckpointError(f"{checkpoint.path}: {error}") from None
    for name in chosen.names:
        checkpoint.check_fits(name)
    return chosen


def _vector(
    checkpoint: Checkpoint, parameters: Parameters, first: Path
) -> Float[np.ndarray, " weight"]:
    """The weights of a checkpoint, if its parameters are those of the first one."""
    vector = np.empty(parameters.size, np.float32)
    for name, shape in zip(parameters.names, parameters.shapes, strict=True):
        if name not in checkpoint.tensors:
            raise CheckpointError(
                f"{checkpoint.path} has no parameter {name}, which {first} has; expected the same "
                "parameters in all checkpoints. Collect the others with parameters=..."
            )
        found = checkpoint.tensors[name].shape
        if found != shape:
            raise CheckpointError(
                f"{checkpoint.path}: {name} has shape {list(found)}, but {list(shape)} in {first}; "
                "expected the same network."
            )
        vector[parameters.slice(name)] = checkpoint.read(name).reshape(-1)
    return vector
