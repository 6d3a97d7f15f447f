"""``dynamics sweep``: every combination of some settings, each a run of its own."""

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any

import typer

from deep_learning_dynamics import tracking
from deep_learning_dynamics.cli import repro
from deep_learning_dynamics.cli import settings as setting
from deep_learning_dynamics.cli.compare import MOST, draw
from deep_learning_dynamics.cli.copying import copied, variables
from deep_learning_dynamics.cli.dvc import environment
from deep_learning_dynamics.cli.listing import accuracies
from deep_learning_dynamics.cli.opening import Verbose, complete_key, folders, opened
from deep_learning_dynamics.cli.progress import Heard, Progress
from deep_learning_dynamics.errors import DynamicsError, ParamsError
from deep_learning_dynamics.execution import Cluster, connected, run_tasks
from deep_learning_dynamics.execution.starting import VARIABLE as CLUSTER
from deep_learning_dynamics.formatting import count, percent
from deep_learning_dynamics.tracking import Record
from deep_learning_dynamics.workspace import end_like_ctrl_c, git, project_root

Todo = Mapping[int, Mapping[str, Any]]  # values by dotted key, by the number of an experiment
Sought = Mapping[int, tuple[dict[str, str], str]]  # settings as runs keep them, and code's digest
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
    On a cluster (DYNAMICS_CLUSTER), each worker runs another experiment.
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
    sought = _sought(root, [full for _, full in experiments])
    done = _complete(sought)
    print(f"{count(len(experiments), 'experiment')}, {len(experiments) - len(done)} to run",
          flush=True)  # fmt: skip
    failed: list[str] = []
    todo = {n: values for n, (values, _) in enumerate(experiments) if n not in done}
    os.environ[tracking.SWEEP] = ", ".join(tried)
    cluster = connected() if len(todo) > 1 else None
    ran = _here(root, todo, verbose) if cluster is None else _on_cluster(root, todo, cluster)
    for number, problem in ran:
        described = setting.described(todo[number])
        if problem:
            failed.append(f"{described}: {problem}")
            print(f"{described}: failed", flush=True)
        elif record := _complete({number: sought[number]}).get(number):
            done[number] = record
            print(f"{number + 1}/{len(experiments)} {described}: {record.name}", flush=True)
    records = [(experiments[number][0], record) for number, record in sorted(done.items())]
    # Seeds are what others are pooled over; on their own they are no effect.
    keys = [key for key in tried if key != "seed" and len(tried[key]) > 1]
    for key in (keys or tried) if records else ():
        print("\n".join(["", *effect(key, tried[key], records)]))
    _draw(root, keys or list(tried), records)
    if failed:
        raise DynamicsError(
            f"{len(failed)} of {len(experiments)} experiments failed:\n  " + "\n  ".join(failed)
        )


def _here(root: Path, todo: Todo, verbose: bool) -> Iterator[tuple[int, str]]:
    """Run experiments one after the other in a copy; yields number and error ("": none) of each."""
    with copied(root, "sweep") as copy:
        for number, values in todo.items():
            arguments, title = _arguments(copy, values), f"{setting.described(values)}  "
            try:
                with repro.marked(copy):
                    repro.repro(
                        copy, arguments, variables=variables(root), verbose=verbose, title=title
                    )
            except repro.StageError as error:
                yield number, str(error)
            else:
                _keep(root, copy)
                yield number, ""


def _on_cluster(root: Path, todo: Todo, cluster: Cluster) -> Iterator[tuple[int, str]]:
    """Run as many experiments at a time as there are workers, each in a copy of its own.

    Workers compute; this process alone writes to MLflow.
    """
    from deep_learning_dynamics.study import params

    at_once = max(2, cluster.ask_for(len(todo)))
    for start in range(0, len(todo), at_once):
        some = list(todo.items())[start : start + at_once]
        with ExitStack() as copies:
            tasks = []
            for number, values in some:
                copy = copies.enter_context(copied(root, f"sweep-{number}"))
                tasks.append((copy, _arguments(copy, values), variables(root)))
            ran = run_tasks(_experiment, tasks, label="experiments", backend=cluster)
            for (number, _), (copy, _, _), problem in zip(some, tasks, ran, strict=True):
                if not problem:
                    with repro.marked(copy):
                        tracking.log(copy, params.load(copy / "params.yaml").as_json())
                    _keep(root, copy)
                yield number, problem


def _experiment(task: tuple[Path, list[str], dict[str, str]]) -> str:
    """What a worker does: the pipeline in a copy. Why it failed, or nothing."""
    copy, arguments, found = task
    apart = {"DYNAMICS_TRACKING": "off", CLUSTER: ""}  # the head logs, and no task has a cluster
    result = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=copy,
        env=environment() | found | apart,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    progress, heard = Progress([], {}, say=lambda line: None), Heard()
    for line in result.stdout.splitlines():
        progress.hear(line, heard)
    return "\n".join(heard.reason()).removeprefix("error: ") if result.returncode else ""


def _keep(root: Path, copy: Path) -> None:
    """Have ``dvc exp show`` list the experiments of a copy."""
    if git(copy, "rev-parse", "HEAD") is not None:
        git(root, "fetch", "--quiet", str(copy), "+refs/exps/*:refs/exps/*")


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
            provenance = Results.gather(places[0]).provenance
            folder = root / "compared" / "_".join(record.name for record in compared)
            for path in draw(compared, places, provenance, "pca", folder):
                print(f"figure: {path.relative_to(root)}")
    except DynamicsError as error:  # networks of different architectures have no plane in common
        print(f"no figure: {error}")


def _arguments(copy: Path, values: Mapping[str, Any]) -> list[str]:
    """The arguments for DVC: those of ``dvc exp run`` where there is git, else ``repro``."""
    if git(copy, "ls-files", "--error-unmatch", "dvc.yaml") is None:
        setting.write(copy, values)
        return ["repro"]
    changes = [["-S", f"{key}={setting.written(value)}"] for key, value in values.items()]
    return ["exp", "run", *itertools.chain(*changes)]


def _sought(root: Path, experiments: Sequence[Mapping[str, Any]]) -> Sought:
    """How the runs of these settings with today's code are recognised."""
    from deep_learning_dynamics.tracking.identity import code_digest, written

    digest = cache(partial(code_digest, root))
    return {
        number: (written(full), digest(tuple(full.get("plugins") or ())))
        for number, full in enumerate(experiments)
    }


def _complete(sought: Sought) -> dict[int, Record]:
    """The complete runs, of several the newest, by the number of their experiment."""
    _, _, known = opened()
    found: dict[int, Record] = {}
    for number, wanted in sought.items():
        for record in known:
            same = (record.parameters, record.tags.get("fingerprint.code")) == wanted
            if record.complete and same:
                found[number] = record
                break
    return found
