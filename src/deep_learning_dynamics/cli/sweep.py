"""``dynamics sweep``: every combination of some settings, each a run of its own."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from deep_learning_dynamics import tracking
from deep_learning_dynamics.cli import repro
from deep_learning_dynamics.cli import settings as setting
from deep_learning_dynamics.cli.compare import MOST, draw
from deep_learning_dynamics.cli.copying import copied, variables
from deep_learning_dynamics.cli.listing import accuracies
from deep_learning_dynamics.cli.opening import Verbose, complete_key, folders, opened
from deep_learning_dynamics.errors import DynamicsError, ParamsError
from deep_learning_dynamics.formatting import count, percent
from deep_learning_dynamics.tracking import Record
from deep_learning_dynamics.workspace import end_like_ctrl_c, git, project_root

Done = Sequence[tuple[Mapping[str, Any], Record]]  # values by dotted key, and their run


def sweep(
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
    verbose: Verbose = False,
) -> None:
    """Run every combination of values, each an experiment of DVC and a run in MLflow.

    They run one after the other in a copy of the project with all edits,
    committed or not; the project's own params.yaml and outputs do not change.
    After Ctrl-C the same command continues: complete runs are not run again.

    At the end, the effect of each setting on test accuracy is printed, and the
    paths of one run for each of up to six settings are drawn in one plane, in
    compared/. Runs that differ in their seed alone count as one setting.

    Example: dynamics sweep -S train.learning_rate=0.01,0.1 -S seed=1,2,3
    """
    root = project_root(Path.cwd())
    tried = setting.choices(settings)
    experiments = combinations(root, tried)
    if tracking.is_off():
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
                    variables={tracking.SWEEP: ", ".join(tried), **variables(root)},
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
    # Seeds are what others are pooled over; on their own they are no effect.
    keys = [key for key in tried if key != "seed" and len(tried[key]) > 1]
    for key in keys or tried:
        print("\n".join(["", *effect(key, tried[key], records)]))
    _draw(root, keys or list(tried), records)
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


def effect(key: str, tried: Sequence[Any], done: Done) -> list[str]:
    """The effect of a setting, pooled over the others: mean accuracies for each of its values."""
    lines = [f"{key}, mean over the others of the median test accuracy:"]
    for value in tried:
        chosen = [accuracies(record) for values, record in done if values[key] == value]
        means = []
        for name in dict.fromkeys(itertools.chain(*chosen)):
            known = [found[name] for found in chosen if name in found]
            means.append(f"{name} {percent(sum(known) / len(known))}")
        runs = count(len(chosen), "run")
        lines.append(f"  {setting.written(value):<12} {'  '.join(means) or '–'}  ({runs})")
    return lines


def _draw(root: Path, keys: Sequence[str], done: Done) -> None:
    """The paths of one run of each setting in one plane, and how to compare the runs' numbers."""
    from deep_learning_dynamics.results import Results

    first: dict[str, Record] = {}
    for values, record in done:
        first.setdefault(str([values[key] for key in keys]), record)
    compared = list(first.values())[:MOST]
    _, connection, _ = opened()
    if len(compared) < 2 or connection is None:
        return
    print(f"\nCompare: dynamics compare {' '.join(record.name for record in compared)}")
    try:
        with folders(connection, compared) as places:
            results = [Results.gather(place) for place in places]
            folder = root / "compared" / "_".join(record.name for record in compared)
            for path in draw(compared, places, results, "pca", folder):
                print(f"figure: {path.relative_to(root)}")
    except DynamicsError as error:  # networks of different architectures have no plane in common
        print(f"no figure: {error}")


def _arguments(copy: Path, values: Mapping[str, Any]) -> list[str]:
    """What DVC is to do: an experiment of its own kind, where there is git."""
    if git(copy, "ls-files", "--error-unmatch", "dvc.yaml") is None:
        setting.write(copy, values)
        return ["repro"]
    changes = [["-S", f"{key}={setting.written(value)}"] for key, value in values.items()]
    return ["exp", "run", *itertools.chain(*changes)]


def _run(root: Path, full: Mapping[str, Any]) -> Record | None:
    """The complete run of these settings with today's code, the newest."""
    from deep_learning_dynamics.tracking.identity import code_digest, written

    _, _, known = opened()
    wanted, code = written(full), code_digest(root, full.get("plugins") or ())
    for record in known:
        same = record.parameters == wanted and record.tags.get("fingerprint.code") == code
        if record.complete and same:
            return record
    return None
