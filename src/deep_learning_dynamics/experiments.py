"""Experiments: DVC computes what must be computed, MLflow keeps what was found.

A thin layer over both; everything here can also be done with plain ``dvc`` and ``mlflow``.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deep_learning_dynamics import tracking
from deep_learning_dynamics.errors import DynamicsError, TrackingError
from deep_learning_dynamics.lab import settings
from deep_learning_dynamics.tracking import NOTE, Tracked

REPORT = Path("report/index.html")
FIGURES = Path("figures")
TOLD = "DYNAMICS_TOLD"  # environment: a file that `track` creates when it has printed its summary


class StageError(DynamicsError):
    """A stage of the pipeline failed; it has said why."""


class InterruptionError(DynamicsError):
    """Ctrl-C."""

    exit_status = 130


@dataclass(frozen=True)
class Summary:
    """What a person wants to know when an experiment is done."""

    tracked: Tracked
    report: Path
    figures: Path

    def __str__(self) -> str:
        """A few lines of plain text."""
        found = self.tracked.findings
        lines = [f"Run {self.tracked.name} ({self.tracked.run_id})", ""]
        lines += [
            f"  {name:<20} {_accuracy(found.metrics, who)}"
            for name, who in (
                *((f"MNIST, {arm}", arm) for arm in found.arms),
                ("OMNIGLOT", "omniglot"),
            )
            if f"{who}.test_accuracy" in found.metrics
        ]
        best = found.best_projector
        if best is not None:
            score = found.metrics[f"{best}.score"]
            lines.append(f"  {'best projection':<20} {best} (score {score:.2f} of 1)")
        store = self.tracked.store
        way = "make ui, or dynamics ui" if store.embedded else f"{store} (dynamics ui)"
        lines += [
            f"  {'data':<20} {' · '.join(self.tracked.data)}",
            "",
            f"  {'report':<20} {_shown(self.report)} (dynamics show {self.tracked.name} opens it)",
            f"  {'figures':<20} {_shown(self.figures)}/",
            f"  {'in MLflow':<20} {way}",
        ]
        return "\n".join(lines)


def project_root(start: Path) -> Path:
    """The nearest folder from ``start`` upwards that has a ``dvc.yaml``.

    Raises:
        DynamicsError: there is none.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / "dvc.yaml").exists():
            return folder
    raise DynamicsError(
        f"There is no dvc.yaml in {start} nor in a folder above it; expected to be inside a "
        "project. Change to the folder of Deep Learning Dynamics."
    )


def run(root: Path, values: Mapping[str, Any] | None = None, note: str | None = None) -> None:
    """Run the pipeline for ``params.yaml``; print what was found, also when nothing had to run.

    ``values`` are dotted keys for this run: params.yaml has them while it lasts, and is as it was
    afterwards, however it ends. ``note`` is kept with the run in MLflow.

    Raises:
        ParamsError: params.yaml, or what is set, is not valid; nothing was started.
        StageError, InterruptionError: the pipeline did not get to its end; its run says so too.
        TrackingError: the MLflow store cannot be reached; the outputs are kept.
    """
    settings.recover(root)
    settings.checked(root / "params.yaml", values or {})
    prepare_dvc(root)
    with settings.in_place(root, values or {}) as changed:
        _run(root, note, "the same command" if changed else "dvc repro or dynamics run")
    if changed:
        print(
            "\nparams.yaml is as it was; data, snapshots and figures here are those of this run. "
            "dynamics run\nwithout settings brings back those of params.yaml."
        )


def _run(root: Path, note: str | None, mend: str) -> None:
    told = root / ".dvc" / "tmp" / f"told-{os.getpid()}"
    told.parent.mkdir(parents=True, exist_ok=True)
    try:
        status = _dvc_repro(root, {TOLD: str(told)} | ({} if note is None else {NOTE: note}))
        if status != 0:
            interrupted = status in (130, 252)  # by the terminal; as DVC says it
            _mark(root, "KILLED" if interrupted else "FAILED")
            if interrupted:
                raise InterruptionError(f"interrupted; {mend} continues")
            raise StageError("the pipeline stopped at the error above; the rest was not computed")
        if not told.exists():  # DVC had nothing to do
            track(root, note)
    finally:
        told.unlink(missing_ok=True)


