"""What trials start from, and what must be true after them."""

import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import psutil
from project import TINY, copied, dynamics, new_project, variables
from ruamel.yaml import YAML

from deep_learning_dynamics.tracking import read_lock
from deep_learning_dynamics.tracking.dvc_files import dumped

DYNAMICS = (sys.executable, "-c", "from deep_learning_dynamics.cli import app; app()")
DVC = (sys.executable, "-m", "dvc")
PATIENCE = 600.0  # seconds after which a command counts as one that never ends


@dataclass(frozen=True)
class Record:
    """What a finished run has in MLflow."""

    files: dict[str, str]  # hashes by name
    points: dict[tuple[str, int], int]  # of metrics: how many by name and step


@dataclass(frozen=True)
class Ground:
    """A finished project that no trial changes, and what is in it."""

    folder: Path  # trials lie here
    finished: Path
    outputs: dict[str, dict[str, str]]  # by path the files in it, with their hashes
    seconds: dict[str, float]  # that each stage took
    records: dict[str, Record]  # by fingerprint

    @classmethod
    def prepare(cls, folder: Path) -> "Ground":
        """Run a tiny project twice, the second time with other figures; takes a minute."""
        small = TINY | {"geometry.analyses": ["function_space"], "geometry.examples": 100}
        finished = new_project(folder / "finished", small | {"figures.dpi": 51})
        dynamics(finished, "run")
        shutil.copytree(finished / "mlruns", folder / "older")  # a store without the second run
        dynamics(finished, "run", "-S", "figures.dpi=50")
        return cls.of(folder)

    @classmethod
    def of(cls, folder: Path) -> "Ground":
        """The project that is there."""
        finished = folder / "finished"
        timings = YAML(typ="safe").load(finished / ".dvc/tmp/dynamics/timings.json")
        outputs = {path: files_of(finished / path) for path in read_lock(finished).outputs}
        return cls(folder, finished, outputs, timings, records(finished / "mlruns/mlflow.db"))

    def copy(self, name: str, target: Path | None = None) -> Path:
        """A copy for one trial."""
        return copied(self.finished, target or self.folder / name)

    def forget(self, project: Path, stage: str, store: str) -> None:
        """Let the project be as before a stage ran; its store has an older run, or is not there."""
        lock = YAML(typ="safe").load(project / "dvc.lock")
        later = list(self.seconds)[list(self.seconds).index(stage) :]
        for name in later:
            for out in lock["stages"].pop(name, {}).get("outs", ()):
                path = project / out["path"]
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        (project / "dvc.lock").write_text(dumped(lock))
        shutil.rmtree(project / ".dvc/cache/runs")
        shutil.rmtree(project / "mlruns")
        (project / ".dvc/tmp/dynamics/logged.json").unlink()
        if store == "older":
            shutil.copytree(self.folder / "older", project / "mlruns")

    def partial(self, project: Path, damaged: str = "") -> list[str]:
        """What looks complete and is not, at any moment; but for an output damaged on purpose."""
        found = []
        for path, expected in self.outputs.items():
            there = files_of(project / path)
            # Figures are whole one by one, stores and tables as folders.
            whole = there.items() <= expected.items() if path == "figures" else there == expected
            if there and not whole and path != damaged:
                found.append(f"{path} looks complete and differs")
        if (project / "params.yaml").read_bytes() != (self.finished / "params.yaml").read_bytes():
            found.append("params.yaml has changed")
        return found + self.unfaithful(project / "mlruns/mlflow.db")

    def unfaithful(self, database: Path, artifacts: Path | None = None) -> list[str]:
        """Finished runs that are not as without a disturbance."""
        found = []
        for fingerprint, record in records(database, artifacts).items():
            expected = self.records.get(fingerprint)
            if expected is None:
                found.append("a run is of no known execution")
            elif record != expected:
                names = dict(record.files.items() ^ expected.files.items()).keys()
                points = dict(record.points.items() ^ expected.points.items()).keys()
                found.append(f"a finished run differs: {sorted(names)[:5]} {sorted(points)[:5]}")
        return found

    def different(self, project: Path) -> list[str]:
        """What is not as without a disturbance, after the command that ends with status 0."""
        found = [f"{path} is not there, or not all of it" for path, expected in self.outputs.items()
                 if len(files_of(project / path)) < len(expected)]  # fmt: skip
        if (project / "dvc.lock").read_text() != (self.finished / "dvc.lock").read_text():
            found.append("dvc.lock differs")
        rwlock = project / ".dvc/tmp/rwlock"
        if rwlock.exists() and '"pid"' in rwlock.read_text():
            found.append("a lock stays in .dvc/tmp/rwlock")
        found += [
            f"{path.relative_to(project)} stays behind"
            for folder in ("", "checked", "data", "snapshots", "projections", "metrics", "mlruns")
            for path in (project / folder).glob(".*.*")
            if path.name not in (".dvcignore", ".gitignore")
        ]
        return self.partial(project) + found


def finished_once(project: Path, database: Path | None = None) -> list[str]:
    """What is wrong with the number and the states of runs after all is done."""
    database = database or project / "mlruns/mlflow.db"
    with tempfile.TemporaryDirectory() as aside, closing(_opened(database, aside)) as connection:
        states = connection.execute(
            "SELECT status, count(*) FROM runs JOIN params USING (run_uuid) WHERE key = "
            "'figures.dpi' AND value = '50' AND lifecycle_stage = 'active' GROUP BY status"
        ).fetchall()
    return [] if states == [("FINISHED", 1)] else [f"runs in MLflow: {states}"]


