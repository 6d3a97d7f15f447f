"""``dynamics replicate``: a run computed again in a copy, and whether the same came out."""

import json
import shutil
from typing import TYPE_CHECKING

import typer

from deep_learning_dynamics.cli import repro
from deep_learning_dynamics.cli.copying import copied, variables
from deep_learning_dynamics.cli.opening import Run, folders, meant, opened
from deep_learning_dynamics.cli.settings import checked
from deep_learning_dynamics.environment import Environment
from deep_learning_dynamics.formatting import count
from deep_learning_dynamics.tracking import Record, read_lock, stage_names
from deep_learning_dynamics.workspace import end_like_ctrl_c

if TYPE_CHECKING:
    from deep_learning_dynamics.cli.likeness import Likeness

NUMBERS = ("snapshots/", "measures")  # outputs that are the same bits on every processor


def replicate(run: Run) -> None:
    """Compute a run again with its parameters, and compare every output with what it was.

    It runs in a copy of the project, which itself does not change. Code, data
    and environment are today's; what has changed since the run is listed. The
    exit status is 0 only if all outputs are the same, or within rounding.

    RUN is an id or a name, the beginning of either, or latest: the run of the
    outputs here, else the one that finished last.

    Example: dynamics replicate latest
    """
    from deep_learning_dynamics.cli.likeness import SAME, compare

    root, connection, known = opened()
    record = meant(root, known, run)
    end_like_ctrl_c()
    outputs: dict[str, Likeness] = {}
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
        for path in then.outputs:
            if now.outputs.get(path) == then.outputs[path]:
                outputs[path] = SAME
            # What a run does not keep, such as the reduction, shows in what was made from it.
            elif (folder / path).exists():
                outputs[path] = compare(folder / path, copy / path)
    off = {path: likeness for path, likeness in outputs.items() if not likeness.identical}
    print()
    for path, likeness in off.items():
        print(f"{path:<28} {likeness}")
    print(_verdict(record, outputs, then.differences(now)))
    print(_processors(record))
    if not all(likeness.within_rounding for likeness in off.values()):
        raise typer.Exit(1)


def _verdict(record: Record, outputs: "dict[str, Likeness]", changes: list[str]) -> str:
    """Whether it replicated and, if not, what was not the same."""
    off = [path for path, likeness in outputs.items() if not likeness.identical]
    wrong = [path for path in off if not outputs[path].within_rounding]
    numbers = [path for path in outputs if path.startswith(NUMBERS)]
    although = f" Not the same as then: {'; '.join(changes)}." if changes else ""
    if not off:
        return f"Replicated: all {count(len(outputs), 'output')} of {record} are identical."
    if not set(off) & set(numbers):
        rest = f"identical for stores and measures ({len(numbers)} outputs); {len(off)} others are"
        return f"Replicated: {rest} {'not' if wrong else 'within rounding'}.{although}"
    if not wrong:
        return f"Replicated within rounding: {len(off)} of {len(outputs)} outputs.{although}"
    return f"Not replicated: {len(wrong)} of {len(outputs)} outputs of {record} differ.{although}"


def _processors(record: Record) -> str:
    now = Environment.current(record.tags.get("device", "cpu"))
    then = Environment(**(json.loads(record.tags.get("environment", "{}")) or now.as_json()))
    if then.processor == now.processor:
        lines = [f"Processor of both: {now.processor}."]
    else:
        lines = [f"Processor then: {then.processor}; now: {now.processor}."]
    others = [text for text in now.differences(then) if not text.startswith("processor")]
    return "\n".join([*lines, *(f"  {text}" for text in others)])