def track(root: Path, note: str | None = None) -> None:
    """Complete the run of the outputs that are there, and print what was found.

    ``note`` is kept with the run; None leaves the one that it has.

    Raises:
        TrackingError: the store cannot be reached, or outputs are missing.
    """
    if tracking.is_off():
        print(
            "DYNAMICS_TRACKING=off: nothing is logged to MLflow. The same command without it does "
            "it later, and so does dynamics track while params.yaml and outputs are these."
        )
    else:
        print(Summary(tracking.complete(root, note), root / REPORT, root / FIGURES), flush=True)
    if TOLD in os.environ:
        Path(os.environ[TOLD]).touch()


def check_outputs(root: Path) -> None:
    """Refuse outputs that were made with other parameters, code or data than those there are now.

    Raises:
        TrackingError: which stages differ, or what DVC has to say.
    """
    result = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "--json"],
        cwd=root,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise TrackingError(f"dvc status failed in {root}: {result.stderr.strip()}")
    # A name with a colon is of a dvc.yaml elsewhere, such as the copy that a run has.
    stale = sorted(
        name for name in json.loads(result.stdout) if name != "track" and ":" not in name
    )
    if stale:
        raise TrackingError(
            f"The outputs of {', '.join(stale)} are missing, or were made with other parameters, "
            "code or data than those in the project now; they would be logged as what they are "
            "not. Make them again with: dvc repro"
        )


def prepare_dvc(root: Path) -> None:
    """Let DVC work in a project without git, such as an unpacked archive. Says what it does."""
    if (root / ".git").exists():
        return
    if not (root / ".dvc").exists():
        print("No git and no .dvc here: setting DVC up with dvc init --no-scm")
        _dvc(root, "init", "--no-scm", "--quiet")
        return
    known = _dvc(root, "config", "core.no_scm", missing_ok=True)
    if known != "true":
        print("No git here: telling DVC so with dvc config --local core.no_scm true")
        _dvc(root, "config", "--local", "core.no_scm", "true")


def _dvc_repro(root: Path, variables: dict[str, str]) -> int:
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=root,
        env=environment() | variables,
    )
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()  # the terminal told DVC and its stage too; they tidy up first
        return 130


def _dvc(root: Path, *arguments: str, missing_ok: bool = False) -> str:
    result = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0 and not missing_ok:
        raise DynamicsError(f"dvc {' '.join(arguments)} failed: {result.stderr.strip()}")
    return result.stdout.strip()


def environment() -> dict[str, str]:
    """This process's environment, with this Python as the ``python`` of the stages."""
    # Not resolved: a virtual environment's python is a link to one outside of it.
    here = str(Path(sys.executable).parent)
    return os.environ | {"PATH": f"{here}{os.pathsep}{os.environ.get('PATH', '')}"}


def _mark(root: Path, status: str) -> None:
    """Say in MLflow that the pipeline ended early; what stopped it matters more than this."""
    if tracking.is_off():
        return
    try:
        tracking.mark(root, status)
    except DynamicsError as error:
        print(f"warning: {error}", file=sys.stderr)


def _accuracy(metrics: dict[str, float], who: str) -> str:
    spread = [metrics[f"{who}.test_accuracy{part}"] for part in ("", "_minimum", "_maximum")]
    text = "{:.1%} median test accuracy ({:.1%} to {:.1%}".format(*spread)
    failed = metrics.get(f"{who}.failed", 0)
    text += f", {failed:.0f} failed)" if failed else ")"
    chance = metrics.get(f"{who}.chance")
    return text if chance is None else f"{text}, chance {chance:.1%}"


def _shown(path: Path) -> str:
    """A path as one would type it from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
