"""Which checkpoints belong together: a pattern with braces, or a folder that is looked through.

``runs/{group}-{seed}/step_{step}.pt`` names coordinates of networks in its braces; ``{step}`` is
the optimiser step. Without a pattern, each folder that directly holds checkpoints is one run.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from deep_learning_dynamics import formatting
from deep_learning_dynamics.errors import CheckpointError
from deep_learning_dynamics.store.collecting.checkpoint import format_of

FIELD = re.compile(r"\{([A-Za-z_][A-Za-z_0-9]*)\}")
# step1000, step_1000, step=1000, checkpoint-1000, epoch=3-step=1000, global_step1000, iter_0001000
STEP = re.compile(
    r"(?:^|[^A-Za-z])(?:global_?)?(?:step|checkpoint|iter(?:ation)?)[-_=]?(\d+)", re.I
)
STAGE = re.compile(r"stage[-_=]?(\d+)", re.I)
NUMBER = re.compile(r"(\d+)(?!.*\d)")  # the last number of a name


@dataclass(frozen=True)
class Found:
    """One checkpoint of a run."""

    path: Path
    coordinates: tuple[tuple[str, str], ...]  # what tells its run from others, without the step
    step: int | None  # from its name; None: the checkpoint must know
    stage: int = 0  # of a training in stages, whose steps may start again


def find(pattern: str) -> list[Found]:
    """The checkpoints that a pattern or a folder names, run by run, in the order of their paths.

    Raises:
        CheckpointError: none is there.
    """
    found = _of_pattern(pattern) if FIELD.search(pattern) else _of_folder(Path(pattern))
    if not found:
        raise CheckpointError(
            f"{pattern} names no checkpoints. Expected a folder of them, or a pattern with braces "
            'such as "runs/{group}-{seed}/step_{step}.pt".'
        )
    return sorted(found, key=lambda each: (each.coordinates, each.path))


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


def _of_pattern(pattern: str) -> list[Found]:
    glob = FIELD.sub("*", pattern)
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
    anchor = Path(pattern).anchor or "."
    found = []
    for path in Path(anchor).glob(glob.removeprefix(anchor)):
        match = compiled.fullmatch(path.as_posix())
        if match is None or format_of(path) is None:
            continue
        values = match.groupdict()
        step = int(values.pop("step")) if "step" in values else _step(path.name)
        found.append(Found(path, tuple(sorted(values.items())), step, _stage(path.name)))
    return found


def _of_folder(folder: Path) -> list[Found]:
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder; expected one with checkpoints.")
    found = []
    for path in _checkpoints(folder):
        run = path.parent.relative_to(folder).as_posix()
        name = folder.resolve().name if run == "." else run
        found.append(Found(path, (("run", name),), _step(path.name), _stage(path.name)))
    return _with_last_numbers(found)


def _checkpoints(folder: Path) -> Iterator[Path]:
    """Checkpoints below a folder; what lies within one is not looked at."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if format_of(path) is not None:
            yield path
        elif path.is_dir() and not path.is_symlink():
            yield from _checkpoints(path)


def _with_last_numbers(found: list[Found]) -> list[Found]:
    """Where no name of a run says "step", the last number in each name is the step."""
    named = {each.coordinates for each in found if each.step is not None}
    return [
        each
        if each.coordinates in named or not (match := NUMBER.search(each.path.stem))
        else replace(each, step=int(match[1]))
        for each in found
    ]


def _step(name: str) -> int | None:
    match = STEP.search(name) or STEP.search(f"-{name}")
    return int(match[1]) if match else None


def _stage(name: str) -> int:
    match = STAGE.search(name)
    return int(match[1]) if match else 0