def records(database: Path, artifacts: Path | None = None) -> dict[str, Record]:
    """The finished runs of a store, by fingerprint; ``artifacts``: where their server has files."""
    if not database.exists():
        return {}
    found = {}
    with tempfile.TemporaryDirectory() as aside, closing(_opened(database, aside)) as connection:
        runs = connection.execute(
            "SELECT run_uuid, artifact_uri, value FROM runs JOIN tags USING (run_uuid) WHERE "
            "key = 'fingerprint' AND status = 'FINISHED' AND lifecycle_stage = 'active'"
        ).fetchall()
        for run, address, fingerprint in runs:
            points = connection.execute(
                "SELECT key, step, count(*) FROM metrics WHERE run_uuid = ? GROUP BY key, step",
                [run],
            ).fetchall()
            # A copied project's addresses are those of the original until a command has seen it.
            place = Path(unquote(urlsplit(address).path))
            folder = (artifacts or database.parent / "artifacts") / Path(*place.parts[-2:])
            found[fingerprint] = Record(files_of(folder), {(k, s): n for k, s, n in points})
    return found


def _opened(database: Path, aside: str) -> sqlite3.Connection:
    """A copy, as a disk may be full on which SQLite would have to roll a killed write back."""
    for file in database.parent.glob(f"{database.name}*"):
        shutil.copy(file, aside)
    return sqlite3.connect(Path(aside, database.name))


def files_of(path: Path) -> dict[str, str]:
    """Hashes by name of a folder's files, or of one file; without what is being written."""
    files = [path] if path.is_file() else path.rglob("*")
    return {
        file.relative_to(path).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file() and ".partial" not in str(file)
    }


class Command:
    """A command at work in a project, and all the processes that it starts."""

    def __init__(
        self,
        project: Path,
        words: Sequence[str],
        before: Callable[[], object] | None = None,
        **more: str,
    ) -> None:
        self._log = project.parent / f"{project.name}.log"
        with self._log.open("ab") as log:
            self._start = log.tell()
            self.process = subprocess.Popen(
                words, cwd=project, env=variables(**more), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, process_group=0, preexec_fn=before,
            )  # fmt: skip
        self._seen: dict[int, psutil.Process] = {}

    @property
    def text(self) -> str:
        """What it has printed."""
        return self._log.read_bytes()[self._start :].decode(errors="replace")

    def family(self) -> list[psutil.Process]:
        """Itself and what it started, as far as it was seen."""
        try:
            mine = psutil.Process(self.process.pid)
            self._seen |= {each.pid: each for each in [mine, *mine.children(recursive=True)]}
        except psutil.NoSuchProcess:
            pass
        return [each for each in self._seen.values() if each.is_running()]

    def reach(self, text: str, seconds: float = PATIENCE) -> bool:
        """Wait until it has printed a text; False if it ends before."""
        end = time.monotonic() + seconds
        while text not in self.text:
            if self.process.poll() is not None or time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def wait(self, seconds: float = PATIENCE) -> int | None:
        """Its exit status; None, and its end, if it takes too long."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self.family()
            time.sleep(0.05)
        if self.process.poll() is None:
            self.kill()
            return None
        return self.process.returncode

    def kill(self) -> None:
        """End it and all that it started, as a machine does that loses its power."""
        for each in self.family():
            each.suspend()
        for each in self.family():
            each.kill()
        self.process.wait()

    def stay(self, seconds: float = 40.0) -> list[str]:
        """What still runs some time after its end; it is ended."""
        _, alive = psutil.wait_procs(self.family(), timeout=seconds)
        alive = [each for each in alive if each.is_running() and each.status() != "zombie"]
        words = [" ".join(each.cmdline())[-80:] for each in alive]
        for each in alive:
            each.kill()
        return [f"still at work: {each}" for each in words]


def started(project: Path, *words: str, **more: str) -> Command:
    """A command on its way; ``dvc`` or ``dynamics`` first."""
    program = {"dvc": DVC, "dynamics": DYNAMICS}[words[0]]
    return Command(project, (*program, *words[1:]), **more)


def done(project: Path, *words: str, status: int | None = 0, **more: str) -> list[str]:
    """What is wrong with how a command ends."""
    command = started(project, *words, **more)
    ended = command.wait()
    found = [] if ended is not None else [f"{' '.join(words)} never ends"]
    if status is not None and ended not in (status, None):
        found.append(f"{' '.join(words)} ends with {ended}: {command.text[-300:].strip()!r}")
    return found + tracebacks(command) + command.stay()


def tracebacks(command: Command) -> list[str]:
    """A line if it printed one."""
    # zarr's own, when a busy machine ends a process: nothing is lost by it.
    text = command.text.partition("Exception ignored in atexit callback")[0]
    return [f"traceback: {text[-300:].strip()!r}"] if "Traceback (most recent" in text else []


def moment(ground: Ground, rng: np.random.Generator) -> tuple[str, float, str]:
    """A stage, seconds after its beginning, and the store that there is then."""
    stage = str(rng.choice([name for name in ground.seconds if name != "find"]))
    return stage, float(rng.uniform(0, ground.seconds[stage])), str(rng.choice(["older", "none"]))


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
IS_ROOT = os.getuid() == 0
