"""Is something wrong with snapshots? Checks of a store, or of checkpoints before collecting them.

Published checkpoints have been found to hold the same weights under different steps, so names are
not believed: what counts is what the weights say.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deep_learning_dynamics.errors import CheckpointError, DynamicsError, StoreError
from deep_learning_dynamics.formatting import listed, number
from deep_learning_dynamics.store import schema
from deep_learning_dynamics.store.collecting import layouts
from deep_learning_dynamics.store.collecting.checkpoint import Options, open_checkpoint
from deep_learning_dynamics.store.opening import open as open_store
from deep_learning_dynamics.store.opening import stores_at

if TYPE_CHECKING:
    import xarray as xr

JUMP = 10.0  # times the median step of the neighbours
NEIGHBOURS = 3  # steps before and after that one is compared with
FEWEST = 3  # snapshots from which on a parameter that never moved is remarkable
LOW_RESOLUTION = {"bfloat16": 2**-8, "float16": 2**-11}


@dataclass(frozen=True)
class AuditFinding:
    """Something that was found in a snapshot or a run."""

    problem: str  # "identical", "step", "jump", "not finite", "unreadable", "frozen", "resolution"
    wrong: bool  # otherwise only worth knowing
    run: str
    step: int | None
    detail: str
    last_step: int | None = None  # where the snapshots from ``step`` to this one have the same


@dataclass(frozen=True)
class Audit:
    """All that was found."""

    runs: int
    snapshots: int
    findings: tuple[AuditFinding, ...]

    @property
    def passed(self) -> bool:
        return not any(finding.wrong for finding in self.findings)


@dataclass(frozen=True)
class _Source:
    """A snapshot, and how its weights are read."""

    run: str
    step: int
    where: str
    open: Callable[[], AbstractContextManager["_Opened"]]

    def finding(self, problem: str, detail: str, wrong: bool = True) -> AuditFinding:
        return AuditFinding(problem, wrong, self.run, self.step, detail)


@dataclass(frozen=True)
class _Opened:
    inner_step: int | None  # that the snapshot itself knows
    dtypes: dict[str, str]
    read: Callable[[str], np.ndarray]  # one parameter


def audit(
    source: "str | Path | xr.Dataset",
    *,
    key: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Audit:
    """Look for identical, disordered, damaged or implausible snapshots.

    Args:
        source: a store, or a pattern or folder of checkpoints as in :func:`collect`.
        key: where in nested checkpoints the weights are.

    Raises:
        StoreError: there is neither a store nor a checkpoint at ``source``.
    """
    sources = list(_sources(source, Options(key)))
    findings: list[AuditFinding] = []
    by_hash: dict[str, _Source] = {}
    first = {each.run: each for each in reversed(sources)}
    walks = {run: _Walk() for run in dict.fromkeys(each.run for each in sources)}
    for done, each in enumerate(sources, start=1):
        try:
            with each.open() as opened:
                digest, found = walks[each.run].visit(each, opened)
        except DynamicsError as error:
            found, before = each.finding("unreadable", str(error)), findings[-1:]
            # A chunk of a store holds several snapshots, all of which are lost with it.
            if [(one.run, one.detail) for one in before] == [(found.run, found.detail)]:
                found = replace(findings.pop(), last_step=each.step)
            findings.append(found)
            continue
        finally:
            if progress is not None:
                progress(done, len(sources))
        findings += found
        twin = by_hash.setdefault(digest, each)
        if twin is not each:
            # Runs may well share their initialisation.
            starts = each.run != twin.run and first[each.run] is each and first[twin.run] is twin
            detail = f"{each.where} has the same weights as {twin.where}"
            findings.append(each.finding("identical", detail, wrong=not starts))
    for run, walk in walks.items():
        findings += walk.of_run(run)
    return Audit(len(walks), len(sources), tuple(findings))


class _Walk:
    """Goes along the snapshots of one run with the weights of one before in memory."""

    def __init__(self) -> None:
        self._before: dict[str, np.ndarray] = {}
        self._last: int | None = None
        self._moved: dict[str, bool] = {}
        self._rates: list[tuple[int, float]] = []  # by step, distance / √steps
        self._dtypes: dict[str, str] = {}
        self._snapshots = 0

    def visit(self, source: _Source, opened: _Opened) -> tuple[str, list[AuditFinding]]:
        """A hash of the weights, and what is wrong with the snapshot."""
        digest, squares, not_finite = hashlib.sha256(), 0.0, []
        for name in sorted(opened.dtypes):
            values = np.ascontiguousarray(opened.read(name), np.float32)
            digest.update(name.encode() + values.tobytes())
            if not np.isfinite(values).all():
                not_finite.append(name)
            before = self._before.get(name)
            if before is not None and before.shape == values.shape:
                with np.errstate(invalid="ignore", over="ignore"):
                    change = (values - before).ravel().astype(np.float64)
                    squares += float(change @ change)
                self._moved[name] = self._moved.get(name, False) or bool(change.any())
            self._before[name] = values
        findings = []
        where, step = source.where, source.step
        if not_finite:
            detail = f"{where}: NaN or infinity in {listed(not_finite[:5])}"
            findings.append(source.finding("not finite", detail))
        if opened.inner_step not in (None, step):
            detail = f"{where} says of itself that it is step {opened.inner_step}"
            findings.append(source.finding("step", detail))
        if self._last is not None:
            if step <= self._last:
                findings.append(source.finding("step", f"{where} follows step {self._last}"))
            elif np.isfinite(squares):
                self._rates.append((step, float(np.sqrt(squares / (step - self._last)))))
        self._last, self._snapshots = step, self._snapshots + 1
        self._dtypes |= opened.dtypes
        return digest.hexdigest(), findings

    def of_run(self, run: str) -> Iterator[AuditFinding]:
        """What only all snapshots of a run show."""
        rates = [rate for _, rate in self._rates]
        for position, (step, rate) in enumerate(self._rates):
            near = rates[max(0, position - NEIGHBOURS) : position]
            near += rates[position + 1 : position + 1 + NEIGHBOURS]
            typical = float(np.median(near)) if len(near) >= 2 else 0.0
            if typical > 0 and rate > JUMP * typical:
                detail = f"its step is {number(rate / typical)} times as long as those near it"
                yield AuditFinding("jump", True, run, step, detail)
        frozen = [name for name, moved in self._moved.items() if not moved]
        if self._snapshots >= FEWEST and frozen:
            everything = len(frozen) == len(self._moved)
            more = f" and {len(frozen) - 5} more" if len(frozen) > 5 else ""
            some = f"never move: {listed(frozen[:5])}{more}"
            what = "no parameter ever moves" if everything else some
            yield AuditFinding("frozen", everything, run, None, what)
        for dtype, resolution in LOW_RESOLUTION.items():
            count = list(self._dtypes.values()).count(dtype)
            if count:
                detail = (
                    f"{count} parameters were stored as {dtype}: changes below "
                    f"{100 * resolution:.2g} % of a weight are lost"
                )
                yield AuditFinding("resolution", False, run, None, detail)


def _sources(source: "str | Path | xr.Dataset", options: Options) -> Iterator[_Source]:
    if not isinstance(source, str | Path):
        yield from _of_store(source, "the store")
    elif stores := stores_at(str(source)):
        yield from _of_store(open_store(stores), str(source))
    else:
        try:
            snapshots = layouts.find(str(source), options)
        except CheckpointError as error:
            raise StoreError(str(error)) from None
        for each in snapshots:
            opened = partial(_checkpoint, each.path, options)
            yield _Source(each.run, each.step, str(each.path), opened)


@contextmanager
def _checkpoint(path: Path, options: Options) -> Iterator[_Opened]:
    with open_checkpoint(path, options) as checkpoint:
        dtypes = {name: each.dtype for name, each in checkpoint.tensors.items() if each.is_floating}
        yield _Opened(checkpoint.step, dtypes, checkpoint.read)


def _of_store(runs: "xr.Dataset", where: str) -> Iterator[_Source]:
    parameters = schema.Parameters.from_runs(runs)
    dtypes = dict(zip(parameters.names, parameters.dtypes, strict=True))
    steps = runs[schema.STEP].values

    @contextmanager
    def opened(network: int, snapshot: int) -> Iterator[_Opened]:
        vector = runs[schema.WEIGHTS][network, snapshot].values
        yield _Opened(None, dtypes, lambda name: vector[parameters.slice(name)])

    for network, name in enumerate(map(str, runs[schema.NETWORK].values)):
        for snapshot in np.flatnonzero(steps[network] != schema.ABSENT).tolist():
            step = int(steps[network, snapshot])
            label = f"{where}: {name}, step {step}"
            yield _Source(name, step, label, partial(opened, network, snapshot))
