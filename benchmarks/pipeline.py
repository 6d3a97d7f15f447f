"""Rows: the whole pipeline from an empty cache, with nothing changed, and what MLflow adds."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import inputs
from benchmarks.result import Line, Reach
from benchmarks.rows import Effort
from benchmarks.timing import Contender, Spread, Times, interleaved

ROOT = Path(__file__).parents[1]
CODE = (".dvc", "mlruns", "pipeline", "src")
FILES = (".dvcignore", ".gitignore", "dvc.yaml", "params.yaml")
COLD, NO_CHANGE, TRACKING = "pipeline, cold", "pipeline, no-op", "tracking"
UNTESTED = "pipeline, cold, pictures untested"
TITLES = (COLD, UNTESTED, NO_CHANGE, TRACKING)


def pipeline(effort: Effort) -> list[Line]:
    work = "dvc repro on the default params.yaml, original datasets, nothing cached"
    datasets = inputs.datasets_folder()
    if datasets is None:
        problem = "there are no local datasets: set DYNAMICS_DATASETS"
        return [Line(row, work, "", problem=problem) for row in TITLES]
    runs = _Runs(datasets)
    times = interleaved(
        {
            "off": Contender(
                lambda: runs.cold("off", trust=False), times_itself=True, warm_up=_warm_up
            ),
            "on": Contender(lambda: runs.cold("on", trust=False), times_itself=True),
        },
        effort.seconds,
        at_most=2,
    )
    on, off = times["on"], times["off"]
    added = tuple(100 * (a / b - 1) for a, b in zip(on.seconds, off.seconds, strict=True))
    untested = _cold_line(UNTESTED, f"{work}, trust 0", on, runs)
    whole = Times((runs.cold("on", trust=True),))
    return [
        _cold_line(COLD, work, whole, runs),
        untested,
        Line(
            NO_CHANGE,
            "dvc repro with nothing changed",
            "DVC's own start",
            Times(tuple(runs.no_change)),
            Times(tuple(runs.bare)),
            _spread(Times(tuple(runs.no_change))),
            "s",
            Reach(2.5, "s", at_most=True),
            note="theirs: dvc repro of a project with one stage that does nothing",
        ),
        Line(
            TRACKING,
            "time that MLflow adds to the cold pipeline with trust 0",
            "dvc repro with tracking off",
            on,
            off,
            Spread.of(added),
            "%",
            Reach(5, "%", at_most=True),
        ),
    ]


def _cold_line(title: str, work: str, times: Times, runs: "_Runs") -> Line:
    """Of the runs that were last seen."""
    slowest = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in runs.slowest)
    return Line(
        title,
        work,
        "the sum of the stages' own work",
        times,
        Times((runs.own[-1],)),
        _spread(times),
        "s",
        Reach(90, "s", at_most=True),
        note=f"the rest is {runs.stages} processes that start, and DVC; longest: {slowest}",
    )


def _warm_up() -> None:
    """Bring the libraries into the system's cache: the first run alone would wait for them."""
    libraries = "mlflow, openTSNE, pandas, sklearn, torchvision, umap, xarray"
    subprocess.run([sys.executable, "-c", f"import {libraries}"], check=True, capture_output=True)


def _spread(times: Times) -> Spread:
    return Spread(times.median, times.low, times.high)


@dataclass
class _Runs:
    """Cold runs, each in a fresh copy of the project, and what was seen on the way."""

    datasets: Path
    own: list[float] = field(default_factory=list)  # what stages say of themselves, in all
    no_change: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    slowest: list[tuple[str, float]] = field(default_factory=list)
    stages: int = 0

    def cold(self, tracking: str, trust: bool) -> float:
        with _copy() as folder:
            if not trust:
                _leave_out_trust(folder / "params.yaml")
            environment = _environment(folder, self.datasets, tracking)
            seconds = _timed(["dvc", "repro"], folder, environment)
            if tracking == "on":
                self._look_at(folder)
                for _ in range(3):
                    self.no_change.append(_timed(["dvc", "repro"], folder, environment))
                    self.bare.append(_timed(["dvc", "repro"], _bare(folder), environment))
        return seconds

    def _look_at(self, folder: Path) -> None:
        seconds = {
            path.stem: json.loads(path.read_text())["seconds"]
            for path in (folder / "timings").glob("*.json")
        }
        self.own.append(sum(seconds.values()))
        self.stages = len(seconds)
        self.slowest = sorted(seconds.items(), key=lambda item: -item[1])[:4]


@contextmanager
def _copy() -> Iterator[Path]:
    """The project's code and parameters in a folder that is removed whatever happens."""
    ignored = shutil.ignore_patterns(
        "__pycache__", "*.egg-info", "tmp", "cache", "config.local", "*.db*", "artifacts"
    )
    with tempfile.TemporaryDirectory(prefix="dynamics-benchmark-") as name:
        folder = Path(name) / "project"
        for part in CODE:
            shutil.copytree(ROOT / part, folder / part, ignore=ignored)
        for part in FILES:
            shutil.copy(ROOT / part, folder / part)
        _git_init(folder)
        yield folder


def _leave_out_trust(path: Path) -> None:
    from ruamel.yaml import YAML

    yaml = YAML()
    params = yaml.load(path)
    params["trust"] = dict.fromkeys(params["trust"], 0)
    yaml.dump(params, path)


def _bare(folder: Path) -> Path:
    """A project of DVC beside it whose only stage is done."""
    bare = folder.parent / "bare"
    if not bare.exists():
        bare.mkdir()
        _git_init(bare)
        shutil.copytree(
            folder / ".dvc", bare / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache")
        )
        (bare / "dvc.yaml").write_text(
            "stages:\n  nothing:\n    cmd: touch done\n    outs: [done]\n"
        )
        subprocess.run(["dvc", "repro"], cwd=bare, env=_path(), check=True, capture_output=True)
    return bare


def _git_init(folder: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)


def _path() -> dict[str, str]:
    folder = Path(sys.executable).parent
    return dict(os.environ) | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def _environment(folder: Path, datasets: Path, tracking: str) -> dict[str, str]:
    """One in which ``python`` and ``dvc`` are ours and no setting of this machine counts."""
    kept = {
        name: value
        for name, value in _path().items()
        if not name.startswith(("MLFLOW_", "DYNAMICS_", "GIT_"))
    }
    kept |= {"PYTHONPATH": str(folder / "src"), "DYNAMICS_DATASETS": str(datasets)}
    return kept | ({"DYNAMICS_TRACKING": "off"} if tracking == "off" else {})


def _timed(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return seconds
