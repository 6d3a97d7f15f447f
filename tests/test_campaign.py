"""The campaign sees what is planted: it can fail, names the trial, and repeats it."""

import shutil
import sqlite3
import sys
import time

import numpy as np
import pytest
from campaign import __main__ as campaign
from campaign import disturbances, ground, words
from campaign.ground import Command, Ground

TABLES = (
    "runs (run_uuid, artifact_uri, status, lifecycle_stage)",
    "tags (run_uuid, key, value)",
    "params (run_uuid, key, value)",
    "metrics (run_uuid, key, step)",
)
LOCK = "stages:\n  train:\n    outs:\n    - {path: figures, md5: a}\n"


@pytest.fixture
def here(tmp_path):
    """A finished project by hand: an output, a run with a file and two points."""
    finished = tmp_path / "finished"
    for name in ("figures", "mlruns/artifacts/1/artifacts", ".dvc/tmp/dynamics"):
        (finished / name).mkdir(parents=True)
    (finished / "figures/paths.png").write_text("all of it")
    (finished / "params.yaml").write_text("seed: 0\ntrain: {epochs: 1}\n")
    (finished / "dvc.yaml").write_text("stages:\n  train: {cmd: echo}\n")
    (finished / "dvc.lock").write_text(LOCK)
    (finished / ".dvc/tmp/dynamics/timings.json").write_text('{"train": 1.0}')
    (finished / "mlruns/artifacts/1/artifacts/page.html").write_text("whole")
    with sqlite3.connect(finished / "mlruns/mlflow.db") as database:
        for table in TABLES:
            database.execute(f"CREATE TABLE {table}")
        address = (finished / "mlruns/artifacts/1/artifacts").as_uri()
        database.execute("INSERT INTO runs VALUES ('1', ?, 'FINISHED', 'active')", [address])
        database.execute("INSERT INTO tags VALUES ('1', 'fingerprint', 'f')")
        database.execute("INSERT INTO params VALUES ('1', 'figures.dpi', '50')")
        database.executemany("INSERT INTO metrics VALUES ('1', 'loss', ?)", [[0], [5]])
    return Ground.of(tmp_path)


def change(project, statement):
    with sqlite3.connect(project / "mlruns/mlflow.db") as database:
        database.execute(statement)


PLANTED = {
    "figures looks complete and differs": lambda p: (p / "figures/paths.png").write_text("al"),
    "params.yaml has changed": lambda p: (p / "params.yaml").write_text("seed: 1"),
    "figures is not there": lambda p: shutil.rmtree(p / "figures"),
    "dvc.lock differs": lambda p: (p / "dvc.lock").write_text(""),
    "a lock stays": lambda p: (p / ".dvc/tmp/rwlock").write_text('{"read": [{"pid": 1}]}'),
    ".figures.abc stays behind": lambda p: (p / ".figures.abc").mkdir(),
    "a finished run differs: ['page.html']": lambda p: (
        p / "mlruns/artifacts/1/artifacts/page.html"
    ).write_text("wh"),
    "a finished run differs: [] [('loss', 5)]": lambda p: change(
        p, "DELETE FROM metrics WHERE step = 5"
    ),
    "differs: [] [('loss', 0)]": lambda p: change(p, "INSERT INTO metrics VALUES ('1', 'loss', 0)"),
    "no known execution": lambda p: change(p, "UPDATE tags SET value = 'other'"),
    "runs in MLflow: [('RUNNING', 1)]": lambda p: change(p, "UPDATE runs SET status = 'RUNNING'"),
}


@pytest.mark.parametrize("expected", PLANTED)
def test_a_planted_loss_is_found_and_nothing_else(here, expected):
    project = here.copy("trial")
    assert here.different(project) + ground.finished_once(project) == []
    PLANTED[expected](project)
    found = here.different(project) + ground.finished_once(project)
    assert len(found) == 1
    assert expected in found[0]


def test_a_loss_ends_the_campaign_with_1_and_a_line_that_repeats_it(here, capsys, monkeypatch):
    drawn = []

    def trial(here, name, rng):
        drawn.append(int(rng.integers(1000)))
        project = here.copy(name)
        if name.endswith("1"):
            (project / "params.yaml").write_text("")
        return here.partial(project)

    monkeypatch.setitem(campaign.KINDS, "kill", trial)
    end = time.monotonic() + 100
    assert campaign.campaign(here, {"kill": 2}, seed=7, jobs=1, end=end) == 1
    said = capsys.readouterr().out
    assert "lost: kill, trial 1, seed 7: params.yaml has changed" in said
    assert "| kill | 1 | 2 |" in said
    assert [path.name for path in here.folder.glob("kill-*")] == ["kill-1"]  # to look into
    assert campaign.tried("kill", 1, 7, here)  # the folder is in the way
    shutil.rmtree(here.folder / "kill-1")
    campaign.tried("kill", 1, 7, here)
    assert drawn[-1] == drawn[1] != drawn[0]
    assert campaign.campaign(here, {"kill": 1}, seed=7, jobs=1, end=end) == 0


def test_a_mutation_that_ends_with_a_traceback_is_a_loss(here, monkeypatch):
    shutil.copy(ground.new_project.__globals__["ROOT"] / "params.yaml", here.finished)
    rng = np.random.default_rng(0)
    assert words.settings(here, "one", rng) == []

    def load(path):
        raise KeyError("seed")

    monkeypatch.setattr(words.params, "load", load)
    assert words.settings(here, "two", rng) == ["KeyError: 'seed'"]


def test_a_traceback_and_a_process_that_stays_are_seen(here):
    project = here.copy("trial")
    script = "import subprocess, sys; subprocess.Popen(['sleep', '50']); import time; time.sleep(1)"
    command = Command(project, (sys.executable, "-c", f"{script}; 1 / 0"))
    assert command.wait() == 1
    assert "ZeroDivisionError" in ground.tracebacks(command)[0]
    assert command.stay(seconds=0.2) == ["still at work: sleep 50"]
    assert command.stay(seconds=5) == []


def test_what_a_message_advises_is_what_is_done():
    text = "error: x is damaged. Make it again with: dvc repro --force, or dvc checkout --force"
    assert disturbances.remedy(text) == ["dvc", "repro", "--force"]
    text = "error: dvc.lock is cut. Restore it: git checkout HEAD -- dvc.lock, or remove it: rm"
    assert disturbances.remedy(text) == ["git", "checkout", "HEAD", "--", "dvc.lock"]
    assert disturbances.remedy("error: it does not work") == []


@pytest.mark.parametrize("how", ["flipped", "cut", "emptied", "removed"])
def test_damage_is_done(tmp_path, how):
    done = set()
    for seed in range(40):
        file = tmp_path / "file"
        file.unlink(missing_ok=True)
        file.write_bytes(b"0123456789")
        file.chmod(0o444)
        if disturbances.damaged(file, np.random.default_rng(seed)) == how:
            done.add(file.read_bytes() if file.exists() else None)
            assert not file.exists() or file.stat().st_mode & 0o777 == 0o444
    assert done
    assert b"0123456789" not in done
