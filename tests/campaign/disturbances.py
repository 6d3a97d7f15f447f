"""Kills, signals, full disks, damaged files and a second command: each a function of one trial.

A trial gets the ground, a name for its folder and a random stream; it gives what was lost.
"""

import os
import re
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil

from campaign import ground
from campaign.ground import Command, Ground, done, finished_once, moment, started

AGAIN = ("dynamics", "run")


def kill(here: Ground, name: str, rng: np.random.Generator) -> list[str]:
    """SIGKILL at a random moment of a stage, or while MLflow's store is made."""
    project = here.copy(name)
    stage, seconds, store = moment(here, rng)
    creation = rng.random() < 0.15
    if creation:
        stage, store = "pretrain", "none"
    here.forget(project, stage, store)
    command = started(project, *command_of(rng))
    command.reach(f"Running stage '{stage}'")
    if creation:
        until(lambda: any((project / "mlruns").glob(".mlflow.db.*")))
        seconds = float(rng.uniform(0, 4))
    time.sleep(seconds)
    victim = str(rng.choice(["all", "first", "dvc", "stage"]))
    family = command.family()
    if victim == "all":
        command.kill()
    for each in family if victim != "all" else []:
        if victim == "first" or _is(each, victim):
            each.kill()
            break
    command.wait()
    left = command.stay()
    return left + here.partial(project) + after(here, project)


def interrupt(here: Ground, name: str, rng: np.random.Generator) -> list[str]:
    """A signal to ``dynamics`` or to ``dvc`` alone at a random moment of a stage."""
    project = here.copy(name)
    stage, seconds, store = moment(here, rng)
    here.forget(project, stage, store)
    command = started(project, *command_of(rng))
    command.reach(f"Running stage '{stage}'")
    time.sleep(seconds)
    command.family()
    number = signal.Signals(int(rng.choice(np.array(ground.SIGNALS))))
    if command.process.poll() is None:
        # DVC alone waits for its stage, and expects that Ctrl-C reached both.
        ctrl_c = number == signal.SIGINT and ground.DVC[-1] in command.process.args
        (os.killpg if ctrl_c else os.kill)(command.process.pid, number)
    ended = command.wait(120)
    found = [f"{number.name} does not end it within two minutes"] if ended is None else []
    # DVC's own tracebacks are DVC's.
    found += ground.tracebacks(command) if "dynamics" in str(command.process.args) else []
    return found + command.stay() + here.partial(project) + after(here, project)


def full_disk(here: Ground, name: str, rng: np.random.Generator) -> list[str]:
    """A disk that is full at a random moment, or a limit of the size of files."""
    stage, _, store = moment(here, rng)
    mounted = ground.IS_ROOT and rng.random() < 0.6
    place = here.folder / name
    place.mkdir()
    if mounted:
        mounted = mount(place, "size=400m")
    try:
        project = here.copy(name, place / "project")
        here.forget(project, stage, store)
        room = int(np.exp(rng.uniform(np.log(4e3), np.log(1.2e7))))
        if mounted:
            used = shutil.disk_usage(place).used
            mount(place, f"remount,size={used + room}")
            command = started(project, *AGAIN, TMPDIR=str(here.folder))
        else:
            limit = (room, resource.RLIM_INFINITY)
            command = Command(
                project,
                (*ground.DYNAMICS, "run"),
                lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
            )
        ended = command.wait()
        found = ["it never ends on a full disk"] if ended is None else ground.tracebacks(command)
        found += command.stay() + here.partial(project)
        if mounted:
            mount(place, "remount,size=400m")
        return found + after(here, project)
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", place], check=False)


def damage(here: Ground, name: str, rng: np.random.Generator) -> list[str]:
    """A file of a cache or a store, flipped, cut, emptied or removed."""
    project = here.copy(name)
    kinds = {
        "the cache": ".dvc/cache/files", "the run cache": ".dvc/cache/runs", "dvc.lock": "dvc.lock",
        "a lock": ".dvc/tmp/rwlock", "weights": "snapshots", "projections": "projections",
        "measures": "measures", "data": "data", "timings": ".dvc/tmp/dynamics/timings.json",
    }  # fmt: skip
    path = project / kinds[str(rng.choice(list(kinds)))]
    files = [each for each in sorted(path.rglob("*")) if each.is_file()] or [path]
    file = files[int(rng.integers(len(files)))]
    how = damaged(file, rng)
    label = f"{file.relative_to(project)} {how}"
    stage, _, _ = moment(here, rng)
    case = str(rng.choice(["as it is", "restored", "computed"]))
    if case == "restored":  # outputs come from the cache
        for out in here.outputs:
            target = project / out
            if file != target and target not in file.parents:
                shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
    elif case == "computed" and "dvc.lock" not in label and "cache/runs" not in label:
        here.forget(project, stage, "older")
    command = started(project, *AGAIN)
    ended = command.wait()
    found = ground.tracebacks(command)
    if ended != 0:  # then the message says what to do
        words = remedy(command.text)
        if words:
            if words[0] == "dvc":
                words = [*ground.DVC, *words[1:]]
            Command(project, words).wait()
        ended = started(project, *AGAIN).wait()
        if ended != 0:
            found.append(f"no remedy, or one that does not help: {command.text[-300:]!r}")
    if ended == 0:
        found += here.different(project)
    return [f"{label}, {case}: {each}" for each in found]


