"""``dynamics replicate``: a run computed again in a copy, and whether the same came out."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from deep_learning_dynamics.cli.opening import Run
from deep_learning_dynamics.formatting import count

if TYPE_CHECKING:
    from deep_learning_dynamics.cli.likeness import Likeness
    from deep_learning_dynamics.tracking import Record
    from deep_learning_dynamics.tracking.dvc_files import DvcLock

EPILOG = "Example: dynamics replicate latest"
NUMBERS = ("snapshots/", "measures")  # outputs that are the same bits on every processor


@dataclass(frozen=True)
class Output:
    """One output of the pipeline, then and now."""

    path: str
    likeness: "Likeness | None"  # None: one of the two is not at hand
    reason: str = ""  # why not

    def __str__(self) -> str:
        return self.reason if self.likeness is None else str(self.likeness)


def command(run: Run) -> None:
    """Compute a run again with its parameters, and compare every output with what it was.

    It runs in a copy of the project, which itself does not change. Code, data
    and environment are today's; what has changed since the run is listed. The
    exit status is 0 only if all outputs are the same, or within rounding.
    """
    import sys

    from deep_learning_dynamics.cli import repro
    from deep_learning_dynamics.cli.copying import copied, variables
    from deep_learning_dynamics.cli.opening import folders, opened_runs
    from deep_learning_dynamics.cli.settings import checked
    from deep_learning_dynamics.tracking import read_lock, resolve, stage_names
    from deep_learning_dynamics.workspace import end_like_ctrl_c

    root, connection, known = opened_runs()
    record = resolve(known, run)
    end_like_ctrl_c()
    with folders(connection, [record]) as (folder,), copied(root, "replication") as copy:
        then = read_lock(root, folder / "dvc.lock")
        # Comments included, because the report shows the file.
        shutil.copyfile(folder / "params.yaml", copy / "params.yaml")
        checked(copy, {}, f"params.yaml of the run {record}")
        print(f"Computing {record} again, in a copy of the project.", flush=True)
        wanted = [name for name in then.stages if name in stage_names(copy)]
        # Forced: taken from DVC's cache, outputs would be the same whatever the code does today.
        repro.repro(
            copy,
            ["repro", "--force", *wanted],
            variables={"DYNAMICS_TRACKING": "off", **variables(root)},
        )
        now = read_lock(copy)
        outputs = [
            _output(path, folder, copy, then, now)
            for path in then.outputs
            # What a run does not keep, such as the reduction, shows in what was made from it.
            if (folder / path).exists() or now.outputs.get(path) == then.outputs[path]
        ]
    same = [output for output in outputs if output.likeness and output.likeness.identical]
    print()
    for output in outputs:
        if output not in same:
            print(f"{output.path:<28} {output}")
    print(verdict(record, outputs, then.differences(now)))
    print(_processors(record))
    if not all(output.likeness and output.likeness.within_rounding for output in _off(outputs)):
        sys.stdout.flush()
        raise typer.Exit(1)


def verdict(record: "Record", outputs: list[Output], changes: list[str]) -> str:
    """Whether it replicated and, if not, what was not the same."""
    off = _off(outputs)
    numbers = [output for output in outputs if output.path.startswith(NUMBERS)]
    if not off:
        return f"Replicated: all {count(len(outputs), 'output')} of {record} are identical."
    although = f" Not the same as then: {'; '.join(changes)}." if changes else ""
    if all(output.likeness and output.likeness.identical for output in numbers):
        rest = f"identical for stores and measures ({len(numbers)} outputs); {len(off)} others are"
        within = all(output.likeness and output.likeness.within_rounding for output in off)
        return f"Replicated: {rest} {'within rounding' if within else 'not'}.{although}"
    wrong = [output for output in off if not (output.likeness and output.likeness.within_rounding)]
    if not wrong:
        return f"Replicated within rounding: {len(off)} of {len(outputs)} outputs.{although}"
    return f"Not replicated: {len(wrong)} of {len(outputs)} outputs of {record} differ.{although}"


def _off(outputs: list[Output]) -> list[Output]:
    return [each for each in outputs if not (each.likeness and each.likeness.identical)]


def _output(path: str, folder: Path, copy: Path, then: "DvcLock", now: "DvcLock") -> Output:
    from deep_learning_dynamics.cli.likeness import SAME, compare

    if now.outputs.get(path) == then.outputs[path]:
        return Output(path, SAME)
    if not (copy / path).exists():
        return Output(path, None, "different: it was not made again")
    return Output(path, compare(folder / path, copy / path))


def _processors(record: "Record") -> str:
    from deep_learning_dynamics.environment import Environment

    now = Environment.current(record.tags.get("device", "cpu"))
    then = Environment.from_json(json.loads(record.tags.get("environment", "{}")) or now.as_json())
    if then.processor == now.processor:
        lines = [f"Processor of both: {now.processor}."]
    else:
        lines = [f"Processor then: {then.processor}; now: {now.processor}."]
    others = [text for text in now.differences(then) if not text.startswith("processor")]
    return "\n".join([*lines, *(f"  {text}" for text in others)])
