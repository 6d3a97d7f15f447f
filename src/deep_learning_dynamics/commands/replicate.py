"""``dynamics replicate``: a run made again, and whether the same came out."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from deep_learning_dynamics.lab.replicating import Replication
    from deep_learning_dynamics.tracking.records import Record


def replicate(
    run: Annotated[str, typer.Argument(metavar="RUN", show_default=False)],
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite params.yaml even if it is not committed.")
    ] = False,
    keep_params: Annotated[
        bool, typer.Option("--keep-params", help="Use params.yaml as it is, not as in the run.")
    ] = False,
) -> None:
    """Compute a run again with its parameters, and compare every output with what it was.

    RUN is an id, its beginning, a name or latest. Code, data and environment are
    today's; what of them differs is said. The exit status is 0 only if all outputs are
    the same, or within rounding.
    """
    from deep_learning_dynamics import experiments, params
    from deep_learning_dynamics.commands.opening import opened
    from deep_learning_dynamics.lab import conditions, replicating, settings
    from deep_learning_dynamics.tracking.files import fetch
    from deep_learning_dynamics.tracking.records import resolve

    root, connection, known = opened()
    record = resolve(known, run)
    settings.recover(root)
    with tempfile.TemporaryDirectory(prefix="dynamics-") as folder:
        scratch = Path(folder)
        wanted = {}
        if not keep_params:
            path = fetch(connection, record, "params.yaml", scratch)
            wanted = params.flattened(params.read(path))
        differing = replicating.differing_parameters(root, wanted)
        _say_conditions(record, root)
        if not force:
            replicating.check_committed(root, differing)
        settings.checked(root / "params.yaml", wanted, f"params.yaml of the run {record}")
        for key, (now, then) in differing.items():
            print(f"params.yaml: {key} becomes {then}; it is {now}")
        experiments.prepare_dvc(root)
        print(flush=True)
        try:
            done = replicating.replicate(connection, record, root, wanted, scratch)
        except (experiments.InterruptionError, experiments.StageError):
            replicating.restore_outputs(root)
            raise
    for output in done.outputs:
        print(f"{output.path:<32} {output}")
    reasons = conditions.reasons(done.causes, record, root)
    print(_verdict(done, record, reasons))
    if not done.replicated:
        raise typer.Exit(1)


def _say_conditions(record: "Record", root: Path) -> None:
    from deep_learning_dynamics.lab import conditions

    print(f"Run {record}, {record.started:%Y-%m-%d %H:%M} UTC")
    surroundings = conditions.surroundings(record)
    different = [each for each in surroundings if not each.same]
    for each in (
        conditions.commits(record, root),
        *conditions.data(record, root),
        *different,
    ):
        text = f"{each.then}, the same now" if each.same else f"{each.then}; now {each.now}"
        print(f"  {each.name:<14} {text}")
    if not different:
        print("  environment    the same: Python, packages and platform")


def _verdict(done: "Replication", record: "Record", reasons: list[str]) -> str:
    """One line that says whether it replicated and, if not, why."""
    although = f" although there differ: {'; '.join(reasons)}" if reasons else ""
    if done.identical:
        return f"Replicated: all {len(done.outputs)} outputs of {record} are identical{although}."
    if done.replicated:
        count = sum(not output.identical for output in done.outputs)
        return (
            f"Replicated within rounding: {count} of {len(done.outputs)} outputs of {record} "
            f"are not identical{although}."
        )
    why = "; ".join(reasons) or (
        "nothing that was recorded differs, so it does not compute the same twice on this machine"
    )
    return (
        f"Not replicated: {len(done.off)} of {len(done.outputs)} outputs of {record} differ. "
        f"Reason: {why}."
    )