def two_at_once(here: Ground, name: str, rng: np.random.Generator) -> list[str]:
    """Another command in the same project, or the same one in a copy with the same store."""
    project = here.copy(name)
    stage, seconds, store = moment(here, rng)
    here.forget(project, stage, store)
    other = str(rng.choice(["run", "set", "repro", "track", "copy"]))
    if other == "copy":
        twin = shutil.copytree(project, here.folder / f"{name}-twin", symlinks=True)
        shared = {"MLFLOW_TRACKING_URI": f"sqlite:///{here.folder}/{name}-shared.db"}
        commands = [started(each, *AGAIN, **shared) for each in (project, twin)]
        found = [f"a copy ends with {status}" for status in [c.wait() for c in commands] if status]
        found += [each for command in commands for each in ground.tracebacks(command)]
        database = here.folder / f"{name}-shared.db"
        found += here.unfaithful(database, here.folder / f"{name}-shared-artifacts")
        found += finished_once(project, database)
        shutil.rmtree(twin)
        return found + here.different(project)
    first = started(project, *command_of(rng))
    first.reach(f"Running stage '{stage}'")
    time.sleep(seconds)
    words = {
        "run": AGAIN,
        "set": ("dynamics", "run", "-S", "figures.dpi=66"),
        "repro": ("dvc", "repro"),
        "track": ("dynamics", "track"),
    }[other]
    running = first.process.poll() is None
    second = started(project, *words)
    second.wait()
    found = ground.tracebacks(second) if other != "repro" else []
    if first.wait() != 0:
        found.append(f"the first ends with an error: {first.text[-300:]!r}")
    if other == "set" and "figures.dpi=66" in second.text and "alone" not in second.text:
        if running and first.process.poll() is None:
            found.append("a second command changed params.yaml under the first")
        shutil.copy(here.finished / "params.yaml", project / "params.yaml")  # it came afterwards
        return found + done(project, *AGAIN) + here.different_but(project, "figures")
    return found + after(here, project)


def after(here: Ground, project: Path) -> list[str]:
    """Run the command again, and compare all with an undisturbed project."""
    return done(project, *AGAIN) + here.different(project) + finished_once(project)


def command_of(rng: np.random.Generator) -> tuple[str, ...]:
    """``dynamics run`` or ``dvc repro``, such that stages are named as they begin."""
    return ("dynamics", "run", "--verbose") if rng.random() < 0.6 else ("dvc", "repro")


def damaged(file: Path, rng: np.random.Generator) -> str:
    """Damage a file; says how."""
    how = str(rng.choice(["flipped", "cut", "emptied", "removed"]))
    data = bytearray(file.read_bytes()) if file.exists() else bytearray(b"{}")
    size = len(data)
    if how == "removed":
        file.unlink(missing_ok=True)
        return how
    if how == "flipped" and size:
        data[int(rng.integers(size))] ^= 1 << int(rng.integers(8))
    cut = int(rng.integers(size)) if size else 0
    if not file.exists():
        file.touch()
    before = file.stat()
    file.chmod(0o644)
    file.write_bytes({"flipped": bytes(data), "cut": bytes(data[:cut]), "emptied": b""}[how])
    file.chmod(before.st_mode)  # by which DVC believes that what is in its cache is whole
    return how


def remedy(text: str) -> list[str]:
    """The first command that a message names."""
    error = text[text.rfind("error:") :]
    command = (
        r"(?:with|it|them|:) ((?:dvc|git|rm|dynamics) [^,;(\n]+?)(?=[,;(\n]|\.(?:\s|$)| or |$)"
    )
    match = re.search(command, error)
    return match[1].split() if match else []


def mount(place: Path, options: str) -> bool:
    """Mount a small disk there, or change its size; False where that is not allowed."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def until(condition: "ground.Callable[[], bool]", seconds: float = 60) -> None:
    """Wait for a condition, for a limited time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)


def _is(process: psutil.Process, what: str) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    script = any(word.startswith("pipeline/") for word in words) and "sh" not in Path(words[0]).name
    return script if what == "stage" else "dvc" in words


KINDS = {
    "kill": kill,
    "signal": interrupt,
    "full disk": full_disk,
    "damage": damage,
    "two at once": two_at_once,
}
