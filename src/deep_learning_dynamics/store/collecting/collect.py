"""Checkpoints of trainings of any kind, collected into one store of trajectories."""

import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from itertools import chain, groupby, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from deep_learning_dynamics.errors import CheckpointError, ParamsError, StoreError
from deep_learning_dynamics.execution import Cluster, connected, run_tasks
from deep_learning_dynamics.store.collecting import layouts, scores_files
from deep_learning_dynamics.store.collecting.checkpoint import (
    Checkpoint,
    Options,
    check_fits,
    open_checkpoint,
)
from deep_learning_dynamics.store.collecting.layouts import Found
from deep_learning_dynamics.store.opening import open as open_store
from deep_learning_dynamics.store.schema import Parameters
from deep_learning_dynamics.store.writer import StoreWriter

if TYPE_CHECKING:
    import xarray as xr

# Running statistics of normalisation layers: floating-point, but not learnt.
BUFFERS = ("*running_mean", "*running_var", "*num_batches_tracked")


@dataclass(frozen=True)
class Snapshot:
    """A checkpoint with the run and the step that it belongs to."""

    run: str
    step: int
    found: Found


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
        store: where the trajectories go; what is there is replaced once all are read.
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
    """
    import pandas as pd

    if lora not in ("delta", "factors"):
        raise ParamsError(f"lora is {lora!r}; expected 'delta' or 'factors'.")
    options = Options(key, lora)
    snapshots = find_snapshots(str(pattern), options)
    first = snapshots[0].found.path
    with open_checkpoint(first, options) as checkpoint:
        chosen = _chosen(checkpoint, parameters, first)
    runs = {run: list(of_run) for run, of_run in groupby(snapshots, lambda each: each.run)}
    columns = [dict(of_run[0].found.coordinates) for of_run in runs.values()]
    networks = pd.DataFrame(columns, index=list(runs))
    attributes: dict[str, Any] = {"source": "collected checkpoints"}
    if titles is not None:
        attributes["titles"] = dict(titles)
    longest, total = max(map(len, runs.values())), len(snapshots)
    reading = _Reading(options, chosen, first, scores)
    tell = progress or (lambda done, of: None)
    cluster = connected() if len(runs) > 1 else None
    with StoreWriter(store, networks, chosen, attributes, longest, replace=True) as writer:
        if cluster is None:
            read = chain.from_iterable(reading.into(writer, *each) for each in runs.items())
            for done, _ in enumerate(read, 1):
                tell(done, total)
        else:
            _on_workers(cluster, reading, runs, writer, tell)
    return open_store(store)


@dataclass(frozen=True)
class _Reading:
    """How checkpoints are read."""

    options: Options
    chosen: Parameters
    first: Path  # whose parameters all have
    scores: str | None

    def into(self, writer: StoreWriter, run: str, snapshots: Sequence[Snapshot]) -> Iterator[None]:
        """Add a run's checkpoints to a store; yields after each."""
        coordinates, scores = snapshots[0].found.coordinates, self.scores
        logged = scores_files.read(layouts.fill(scores, coordinates)) if scores else {}
        for each in snapshots:
            with open_checkpoint(each.found.path, self.options) as checkpoint:
                vector = _vector(checkpoint, self.chosen, each.found.path, self.first)
                known = dict(checkpoint.scores) | logged.get(each.step, {})
            writer.add_to(run, each.step, vector, known)
            yield


def _on_workers(
    cluster: Cluster,
    reading: _Reading,
    runs: Mapping[str, Sequence[Snapshot]],
    writer: StoreWriter,
    tell: Callable[[int, int], None],
) -> None:
    """Each run by a worker, into a store of its own beside the one that they become."""
    done, path = 0, writer.path.absolute()
    with TemporaryDirectory(prefix=f".{path.name}.runs.", dir=path.parent) as folder:
        work = partial(_collected, reading, Path.cwd(), Path(folder))
        tasks = list(enumerate(runs.values()))
        for number, part in enumerate(
            run_tasks(work, tasks, label="runs of checkpoints", backend=cluster)
        ):
            writer.insert(part)
            shutil.rmtree(part)
            done += len(tasks[number][1])
            tell(done, sum(map(len, runs.values())))


