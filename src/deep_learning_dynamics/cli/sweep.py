"""``dynamics sweep``: every combination of some settings, each a run of its own."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deep_learning_dynamics.cli.opening import complete_key
from deep_learning_dynamics.errors import DynamicsError, ParamsError
from deep_learning_dynamics.formatting import count, percent

if TYPE_CHECKING:
    from deep_learning_dynamics.tracking import Record

EPILOG = "Example: dynamics sweep -S train.learning_rate=0.01,0.1 -S seed=1,2,3"


def command(
    settings: Annotated[
        list[str],
        typer.Option(
            "-S",
            "--set",
            metavar="KEY=VALUE,VALUE,...",
            help="Values to try for a key of params.yaml. May be repeated.",
            autocompletion=complete_key,
        ),
    ],
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show all output of DVC and the stages.")
    ] = False,
) -> None:
    """Run every combination of values, each an experiment of DVC and a run in MLflow.

    They run one after the other in a copy of the project with all edits,
    committed or not; the project's own params.yaml and outputs do not change.
    After Ctrl-C the same command continues: complete runs are not run again.

    At the end, the effect of each setting on test accuracy is printed, and the
    paths of one run for each of up to six settings are drawn in one plane, in
    compared/. Runs that differ in their seed alone count as one setting.
    """
    from deep_learning_dynamics.cli import repro
    from deep_learning_dynamics.cli import settings as setting
    from deep_learning_dynamics.cli.copying import copied, variables
    from deep_learning_dynamics.tracking import SWEEP, is_off
    from deep_learning_dynamics.workspace import end_like_ctrl_c, git, project_root

    root = project_root(Path.cwd())
    tried = setting.choices(settings)
    experiments = combinations(root, tried)
    if is_off():
        raise DynamicsError(
            "DYNAMICS_TRACKING is off; a sweep finds in MLflow what is complete. Unset it."
        )
    end_like_ctrl_c()
    done = {n: record for n, (_, full) in enumerate(experiments) if (record := _run(root, full))}
    print(f"{count(len(experiments), 'experiment')}, {len(experiments) - len(done)} to run",
          flush=True)  # fmt: skip
    failed: list[str] = []
    with copied(root, "sweep") as copy:
        for number, (values, full) in enumerate(experiments):
            if number in done:
                continue
            described = setting.described(values)
            try:
                repro.repro(
                    copy,
                    _arguments(copy, values),
                    variables={SWEEP: ", ".join(tried), **variables(root)},
                    verbose=verbose,
                    title=f"{described}  ",
                )
            except repro.StageError as error:
                failed.append(f"{described}: {error}")
                print(f"{described}: failed", flush=True)
                continue
            if record := _run(root, full):
                done[number] = record
                print(f"{number + 1}/{len(experiments)} {described}: {record.name}", flush=True)
        if git(copy, "rev-parse", "HEAD") is not None:  # so that dvc exp show has them
            git(root, "fetch", "--quiet", str(copy), "+refs/exps/*:refs/exps/*")
    records = [(experiments[number][0], record) for number, record in sorted(done.items())]
    print("\n" + "\n".join(effects(tried, records)))
    _draw(root, tried, records)
    if failed:
        raise DynamicsError(
            f"{len(failed)} of {len(experiments)} experiments failed:\n  " + "\n  ".join(failed)
        )


def combinations(
    root: Path, tried: Mapping[str, Sequence[Any]]
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Every combination of values with all settings that it means; equal ones are there once.

    Raises:
        ParamsError: what is wrong with some of them, each mistake once.
    """
    from deep_learning_dynamics.cli import settings as setting

    found: list[tuple[dict[str, Any], dict[str, Any]]] = []
    problems: dict[str, None] = {}
    for chosen in itertools.product(*tried.values()):
        values = dict(zip(tried, chosen, strict=True))
        try:
            full = setting.checked(root, values)
        except ParamsError as error:
            problems |= dict.fromkeys(str(error).splitlines())
            continue
        if all(full != other for _, other in found):
            found.append((values, full))
    if problems:
        raise ParamsError("\n".join(problems))
    return found


def effects(
    tried: Mapping[str, Sequence[Any]], records: Sequence[tuple[dict[str, Any], "Record"]]
) -> list[str]:
    """The effect of each setting, pooled over the others: mean accuracies for each of its values.

    Seeds are what others are pooled over; on their own they are no effect.
    """
    from deep_learning_dynamics.cli.listing import accuracies
    from deep_learning_dynamics.cli.settings import written

    lines = []
    keys = [key for key in tried if key != "seed" and len(tried[key]) > 1] or list(tried)
    for key in keys:
        lines.append(f"{key}, mean over the others of the median test accuracy:")
        for value in tried[key]:
            chosen = [record for values, record in records if values[key] == value]
            found: dict[str, list[float]] = {}
            for record in chosen:
                for name, accuracy in accuracies(record).items():
                    found.setdefault(name, []).append(accuracy)
            means = [f"{name} {percent(sum(all_) / len(all_))}" for name, all_ in found.items()]
            runs = count(len(chosen), "run")
            lines.append(f"  {written(value):<12} {'  '.join(means) or '–'}  ({runs})")
    return lines


def _draw(
    root: Path,
    tried: Mapping[str, Sequence[Any]],
    records: Sequence[tuple[dict[str, Any], "Record"]],
) -> None:
    """The paths of one run of each setting in one plane, and how to compare the runs' numbers."""
    from deep_learning_dynamics import tracking
    from deep_learning_dynamics.cli import compare
    from deep_learning_dynamics.cli.opening import folders
    from deep_learning_dynamics.results import Results

    settings = [key for key in tried if key != "seed" and len(tried[key]) > 1]
    first: dict[str, Record] = {}
    for values, record in records:
        first.setdefault(str([values[key] for key in settings] if settings else values), record)
    compared = list(first.values())[: compare.MOST]
    connection = tracking.connect(tracking.store_of(root), create=False)
    if len(compared) < 2 or connection is None:
        return
    print(f"\nCompare: dynamics compare {' '.join(record.name for record in compared)}")
    try:
        with folders(connection, compared) as places:
            results = [Results.gather(place) for place in places]
            folder = root / "compared" / "_".join(record.name for record in compared)
            for path in compare.draw(compared, places, results, "pca", folder):
                print(f"figure: {path.relative_to(root)}")
    except DynamicsError as error:  # networks of different architectures have no plane in common
        print(f"no figure: {error}")


def _arguments(copy: Path, values: Mapping[str, Any]) -> list[str]:
    """What DVC is to do: an experiment of its own kind, where there is git."""
    from deep_learning_dynamics.cli import settings as setting
    from deep_learning_dynamics.workspace import git

    if git(copy, "rev-parse", "--verify", "HEAD") is None:
        setting.write(copy, values)
        return ["repro"]
    changes = [["-S", f"{key}={setting.written(value)}"] for key, value in values.items()]
    return ["exp", "run", *itertools.chain(*changes)]


def _run(root: Path, full: Mapping[str, Any]) -> "Record | None":
    """The complete run of these settings with today's code, the newest."""
    from deep_learning_dynamics import tracking
    from deep_learning_dynamics.tracking.identity import code_digest, written

    connection = tracking.connect(tracking.store_of(root), create=False)
    if connection is None:
        return None
    wanted, code = written(full), code_digest(root, full.get("plugins") or ())
    for record in tracking.records(connection):
        same = record.parameters == wanted and record.tags.get("fingerprint.code") == code
        if record.complete and same:
            return record
    return None
