"""Which checkpoints belong together: a pattern with braces, or a folder that is looked through.

``runs/{group}-{seed}/step_{step}.pt`` names coordinates of networks in its braces; ``{step}`` is
the optimiser step. Without a pattern, each folder that directly holds checkpoints is one run.
"""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path

from deep_learning_dynamics import formatting
from deep_learning_dynamics.errors import CheckpointError
from deep_learning_dynamics.store.collecting.checkpoint import Options, format_of, open_checkpoint
from deep_learning_dynamics.store.opening import is_store

FIELD = re.compile(r"\{([A-Za-z_][A-Za-z_0-9]*)\}")
# step1000, step_1000, step=1000, checkpoint-1000, epoch=3-step=1000, global_step1000, iter_0001000
STEP = re.compile(
    r"(?:^|[^A-Za-z])(?:global_?)?(?:step|checkpoint|iter(?:ation)?)[-_=]?(\d+)", re.I
)
STAGE = re.compile(r"stage[-_=]?(\d+)", re.I)
LAST_NUMBER = re.compile(r"(\d+)(?!.*\d)")


@dataclass(frozen=True)
class Snapshot:
    """One checkpoint of a run."""

    path: Path
    coordinates: tuple[tuple[str, str], ...]  # what tells its run from others, without the step
    step: int | None  # None until the checkpoint was asked
    stage: int = 0  # of a training in stages, whose steps may start again

    @property
    def run(self) -> str:
        return "-".join(value for _, value in self.coordinates) or "run"


def find(pattern: str, options: Options) -> list[Snapshot]:
    """The checkpoints of every run in the order of their steps.

    Where a training has stages whose steps start again, those of a later stage follow the last step
    of the one before, and a warning says so.

    Raises:
        CheckpointError: none is there, or a checkpoint's step is neither in its name nor in it, or
            two of a run have the same.
    """
    found = _of_pattern(pattern) if FIELD.search(pattern) else _of_folder(Path(pattern))
    if not found and any(map(is_store, [*_matching(pattern), *Path(pattern).glob("*.zarr")])):
        raise CheckpointError(
            f"{pattern} names stores of trajectories, which need not be collected. Open them with "
            "dld.open or dynamics draw."
        )
    if not found:
        raise CheckpointError(
            f"{pattern} names no checkpoints. Expected a folder of them, or a pattern with braces "
            'such as "runs/{group}-{seed}/step_{step}.pt".'
        )
    found.sort(key=lambda each: (each.coordinates, each.path))
    snapshots: list[Snapshot] = []
    for _, of_run in groupby(found, key=lambda each: each.coordinates):
        with_steps = [_with_step(each, options) for each in of_run]
        snapshots += _counted_on(sorted(with_steps, key=lambda each: (each.stage, each.step)))
    return snapshots


def _with_step(snapshot: Snapshot, options: Options) -> Snapshot:
    """With the step that the checkpoint knows, if its name says none."""
    if snapshot.step is not None:
        return snapshot
    with open_checkpoint(snapshot.path, options) as checkpoint:
        if checkpoint.step is not None and checkpoint.step >= 0:
            return replace(snapshot, step=checkpoint.step)
    raise CheckpointError(
        f"{snapshot.path} has no step, neither in its name nor in it; expected a name such as "
        'step_1000, or a pattern that says where it is: "runs/{run}/{step}.pt".'
    )


def _counted_on(of_run: list[Snapshot]) -> Iterator[Snapshot]:
    """The snapshots of one run, with steps that rise from stage to stage."""
    offset = 0
    yield of_run[0]
    for before, each in pairwise(of_run):
        last = before.step + offset
        if before.stage == each.stage:
            if before.step == each.step:
                raise CheckpointError(
                    f"{before.path} and {each.path} are both step {each.step} of run {each.run}; "
                    "expected one checkpoint for each step. Leave one out, or tell the runs apart "
                    'with a pattern such as "runs/{run}/step_{step}.pt".'
                )
        elif each.step <= before.step:
            warnings.warn(
                f"Run {each.run}: stage {each.stage} starts again at step {each.step}; its steps "
                f"are counted on from {last}.",
                stacklevel=4,
            )
            offset = last
        yield replace(each, step=each.step + offset)


def fill(template: str, coordinates: tuple[tuple[str, str], ...]) -> Path:
    """A path with the coordinates of a run in its braces.

    Raises:
        CheckpointError: the template names a coordinate that runs do not have.
    """
    values = dict(coordinates)

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            known = formatting.listed(list(values)) or "no coordinates"
            raise CheckpointError(f"{template} names {match[0]}, but runs have {known}.")
        return values[match[1]]

    return Path(FIELD.sub(value, template))


def _of_pattern(pattern: str) -> list[Snapshot]:
    expression, seen = "", set()
    for part in re.split(r"(\{[A-Za-z_][A-Za-z_0-9]*\}|\*\*|\*|\?)", pattern):
        if match := FIELD.fullmatch(part):
            name = match[1]
            kind = r"\d+" if name == "step" else "[^/]+?"
            expression += rf"(?P={name})" if name in seen else rf"(?P<{name}>{kind})"
            seen.add(name)
        else:
            special = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
            expression += special.get(part, re.escape(part))
    compiled = re.compile(expression + "/?")
    found = []
    for path in _matching(pattern):
        match = compiled.fullmatch(path.as_posix())
        if match is None or not _is_checkpoint(path):
            continue
        values = match.groupdict()
        step = int(values.pop("step")) if "step" in values else _number(STEP, path.name)
        stage = _number(STAGE, path.name) or 0
        found.append(Snapshot(path, tuple(sorted(values.items())), step, stage))
    return found


def _matching(pattern: str) -> Iterator[Path]:
    """Paths that have anything where the pattern has braces."""
    names = FIELD.sub("*", pattern)
    if not re.search(r"[*?[]", names):
        return iter([Path(names)])
    anchor = Path(pattern).anchor or "."
    return Path(anchor).glob(names.removeprefix(anchor))


def _of_folder(folder: Path) -> list[Snapshot]:
    if not folder.is_dir():
        found = "is not a folder" if folder.exists() else "does not exist"
        raise CheckpointError(f"{folder} {found}; expected a folder with checkpoints.")
    found = []
    for path in _checkpoints(folder):
        run = path.parent.relative_to(folder).as_posix()
        name = folder.resolve().name if run == "." else run
        stage = _number(STAGE, path.name) or 0
        found.append(Snapshot(path, (("run", name),), _number(STEP, path.name), stage))
    # Where no name of a run says "step", the last number in each name is the step.
    named = {each.coordinates for each in found if each.step is not None}
    return [
        each
        if each.coordinates in named
        else replace(each, step=_number(LAST_NUMBER, each.path.stem))
        for each in found
    ]


def _checkpoints(folder: Path) -> Iterator[Path]:
    """Checkpoints below a folder; what lies within one is not looked at."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if _is_checkpoint(path):
            yield path
        elif path.is_dir() and not is_store(path) and not path.is_symlink():
            yield from _checkpoints(path)


def _is_checkpoint(path: Path) -> bool:
    return format_of(path) is not None and not is_store(path)


def _number(expression: re.Pattern[str], name: str) -> int | None:
    match = expression.search(name)
    return int(match[1]) if match else None