def _collected(
    reading: _Reading, here: Path, folder: Path, task: tuple[int, Sequence[Snapshot]]
) -> Path:
    """The store of one run; ``here`` is what paths are relative to."""
    import pandas as pd

    number, snapshots = task
    away = [
        replace(each, found=replace(each.found, path=here / each.found.path)) for each in snapshots
    ]
    if reading.scores is not None:
        reading = replace(reading, scores=str(here / reading.scores))
    path, run = folder / f"{number}.zarr", snapshots[0].run
    networks = pd.DataFrame(index=[run])
    with StoreWriter(path, networks, reading.chosen, None, len(snapshots), replace=True) as writer:
        for _ in reading.into(writer, run, away):
            pass
    return path


def find_snapshots(pattern: str, options: Options) -> list[Snapshot]:
    """The checkpoints of every run in the order of their steps.

    Where a training has stages whose steps start again, those of a later stage follow the last step
    of the one before, and a warning says so.

    Raises:
        CheckpointError: none is there, or a checkpoint's step is neither in its name nor in it, or
            two of a run have the same.
    """
    snapshots: list[Snapshot] = []
    for coordinates, group in groupby(layouts.find(pattern), lambda each: each.coordinates):
        run = "-".join(value for _, value in coordinates) or "run"
        known = (replace(each, step=_step(each, options)) for each in group)
        of_run = sorted(known, key=lambda each: (each.stage, each.step))
        for before, after in pairwise(of_run):
            if (before.stage, before.step) == (after.stage, after.step):
                raise CheckpointError(
                    f"{before.path} and {after.path} are both step {before.step} of run {run}; "
                    "expected one checkpoint for each step. Leave one out, or tell the runs apart "
                    'with a pattern such as "runs/{run}/step_{step}.pt".'
                )
        snapshots += [Snapshot(run, step, each) for each, step in _continued(of_run, run)]
    return snapshots


def _continued(of_run: list[Found], run: str) -> Iterator[tuple[Found, int]]:
    offset = last = 0
    stage = of_run[0].stage
    for each in of_run:
        assert each.step is not None
        if each.stage != stage:
            if each.step <= last - offset:
                warnings.warn(
                    f"Run {run}: stage {each.stage} starts again at step {each.step}; its steps "
                    f"are counted on from {last}.",
                    stacklevel=4,
                )
                offset = last
            stage = each.stage
        last = each.step + offset
        yield each, last


def _step(found: Found, options: Options) -> int:
    if found.step is not None:
        return found.step
    with open_checkpoint(found.path, options) as checkpoint:
        if checkpoint.step is not None and checkpoint.step >= 0:
            return checkpoint.step
    raise CheckpointError(
        f"{found.path} has no step, neither in its name nor in it; expected a name such as "
        'step_1000, or a pattern that says where it is: "runs/{run}/{step}.pt".'
    )


def _chosen(checkpoint: Checkpoint, wanted: str | Sequence[str], path: Path) -> Parameters:
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
        raise CheckpointError(f"{path}: {error}") from None
    for name in chosen.names:
        check_fits(path, name, tensors[name])
    return chosen


def _vector(
    checkpoint: Checkpoint, parameters: Parameters, path: Path, first: Path
) -> Float[np.ndarray, " weight"]:
    """The weights of a checkpoint, if its parameters are those of the first one."""
    vector = np.empty(parameters.size, np.float32)
    for name, shape in zip(parameters.names, parameters.shapes, strict=True):
        if name not in checkpoint.tensors:
            raise CheckpointError(
                f"{path} has no parameter {name}, which {first} has; expected the same "
                "parameters in all checkpoints. Collect the others with parameters=..."
            )
        found = checkpoint.tensors[name].shape
        if found != shape:
            raise CheckpointError(
                f"{path}: {name} has shape {list(found)}, but {list(shape)} in {first}; "
                "expected the same network."
            )
        vector[parameters.slice(name)] = checkpoint.read(name).reshape(-1)
    return vector
